/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>

#include "tests/test.h"
#include "tools/sluicectl/sluicectl.h"

static char *render(const char *verb, const char *json)
{
	json_error_t problem;
	json_t *result = json_loads(json, 0, &problem);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "KST-9", 1);
	tzset();
	assert_non_null(out);
	if (result == NULL)
		fail_msg("%s: %s", json, problem.text);
	ctl_render(out, verb_find(verb), result);
	fclose(out);
	json_decref(result);
	return text;
}

static void expect(const char *verb, const char *json, const char *expected)
{
	char *text = render(verb, json);

	assert_string_equal(text, expected);
	free(text);
}

TEST(a_table_has_columns_by_width_and_numbers_to_the_right)
{
	expect("terminal list",
	    "{\"terminals\":["
	    "{\"terminal\":7,\"state\":\"active\",\"name\":\"강남역 3번\",\"location\":\"Seoul\","
	    "\"rights\":\"all\",\"daily_max\":10000000,\"online\":true,"
	    "\"last_seen\":1795262400000000000},"
	    "{\"terminal\":4294967295,\"state\":\"blocked\",\"name\":\"x\",\"location\":\"\","
	    "\"rights\":\"bet\",\"daily_max\":0,\"online\":false,\"last_seen\":0}]}",
	    "  TERMINAL  STATE    NAME        LOCATION  RIGHTS   DAILY_MAX  ONLINE  LAST_SEEN\n"
	    "         7  active   강남역 3번  Seoul     all     10,000,000  yes     "
	    "2026-11-21T21:00:00+09:00\n"
	    "4294967295  blocked  x           -         bet              0  no      -\n");
}

TEST(other_members_follow_the_table)
{
	expect("session list",
	    "{\"sessions\":[{\"session\":1,\"terminal\":2,\"state\":\"live\",\"epoch\":1,"
	    "\"established_ns\":1795262400000000000,\"expires_ns\":0}],\"next\":5,\"more\":true}",
	    "SESSION  TERMINAL  STATE  EPOCH  ESTABLISHED                EXPIRES\n"
	    "      1         2  live       1  2026-11-21T21:00:00+09:00  -\n"
	    "\n"
	    "next: 5\n"
	    "more: yes\n");
}

TEST(an_empty_table_says_so)
{
	expect("market list", "{\"markets\":[]}", "(none)\n");
}

TEST(keys_and_values_are_dotted_and_tables_follow)
{
	expect("status",
	    "{\"health\":{\"ok\":false,\"reasons\":[\"no data plane\",\"replication stands\"]},"
	    "\"process\":{\"control\":{\"pid\":5,\"since_ns\":1795262400000000000}},"
	    "\"empty\":{},\"p99_ns\":125000,\"share\":0.25,"
	    "\"shards\":[{\"shard\":0,\"rate\":10},{\"shard\":1,\"lag\":2}],\"epoch\":3}",
	    "health.ok:             no\n"
	    "health.reasons:        no data plane; replication stands\n"
	    "process.control.pid:   5\n"
	    "process.control.since: 2026-11-21T21:00:00+09:00\n"
	    "empty:                 {}\n"
	    "p99_ns:                125000\n"
	    "share:                 0.250\n"
	    "epoch:                 3\n"
	    "\n"
	    "shards:\n"
	    "SHARD  RATE  LAG\n"
	    "    0    10    -\n"
	    "    1     -    2\n");
}

TEST(times_are_local_whatever_their_form_and_lose_their_unit)
{
	expect("audit tail",
	    "{\"entries\":[{\"sequence\":1,\"time_ns\":1795262400000000000,\"user\":\"kim\","
	    "\"action\":\"ca init\",\"object\":\"ca\",\"outcome\":\"done\"}]}",
	    "SEQUENCE  TIME                       USER  ACTION   OBJECT  BEFORE->AFTER  OUTCOME\n"
	    "       1  2026-11-21T21:00:00+09:00  kim   ca init  ca      -              done\n");
	expect("watchlist list",
	    "{\"lists\":[{\"list\":1,\"version\":2,\"entries\":3,\"names\":4,\"dated\":\"2026\","
	    "\"imported_ns\":1795262400000000000,\"imported_by\":\"kim\"}]}",
	    "LIST  VERSION  ENTRIES  NAMES  DATED  IMPORTED                   IMPORTED_BY\n"
	    "   1        2        3      4   2026  2026-11-21T21:00:00+09:00  kim\n");
	expect("alert list",
	    "{\"alerts\":[{\"alert\":1,\"state\":\"new\",\"severity\":\"low\",\"reason\":\"risk\","
	    "\"about\":\"account 7\",\"score\":60,\"count\":2,\"assignee\":\"kim\","
	    "\"first_ns\":1795262400000000000,\"text\":\"x\"}]}",
	    "ALERT  STATE  SEVERITY  REASON  ABOUT      SCORE  COUNT  ASSIGNEE  FIRST"
	    "                      TEXT\n"
	    "    1  new    low       risk    account 7     60      2  kim       "
	    "2026-11-21T21:00:00+09:00  x\n");
	expect("terminal show",
	    "{\"not_after\":\"2026-11-21T12:00:00Z\",\"created_ns\":1795262400000000000,"
	    "\"revoked_ns\":0,\"busy_ns\":0,\"established\":0,"
	    "\"certificates\":[{\"issued_ns\":1795262400000000000,\"revoked_ns\":0}]}",
	    "not_after:   2026-11-21T21:00:00+09:00\n"
	    "created:     2026-11-21T21:00:00+09:00\n"
	    "revoked:     -\n"
	    "busy_ns:     0\n"
	    "established: 0\n"
	    "\n"
	    "certificates:\n"
	    "ISSUED                     REVOKED\n"
	    "2026-11-21T21:00:00+09:00  -\n");
}

