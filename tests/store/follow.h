/* SPDX-License-Identifier: Apache-2.0 */
/* A store behind a real journal: what store thread and worker do, by hand and in one thread. */
#ifndef SLUICE_TESTS_STORE_FOLLOW_H
#define SLUICE_TESTS_STORE_FOLLOW_H

#include "dataplane/journal/feed.h"
#include "tests/store/fixture.h"

struct follow {
	struct world *world;
	char path[64], journal_path[80];
	struct journal_config journal;
	struct store_config config;
	struct store *store;
	struct journal_feed *feed;
	struct journal_keeper *keeper;
	struct journal_writer *writer;
	struct journal_reader *reader;
	uint64_t now;
};

static inline int follow_apply(void *context, const struct journal_batch *batch)
{
	return store_apply_batch(context, batch);
}

static inline void follow_start(struct follow *follow, uint32_t buffers)
{
	struct journal_report journal = { 0 };
	struct journal_identity identity = { 0 };
	struct store_report report;
	uint64_t from_lsn;
	char message[256];
	int error;

	follow->store = store_start(&follow->config, &report);
	if (journal_identity_read(&follow->journal, &identity) == 0 &&
	    store_join_journal(follow->store, identity.incarnation, identity.base_lsn, &report) !=
	        0)
		fail_msg("join %s", report.message);
	from_lsn = 1 + (report.checkpoint_lsn > identity.base_lsn ? report.checkpoint_lsn
	                                                          : identity.base_lsn);
	error = journal_recover(
	    &follow->journal, from_lsn, report.applied_lsn, follow_apply, follow->store, &journal);
	if (error != 0)
		fail_msg("recover %d %s", error, journal.damage);
	assert_int_equal(
	    store_check_state(follow->store, journal.state_lsn, journal.state_hash), 0);
	assert_int_equal(journal_feed_create(&follow->feed, buffers, follow->journal.depth), 0);
	assert_int_equal(journal_keeper_create(&follow->keeper, &follow->journal, &journal.end), 0);
	while (journal_keeper_work(follow->keeper, 0) == 1)
		;
	error = journal_writer_open(&follow->writer, &follow->journal, &journal, follow->feed,
	    follow->keeper, message, sizeof(message));
	if (error != 0)
		fail_msg("writer %d %s", error, message);
	assert_int_equal(journal_reader_open(&follow->reader, &follow->journal), 0);
}

static inline void follow_stop(struct follow *follow)
{
	journal_writer_free(follow->writer);
	journal_reader_close(follow->reader);
	journal_keeper_free(follow->keeper);
	store_close(follow->store);
	journal_feed_free(follow->feed);
}

/* Writes the world's next batch and waits until it is durable. */
static inline void follow_write(struct follow *follow, const struct world_batch *batch)
{
	uint64_t first = le64_get(batch->header.first_lsn), durable;
	uint32_t count = le32_get(batch->header.event_count);
	const uint8_t *at = batch->events;

	for (uint32_t i = 0; i < count; i++) {
		struct event_record record;
		size_t length;
		void *room;

		memcpy(&record, at, sizeof(record));
		length = le16_get(record.length);
		while ((room = journal_writer_reserve(follow->writer, length)) == NULL) {
			journal_writer_wait(follow->writer, 1000);
			(void)journal_writer_poll(follow->writer);
			(void)journal_keeper_work(
			    follow->keeper, store_checkpoint_lsn(follow->store));
		}
		memcpy(room, at, length);
		journal_writer_append(follow->writer, first + i, le64_get(record.time_ns), length);
		at += length;
	}
	assert_int_equal(
	    journal_writer_close_batch(follow->writer, le64_get(batch->header.state_hash), 0), 0);
	while ((durable = journal_writer_poll(follow->writer)) < first + count - 1) {
		assert_int_equal(journal_writer_error(follow->writer), 0);
		journal_writer_wait(follow->writer, 1000);
	}
}

static inline void follow_work(struct follow *follow)
{
	int result;

	do {
		follow->now += 1000000;
		result = store_work(follow->store, follow->feed, follow->reader, follow->now);
		assert_true(result >= 0);
	} while (result > 0);
}

static inline void follow_begin(struct follow *follow)
{
	memset(follow, 0, sizeof(*follow));
	follow->world = world_create(test_seed());
	directory_make(follow->path);
	snprintf(follow->journal_path, sizeof(follow->journal_path), "%s/journal", follow->path);
	follow->journal = (struct journal_config){ .directory = follow->journal_path,
		.segment_size = LIMIT_JOURNAL_SEGMENT_SIZE_MIN,
		.segments_ready = 2,
		.segments_max = 16,
		.depth = 2,
		.allow_volatile = 1 };
	follow->config = store_config_of(follow->world, follow->path);
	follow->config.checkpoint_interval_ms = 20;
}

static inline void follow_end(struct follow *follow)
{
	directory_remove(follow->path);
	world_free(follow->world);
}

#endif
