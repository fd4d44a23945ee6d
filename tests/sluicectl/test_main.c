/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program itself, against a server of the test's own that says what the case wants. SLUICECTL
 * is the program's path.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"
#include "tools/sluicectl/sluicectl.h"

/* ---- the server ---- */

struct server {
	char folder[64], path[128];
	int fd;
	pthread_t thread;
	const char *answer; /* "": ends the connection at once */
	int early;          /* answers and ends before it has read */
	char request[65536];
};

static void *server_run(void *argument)
{
	struct server *server = argument;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
		size_t used = 0;

		while (!server->early && used + 1 < sizeof(server->request)) {
			ssize_t got =
			    recv(fd, server->request + used, sizeof(server->request) - used - 1, 0);

			if (got <= 0)
				break;
			used += (size_t)got;
			if (server->request[used - 1] == '\n')
				break;
		}
		server->request[used] = '\0';
		if (server->answer != NULL)
			(void)!send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
		else
			(void)!recv(fd, server->request, 1, 0); /* says nothing */
		close(fd);
	}
	return NULL;
}

static void server_start(struct server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*server = (struct server){ .folder = "/tmp/sluicectl-XXXXXX" };
	assert_non_null(mkdtemp(server->folder));
	snprintf(server->path, sizeof(server->path), "%s/control.sock", server->folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s", server->path);
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->fd, 8), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

static void server_stop(struct server *server)
{
	char command[128];

	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	snprintf(command, sizeof(command), "rm -r '%s'", server->folder);
	assert_int_equal(system(command), 0);
}

/* ---- the program ---- */

static char said[65536]; /* standard output */
static char told[65536]; /* standard error */

static void read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t used = file != NULL ? fread(text, 1, size - 1, file) : 0;

	assert_non_null(file);
	text[used] = '\0';
	fclose(file);
}

/* Runs it with a shell's line behind its name; the exit status. */
static int run(const struct server *server, const char *line)
{
	char command[2048], out[128], error[128];
	int status;

	snprintf(out, sizeof(out), "%s/out", server->folder);
	snprintf(error, sizeof(error), "%s/error", server->folder);
	snprintf(command, sizeof(command), "'%s' --socket '%s' %s >'%s' 2>'%s' </dev/null",
	    getenv("SLUICECTL"), server->path, line, out, error);
	status = system(command);
	assert_true(WIFEXITED(status));
	read_file(out, said, sizeof(said));
	read_file(error, told, sizeof(told));
	return WEXITSTATUS(status);
}

#define OK(schema, result) "{\"ok\":true,\"schema\":\"" schema "\",\"result\":" result "}\n"
#define NO(status, error)  "{\"ok\":false,\"error\":\"" error "\",\"status\":" #status "}\n"

