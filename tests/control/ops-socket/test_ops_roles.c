/* SPDX-License-Identifier: Apache-2.0 */
/* The roles of other users over a real socket; most need root. */
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/ops-socket/ops_internal.h"
#include "tests/control/ops-socket/ops_bed.h"

/* Runs one request as `user`, with the groups the database gives him; the answer in `line`. */
static void as_user(
    const struct ops_bed *bed, const char *user, const char *request, char *line, size_t size)
{
	const struct passwd *entry = getpwnam(user);
	int channel[2], status;
	pid_t child;

	assert_non_null(entry);
	assert_int_equal(pipe(channel), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int fd, good = setgroups(0, NULL) == 0 && setgid(entry->pw_gid) == 0 &&
		               setuid(entry->pw_uid) == 0;

		fd = good ? ops_bed_connect(bed->path) : -1;
		if (fd < 0)
			_exit(1);
		ops_bed_say(fd, request);
		if (ops_bed_hear(fd, line, size) != 1)
			_exit(2);
		_exit(write(channel[1], line, strlen(line) + 1) > 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(read(channel[0], line, size) > 0);
	close(channel[0]);
	close(channel[1]);
}

TEST(the_groups_of_the_configuration_give_the_roles)
{
	static const struct {
		const char *viewer, *operator, * risk, *admin, *request, *has, *noted;
	} cases[] = {
		/* User daemon is in group daemon, and in no other. */
		{ "", "", "", "", "{\"verb\":\"status\"}",
		    "user daemon is not a viewer here, and no group is", "" },
		{ "bin", "", "", "", "{\"verb\":\"status\"}", "put daemon into the group bin", "" },
		{ "daemon", "", "", "", "{\"verb\":\"status\"}", "\"role\":\"viewer\"", "" },
		{ "daemon", "bin", "", "", SUSPEND(12),
		    "market suspend: user daemon is not an operator here. Ask an administrator to "
		    "put "
		    "daemon into the group bin",
		    "daemon|market suspend|market 12|refused: " },
		{ "daemon", "", "", "", SUSPEND(12), "access.operator_group of control.yaml",
		    "daemon|market suspend|market 12|refused: " },
		{ "", "daemon", "", "", SUSPEND(12), "\"user\":\"daemon (operator)\"", "" },
		{ "", "", "daemon", "", SUSPEND(12), "is not an operator", "daemon|market" },
		{ "", "", "daemon", "", "{\"verb\":\"status\"}", "\"role\":\"risk\"", "" },
		{ "", "daemon", "daemon", "", SUSPEND(12), "\"user\":\"daemon (operator)\"", "" },
		{ "", "", "", "daemon", SUSPEND(12), "\"user\":\"daemon (admin)\"", "" },
		{ "", "", "", "no-such-group-here", SUSPEND(12), "not a viewer", "" },
		{ "", "daemon", "", "", "{\"verb\":\"ca init\"}", "is not an admin",
		    "daemon|ca init|ca|refused: " },
	};
	struct ops_bed bed;
	char line[4096];

	if (geteuid() != 0 || getpwnam("daemon") == NULL || getgrnam("bin") == NULL)
		skip(); /* only root can be somebody else */
	ops_bed_start(&bed, NULL, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ops_bed_noted[0] = '\0';
#define GROUP(name)                                                                                \
	snprintf(bed.config.access.name##_group, sizeof(bed.config.access.name##_group), "%s",     \
	    cases[i].name)
		GROUP(viewer);
		GROUP(operator);
		GROUP(risk);
		GROUP(admin);
#undef GROUP
		ops_reload(bed.ops, &bed.config);
		as_user(&bed, "daemon", cases[i].request, line, sizeof(line));
		if (strstr(line, cases[i].has) == NULL)
			fail_msg("case %zu: %s", i, line);
		if (strncmp(ops_bed_noted, cases[i].noted, strlen(cases[i].noted)) != 0 ||
		    (cases[i].noted[0] == '\0') != (ops_bed_noted[0] == '\0'))
			fail_msg("case %zu: noted \"%s\"", i, ops_bed_noted);
	}
	ops_bed_stop(&bed);
}

/* As daemon: asks, tells the parent, waits for its word and asks again on the same connection. */
static void ask_twice(const struct ops_bed *bed, int said, int go)
{
	const struct passwd *entry = getpwnam("daemon");
	char line[4096], word = 'x';
	int fd;

	if (entry == NULL || setgroups(0, NULL) != 0 || setgid(entry->pw_gid) != 0 ||
	    setuid(entry->pw_uid) != 0)
		_exit(1);
	fd = ops_bed_connect(bed->path);
	for (int round = 0; round < 2; round++) {
		if (round == 1 && read(go, &word, 1) != 1)
			_exit(2);
		ops_bed_say(fd, SUSPEND(12));
		if (ops_bed_hear(fd, line, sizeof(line)) != 1 ||
		    write(said, line, strlen(line) + 1) != (ssize_t)strlen(line) + 1)
			_exit(3);
	}
	_exit(0);
}

TEST(a_role_taken_away_is_gone_for_connections_that_are_open)
{
	int said[2], go[2], status;
	struct ops_bed bed;
	char line[4096];
	pid_t child;

	if (geteuid() != 0 || getpwnam("daemon") == NULL)
		skip();
	ops_bed_start(&bed, NULL, 4);
	snprintf(
	    bed.config.access.operator_group, sizeof(bed.config.access.operator_group), "daemon");
	ops_reload(bed.ops, &bed.config);
	assert_int_equal(pipe(said) | pipe(go), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		ask_twice(&bed, said[1], go[0]);
	assert_true(read(said[0], line, sizeof(line)) > 0);
	assert_non_null(strstr(line, "\"ok\":true"));
	bed.config.access.operator_group[0] = '\0';
	ops_reload(bed.ops, &bed.config);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_true(read(said[0], line, sizeof(line)) > 0);
	assert_non_null(strstr(line, "\"ok\":false"));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++) {
		close(said[i]);
		close(go[i]);
	}
	ops_bed_stop(&bed);
}

TEST(the_last_place_is_for_an_admin)
{
	struct ops_bed bed;
	char line[4096];
	int fd, second;

	if (geteuid() != 0 || getpwnam("daemon") == NULL)
		skip();
	ops_bed_start(&bed, NULL, 2);
	snprintf(bed.config.access.viewer_group, sizeof(bed.config.access.viewer_group), "daemon");
	ops_reload(bed.ops, &bed.config);
	fd = ops_bed_connect(bed.path);
	ops_bed_expect(fd, "{\"verb\":\"status\"}", "\"role\":\"admin\"");
	as_user(&bed, "daemon", "{\"verb\":\"status\"}", line, sizeof(line));
	assert_non_null(strstr(line, "clients are connected already"));
	second = ops_bed_connect(bed.path);
	ops_bed_expect(second, "{\"verb\":\"status\"}", "\"role\":\"admin\"");
	close(fd);
	close(second);
	ops_bed_stop(&bed);
}

TEST(unknown_groups_are_named)
{
	struct ops_access access = { .group = { [VERB_ROLE_RISK] = "no-such-group-here" } };

	assert_string_equal(ops_access_unknown_group(&access), "no-such-group-here");
	access.group[VERB_ROLE_RISK][0] = '\0';
	assert_null(ops_access_unknown_group(&access));
}

TEST_MAIN()
