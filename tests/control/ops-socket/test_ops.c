/* SPDX-License-Identifier: Apache-2.0 */
/* The server over a real socket, with clients of other users where the test runs as root. */
#include "control/ops-socket/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/log/log.h"
#include "control/ops-socket/ops_internal.h"
#include "tests/test.h"

#define ANSWER_WAIT_MS 20000

/* ---- in place of the modules around it ---- */

static pthread_mutex_t noted_mutex = PTHREAD_MUTEX_INITIALIZER;
static char noted[1024]; /* the last refusal */
static unsigned noted_count;
static int note_result;

int audit_note(struct database *database, const struct audit_entry *entry)
{
	(void)database;
	pthread_mutex_lock(&noted_mutex);
	snprintf(noted, sizeof(noted), "%s|%s|%s|%s", entry->user, entry->action, entry->object,
	    entry->outcome);
	noted_count++;
	pthread_mutex_unlock(&noted_mutex);
	return note_result;
}

void log_event(enum log_level level, const char *component, const char *event,
    const struct log_ids *ids, const char *format, ...)
{
	(void)level;
	(void)component;
	(void)event;
	(void)ids;
	(void)format;
}

static int gate[2]; /* a handler that waits reads one byte of it */
static int entered[2];

static int handle_market(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	int64_t market = ops_number(request, "market", -1);

	(void)context;
	if (market == 13) {
		snprintf(message, message_size, "Market 13 is closed. Closed markets stay so.");
		return 1;
	}
	if (market == 14)
		return 77; /* a handler's bug */
	if (market == 16) {
		snprintf(message, message_size, "The data plane is not there.");
		return 3;
	}
	if (market == 15) {
		char byte = 0;

		assert_int_equal(write(entered[1], &byte, 1), 1);
		assert_int_equal(read(gate[0], &byte, 1), 1);
	}
	*result = json_pack("{s:I, s:b, s:s, s:s, s:s}", "market", (json_int_t)market, "dry_run",
	    request->dry_run, "user", request->audit.user, "object", request->audit.object,
	    "action", request->audit.action);
	return 0;
}

static int handle_status(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	(void)message;
	(void)message_size;
	assert_ptr_equal(context, &noted_count);
	*result = json_pack("{s:b, s:s}", "health", ops_switch(request, "health"), "role",
	    verb_role_name(request->caller->role));
	return 0;
}

/* ---- a server and clients ---- */

struct bed {
	char folder[256], path[400];
	struct control_config config;
	ops_handler *handlers[128];
	struct ops_config ops_config;
	struct ops *ops;
};

static void bed_start(struct bed *bed, const char *below, unsigned clients_max)
{
	char message[512] = "";

	*bed = (struct bed){ .folder = "/tmp/sluice-ops-XXXXXX" };
	assert_non_null(mkdtemp(bed->folder));
	assert_int_equal(chmod(bed->folder, 0755), 0);
	if (below != NULL) {
		snprintf(bed->path, sizeof(bed->path), "%s/%s", bed->folder, below);
		assert_int_equal(mkdir(bed->path, 0755), 0);
	}
	snprintf(bed->path, sizeof(bed->path), "%s%s%s/control.sock", bed->folder,
	    below != NULL ? "/" : "", below != NULL ? below : "");
	bed->config.access.clients_max = clients_max;
	assert_true(verb_count() <= 128);
	bed->handlers[verb_index(verb_find("market suspend"))] = handle_market;
	bed->handlers[verb_index(verb_find("market show"))] = handle_market;
	bed->handlers[verb_index(verb_find("status"))] = handle_status;
	bed->ops_config = (struct ops_config){ .path = bed->path,
		.config = &bed->config,
		.handlers = bed->handlers,
		.context = &noted_count,
		.line_timeout_ms = 5000 };
	if (ops_start(&bed->ops, &bed->ops_config, message, sizeof(message)) != 0)
		fail_msg("%s", message);
	noted[0] = '\0';
	noted_count = 0;
}

