/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "tests/test.h"
#include "tools/sluicectl/sluicectl.h"

#define WORDS_MAX 16

/* Words separated by spaces; '~' stands for a space within a word. */
static enum ctl_status parse(
    const char *line, struct ctl_command *command, char *message, size_t size)
{
	static char text[1024];
	static char program[] = "sluicectl";
	char *argv[WORDS_MAX + 1] = { program };
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word != NULL && argc < WORDS_MAX;
	     word = strtok(NULL, " ")) {
		for (char *at = word; *at != '\0'; at++)
			*at = *at == '~' ? ' ' : *at;
		argv[argc++] = word;
	}
	return ctl_command_parse(argc, argv, command, message, size);
}

TEST(good_lines)
{
	static const struct {
		const char *line, *verb, *arguments;
		int dry_run, yes, json;
	} cases[] = {
		{ "status", "status", "{}", 0, 0, 0 },
		{ "--json status", "status", "{}", 0, 0, 1 },
		{ "status --json --health", "status", "{\"health\":true}", 0, 0, 1 },
		{ "market --json suspend 12", "market suspend", "{\"market\":12}", 0, 0, 1 },
		{ "market close 12 --dry-run --yes", "market close", "{\"market\":12}", 1, 1, 0 },
		{ "terminal set 42 --daily-max 5 --name=Gate~1", "terminal set",
		    "{\"daily_max\":5,\"name\":\"Gate 1\",\"terminal\":42}", 0, 0, 0 },
		{ "terminal set --daily-max=5 42 --name a=b", "terminal set",
		    "{\"daily_max\":5,\"name\":\"a=b\",\"terminal\":42}", 0, 0, 0 },
		{ "terminal set 42 --name=", "terminal set", "{\"name\":\"\",\"terminal\":42}", 0,
		    0, 0 },
		{ "terminal set 42 --name --json", "terminal set",
		    "{\"name\":\"--json\",\"terminal\":42}", 0, 0, 1 },
		{ "odds set 12 1.85 2 3.125", "odds set",
		    "{\"market\":12,\"odds\":[1850,2000,3125]}", 0, 0, 0 },
		{ "odds set 12 -- 1.85", "odds set", "{\"market\":12,\"odds\":[1850]}", 0, 0, 0 },
		{ "rules set stake_single_max=5 x_y=1", "rules set",
		    "{\"setting\":[\"stake_single_max=5\",\"x_y=1\"]}", 0, 0, 0 },
		{ "market list --state open --count 3", "market list",
		    "{\"count\":3,\"state\":\"open\"}", 0, 0, 0 },
		{ "explain", "explain", "{}", 0, 0, 0 },
		{ "explain 9223372036854775807", "explain", "{\"id\":\"9223372036854775807\"}", 0,
		    0, 0 },
		{ "log level debug", "log level", "{\"level\":\"debug\"}", 0, 0, 0 },
		{ "completion", "completion", "{}", 0, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ctl_command command;
		char message[CTL_MESSAGE_SIZE] = "", *arguments;

		if (parse(cases[i].line, &command, message, sizeof(message)) != CTL_DONE)
			fail_msg("%s: %s", cases[i].line, message);
		arguments = json_dumps(command.arguments, JSON_COMPACT | JSON_SORT_KEYS);
		assert_int_equal(command.kind, CTL_CALL);
		assert_string_equal(command.verb->name, cases[i].verb);
		assert_string_equal(arguments, cases[i].arguments);
		assert_case_equal(i, command.dry_run, cases[i].dry_run);
		assert_case_equal(i, command.yes, cases[i].yes);
		assert_case_equal(i, command.json, cases[i].json);
		free(arguments);
		ctl_command_free(&command);
	}
}

TEST(bad_lines_say_what_is_wrong)
{
	static const struct {
		const char *line, *says;
		enum ctl_status status;
	} cases[] = {
		{ "", "Give a verb", CTL_USAGE },
		{ "--json", "Give a verb", CTL_USAGE },
		{ "market", "not all of a verb", CTL_USAGE },
		{ "markt", "Did you mean \"market\"?", CTL_USAGE },
		{ "market clsoe 12", "Did you mean \"market close\"?", CTL_USAGE },
		{ "suspend 12", "Did you mean \"market suspend\"?", CTL_USAGE },
		{ "stauts", "Did you mean \"status\"?", CTL_USAGE },
		{ "xyzzy", "There is no verb \"xyzzy\". Try", CTL_USAGE },
		{ "status extra", "status: extra is too much", CTL_USAGE },
		{ "status --helth", "status has no option --helth", CTL_USAGE },
		{ "--health status", "no option --health before the verb", CTL_USAGE },
		{ "status --health=yes", "--health takes no value", CTL_USAGE },
		{ "status --health --health", "--health is given twice", CTL_USAGE },
		{ "status --json=1", "--json takes no value", CTL_USAGE },
		{ "status -j", "There is no option -j", CTL_USAGE },
		{ "status --dry-run", "nothing to run dry", CTL_USAGE },
		{ "status --timeout 0", "--timeout: give seconds", CTL_USAGE },
		{ "status --timeout", "--timeout needs a value", CTL_USAGE },
		{ "status --root=", "--root: give a path", CTL_USAGE },
		{ "market show", "market show: market is missing", CTL_USAGE },
		{ "market show 0", "market: give a whole number from 1 to", CTL_USAGE },
		{ "market show twelve", "not twelve", CTL_USAGE },
		{ "market show 1 2", "2 is too much", CTL_USAGE },
		{ "market show -5", "There is no option -5", CTL_USAGE },
		{ "market list --count", "--count needs a value", CTL_USAGE },
		{ "market list --count 10001", "from 1 to 10000", CTL_USAGE },
		{ "market list --state shut", "give one of before|open|suspended|closed",
		    CTL_USAGE },
		{ "odds set 12", "odds is missing", CTL_USAGE },
		{ "odds set 12 1.85 2.1234", "decimal odds like 1.85", CTL_USAGE },
		{ "odds set 12 0.9", "from 1.001 to 10000.000", CTL_USAGE },
		{ "rules set x", "setting: give 3 to 100 bytes", CTL_USAGE },
		{ "terminal enroll 42", "--csr is missing", CTL_USAGE },
		{ "terminal enroll 42 --csr /nonexistent/x", "Cannot read /nonexistent/x: No such",
		    CTL_UNREACHABLE },
		{ "terminal enroll 42 --csr /", "Cannot read /:", CTL_UNREACHABLE },
		{ "terminal enroll 42 --csr /dev/null", "/dev/null is empty", CTL_UNREACHABLE },
		{ "market import /dev/zero", "/dev/zero has more than", CTL_UNREACHABLE },
		{ "market import x --start 2026-11-21T12:00:00", "a time with its zone",
		    CTL_USAGE },
		{ "ca show --trust-out a --trust-out b", "--trust-out is given twice", CTL_USAGE },
		{ "terminal set 42 --name \xff", "not UTF-8", CTL_USAGE },
		{ "terminal set 42 --terminal 5", "no option --terminal", CTL_USAGE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ctl_command command;
		char message[CTL_MESSAGE_SIZE] = "";
		enum ctl_status status;

		/* The file is read before the time is looked at. */
		if (strstr(cases[i].line, "--start") != NULL)
			status = parse("market import --start 2026-11-21T12:00:00 x", &command,
			    message, sizeof(message));
		else
			status = parse(cases[i].line, &command, message, sizeof(message));
		assert_case_equal(i, status, cases[i].status);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg(
			    "%s: \"%s\" without \"%s\"", cases[i].line, message, cases[i].says);
		ctl_command_free(&command);
	}
}

TEST(errors_of_the_line_are_json_wherever_json_stands)
{
	struct ctl_command command;
	char message[CTL_MESSAGE_SIZE];

	assert_int_equal(parse("bogus 12 --json", &command, message, sizeof(message)), CTL_USAGE);
	assert_true(command.json);
	ctl_command_free(&command);
}

TEST(help_and_version)
{
	static const struct {
		const char *line, *verb, *words;
		int kind;
	} cases[] = {
		{ "help", NULL, "", CTL_HELP },
		{ "--help", NULL, "", CTL_HELP },
		{ "-h", NULL, "", CTL_HELP },
		{ "help market", NULL, "market", CTL_HELP },
		{ "help market close", "market close", "market close", CTL_HELP },
		{ "market close --help", "market close", "market close", CTL_HELP },
		{ "market close 12 --help", "market close", "market close", CTL_HELP },
		{ "--version", NULL, "", CTL_VERSION },
		{ "market --version", NULL, "market", CTL_VERSION },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ctl_command command;
		char message[CTL_MESSAGE_SIZE] = "";

		assert_case_equal(
		    i, parse(cases[i].line, &command, message, sizeof(message)), CTL_DONE);
		assert_case_equal(i, command.kind, cases[i].kind);
		assert_string_equal(command.words, cases[i].words);
		if (cases[i].verb != NULL)
			assert_string_equal(command.verb->name, cases[i].verb);
		else
			assert_null(command.verb);
		ctl_command_free(&command);
	}
}

TEST(files_are_sent_as_text_and_outs_are_not_sent)
{
	char path[] = "/tmp/sluicectl-XXXXXX", line[256], message[CTL_MESSAGE_SIZE];
	struct ctl_command command;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a\n\"b\"\n", 6), 6);
	snprintf(line, sizeof(line), "terminal enroll 42 --csr %s --out /tmp/c --trust-out /tmp/t",
	    path);
	assert_int_equal(parse(line, &command, message, sizeof(message)), CTL_DONE);
	assert_string_equal(
	    json_string_value(json_object_get(command.arguments, "csr")), "a\n\"b\"\n");
	assert_null(json_object_get(command.arguments, "out"));
	for (size_t i = 0; i < command.verb->argument_count; i++) {
		const char *name = command.verb->arguments[i].name;

		if (strcmp(name, "out") == 0)
			assert_string_equal(command.out_paths[i], "/tmp/c");
		else if (strcmp(name, "trust_out") == 0)
			assert_string_equal(command.out_paths[i], "/tmp/t");
		else
			assert_null(command.out_paths[i]);
	}
	ctl_command_free(&command);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "a\0b", 3, 0), 3);
	assert_int_equal(parse(line, &command, message, sizeof(message)), CTL_UNREACHABLE);
	assert_non_null(strstr(message, "not UTF-8 text"));
	ctl_command_free(&command);
	close(fd);
	unlink(path);
}

TEST(the_wait_for_an_answer_follows_the_verb)
{
	static const struct {
		const char *line;
		uint32_t seconds;
	} cases[] = {
		{ "status", 60 },
		{ "market suspend 1", 70 },
		{ "market suspend 1 --wait-ms 600000", 660 },
		{ "market suspend 1 --wait-ms 0", 60 },
		{ "audit verify", 3600 },
		{ "audit verify --timeout 5", 5 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ctl_command command;
		char message[CTL_MESSAGE_SIZE];

		assert_case_equal(
		    i, parse(cases[i].line, &command, message, sizeof(message)), CTL_DONE);
		assert_case_equal(i, ctl_timeout_s(&command), cases[i].seconds);
		ctl_command_free(&command);
	}
}

TEST_MAIN()