TEST(exit_statuses_and_what_is_said_where)
{
	static const struct {
		const char *line, *answer;
		int status;
		const char *said, *told;
	} cases[] = {
		{ "status", OK("status/1", "{\"a\":1}"), 0, "a: 1\n", "" },
		{ "status --json", OK("status/1", "{\"a\":1}"), 0,
		    "{\"schema\":\"status/1\",\"a\":1}\n", "" },
		{ "status --json", OK("status/1", "{\"schema\":5}"), 0,
		    "{\"schema\":\"status/1\"}\n", "" },
		{ "status --health", OK("status/1", "{\"health\":{\"ok\":true}}"), 0,
		    "health.ok: yes\n", "" },
		{ "status --health", OK("status/1", "{\"health\":{\"ok\":false}}"), 1,
		    "health.ok: no\n", "" },
		{ "status --health", OK("status/1", "{}"), 1, "", "" },
		{ "status", OK("status/1", "{\"health\":{\"ok\":false}}"), 0, "health.ok: no\n",
		    "" },
		{ "audit verify", OK("audit-verify/1", "{\"ok\":false}"), 1, "ok: no\n", "" },
		{ "audit verify", OK("audit-verify/1", "{\"ok\":true}"), 0, "ok: yes\n", "" },
		{ "status", NO(1, "No."), 1, "", "sluicectl: No.\n" },
		{ "status", NO(2, "No."), 2, "", "sluicectl: No.\n" },
		{ "status", NO(3, "No."), 3, "", "sluicectl: No.\n" },
		{ "status", NO(99, "No."), 1, "", "sluicectl: No.\n" },
		{ "status --json", NO(1, "No."), 1,
		    "{\"schema\":\"error/1\",\"ok\":false,\"error\":\"No.\",\"status\":1}\n",
		    "sluicectl: No.\n" },
		{ "status", NO(1, "\\u001b[2J"), 1, "", "sluicectl: ?[2J\n" },
		{ "bogus --json", "", 2,
		    "{\"schema\":\"error/1\",\"ok\":false,\"error\":\"There is no verb "
		    "\\\"bogus\\\". Try `sluicectl help`.\",\"status\":2}\n",
		    NULL },
		{ "status", "", 3, "", NULL },
		{ "status", "nonsense\n", 3, "", NULL },
		{ "status", "{}\n", 3, "", NULL },
		{ "status", "{\"ok\":true}\n", 3, "", NULL },
		{ "status", "{\"ok\":true,\"schema\":\"x\",\"result\":[]}\n", 3, "", NULL },
		{ "status", "{\"ok\":true,\"schema\":\"x\",\"resu", 3, "", NULL },
		{ "--version", "", 0, "sluicectl " SLUICE_VERSION "\n", "" },
		{ "market close 12", "", 2, "",
		    "sluicectl: This cannot be undone, and there is no terminal to ask. Say "
		    "--yes.\n" },
		{ "market close 12 --yes", OK("market-close/1", "{}"), 0, "", "" },
		{ "market close 12 --dry-run", OK("market-close/1", "{}"), 0, "", "" },
	};
	struct server server;

	server_start(&server);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		server.answer = cases[i].answer;
		assert_case_equal(i, run(&server, cases[i].line), cases[i].status);
		assert_string_equal(said, cases[i].said);
		if (cases[i].told != NULL)
			assert_string_equal(told, cases[i].told);
		else
			assert_true(strlen(told) > 20);
	}
	server_stop(&server);
}

TEST(the_request_is_one_line_of_the_protocol)
{
	struct server server;

	server_start(&server);
	server.answer = OK("odds-set/1", "{}");
	assert_int_equal(run(&server, "odds set 12 1.85 2 --dry-run"), 0);
	assert_string_equal(server.request,
	    "{\"verb\":\"odds set\",\"arguments\":{\"market\":12,\"odds\":[1850,2000]},"
	    "\"dry_run\":true}\n");
	assert_int_equal(run(&server, "market suspend 3 --wait-ms=0"), 0);
	assert_string_equal(server.request,
	    "{\"verb\":\"market suspend\",\"arguments\":{\"market\":3,\"wait_ms\":0}}\n");
	server_stop(&server);
}

TEST(a_sentence_of_a_server_that_does_not_listen_is_heard)
{
	struct server server;

	server_start(&server);
	server.early = 1;
	server.answer = NO(1, "Join the group.");
	for (int i = 0; i < 50; i++) {
		assert_int_equal(run(&server, "status"), 1);
		assert_string_equal(told, "sluicectl: Join the group.\n");
	}
	server_stop(&server);
}

TEST(no_server_and_no_answer_are_told_apart)
{
	struct server server;
	char line[512];

	server_start(&server);
	server.answer = NULL;
	assert_int_equal(run(&server, "status --timeout 1"), 3);
	assert_non_null(strstr(told, "No answer within 1 s"));
	snprintf(line, sizeof(line), "--socket %s/none status", server.folder);
	assert_int_equal(run(&server, line), 3);
	assert_non_null(strstr(told, "does not answer at"));
	assert_non_null(strstr(told, "--root DIR"));
	server_stop(&server);
}

