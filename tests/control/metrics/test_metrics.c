/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/metrics/metrics_table.h"
#include "control/metrics/metrics_text.h"
#include "dataplane/journal/seal.h"
#include "dataplane/shard/stats.h"
#include "tests/control/metrics/fake.h"
#include "tests/test.h"

#define GOLDEN SOURCE_ROOT "/tests/control/metrics/golden.prom"

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);

	assert_non_null(file);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	fclose(file);
	return text;
}

static char *render(const struct metrics_sources *sources)
{
	char *text = metrics_render(sources);

	assert_non_null(text);
	return text;
}

/* The project's version stands in one place: in the golden file it is VERSION. */
static char *without_version(char *text)
{
	static const char own[] = "process=\"control\",version=\"" SLUICE_VERSION "\"";
	char *at = strstr(text, own), *out = NULL;

	assert_non_null(at);
	assert_true(asprintf(&out, "%.*sprocess=\"control\",version=\"VERSION\"%s",
	                (int)(at - text), text, at + strlen(own)) > 0);
	free(text);
	return out;
}

/* SLUICE_GOLDEN=write makes the file anew, to be read before it is committed. */
TEST(a_full_file_is_the_golden_one)
{
	const char *mode = getenv("SLUICE_GOLDEN");
	struct fake fake;
	char *text, *golden;
	size_t at = 0, line = 1;

	fake_make(&fake, 2);
	text = without_version(render(&fake.sources));
	if (mode != NULL && strcmp(mode, "write") == 0) {
		FILE *file = fopen(GOLDEN, "wb");

		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	golden = file_read(GOLDEN);
	for (; text[at] != '\0' && text[at] == golden[at]; at++)
		line += text[at] == '\n';
	if (text[at] != golden[at])
		fail_msg("line %zu differs from golden.prom; run with SLUICE_GOLDEN=write and read "
		         "the difference",
		    line);
	free(golden);
	free(text);
	fake_free(&fake);
}

/* A counter that joins the data plane's table must get a name here. */
TEST(every_counter_of_a_worker_is_shown_or_left_out_on_purpose)
{
	static const char *const left_out[] = { "state_hash" };
	static const char *const shown[] = {
#define FIELD(field, name, type, scale, help) #field,
		METRICS_SHARD(FIELD)
#undef FIELD
	};
	static const char *const counters[] = {
#define COUNTER(name, text) #name,
		WORKER_COUNTERS(COUNTER)
#undef COUNTER
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(counters); i++) {
		int found = 0;

		for (size_t k = 0; k < SLUICE_ARRAY_COUNT(shown); k++)
			found |= strcmp(counters[i], shown[k]) == 0;
		for (size_t k = 0; k < SLUICE_ARRAY_COUNT(left_out); k++)
			found |= strcmp(counters[i], left_out[k]) == 0;
		if (!found)
			fail_msg("%s is not in control/metrics/metrics_table.h", counters[i]);
	}
}

/* And the other way round: a field renamed there would silently vanish here. */
TEST(every_field_we_name_is_one_the_data_plane_sends)
{
	static const char *const wanted[] = {
#define FIELD(field, name, type, scale, help) #field,
		METRICS_SHARD(FIELD)
#undef FIELD
#define LAG(name, ahead, behind, help) #ahead, #behind,
		    METRICS_LAGS(LAG)
#undef LAG
		        "open",
		"recovery_ns",
		"started_ns",
		"ports",
		"shards",
		"drops",
		"codes",
		"queues",
	};
	static const char *const counters[] = {
#define COUNTER(name, text) #name,
		WORKER_COUNTERS(COUNTER)
#undef COUNTER
#define FIGURE(name) #name,
		    JOURNAL_SEALER_FIGURES(FIGURE)
#undef FIGURE
	};
	char *source = file_read(SOURCE_ROOT "/dataplane/admin/admin_status.c");

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wanted); i++) {
		char quoted[64];
		int found = 0;

		snprintf(quoted, sizeof(quoted), "\"%s\"", wanted[i]);
		found |= strstr(source, quoted) != NULL;
		for (size_t k = 0; k < SLUICE_ARRAY_COUNT(counters); k++)
			found |= strcmp(counters[k], wanted[i]) == 0;
		if (!found)
			fail_msg("nobody sends %s", wanted[i]);
	}
	free(source);
}