static void bed_stop(struct bed *bed)
{
	char command[512];

	ops_stop(bed->ops);
	assert_int_equal(access(bed->path, F_OK), -1);
	snprintf(command, sizeof(command), "rm -r '%s'", bed->folder);
	assert_int_equal(system(command), 0);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), folder, result;
	char short_path[4096];

	snprintf(short_path, sizeof(short_path), "%.*s", (int)(strrchr(path, '/') - path), path);
	folder = open(short_path, O_PATH | O_CLOEXEC);
	snprintf(
	    address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control.sock", folder);
	result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(folder);
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

static void say(int fd, const char *line)
{
	(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
	(void)!send(fd, "\n", 1, MSG_NOSIGNAL);
}

/* The next line without its end; 0 at the end of the stream, -1 if nothing came. */
static int hear(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&poll_fd, 1, ANSWER_WAIT_MS) != 1)
			return -1;
		got = recv(fd, line + used, 1, 0);
		if (got <= 0)
			return 0;
		if (line[used] == '\n')
			break;
		used++;
	}
	line[used] = '\0';
	return 1;
}

static void expect(int fd, const char *request, const char *answer_has)
{
	char line[4096] = "";

	if (request != NULL)
		say(fd, request);
	assert_int_equal(hear(fd, line, sizeof(line)), 1);
	if (strstr(line, answer_has) == NULL)
		fail_msg("%s\nanswered %s\nwithout %s", request, line, answer_has);
}

#define SUSPEND(market) "{\"verb\":\"market suspend\",\"arguments\":{\"market\":" #market "}}"

TEST(a_verb_is_done_and_answered_in_order)
{
	struct bed bed;
	struct stat status;
	int fd;

	bed_start(&bed, NULL, 4);
	assert_int_equal(stat(bed.path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666);
	fd = connect_to(bed.path);
	expect(fd, SUSPEND(12),
	    "{\"ok\":true,\"schema\":\"market-suspend/1\",\"result\":{\"market\":12,"
	    "\"dry_run\":false");
	say(fd, "{\"verb\":\"market suspend\",\"arguments\":{\"market\":1},\"dry_run\":true}");
	say(fd, "{\"verb\":\"status\",\"arguments\":{\"health\":true}}");
	expect(fd, NULL, "\"dry_run\":true");
	expect(fd, NULL, "{\"health\":true,\"role\":\"");
	expect(fd, SUSPEND(7), "\"object\":\"market 7\",\"action\":\"market suspend\"");
	assert_int_equal(noted_count, 0);
	close(fd);
	bed_stop(&bed);
}

TEST(refusals_are_told_and_those_of_changes_audited)
{
	struct bed bed;
	int fd;

	bed_start(&bed, NULL, 4);
	fd = connect_to(bed.path);
	expect(fd, SUSPEND(13),
	    "{\"ok\":false,\"error\":\"Market 13 is closed. Closed markets stay "
	    "so.\",\"status\":1}");
	assert_non_null(strstr(noted, "|market suspend|market 13|refused: Market 13 is closed."));
	assert_int_equal(noted_count, 1);
	expect(fd, "{\"verb\":\"market suspend\",\"arguments\":{\"market\":13},\"dry_run\":true}",
	    "\"ok\":false");
	expect(fd, "{\"verb\":\"market show\",\"arguments\":{\"market\":13}}", "\"ok\":false");
	expect(fd, "{\"verb\":\"market suspend\",\"arguments\":{}}", "\"status\":2");
	assert_int_equal(noted_count, 1);
	/* What is missing is no refusal. */
	expect(fd, SUSPEND(16), "\"status\":3}");
	assert_non_null(strstr(noted, "|market 16|failed: The data plane is not there."));
	assert_int_equal(noted_count, 2);
	/* A broken handler is no success and has a sentence. */
	expect(fd, SUSPEND(14), "no reason given. Read the log.\",\"status\":1}");
	/* An audit log that cannot be written does not stop the answer. */
	note_result = -EIO;
	expect(fd, SUSPEND(13), "\"ok\":false");
	note_result = 0;
	close(fd);
	bed_stop(&bed);
}

TEST(garbage_is_answered_and_the_connection_goes_on)
{
	struct bed bed;
	int fd;

	bed_start(&bed, NULL, 4);
	fd = connect_to(bed.path);
	expect(fd, "\xff\xfe", "\"status\":2");
	expect(fd, "", "\"status\":2");
	expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	bed_stop(&bed);
}

TEST(a_line_that_is_too_long_ends_the_connection)
{
	struct bed bed;
	static char block[65536];
	char line[1024];
	int fd;

	memset(block, 'x', sizeof(block));
	bed_start(&bed, NULL, 4);
	fd = connect_to(bed.path);
	for (size_t sent = 0; sent <= VERB_LINE_SIZE_MAX + 1;) {
		ssize_t wrote = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		if (wrote < 0)
			break;
		sent += (size_t)wrote;
	}
	expect(fd, NULL, "too long");
	assert_int_equal(hear(fd, line, sizeof(line)), 0);
	close(fd);
	fd = connect_to(bed.path);
	expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	bed_stop(&bed);
}

TEST(a_long_line_within_the_limit_is_taken)
{
	struct bed bed;
	char *line = malloc(VERB_LINE_SIZE_MAX);
	int fd;

	assert_non_null(line);
	memset(line, ' ', VERB_LINE_SIZE_MAX);
	memcpy(line, "{\"verb\":\"status\"}", 17);
	line[VERB_LINE_SIZE_MAX - 1] = '\0';
	bed_start(&bed, NULL, 4);
	fd = connect_to(bed.path);
	expect(fd, line, "\"ok\":true");
	close(fd);
	free(line);
	bed_stop(&bed);
}

TEST(a_client_that_does_not_end_its_line_is_cut_off)
{
	struct bed bed;
	char line[1024];
	int fd;

	bed_start(&bed, NULL, 4);
	ops_stop(bed.ops);
	bed.ops_config.line_timeout_ms = 20;
	bed.ops_config.idle_timeout_ms = 20;
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, line, sizeof(line)), 0);
	fd = connect_to(bed.path);
	assert_int_equal(send(fd, "{\"ver", 5, 0), 5);
	expect(fd, NULL, "did not end in time");
	assert_int_equal(hear(fd, line, sizeof(line)), 0);
	close(fd);
	fd = connect_to(bed.path); /* says nothing at all */
	assert_int_equal(hear(fd, line, sizeof(line)), 0);
	close(fd);
	bed_stop(&bed);
}

