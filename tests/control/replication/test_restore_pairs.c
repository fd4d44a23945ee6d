/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sluice-db restore` of shards that were replicated up to different moments. The tables hold the
 * logs of four shards between which money moves, each cut off somewhere, as a loss finds them.
 */
#include <libpq-fe.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <jansson.h>

#include "tests/ledger/shards_stream.h"

#define STEPS      3000
#define BLOCK_SIZE 60000u

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL)
		fail_msg("%s is not set; run under with-postgres", name);
	return value;
}

static void sql(PGconn *conn, const char *text)
{
	PGresult *result = PQexec(conn, text);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail_msg("%s: %s", text, PQerrorMessage(conn));
	PQclear(result);
}

/* Two digits a byte and the end: room for 2 * size + 1. */
static void hex_write(char *text, const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * size] = '\0';
}

/* What restore reads, of control/replication/migrations. */
static PGconn *tables_make(const struct shards *shards)
{
	PGconn *conn = PQconnectdb(environment("SLUICE_TEST_POSTGRES"));
	char text[2 * LIMIT_BUCKETS + 1], order[2 * LIMIT_BUCKETS + 200];

	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	sql(conn, "set client_min_messages = warning; drop schema if exists sluice cascade;"
	          "create schema sluice;"
	          "create table sluice.migration (version integer);"
	          "create table sluice.deployment (name text, shard_count smallint, buckets bytea);"
	          "create table sluice.cursor (shard smallint, incarnation bigint, lsn bigint);"
	          "create table sluice.transactions (shard smallint, type smallint, code integer,"
	          " terminal bigint);"
	          "create table sluice.accounts (currency smallint);"
	          "create table sluice.log_block (first_lsn bigint, last_lsn bigint, xxh3 bigint,"
	          " shard smallint, events bytea);"
	          "create table sluice.control_change (sequence bigint, time_ns bigint,"
	          " table_number smallint, key bytea, value bytea);"
	          "insert into sluice.migration values (1)");
	hex_write(text, shards->config[0].buckets.shard, LIMIT_BUCKETS);
	snprintf(order, sizeof(order), "insert into sluice.deployment values ('test', %d, '\\x%s')",
	    SHARDS, text);
	sql(conn, order);
	return conn;
}

static void block_insert(
    PGconn *conn, uint32_t shard, uint64_t first, uint64_t last, const uint8_t *events, size_t size)
{
	size_t room = 2 * size + 400;
	char *text = malloc(2 * size + 1), *order = malloc(room);

	assert_true(text != NULL && order != NULL);
	hex_write(text, events, size);
	snprintf(order, room, "insert into sluice.log_block values (%llu, %llu, %lld, %u, '\\x%s')",
	    (unsigned long long)first, (unsigned long long)last,
	    (long long)(int64_t)XXH3_64bits(events, size), shard, text);
	sql(conn, order);
	free(order);
	free(text);
}

/* The shard's log up to `last`, in blocks. */
static void shard_insert(PGconn *conn, const struct shards *shards, uint32_t shard, uint64_t last)
{
	const struct shard_log *log = &shards->log[shard];
	uint64_t first = 1;
	char text[200];

	for (uint64_t lsn = 1; lsn <= last; lsn++) {
		size_t end = log->at[lsn - 1] + le16_get(shards_record(shards, shard, lsn).length);

		if (lsn < last && end - log->at[first - 1] < BLOCK_SIZE)
			continue;
		block_insert(conn, shard, first, lsn, log->bytes + log->at[first - 1],
		    end - log->at[first - 1]);
		first = lsn + 1;
	}
	snprintf(text, sizeof(text), "insert into sluice.cursor values (%u, 1000, %llu)", shard,
	    (unsigned long long)last);
	sql(conn, text);
}

static int exists(const char *root, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/var/lib/%s", root, name);
	return access(path, F_OK) == 0;
}

/* Output of a command in `text`; its exit status. */
static int run(const char *root, const char *arguments, char *text, size_t room)
{
	char command[1024];
	FILE *stream;
	size_t size;

	snprintf(command, sizeof(command), "'%s' %s --root '%s' 2>&1", environment("SLUICE_DB"),
	    arguments, root);
	stream = popen(command, "r");
	assert_non_null(stream);
	size = fread(text, 1, room - 1, stream);
	text[size] = '\0';
	return WEXITSTATUS(pclose(stream));
}

static int restore(const char *root, const char *more, char *text, size_t room)
{
	char arguments[600];

	snprintf(arguments, sizeof(arguments), "restore --from-postgres '%s' %s",
	    environment("SLUICE_TEST_POSTGRES"), more);
	return run(root, arguments, text, room);
}

static json_t *answer_of(const char *text)
{
	json_t *answer = json_loads(text, 0, NULL);

	if (answer == NULL)
		fail_msg("%s", text);
	return answer;
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Restored, whole shards prove; those that were ahead have lost their last events and no others. */
static uint64_t restored_check(const char *root, const char *text, const uint64_t last[SHARDS])
{
	json_t *answer = answer_of(text), *shard, *verified;
	char said[16384];
	uint64_t cut = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "shards"), i, shard)
	{
		assert_int_equal(number_of(shard, "shard"), i);
		assert_int_equal(number_of(shard, "lsn") + number_of(shard, "cut"), last[i]);
		cut += (uint64_t)number_of(shard, "cut");
	}
	assert_int_equal(i, SHARDS);
	assert_int_equal(
	    run(root, "verify --json --transit-max 4294967295", said, sizeof(said)), 0);
	verified = answer_of(said);
	assert_true(json_is_true(json_object_get(verified, "ok")));
	assert_string_equal(json_string_value(json_object_get(verified, "state_hash")),
	    json_string_value(json_object_get(answer, "state_hash")));
	json_decref(verified);
	json_decref(answer);
	return cut;
}

static void root_make(char root[64])
{
	memcpy(root, "/var/tmp/sluice-pairs-XXXXXX", sizeof("/var/tmp/sluice-pairs-XXXXXX"));
	assert_non_null(mkdtemp(root));
}

static void root_remove(const char *root)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

/* One shard `behind` events behind the others (SHARDS: none). Events cut by it. */
static uint64_t case_run(const struct shards *shards, uint32_t behind, uint64_t events)
{
	PGconn *conn = tables_make(shards);
	char root[64], text[16384];
	uint64_t last[SHARDS], cut;
	int status;

	root_make(root);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		last[shard] = ledger_shard(shards->ledger[shard])->lsn;
		if (shard == behind)
			last[shard] -= events;
		shard_insert(conn, shards, shard, last[shard]);
	}
	PQfinish(conn);
	status = restore(root, "--json", text, sizeof(text));
	if (status == 1) {
		assert_non_null(strstr(text, "different moments"));
		assert_non_null(strstr(text, "--cut"));
		assert_false(exists(root, "sluice") || exists(root, "sluice.restoring"));
		status = restore(root, "--json --cut", text, sizeof(text));
		if (status != 0)
			fail_msg("%s", text);
		cut = restored_check(root, text, last);
		assert_true(cut > 0);
	} else {
		if (status != 0)
			fail_msg("%s", text);
		cut = restored_check(root, text, last);
		assert_int_equal(cut, 0);
	}
	root_remove(root);
	return cut;
}

TEST(shards_of_different_moments_are_refused_or_cut_to_fit)
{
	struct shards *shards = shards_new(test_seed());
	struct shards_stream *stream = shards_stream_new(shards, 0);

	for (unsigned i = 0; i < STEPS; i++)
		shards_stream_step(stream);
	shards_stream_free(stream);
	/* All of the same moment, transfers under way: nothing to cut. */
	assert_int_equal(case_run(shards, SHARDS, 0), 0);
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		uint64_t lsn = ledger_shard(shards->ledger[shard])->lsn;
		uint64_t cut = case_run(shards, shard, lsn / 2);

		print_message("  shard %u behind by %llu: %llu events of the others cut\n", shard,
		    (unsigned long long)(lsn / 2), (unsigned long long)cut);
		assert_true(cut > 0);
	}
	/* Its first event: so little that nothing of the others' transfers is left. */
	assert_true(case_run(shards, 1, ledger_shard(shards->ledger[1])->lsn - 1) > 0);
	shards_free(shards);
}

TEST_MAIN()
