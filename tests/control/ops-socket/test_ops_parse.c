/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "control/ops-socket/ops_internal.h"
#include "tests/test.h"

/* 0, or the status; `message` as the client would see it. */
static int parse(const char *line, size_t size, struct ops_parsed *parsed, char *message)
{
	int status = ops_parse_line(line, size, parsed, message, OPS_MESSAGE_SIZE);

	if (status != 0) {
		assert_null(parsed->arguments);
		return status;
	}
	return ops_parse_arguments(parsed, message, OPS_MESSAGE_SIZE);
}

TEST(good_lines_are_taken)
{
	static const struct {
		const char *line, *verb, *object;
		int dry_run;
	} cases[] = {
		{ "{\"verb\":\"status\"}", "status", "status", 0 },
		{ "{\"verb\":\"status\",\"arguments\":{\"health\":true}}", "status", "status", 0 },
		{ "{\"verb\":\"market suspend\",\"arguments\":{\"market\":12},\"dry_run\":true}",
		    "market suspend", "market 12", 1 },
		{ "{\"verb\":\"odds set\",\"arguments\":{\"market\":12,\"odds\":[1001,10000000]}}",
		    "odds set", "market 12", 0 },
		{ "{\"verb\":\"rules set\",\"arguments\":{\"setting\":[\"a=1\",\"b=2\"]}}",
		    "rules set", "setting a=1", 0 },
		{ "{\"verb\":\"ca init\",\"arguments\":{},\"dry_run\":false}", "ca init", "ca", 0 },
		{ "{\"verb\":\"market list\",\"arguments\":{\"state\":\"open\"}}", "market list",
		    "market", 0 },
		{ "{\"verb\":\"terminal "
		  "enroll\",\"arguments\":{\"terminal\":4294967295,\"csr\":\"x\\ny\","
		  "\"name\":\"\xea\xb0\x95\xeb\x82\xa8\"}}",
		    "terminal enroll", "terminal 4294967295", 0 },
		{ "{\"verb\":\"bet show\",\"arguments\":{\"bet\":\"18446744073709551615\"}}",
		    "bet show", "bet 18446744073709551615", 0 },
		{ "{\"verb\":\"market import\",\"arguments\":{\"file\":\"a\",\"start\":5}}",
		    "market import", "market", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ops_parsed parsed;
		char message[OPS_MESSAGE_SIZE] = "";

		if (parse(cases[i].line, strlen(cases[i].line), &parsed, message) != 0)
			fail_msg("case %zu: %s", i, message);
		assert_string_equal(parsed.verb->name, cases[i].verb);
		assert_string_equal(parsed.object, cases[i].object);
		assert_int_equal(parsed.dry_run, cases[i].dry_run);
		json_decref(parsed.arguments);
	}
}

TEST(bad_lines_are_refused_with_what_is_wrong)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "not JSON" },
		{ "{", "not JSON" },
		{ "status", "not JSON" },
		{ "[]", "not a JSON object" },
		{ "{}", "names no verb" },
		{ "{\"verb\":3}", "names no verb" },
		{ "{\"verb\":\"market\"}", "knows no verb \"market\"" },
		{ "{\"verb\":\"\x1b[31mred\"}", "not JSON" },
		{ "{\"verb\":\"\\u001b[31mred\"}", "knows no verb \"?[31mred\"" },
		{ "{\"verb\":\"completion\"}", "knows no verb" },
		{ "{\"verb\":\"status\",\"verb\":\"status\"}", "not JSON" },
		{ "{\"verb\":\"status\",\"extra\":1}", "unknown member \"extra\"" },
		{ "{\"verb\":\"status\"} x", "not JSON" },
		{ "{\"verb\":\"status\",\"arguments\":[]}", "must be an object" },
		{ "{\"verb\":\"status\",\"arguments\":null}", "must be an object" },
		{ "{\"verb\":\"status\",\"dry_run\":true}", "nothing to run dry" },
		{ "{\"verb\":\"ca init\",\"dry_run\":1}", "true or false" },
		{ "{\"verb\":\"status\",\"arguments\":{\"helth\":true}}", "no argument \"helth\"" },
		{ "{\"verb\":\"status\",\"arguments\":{\"health\":1}}",
		    "health must be true or false" },
		{ "{\"verb\":\"market show\"}", "market is missing" },
		{ "{\"verb\":\"market show\",\"arguments\":{\"market\":1,\"market\":2}}",
		    "not JSON" },
		{ "{\"verb\":\"market show\",\"arguments\":{\"market\":0}}", "from 1 to" },
		{ "{\"verb\":\"market show\",\"arguments\":{\"market\":-1}}", "from 1 to" },
		{ "{\"verb\":\"market show\",\"arguments\":{\"market\":1.0}}", "whole number" },
		{ "{\"verb\":\"market show\",\"arguments\":{\"market\":\"1\"}}", "whole number" },
		{ "{\"verb\":\"market show\",\"arguments\":{\"market\":99999999999999999999}}",
		    "not JSON" },
		{ "{\"verb\":\"session end\",\"arguments\":{\"session\":4294967296}}",
		    "from 1 to 4294967295" },
		{ "{\"verb\":\"odds set\",\"arguments\":{\"market\":1,\"odds\":1500}}",
		    "must be a list" },
		{ "{\"verb\":\"odds set\",\"arguments\":{\"market\":1,\"odds\":[]}}",
		    "must be a list" },
		{ "{\"verb\":\"odds set\",\"arguments\":{\"market\":1,\"odds\":[1500,1000]}}",
		    "from 1001 to 10000000" },
		{ "{\"verb\":\"log level\",\"arguments\":{\"level\":\"loud\"}}",
		    "one of debug|info|warning|error" },
		{ "{\"verb\":\"log level\",\"arguments\":{\"level\":\"debug|info\"}}", "one of" },
		{ "{\"verb\":\"rules set\",\"arguments\":{\"setting\":[\"x\"]}}", "has 1 bytes" },
		{ "{\"verb\":\"rules set\",\"arguments\":{\"setting\":[\"a=1\\nb\"]}}",
		    "control characters" },
		{ "{\"verb\":\"bet show\",\"arguments\":{\"bet\":\"0\"}}", "bet" },
		{ "{\"verb\":\"bet show\",\"arguments\":{\"bet\":\"1x\"}}", "bet" },
		{ "{\"verb\":\"bet show\",\"arguments\":{\"bet\":\"18446744073709551616\"}}",
		    "bet" },
		{ "{\"verb\":\"bet show\",\"arguments\":{\"bet\":\"\"}}", "bet" },
		{ "{\"verb\":\"bet show\",\"arguments\":{\"bet\":5}}", "bet" },
		{ "{\"verb\":\"market import\",\"arguments\":{\"file\":\"\"}}", "is empty" },
		{ "{\"verb\":\"market import\",\"arguments\":{\"file\":\"a\",\"start\":-1}}",
		    "a time" },
		{ "{\"verb\":\"ca show\",\"arguments\":{\"trust_out\":\"/etc/passwd\"}}",
		    "no argument \"trust_out\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ops_parsed parsed;
		char message[OPS_MESSAGE_SIZE] = "";

		assert_case_equal(
		    i, parse(cases[i].line, strlen(cases[i].line), &parsed, message), 2);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, message, cases[i].says);
		json_decref(parsed.arguments);
	}
}