TEST(too_many_clients_are_turned_away_with_a_sentence)
{
	struct bed bed;
	int fds[2], fd;

	bed_start(&bed, NULL, 2);
	for (int i = 0; i < 2; i++) {
		fds[i] = connect_to(bed.path);
		expect(fds[i], "{\"verb\":\"status\"}", "\"ok\":true");
	}
	fd = connect_to(bed.path);
	expect(fd, NULL, "2 clients are connected already");
	close(fd);
	bed.config.access.clients_max = 3;
	ops_reload(bed.ops, &bed.config);
	fd = connect_to(bed.path);
	expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	/* A place is free again once its client has gone. */
	for (int round = 0; round < 20; round++) {
		fd = connect_to(bed.path);
		close(fd);
	}
	close(fds[0]);
	for (;;) {
		char line[1024] = "";

		fd = connect_to(bed.path);
		say(fd, "{\"verb\":\"status\"}");
		assert_int_equal(hear(fd, line, sizeof(line)), 1);
		close(fd);
		if (strstr(line, "\"ok\":true") != NULL)
			break;
	}
	close(fds[1]);
	bed_stop(&bed);
}

static void *stop_run(void *ops)
{
	ops_stop(ops);
	return NULL;
}

TEST(a_stop_lets_a_running_verb_answer)
{
	struct bed bed;
	pthread_t thread;
	char byte, line[1024];
	int fd, idle;

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(entered), 0);
	bed_start(&bed, NULL, 4);
	idle = connect_to(bed.path);
	fd = connect_to(bed.path);
	say(fd, SUSPEND(15));
	assert_int_equal(read(entered[0], &byte, 1), 1);
	assert_int_equal(pthread_create(&thread, NULL, stop_run, bed.ops), 0);
	assert_int_equal(hear(idle, line, sizeof(line)), 0); /* the stop has begun */
	assert_int_equal(write(gate[1], &byte, 1), 1);
	expect(fd, NULL, "\"market\":15");
	pthread_join(thread, NULL);
	bed.ops = NULL;
	close(fd);
	close(idle);
	bed_stop(&bed);
}

TEST(a_path_longer_than_a_socket_name_works)
{
	char below[151];
	struct bed bed;
	int fd;

	memset(below, 'd', sizeof(below) - 1);
	below[sizeof(below) - 1] = '\0';
	bed_start(&bed, below, 4);
	fd = connect_to(bed.path);
	expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	bed_stop(&bed);
}

