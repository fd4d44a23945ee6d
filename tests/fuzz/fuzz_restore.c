/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: restore_deployment, restore_shard, restore_control: what PostgreSQL answers a restore,
 * made into shards and control's database by the store's and lmdb-schema's own code.
 *
 * First byte: bit 0: checksums of runs of events are made right. Then the answers in the order in
 * which they are asked for: a byte with the number of rows, and each value as its length (2 bytes,
 * little-endian; 0xffff: null) and its bytes. The numbers the server counts for the size of tables
 * are given. Behind the end of the input all is empty.
 *
 * Whatever comes, a restore is refused with a sentence, or the log holds just the events that are
 * said to be restored, and control's database all changes.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lmdb-schema/past.h"
#include "tests/fuzz/fuzz.h"
#include "tools/sluice-db/backup.h"

#define RIGHT_SUMS  1u
#define COLUMNS_MAX 8
#define ROWS_MAX    8u
#define SHARDS_MAX  2u /* more would only be slower */
#define NULL_LENGTH 0xffffu
#define INPUT_MAX   (1u << 17)

static char folder[64];

static struct {
	const uint8_t *at, *end;
	uint8_t flags;
	uint64_t changes; /* rows of control's changes given */
} input;

static unsigned rows_take(void)
{
	return input.at < input.end ? *input.at++ % (ROWS_MAX + 1) : 0;
}

/* -1 for null. */
static int value_take(const uint8_t **value)
{
	struct le16 length = le16_make(NULL_LENGTH);
	size_t size = (size_t)(input.end - input.at);

	*value = input.at;
	if (size < sizeof(length))
		return -1;
	memcpy(&length, input.at, sizeof(length));
	*value = input.at += sizeof(length);
	size -= sizeof(length);
	if (le16_get(length) == NULL_LENGTH)
		return -1;
	if (size > le16_get(length))
		size = le16_get(length);
	input.at += size;
	return (int)size;
}

static void value_put(PGresult *result, unsigned row, int column, const void *value, int size)
{
	/* libpq copies it, and takes no const. */
	SLUICE_REQUIRE(PQsetvalue(result, (int)row, column,
	                   size < 0 ? NULL : (char *)(uintptr_t)value, size) == 1);
}

static PGresult *result_make(int columns)
{
	static char name[] = "x";
	PGresAttDesc attributes[COLUMNS_MAX];
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	memset(attributes, 0, sizeof(attributes));
	for (int i = 0; i < columns; i++)
		attributes[i].name = name;
	SLUICE_REQUIRE(result != NULL && PQsetResultAttrs(result, columns, attributes) == 1);
	return result;
}

/* The third of four: checksum of the fourth. */
static void sum_make_right(PGresult *result, unsigned row)
{
	uint64_t sum = htobe64(
	    XXH3_64bits(PQgetvalue(result, (int)row, 3), (size_t)PQgetlength(result, (int)row, 3)));

	value_put(result, row, 2, &sum, sizeof(sum));
}

static PGresult *counts_answer(void)
{
	static const uint64_t few = 16;
	PGresult *result = result_make(COLUMNS_MAX);
	uint64_t value = htobe64(few);

	for (int column = 0; column < COLUMNS_MAX; column++)
		value_put(result, 0, column, &value, sizeof(value));
	return result;
}

/* Takes the place of tools/sluice-db/restore.c: no server, the input answers. */
PGresult *restore_query(
    struct restore *restore, const char *sql, int count, const char *const values[4])
{
	int is_block = strstr(sql, "from sluice.log_block") != NULL;
	int is_change = strstr(sql, "from sluice.control_change") != NULL;
	int columns = is_change ? 5 : strstr(sql, "from sluice.cursor") ? 2 : 4;
	PGresult *result;
	unsigned rows;

	(void)restore;
	(void)count;
	(void)values;
	if (strstr(sql, "count(*) filter") != NULL)
		return counts_answer();
	result = result_make(columns);
	rows = rows_take();
	for (unsigned row = 0; row < rows; row++) {
		for (int column = 0; column < columns; column++) {
			const uint8_t *value;
			int size = value_take(&value);

			value_put(result, row, column, value, size);
		}
		if (is_block && input.flags & RIGHT_SUMS)
			sum_make_right(result, row);
	}
	input.changes += is_change ? rows : 0;
	return result;
}

static void refused_check(const struct restore *restore)
{
	SLUICE_REQUIRE(restore->message[0] != '\0');
	SLUICE_REQUIRE(strchr(restore->message, '\n') == NULL);
	SLUICE_REQUIRE(restore->code == EXIT_MISMATCH || restore->code == EXIT_MISSING);
}

/* The log of a shard that is said to be restored ends where the report says. */
static void shard_check(const struct restore *restore, uint32_t shard)
{
	uint64_t first = 0, last = 0, lsn;
	char path[PATH_MAX + 16];

	lsn = (uint64_t)json_integer_value(
	    json_object_get(json_array_get(restore->shards, shard), "lsn"));
	snprintf(path, sizeof(path), "%s/shard-%u", restore->building, shard);
	SLUICE_REQUIRE(log_past_range(path, &first, &last) == 0);
	SLUICE_REQUIRE(first == 1 && last == lsn);
}

static void restore_all(struct restore *restore)
{
	if (restore_deployment(restore) != 0) {
		refused_check(restore);
		return;
	}
	SLUICE_REQUIRE(restore->shard_count >= 1 && restore->shard_count <= LIMIT_SHARDS);
	for (uint32_t shard = 0; shard < restore->shard_count && shard < SHARDS_MAX; shard++) {
		if (restore_shard(restore, shard) != 0) {
			refused_check(restore);
			return;
		}
		shard_check(restore, shard);
	}
	if (restore_control(restore) != 0)
		refused_check(restore);
	else
		SLUICE_REQUIRE(restore->changes == input.changes);
}

static void folder_end(void)
{
	(void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct restore restore = { .shards = json_array(), .source_remedy = "" };

	if (size < 1 || size > INPUT_MAX) {
		json_decref(restore.shards);
		return 0;
	}
	if (folder[0] == '\0') {
		/* Memory: speed matters here, durability does not. */
		snprintf(folder, sizeof(folder), "/dev/shm/sluice-fuzz-XXXXXX");
		SLUICE_REQUIRE(mkdtemp(folder) != NULL);
		atexit(folder_end);
	}
	input.flags = data[0];
	input.at = data + 1;
	input.end = data + size;
	input.changes = 0;
	memset(restore.until, 0xff, sizeof(restore.until));
	restore.root = folder;
	snprintf(restore.building, sizeof(restore.building), "%s/restoring", folder);
	SLUICE_REQUIRE(mkdir(restore.building, 0755) == 0);
	restore_all(&restore);
	restore_links_free(&restore);
	SLUICE_REQUIRE(tree_remove(restore.building) == 0);
	json_decref(restore.shards);
	return 0;
}