TEST(drops_and_codes_are_all_there)
{
	struct fake fake;
	char *text, wanted[128];

	fake_make(&fake, 1);
	text = render(&fake.sources);
	for (int reason = 0; reason < DROP_REASON_COUNT; reason++) {
		snprintf(wanted, sizeof(wanted),
		    "\nsluice_drops_total{shard=\"0\",reason=\"%s\"} %d\n",
		    drop_reason_name((enum drop_reason)reason), reason);
		assert_non_null(strstr(text, wanted));
	}
	for (unsigned i = 1; i < wire_code_count(); i++) {
		snprintf(wanted, sizeof(wanted),
		    "\nsluice_answers_total{shard=\"0\",code=\"%s\"} %u\n",
		    wire_code_name(wire_code_at(i)), i);
		assert_non_null(strstr(text, wanted));
	}
	free(text);
	fake_free(&fake);
}

/* The data plane of an older version counts them for all shards together. */
TEST(drops_of_all_shards_together_have_no_shard)
{
	json_t *status =
	    json_pack("{s:[{s:i}], s:{s:i}}", "shards", "shard", 0, "drops", "bad_tag", 7);
	struct metrics_sources sources = { .status = status };
	char *text;

	assert_non_null(status);
	text = render(&sources);
	assert_non_null(strstr(text, "\nsluice_drops_total{reason=\"bad_tag\"} 7\n"));
	free(text);
	json_decref(status);
}

TEST(what_is_not_there_is_left_out_and_said_down)
{
	static const struct metrics_sources nothing = { .time_ns = 1500000000 };
	char *text = render(&nothing);

	assert_string_equal(text,
	    "# HELP sluice_up 1 when a process can be reached from control; a part that is not "
	    "configured is left out.\n"
	    "# TYPE sluice_up gauge\n"
	    "sluice_up{process=\"control\"} 1\n"
	    "sluice_up{process=\"dataplane\"} 0\n"
	    "# HELP sluice_build_info Versions of the running processes.\n"
	    "# TYPE sluice_build_info gauge\n"
	    "sluice_build_info{process=\"control\",version=\"" SLUICE_VERSION "\"} 1\n"
	    "# HELP sluice_metrics_written_timestamp_seconds When control wrote this file.\n"
	    "# TYPE sluice_metrics_written_timestamp_seconds gauge\n"
	    "sluice_metrics_written_timestamp_seconds 1.5\n"
	    "# HELP sluice_terminals Enrolled terminals.\n"
	    "# TYPE sluice_terminals gauge\n"
	    "sluice_terminals{state=\"online\"} 0\n"
	    "sluice_terminals{state=\"offline\"} 0\n"
	    "# HELP sluice_commands_total Commands committed.\n"
	    "# TYPE sluice_commands_total counter\n"
	    "sluice_commands_total 0\n"
	    "# HELP sluice_audit_entries_total Entries of the audit log.\n"
	    "# TYPE sluice_audit_entries_total counter\n"
	    "sluice_audit_entries_total 0\n"
	    "# HELP sluice_adjustments_waiting Corrections of balances that wait for a second "
	    "operator.\n"
	    "# TYPE sluice_adjustments_waiting gauge\n"
	    "sluice_adjustments_waiting 0\n");
	free(text);
}