TEST(a_root_far_down_works)
{
	struct server server;
	char command[1024], far[300], line[512];

	server_start(&server);
	server.answer = OK("status/1", "{\"a\":1}");
	snprintf(far, sizeof(far), "%s/%0150d", server.folder, 0);
	snprintf(command, sizeof(command), "mkdir -p %s/run/sluice && ln -s %s %s/run/sluice/", far,
	    server.path, far);
	assert_int_equal(system(command), 0);
	snprintf(line, sizeof(line), "--socket %s/run/sluice/control.sock status", far);
	assert_int_equal(run(&server, line), 0);
	server_stop(&server);
}

TEST(certificates_appear_whole_or_not_at_all)
{
	struct server server;
	struct stat status;
	char line[512], path[128], text[256];

	server_start(&server);
	snprintf(path, sizeof(path), "%s/trust.pem", server.folder);
	snprintf(line, sizeof(line), "ca show --trust-out %s", path);
	server.answer = NO(1, "No.");
	assert_int_equal(run(&server, line), 1);
	assert_int_equal(stat(path, &status), -1);
	server.answer = OK("ca-show/1", "{\"a\":1}");
	assert_int_equal(run(&server, line), 1);
	assert_non_null(strstr(told, "no trust to write"));
	assert_int_equal(stat(path, &status), -1);
	server.answer = OK("ca-show/1", "{\"a\":1,\"trust\":\"PEM\\nPEM\\n\"}");
	assert_int_equal(run(&server, line), 0);
	snprintf(text, sizeof(text), "a:     1\ntrust: written to %s\n", path);
	assert_string_equal(said, text);
	read_file(path, text, sizeof(text));
	assert_string_equal(text, "PEM\nPEM\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0644);
	/* Where it cannot be written nothing is sent. */
	server.request[0] = '\0';
	snprintf(line, sizeof(line), "ca show --trust-out %s/none/trust.pem", server.folder);
	assert_int_equal(run(&server, line), 3);
	assert_non_null(strstr(told, "Nothing was sent"));
	assert_string_equal(server.request, "");
	/* No temporary file is left. */
	snprintf(line, sizeof(line), "ls %s | grep -q pem.", server.folder);
	assert_int_equal(WEXITSTATUS(system(line)), 1);
	server_stop(&server);
}

TEST(standard_input_is_a_file_too)
{
	struct server server;
	char command[1024];

	server_start(&server);
	server.answer = OK("config-check/1", "{}");
	snprintf(command, sizeof(command),
	    "printf 'a: 1\\n' | '%s' --socket '%s' config check - >/dev/null", getenv("SLUICECTL"),
	    server.path);
	assert_int_equal(system(command), 0);
	assert_non_null(strstr(server.request, "{\"file\":\"a: 1\\n\"}"));
	server_stop(&server);
}

/* On a terminal, with `answer` typed. */
static int run_on_terminal(const struct server *server, const char *answer)
{
	int terminal, status;
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);
	size_t used = 0;
	unsigned ends = 0;

	assert_true(child >= 0);
	if (child == 0) {
		execl(getenv("SLUICECTL"), "sluicectl", "--socket", server->path, "market", "close",
		    "12", (char *)NULL);
		_exit(99);
	}
	while (used + 1 < sizeof(said)) {
		ssize_t got = read(terminal, said + used, sizeof(said) - used - 1);

		/* The kernel may report the end before it has handed over the last words. */
		if (got <= 0 && ++ends > 3)
			break;
		if (got <= 0) {
			usleep(10000);
			continue;
		}
		used += (size_t)got;
		said[used] = '\0';
		if (strstr(said, "[y/N] ") != NULL && answer != NULL) {
			assert_int_equal(write(terminal, answer, strlen(answer)), strlen(answer));
			answer = NULL;
		}
	}
	close(terminal);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(what_cannot_be_undone_asks)
{
	struct server server;

	server_start(&server);
	server.answer = OK("market-close/1", "{\"sequence\":5}");
	assert_int_equal(run_on_terminal(&server, "n\n"), 1);
	assert_non_null(strstr(said, "market close market 12: "));
	assert_non_null(strstr(said, "Not done."));
	assert_string_equal(server.request, "");
	assert_int_equal(run_on_terminal(&server, "\n"), 1);
	assert_string_equal(server.request, "");
	assert_int_equal(run_on_terminal(&server, "y\n"), 0);
	assert_non_null(strstr(said, "sequence: 5"));
	server_stop(&server);
}

/* ---- help, completion, manual ---- */

TEST(help_of_every_verb_names_its_arguments)
{
	struct server server;
	char line[128], option[VERB_NAME_SIZE_MAX];

	server_start(&server);
	for (size_t i = 0; i < verb_count(); i++) {
		const struct verb *verb = verb_at(i);

		snprintf(line, sizeof(line), "help %s", verb->name);
		assert_int_equal(run(&server, line), 0);
		assert_non_null(strstr(said, verb->help));
		for (size_t j = 0; j < verb->argument_count; j++) {
			ctl_option_name(&verb->arguments[j], option);
			assert_non_null(strstr(said, verb->arguments[j].help));
			if (!verb->arguments[j].positional)
				assert_non_null(strstr(said, option));
		}
	}
	assert_int_equal(run(&server, "help"), 0);
	for (size_t i = 0; i < verb_count(); i++)
		assert_non_null(strstr(said, verb_at(i)->help));
	assert_int_equal(run(&server, "manual"), 0);
	for (size_t i = 0; i < verb_count(); i++) {
		snprintf(line, sizeof(line), ".It Cm %s", verb_at(i)->name);
		assert_non_null(strstr(said, line));
	}
	server_stop(&server);
}

TEST(completion_in_bash)
{
	/* Words of the line, the last is being typed; "''" is an empty one. */
	static const struct {
		const char *words, *offers;
	} cases[] = {
		{ "sta", "status" },
		{ "ma", "market manual" },
		{ "market ''",
		    "import list show open suspend close result results rollback void final" },
		{ "market s", "show suspend" },
		{ "help market sus", "suspend" },
		{ "--json market sus", "suspend" },
		{ "--root /tmp market sus", "suspend" },
		{ "--root = /tmp market sus", "suspend" },
		{ "market list --s", "--state --socket" },
		{ "market list --sta", "--state" },
		{ "market list --state ''", "before open suspended closed settled void" },
		{ "market list --state = c", "closed" },
		{ "market list --state =", "before open suspended closed settled void" },
		{ "market list --state open --c", "--count" },
		{ "market list --count ''", "" },
		{ "market close 5 --",
		    "--root --socket --json --timeout --help --version --wait-ms "
		    "--dry-run --yes" },
		{ "log level ''", "debug info warning error" },
		{ "log level debug ''", "debug info warning error" },
		{ "--json log level w", "warning" },
		{ "market import ma", "matches.csv" },
		{ "market import --start 2026-01-01T00:00Z ma", "matches.csv" },
		{ "terminal enroll 5 --csr ma", "matches.csv" },
		{ "terminal enroll 5 --csr = ma", "matches.csv" },
		{ "terminal enroll ma", "" },
		{ "ca show --trust-out ma", "matches.csv" },
		{ "--soc", "--socket" },
		{ "status --hea", "--health" },
		{ "bogus ''", "" },
	};
	struct server server;
	char command[2048], out[128];

	server_start(&server);
	snprintf(out, sizeof(out), "%s/out", server.folder);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length;

		snprintf(command, sizeof(command),
		    "cd %s && touch matches.csv && bash --norc -c 'set -u; source <(\"%s\" "
		    "completion); complete -p sluicectl >/dev/null || exit 1; "
		    "COMP_WORDS=(sluicectl \"$@\"); COMP_CWORD=$#; _sluicectl; "
		    "echo \"${COMPREPLY[*]-}\"' - %s >%s",
		    server.folder, getenv("SLUICECTL"), cases[i].words, out);
		assert_int_equal(system(command), 0);
		read_file(out, said, sizeof(said));
		length = strlen(said);
		assert_true(length > 0);
		said[length - 1] = '\0';
		/* The order of options is the table's. */
		if (i == 8) {
			assert_non_null(strstr(said, "--state"));
			assert_non_null(strstr(said, "--socket"));
			continue;
		}
		if (strcmp(said, cases[i].offers) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].words, said, cases[i].offers);
	}
	server_stop(&server);
}

TEST_MAIN()
