/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml/yaml_walk.h"

#include <errno.h>

#include "tests/test.h"

struct seen {
	char text[4096];
	size_t used;
	unsigned stop_at; /* visit of this number returns -77, 0 none */
	unsigned count;
};

static int visit(void *context, const struct yaml_walk_entry *entry)
{
	static const char *const kinds[] = { "text", "mapping", "list" };
	struct seen *seen = context;
	int written = snprintf(seen->text + seen->used, sizeof(seen->text) - seen->used,
	    "%u:%u %s %s%s%s%s\n", entry->line, entry->column, entry->path, kinds[entry->kind],
	    entry->size > 0 ? " " : "", entry->value, entry->plain ? " plain" : "");

	assert_true(written > 0 && (size_t)written < sizeof(seen->text) - seen->used);
	seen->used += (size_t)written;
	seen->count++;
	return seen->count == seen->stop_at ? -77 : 0;
}

static int walk(const char *text, struct seen *seen, struct yaml_walk_problem *problem)
{
	return yaml_walk((const uint8_t *)text, strlen(text), visit, seen, problem);
}

TEST(paths_and_lines_of_nested_keys)
{
	struct yaml_walk_problem problem;
	struct seen seen = { .used = 0 };

	assert_int_equal(walk("# first\n"
	                      "name: demo\n"
	                      "lcores: {main: 1, workers: [0, '2']}\n"
	                      "ports:\n"
	                      "  - {type: ring}\n"
	                      "  - type: pci\n"
	                      "    names: [[a], {b: c}]\n"
	                      "empty:\n"
	                      "last: \"q\"\n",
	                     &seen, &problem),
	    0);
	assert_string_equal(seen.text, "2:1 name text demo plain\n"
	                               "3:1 lcores mapping\n"
	                               "3:10 lcores.main text 1 plain\n"
	                               "3:19 lcores.workers list\n"
	                               "3:29 lcores.workers[0] text 0 plain\n"
	                               "3:32 lcores.workers[1] text 2\n"
	                               "4:1 ports list\n"
	                               "5:5 ports[0] mapping\n"
	                               "5:6 ports[0].type text ring plain\n"
	                               "6:5 ports[1] mapping\n"
	                               "6:5 ports[1].type text pci plain\n"
	                               "7:5 ports[1].names list\n"
	                               "7:13 ports[1].names[0] list\n"
	                               "7:14 ports[1].names[0][0] text a plain\n"
	                               "7:18 ports[1].names[1] mapping\n"
	                               "7:19 ports[1].names[1].b text c plain\n"
	                               "8:1 empty text plain\n"
	                               "9:1 last text q\n");
}

TEST(the_visitor_can_end_the_walk)
{
	struct yaml_walk_problem problem;
	struct seen seen = { .stop_at = 2 };

	assert_int_equal(walk("a: 1\nb: [1, 2]\nc: {\n", &seen, &problem), -77);
	assert_int_equal(seen.count, 2);
}

TEST(nesting_and_length_are_bounded)
{
	struct yaml_walk_problem problem;
	struct seen seen = { .used = 0 };
	char text[2048], key[95];

	assert_int_equal(walk("a: [[[[[[[1]]]]]]]\n", &seen, &problem), 0);
	assert_int_equal(walk("a: [[[[[[[[1]]]]]]]]\n", &seen, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "nested too deep"));
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	snprintf(text, sizeof(text), "%s: {%s: {%s: 1}}\n", key, key, key);
	assert_int_equal(walk(text, &seen, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "too long"));
	assert_int_equal(problem.line, 1);
	/* As deep as a parser may be driven: an answer, not a crash. */
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(walk(text, &seen, &problem), -EINVAL);
	memset(text, '{', sizeof(text) - 1);
	assert_int_equal(walk(text, &seen, &problem), -EINVAL);
}

TEST(numbers_are_plain_digits)
{
	static const struct {
		const char *text;
		int good;
		uint64_t number;
	} cases[] = { { "0", 1, 0 }, { "7", 1, 7 }, { "4294967295", 1, 4294967295 },
		{ "9999999999", 1, 9999999999 }, { "10000000000", 0, 0 }, { "", 0, 0 },
		{ "00", 0, 0 }, { "010", 0, 0 }, { "0x1", 0, 0 }, { "1e3", 0, 0 }, { "+1", 0, 0 },
		{ "-1", 0, 0 }, { " 1", 0, 0 }, { "1 ", 0, 0 }, { "1_000", 0, 0 } };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t number = 77;

		assert_case_equal(i,
		    yaml_walk_number(cases[i].text, strlen(cases[i].text), &number), cases[i].good);
		assert_case_equal(i, number, cases[i].good ? cases[i].number : 77);
	}
}

TEST(quoted_values_are_short_and_printable)
{
	static const struct {
		const char *value, *out;
	} cases[] = { { "short", "short" }, { "", "" }, { "a\nb\x7f", "a?b?" },
		{ "123456789012", "123456789012" }, { "1234567890123", "123456789012..." },
		/* A character of three bytes at the cut goes as a whole. */
		{ "12345678901\xea\xb2\xbdx", "12345678901..." },
		{ "123456789\xea\xb2\xbdxyz", "123456789..." } };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char out[16];

		yaml_walk_quote(cases[i].value, strlen(cases[i].value), out, sizeof(out));
		if (strcmp(out, cases[i].out) != 0)
			fail_msg("case %zu: \"%s\"", i, out);
	}
}

TEST(distances_count_edits)
{
	static const struct {
		const char *one, *other;
		unsigned distance;
	} cases[] = { { "", "", 0 }, { "port", "port", 0 }, { "prot", "port", 2 },
		{ "por", "port", 1 }, { "xport", "port", 1 }, { "", "port", 4 },
		{ "abc", "xyz", 3 }, { "kitten", "sitting", 3 } };
	char longest[200];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		assert_case_equal(
		    i, yaml_walk_distance(cases[i].one, cases[i].other), cases[i].distance);
		assert_case_equal(
		    i, yaml_walk_distance(cases[i].other, cases[i].one), cases[i].distance);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(yaml_walk_distance(longest, ""), 63);
	assert_int_equal(yaml_walk_distance(longest, longest), 0);
}

TEST_MAIN()