/* link_status gives the last answer also when the data plane is gone: that is no news. */
TEST(a_stale_status_is_not_shown)
{
	static const struct {
		enum link_state state;
		uint64_t age_ms;
		int shown;
	} cases[] = { { LINK_UP, 10000, 1 }, { LINK_UP, 10001, 0 }, { LINK_DOWN, 100, 0 },
		{ LINK_SYNCING, 100, 1 }, { LINK_REFUSED, 100, 1 } };
	struct fake fake;

	fake_make(&fake, 1);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char *text;

		fake.link.state = cases[i].state;
		fake.link.status_age_ms = cases[i].age_ms;
		text = render(&fake.sources);
		assert_case_equal(i, strstr(text, "sluice_durable_lsn") != NULL, cases[i].shown);
		assert_case_equal(i, strstr(text, "stage=\"decide\"") != NULL, cases[i].shown);
		assert_case_equal(
		    i, strstr(text, "sluice_up{process=\"dataplane\"} 1") != NULL, cases[i].shown);
		free(text);
	}
	fake_free(&fake);
}

TEST(up_of_postgresql_follows_replication)
{
	static const struct {
		enum replication_state state;
		const char *says; /* NULL: left out */
	} cases[] = { { REPLICATION_OFF, NULL }, { REPLICATION_PAUSED, NULL },
		{ REPLICATION_CONNECTING, "0" }, { REPLICATION_FAILED, "0" },
		{ REPLICATION_CATCHING_UP, "1" }, { REPLICATION_CURRENT, "1" } };
	struct fake fake;

	fake_make(&fake, 1);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char *text, *at;

		fake.replication.state = cases[i].state;
		text = render(&fake.sources);
		at = strstr(text, "sluice_up{process=\"postgresql\"} ");
		assert_case_equal(i, at != NULL, cases[i].says != NULL);
		if (at != NULL)
			assert_memory_equal(strchr(at, ' ') + 1, cases[i].says, 1);
		assert_case_equal(i, strstr(text, "sluice_replication_lag_seconds 0.125") != NULL,
		    cases[i].state != REPLICATION_OFF);
		free(text);
	}
	fake_free(&fake);
}

TEST(a_lag_is_never_below_zero)
{
	struct fake fake;
	json_t *shard;
	char *text;

	fake_make(&fake, 1);
	shard = json_array_get(json_object_get(fake.status, "shards"), 0);
	json_object_set_new(shard, "store_applied_lsn", json_integer(5001));
	fake.link.command_done = 99;
	text = render(&fake.sources);
	assert_non_null(strstr(text, "\nsluice_follower_lag_events{shard=\"0\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_log_commit_lag_events{shard=\"0\"} 100\n"));
	assert_non_null(strstr(text, "\nsluice_commands_pending 0\n"));
	free(text);
	fake_free(&fake);
}

/* Counters of another version of the data plane: what is missing or odd is left out, not guessed.
 */
TEST(odd_status_and_histograms_are_left_out)
{
	static const char *const odd[] = {
		"{}",
		"[]",
		"{\"shards\": 3, \"drops\": [], \"codes\": null, \"ports\": \"x\", \"open\": []}",
		"{\"shards\": [3, null, {\"turns\": \"many\", \"pending\": 1.5}]}",
		"{\"drops\": {\"bad_tag\": {}}, \"bounds_ns\": [1, 2], \"shards\": [{\"stages\": "
		"{\"a\": {\"counts\": [1, 2], \"sum_ns\": 3}}}]}",
		"{\"bounds_ns\": [2, 1], \"shards\": [{\"stages\": {\"a\": {\"counts\": [1, 2, 3], "
		"\"sum_ns\": 3}}}]}",
		"{\"bounds_ns\": [1, 2], \"shards\": [{\"stages\": {\"a\": {\"counts\": [1, \"x\", "
		"3], "
		"\"sum_ns\": 3}}}]}",
		"{\"bounds_ns\": [1, 2], \"shards\": [{\"stages\": {\"a\": {\"counts\": [1, 2, "
		"3]}}}]}",
		"{\"bounds_ns\": [], \"shards\": [{\"stages\": 4}]}",
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(odd); i++) {
		json_t *json = json_loads(odd[i], 0, NULL);
		struct metrics_sources sources = { .status = json, .histograms = json };
		char *text;

		assert_non_null(json);
		text = render(&sources);
		assert_non_null(strstr(text, "sluice_up{process=\"dataplane\"} 1\n"));
		assert_null(strstr(text, "sluice_stage_latency"));
		assert_null(strstr(text, "sluice_turns_total"));
		assert_null(strstr(text, "sluice_drops"));
		free(text);
		json_decref(json);
	}
}