TEST(an_audit_entry_shows_what_changed)
{
	static const struct {
		const char *entry, *expected;
	} cases[] = {
		{ "{}", "-" },
		{ "{\"before\":{\"state\":\"open\",\"version\":1},"
		  "\"after\":{\"state\":\"closed\",\"version\":2}}",
		    "state open -> closed" },
		{ "{\"before\":{\"odds\":[1500,2000],\"selections\":[{\"odds\":1500}]},"
		  "\"after\":{\"odds\":[1600,2000],\"selections\":[{\"odds\":1600}]}}",
		    "odds 1.500 2.000 -> 1.600 2.000" },
		{ "{\"before\":null,\"after\":{\"frozen\":true,\"account\":7}}",
		    "frozen yes, account 7" },
		{ "{\"before\":{\"server\":{\"a\":1}},\"after\":{\"server\":{\"a\":2}}}",
		    "server changed" },
		{ "{\"before\":{\"a\":1},\"after\":{\"a\":1}}", "-" },
		{ "{\"after\":{\"name\":"
		  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaa강남강남강남\"}}",
		    "name "
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..." },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *row = json_loads(cases[i].entry, 0, NULL);
		char *text = ctl_change_text(row);

		assert_string_equal(text, cases[i].expected);
		free(text);
		json_decref(row);
	}
}

TEST(an_uptime_is_days_and_a_clock)
{
	expect("status", "{\"control\":{\"uptime_ns\":273906999999999}}",
	    "control.uptime: 3 d 04:05:06\n");
}

TEST(money_has_separators_and_odds_a_point)
{
	expect("market show",
	    "{\"odds\":[1850,12000],\"balance\":-1234567,\"stake\":999,\"payout\":1000,"
	    "\"balance_sum\":{\"410\":0},\"amount\":\"9223372036854775807\",\"market\":1234567}",
	    "odds:            1.850 12.000\n"
	    "balance:         -1,234,567\n"
	    "stake:           999\n"
	    "payout:          1,000\n"
	    "balance_sum.410: 0\n"
	    "amount:          9,223,372,036,854,775,807\n"
	    "market:          1234567\n");
}

TEST(a_text_of_lines_stands_below_its_name)
{
	expect("terminal enroll", "{\"terminal\":5,\"certificate\":\"--BEGIN\\nabc\\n--END\\n\"}",
	    "terminal:    5\n"
	    "certificate:\n"
	    "--BEGIN\n"
	    "abc\n"
	    "--END\n");
}

TEST(nothing_from_outside_moves_the_cursor)
{
	expect("market show",
	    "{\"name\":\"\\u001b[2Jred\\u0007\\u202etxt\\u009b1m\",\"k\\u001b\":\"a\\r\"}",
	    "name: ?[2Jred??txt?1m\n"
	    "k?:   a?\n");
}

TEST(deep_objects_are_shown_as_json)
{
	char json[4096] = "", *text;
	size_t used = 0;

	for (int i = 0; i < 300; i++)
		used += (size_t)snprintf(json + used, sizeof(json) - used, "{\"a\":");
	used += (size_t)snprintf(json + used, sizeof(json) - used, "1");
	for (int i = 0; i < 300; i++)
		used += (size_t)snprintf(json + used, sizeof(json) - used, "}");
	text = render("market show", json);
	assert_non_null(strstr(text, "a.a.a.a.a.a.a.a: {\"a\":{"));
	free(text);
}

TEST(widths_of_text)
{
	static const struct {
		const char *text;
		size_t width;
	} cases[] = {
		{ "", 0 },
		{ "abc", 3 },
		{ "강남", 4 },
		{ "e\xcc\x81", 1 },        /* a combining accent */
		{ "\xf0\x9f\x8e\xab", 2 }, /* a ticket */
		{ "\xff\xfe", 2 },         /* no text */
		{ "\xea\xb0", 2 },         /* cut */
		{ "\xc0\x80", 2 },         /* overlong */
		{ "\t", 1 },
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_case_equal(i, ctl_text_width(cases[i].text), cases[i].width);
}

TEST_MAIN()
