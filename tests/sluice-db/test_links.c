/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shards of different moments whose logs do not begin at LSN 1, as old ones were put away: verify
 * and restore still hold them against each other.
 */
#include <inttypes.h>

#include "tests/sluice-db/backup.h"

#define KEEP     200000
#define FILLING  900 /* accounts a shard: more log than is kept */
#define TERMINAL 7
#define AMOUNT   5000

struct line {
	struct shards *shards;
	uint64_t early[SHARDS], arrival, closing, settled[SHARDS], last[SHARDS];
	char top[64], root[96], backup[96], restored[96];
};

static void fill(struct shards *shards, unsigned from)
{
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		for (unsigned n = from; n < from + FILLING; n++)
			shards_account(shards, shards_id_on(shards, shard, 1, n), 10000, KRW);
}

static void lasts(const struct shards *shards, uint64_t last[SHARDS])
{
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		last[shard] = root_last(shards, shard);
}

/* Nothing between the shards (early), then the first transfer of all, from 0 to 1 (settled), and
 * nothing between them again. */
static void line_make(struct line *line)
{
	struct wire_request wire = { .template_id = WIRE_TRANSFER };
	struct shards *shards = shards_new(1);

	memset(line, 0, sizeof(*line));
	line->shards = shards;
	fill(shards, 0);
	lasts(shards, line->early);
	wire.transfer.from_account = shards_id_on(shards, 0, 1, 0);
	wire.transfer.to_account = shards_id_on(shards, 1, 1, 0);
	wire.transfer.amount = AMOUNT;
	wire.transfer.currency = KRW;
	wire.transfer.deadline_ns = UINT64_MAX;
	assert_int_equal(shards_code(shards, &wire, TERMINAL), WIRE_CODE_PENDING);
	shards_settle_all(shards);
	lasts(shards, line->settled);
	line->arrival = line->settled[1];
	line->closing = line->settled[0];
	assert_int_equal(le16_get(shards_record(shards, 1, line->arrival).type), EVENT_TRANSFER_IN);
	assert_int_equal(
	    le16_get(shards_record(shards, 0, line->closing).type), EVENT_TRANSFER_DONE);
	fill(shards, FILLING);
	lasts(shards, line->last);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		shards_sync(shards, shard);
	root_make(line->top);
	snprintf(line->root, sizeof(line->root), "%s/root", line->top);
	snprintf(line->backup, sizeof(line->backup), "%s/backup", line->top);
	snprintf(line->restored, sizeof(line->restored), "%s/restored", line->top);
	root_logs_keep = KEEP;
}

static void line_remove(struct line *line)
{
	root_logs_keep = 0;
	root_remove(line->top);
	shards_free(line->shards);
}

static void shard_write(
    const struct line *line, const char *root, uint32_t shard, uint64_t last, uint64_t *first)
{
	uint64_t *list = NULL;
	char path[160];

	(void)root_shard_write(line->shards, shard, root, last, 1, NULL);
	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root, shard);
	assert_true(schema_log_list(path, &list) > 0);
	assert_true(list[0] > 1); /* what this test is about */
	*first = list[0];
	free(list);
}

static void root_write(const struct line *line, const char *root, const uint64_t last[SHARDS])
{
	uint64_t first;

	for (uint32_t shard = 0; shard < SHARDS; shard++)
		shard_write(line, root, shard, last[shard], &first);
}

TEST(verify_finds_a_shard_of_an_older_moment)
{
	struct line line;
	char said[1024];
	uint64_t first;

	line_make(&line);
	root_write(&line, line.root, line.early);
	root_is(line.shards, line.root, line.early);
	root_write(&line, line.root, line.settled);
	root_is(line.shards, line.root, line.settled);
	shard_write(&line, line.root, 0, line.early[0], &first);
	assert_int_equal(say_run(said, "verify --root '%s'", line.root), 1);
	if (strstr(said, "arrived and never left shard 0") == NULL)
		fail_msg("%s", said);
	shard_write(&line, line.root, 0, line.settled[0], &first);
	shard_write(&line, line.root, 1, line.early[1], &first);
	assert_int_equal(say_run(said, "verify --root '%s'", line.root), 1);
	if (strstr(said, "was closed and is not known to shard 1") == NULL)
		fail_msg("%s", said);
	/* Where the other log does not have it any more, its link still tells. */
	root_write(&line, line.root, line.last);
	root_is(line.shards, line.root, line.last);
	for (uint32_t shard = 0; shard < 2; shard++) {
		char expected[80];

		shard_write(&line, line.root, 1 - shard, line.last[1 - shard], &first);
		assert_true(first > line.settled[1 - shard]);
		shard_write(&line, line.root, shard, line.early[shard], &first);
		snprintf(expected, sizeof(expected), "shard %u is behind shard %u, which", shard,
		    1 - shard);
		assert_int_equal(say_run(said, "verify --root '%s'", line.root), 1);
		if (strstr(said, expected) == NULL)
			fail_msg("%s", said);
	}
	line_remove(&line);
}

/* One shard ends before the first transfer of a link that its log has nothing of: what the other
 * knows of that transfer goes. */
TEST(a_restore_never_takes_what_it_cannot_see_for_proven)
{
	struct line line;

	line_make(&line);
	root_write(&line, line.root, line.early);
	must_run("backup create '%s' '%s'", line.root, line.backup);
	root_write(&line, line.root, line.settled);
	for (uint32_t shard = 0; shard < 2; shard++) {
		uint64_t expected[SHARDS];
		char said[1024];

		assert_int_equal(
		    say_run(said, "backup restore '%s' '%s' --archive '%s' --to-lsn %u:%" PRIu64,
		        line.backup, line.restored, line.root, shard, line.early[shard]),
		    1);
		if (strstr(said, shard == 0 ? "came from shard 0" : "was answered by shard 1") ==
		    NULL)
			fail_msg("%s", said);
		must_run("backup restore '%s' '%s' --archive '%s' --to-lsn %u:%" PRIu64 " --cut",
		    line.backup, line.restored, line.root, shard, line.early[shard]);
		memcpy(expected, line.settled, sizeof(expected));
		expected[shard] = line.early[shard];
		expected[1 - shard] = (shard == 0 ? line.arrival : line.closing) - 1;
		root_is(line.shards, line.restored, expected);
		root_remove(line.restored);
	}
	/* And all of it is had as it was. */
	must_run("backup restore '%s' '%s' --archive '%s'", line.backup, line.restored, line.root);
	root_is(line.shards, line.restored, line.settled);
	line_remove(&line);
}

TEST(a_restore_that_no_cut_can_mend_is_refused)
{
	for (uint32_t shard = 0; shard < 2; shard++) {
		struct line line;
		char said[1024], expected[80], command[200];
		uint64_t first;

		line_make(&line);
		root_write(&line, line.root, line.last);
		shard_write(&line, line.root, shard, line.early[shard], &first);
		must_run("backup create '%s' '%s'", line.root, line.backup);
		assert_int_equal(
		    say_run(said, "backup restore '%s' '%s'", line.backup, line.restored), 1);
		snprintf(expected, sizeof(expected), "shard %u is behind shard %u, which", shard,
		    1 - shard);
		if (strstr(said, expected) == NULL || strstr(said, "Nothing was restored") == NULL)
			fail_msg("%s", said);
		snprintf(command, sizeof(command), "test ! -e '%s/var/lib/sluice'", line.restored);
		assert_int_equal(system(command), 0);
		line_remove(&line);
	}
}

TEST_MAIN()