TEST(a_dead_servers_socket_is_replaced_and_a_live_ones_not)
{
	struct bed bed;
	struct ops *second = NULL;
	char message[512] = "";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	bed_start(&bed, NULL, 4);
	assert_int_equal(
	    ops_start(&second, &bed.ops_config, message, sizeof(message)), -EADDRINUSE);
	assert_non_null(strstr(message, "Another sluice-control"));
	assert_null(second);
	fd = connect_to(bed.path);
	expect(fd, "{\"verb\":\"status\"}", "\"ok\":true");
	close(fd);
	ops_stop(bed.ops);

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", bed.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, message, sizeof(message)), 0);
	ops_stop(bed.ops);

	fd = open(bed.path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, message, sizeof(message)), -EEXIST);
	assert_int_equal(unlink(bed.path), 0);
	assert_int_equal(ops_start(&bed.ops, &bed.ops_config, message, sizeof(message)), 0);
	bed_stop(&bed);
}

/* ---- other users ---- */

/* Runs one request as `user`, with the groups the database gives him; the answer in `line`. */
static void as_user(
    const struct bed *bed, const char *user, const char *request, char *line, size_t size)
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

		fd = good ? connect_to(bed->path) : -1;
		if (fd < 0)
			_exit(1);
		say(fd, request);
		if (hear(fd, line, size) != 1)
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
	struct bed bed;
	char line[4096];

	if (geteuid() != 0 || getpwnam("daemon") == NULL || getgrnam("bin") == NULL)
		skip(); /* only root can be somebody else */
	bed_start(&bed, NULL, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		noted[0] = '\0';
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
		if (strncmp(noted, cases[i].noted, strlen(cases[i].noted)) != 0 ||
		    (cases[i].noted[0] == '\0') != (noted[0] == '\0'))
			fail_msg("case %zu: noted \"%s\"", i, noted);
	}
	bed_stop(&bed);
}

/* As daemon: asks, tells the parent, waits for its word and asks again on the same connection. */
static void ask_twice(const struct bed *bed, int said, int go)
{
	const struct passwd *entry = getpwnam("daemon");
	char line[4096], word = 'x';
	int fd;

	if (entry == NULL || setgroups(0, NULL) != 0 || setgid(entry->pw_gid) != 0 ||
	    setuid(entry->pw_uid) != 0)
		_exit(1);
	fd = connect_to(bed->path);
	for (int round = 0; round < 2; round++) {
		if (round == 1 && read(go, &word, 1) != 1)
			_exit(2);
		say(fd, SUSPEND(12));
		if (hear(fd, line, sizeof(line)) != 1 ||
		    write(said, line, strlen(line) + 1) != (ssize_t)strlen(line) + 1)
			_exit(3);
	}
	_exit(0);
}

TEST(a_role_taken_away_is_gone_for_connections_that_are_open)
{
	int said[2], go[2], status;
	struct bed bed;
	char line[4096];
	pid_t child;

	if (geteuid() != 0 || getpwnam("daemon") == NULL)
		skip();
	bed_start(&bed, NULL, 4);
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
	bed_stop(&bed);
}

TEST(the_last_place_is_for_an_admin)
{
	struct bed bed;
	char line[4096];
	int fd, second;

	if (geteuid() != 0 || getpwnam("daemon") == NULL)
		skip();
	bed_start(&bed, NULL, 2);
	snprintf(bed.config.access.viewer_group, sizeof(bed.config.access.viewer_group), "daemon");
	ops_reload(bed.ops, &bed.config);
	fd = connect_to(bed.path);
	expect(fd, "{\"verb\":\"status\"}", "\"role\":\"admin\"");
	as_user(&bed, "daemon", "{\"verb\":\"status\"}", line, sizeof(line));
	assert_non_null(strstr(line, "clients are connected already"));
	second = connect_to(bed.path);
	expect(second, "{\"verb\":\"status\"}", "\"role\":\"admin\"");
	close(fd);
	close(second);
	bed_stop(&bed);
}

TEST(unknown_groups_are_named)
{
	struct ops_access access = { .group = { [VERB_ROLE_RISK] = "no-such-group-here" } };

	assert_string_equal(ops_access_unknown_group(&access), "no-such-group-here");
	access.group[VERB_ROLE_RISK][0] = '\0';
	assert_null(ops_access_unknown_group(&access));
}

TEST_MAIN()
