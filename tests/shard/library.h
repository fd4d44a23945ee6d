/* SPDX-License-Identifier: Apache-2.0 */
/* A bed with a reader: its histories hold what the fake journals were given. */
#ifndef SLUICE_TESTS_SHARD_LIBRARY_H
#define SLUICE_TESTS_SHARD_LIBRARY_H

#include "dataplane/reader/reader.h"
#include "tests/shard/bed.h"

struct library {
	struct bed *bed;
	struct reader *reader;
	struct store stores[BED_WORKERS_MAX];
	struct log_history histories[BED_WORKERS_MAX];
	struct store *store_list[BED_WORKERS_MAX];
	struct log_history *history_list[BED_WORKERS_MAX];
};

static inline void library_open(struct library *library, uint32_t count)
{
	memset(library, 0, sizeof(*library));
	library->bed = bed_open(count, 0);
	for (uint32_t i = 0; i < count; i++) {
		library->stores[i].first_lsn = 1;
		library->histories[i].journal = library->bed->journals[i];
		library->histories[i].store = &library->stores[i];
		library->store_list[i] = &library->stores[i];
		library->history_list[i] = &library->histories[i];
	}
	library->reader = reader_create(&library->bed->shared, library->bed->workers,
	    library->store_list, library->history_list);
	assert_non_null(library->reader);
}

static inline void library_close(struct library *library)
{
	reader_free(library->reader);
	bed_close(library->bed);
}

/* The logs of all shards hold what is durable. */
static inline void commit(struct library *library)
{
	for (uint32_t i = 0; i < library->bed->count; i++)
		library->stores[i].committed_lsn = fake_journal_durable(library->bed->journals[i]);
}

/* Everything is committed, the reader looks, and all of it is answered. */
static inline void library_settle(struct library *library)
{
	for (int i = 0; i < 4; i++) {
		bed_settle(library->bed, 1);
		commit(library);
		(void)reader_work(library->reader, library->bed->now_ns);
	}
	bed_settle(library->bed, 1);
}

/* One request to its only answer, by way of the reader where that is needed. */
static inline struct wire_reply library_ask(struct library *library, struct wire_request request)
{
	struct wire_reply reply;

	bed_send(library->bed, 0, request);
	library_settle(library);
	assert_int_equal(bed_waiting(library->bed), 1);
	reply = bed_take(library->bed);
	assert_int_equal(reply.request_id, request.request_id);
	return reply;
}

#endif
