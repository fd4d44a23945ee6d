/* SPDX-License-Identifier: Apache-2.0 */
/* The mark of made shards, and what it says of each. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/schema.h"
#include "tests/test.h"

static void folder_make(char folder[64], char path[96])
{
	snprintf(folder, 64, "/tmp/sluice-made-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, 96, "%s/" SCHEMA_MADE_NAME, folder);
}

static void folder_end(const char *folder, const char *path)
{
	(void)unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

TEST(what_is_written_is_read_and_written_over)
{
	struct schema_made_shard wrote[3] = { { 0x3581567a3a458142, 1 }, { 7, UINT64_MAX },
		{ UINT64_MAX, 1792345678 } };
	struct schema_made_shard read[LIMIT_SHARDS];
	char folder[64], path[96];

	folder_make(folder, path);
	assert_int_equal(schema_made_read(folder, read, LIMIT_SHARDS), 0);
	for (unsigned i = 0; i < 2; i++) {
		wrote[0].starts += i;
		assert_int_equal(schema_made_write(folder, wrote, 3), 0);
		assert_int_equal(schema_made_read(folder, read, LIMIT_SHARDS), 1);
		assert_memory_equal(read, wrote, sizeof(wrote));
		assert_int_equal(read[3].incarnation, 0);
	}
	/* A restore asks for a mark and has nothing to say. */
	assert_int_equal(schema_made_write(folder, NULL, 0), 0);
	assert_int_equal(schema_made_read(folder, read, 2), 1);
	assert_memory_equal(read, wrote, 2 * sizeof(*wrote));
	folder_end(folder, path);
	folder_make(folder, path);
	assert_int_equal(schema_made_write(folder, NULL, 0), 0);
	assert_int_equal(schema_made_read(folder, read, LIMIT_SHARDS), 1);
	for (unsigned i = 0; i < LIMIT_SHARDS; i++)
		assert_int_equal(read[i].incarnation, 0);
	folder_end(folder, path);
	assert_int_equal(schema_made_write("/nowhere", wrote, 3), -ENOENT);
}

TEST(lines_that_are_not_whole_say_nothing)
{
	static const struct {
		const char *text;
		uint64_t incarnation, starts;
	} cases[] = {
		{ "", 0, 0 },
		{ "shard 0: journal 00000000000000ff, start 9.\n", 0xff, 9 },
		{ "words\n\nshard 0: journal 00000000000000ff, start 9.\nwords", 0xff, 9 },
		{ "shard 0: journal 00000000000000ff, start 9", 0, 0 },  /* 3: torn */
		{ "shard 0: journal 00000000000000ff, start 9.", 0, 0 }, /* 4 */
		{ "shard 0: journal ff, start 9.\n", 0, 0 },             /* 5 */
		{ "shard 0: journal 00000000000000ff, start 09.\n", 0, 0 },
		{ "shard 00: journal 00000000000000ff, start 9.\n", 0, 0 },
		{ " shard 0: journal 00000000000000ff, start 9.\n", 0, 0 },
		{ "shard 1: journal 00000000000000ff, start 9.\n", 0, 0 }, /* 9: not asked for */
		{ "shard -1: journal 00000000000000ff, start 9.\n", 0, 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		size_t length = strlen(cases[i].text);
		struct schema_made_shard read;
		char folder[64], path[96];
		int fd;

		folder_make(folder, path);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(write(fd, cases[i].text, length), length);
		close(fd);
		assert_case_equal(i, schema_made_read(folder, &read, 1), 1);
		assert_case_equal(i, read.incarnation, cases[i].incarnation);
		assert_case_equal(i, read.starts, cases[i].starts);
		folder_end(folder, path);
	}
}

TEST_MAIN()