TEST(histograms_are_cumulative_in_seconds)
{
	static const char json[] =
	    "{\"bounds_ns\": [1024, 1280, 1536, 1792, 2048, 2560, 5000000000], \"shards\": "
	    "[{\"shard\": 3, \"stages\": {\"decide\": {\"counts\": [1, 2, 3, 4, 5, 6, 7, 8], "
	    "\"sum_ns\": \"12000000345\"}}}]}";
	json_t *histograms = json_loads(json, 0, NULL), *status = json_object();
	struct metrics_sources sources = { .status = status, .histograms = histograms };
	char *text = render(&sources);

	assert_non_null(strstr(text,
	    "# TYPE sluice_stage_latency_seconds histogram\n"
	    "sluice_stage_latency_seconds_bucket{shard=\"3\",stage=\"decide\",le=\"0.000001024\"} "
	    "1\n"
	    "sluice_stage_latency_seconds_bucket{shard=\"3\",stage=\"decide\",le=\"0.000002048\"} "
	    "15\n"
	    "sluice_stage_latency_seconds_bucket{shard=\"3\",stage=\"decide\",le=\"5\"} 28\n"
	    "sluice_stage_latency_seconds_bucket{shard=\"3\",stage=\"decide\",le=\"+Inf\"} 36\n"
	    "sluice_stage_latency_seconds_sum{shard=\"3\",stage=\"decide\"} 12.000000345\n"
	    "sluice_stage_latency_seconds_count{shard=\"3\",stage=\"decide\"} 36\n"));
	free(text);
	json_decref(histograms);
	json_decref(status);
}

TEST(labels_are_escaped_and_bounded)
{
	char labels[METRICS_LABELS_SIZE] = "", longest[2 * METRICS_LABELS_SIZE];

	metrics_label(labels, "a", "x\"y\\z\nw");
	metrics_label(labels, "missing", NULL);
	metrics_label_number(labels, "b", 7);
	assert_string_equal(labels, "a=\"x\\\"y\\\\z\\nw\",b=\"7\"");
	memset(longest, 'q', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	metrics_label(labels, "c", longest);
	longest[METRICS_LABELS_SIZE - 3] = '\0';
	metrics_label(labels, "c", longest);
	assert_string_equal(labels, "a=\"x\\\"y\\\\z\\nw\",b=\"7\"");
}

TEST(seconds_are_exact)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = { { 0, "0" }, { 1, "0.000000001" }, { 1024, "0.000001024" },
		{ 1000000000, "1" }, { 10000000000, "10" }, { 1500000000, "1.5" },
		{ UINT64_MAX, "18446744073.709551615" } };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		char text[40];

		metrics_seconds(cases[i].ns, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

TEST(the_file_is_replaced_as_a_whole)
{
	char folder[] = "/tmp/sluice-metrics-XXXXXX", directory[64], path[96], *text;
	struct stat before, after;

	assert_non_null(mkdtemp(folder));
	snprintf(directory, sizeof(directory), "%s/node-exporter", folder);
	snprintf(path, sizeof(path), "%s/sluice.prom", directory);
	assert_int_equal(metrics_write(directory, "one 1\n"), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0644);
	assert_int_equal(metrics_write(directory, "two 2\n"), 0);
	text = file_read(path);
	assert_string_equal(text, "two 2\n");
	free(text);
	/* Another file: a reader that has the old one open reads it to its end. */
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino != after.st_ino);
	/* Nothing left beside it, so the folder can go. */
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(metrics_write("/proc/nowhere/x", "x"), -ENOENT);
	snprintf(path, sizeof(path), "%s/file", folder);
	fclose(fopen(path, "w"));
	assert_int_equal(metrics_write(path, "x"), -ENOTDIR);
	unlink(path);
	rmdir(folder);
}

TEST_MAIN()