TEST(deep_nesting_and_bytes_that_are_no_text_are_refused)
{
	static char line[100000];
	struct ops_parsed parsed;
	char message[OPS_MESSAGE_SIZE];

	memset(line, '[', sizeof(line));
	assert_int_equal(parse(line, sizeof(line), &parsed, message), 2);
	assert_int_equal(parse("{\"verb\":\"a\0b\"}", 14, &parsed, message), 2);
	assert_int_equal(parse("{\"verb\":\"\\u0000\"}", 17, &parsed, message), 2);
	assert_int_equal(parse("{\"verb\":\"\xff\"}", 12, &parsed, message), 2);
}

TEST(repeats_have_a_limit)
{
	json_t *list = json_array();
	json_t *request;
	struct ops_parsed parsed;
	char message[OPS_MESSAGE_SIZE], *line;

	for (int i = 0; i <= VERB_REPEATS_MAX; i++)
		json_array_append_new(list, json_integer(1500));
	request = json_pack(
	    "{s:s, s:{s:i, s:o}}", "verb", "odds set", "arguments", "market", 1, "odds", list);
	line = json_dumps(request, 0);
	assert_int_equal(parse(line, strlen(line), &parsed, message), 2);
	assert_non_null(strstr(message, "1 to 64"));
	json_decref(parsed.arguments);
	json_decref(request);
	free(line);
}

TEST(a_refusal_that_is_no_text_is_still_an_answer)
{
	json_t *answer = ops_answer_refused(3, "half a \xea");

	assert_int_equal(json_integer_value(json_object_get(answer, "status")), 3);
	assert_true(json_string_length(json_object_get(answer, "error")) > 0);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	json_decref(answer);
}

TEST_MAIN()
