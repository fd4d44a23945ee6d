/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/alerts/reader.h"
#include "control/log/log.h"

#define PROFILES_WAIT_NS 2000000000ull /* between writings of what is no alert */

int alerts_reader_create(struct alerts_reader **out, const char *root, struct database *database)
{
	struct alerts_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return -ENOMEM;
	reader->root = root;
	reader->database = database;
	*out = reader;
	return 0;
}

static void shards_close(struct alerts_reader *reader)
{
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
		log_tail_close(reader->shards[i].tail);
		reader->shards[i] = (struct reader_shard){ 0 };
	}
}

void alerts_reader_free(struct alerts_reader *reader)
{
	if (reader == NULL)
		return;
	shards_close(reader);
	free(reader);
}

/* Opens the shard's log where it was left. 1; 0: it has none yet; -ENOENT: there is no such shard.
 */
static int shard_open(struct alerts_reader *reader, uint32_t number)
{
	struct reader_shard *shard = &reader->shards[number];
	char path[PATH_MAX];
	int result;

	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", reader->root, number);
	if (access(path, F_OK) != 0)
		return -ENOENT;
	result = log_tail_open(&shard->tail, path, 1);
	if (result == 0)
		result = reader_begin(reader, number);
	if (result <= 0) {
		log_tail_close(shard->tail);
		*shard = (struct reader_shard){ 0 };
	}
	return result;
}

/* The log begins behind what was to be read next: goes on with what there is, and counts the rest.
 */
static int gap_pass(struct alerts_reader *reader, uint32_t number)
{
	struct reader_shard *shard = &reader->shards[number];
	uint64_t first_lsn, last_lsn;
	int error = log_tail_range(shard->tail, &first_lsn, &last_lsn);

	if (error != 0 || first_lsn <= shard->lsn + 1)
		return error != 0 ? error : -ENODATA; /* a hole */
	log_event(LOG_WARNING, "alerts", "events_retired",
	    &(struct log_ids){ .shard_plus_1 = number + 1 },
	    "shard %u: the log begins at LSN %" PRIu64 ", alerts had read to %" PRIu64
	    "; what lies between was never looked at (store.log_keep_mib)",
	    number, first_lsn, shard->lsn);
	if (first_lsn - 1 > shard->alerts_after)
		reader->batch.skipped +=
		    first_lsn - 1 -
		    (shard->lsn > shard->alerts_after ? shard->lsn : shard->alerts_after);
	shard->lsn = first_lsn - 1;
	shard->hash = 0;
	log_tail_seek(shard->tail, first_lsn);
	return 0;
}

static int has_room(const struct reader_batch *batch)
{
	return batch->event_count + READER_PIECE_MAX <= READER_EVENTS_MAX &&
	       batch->seen_count + READER_PIECE_MAX <= READER_SEEN_MAX;
}

/* One piece of one shard. Events read, -errno. */
static int64_t shard_read(struct alerts_reader *reader, uint32_t number)
{
	struct reader_shard *shard = &reader->shards[number];
	struct log_tail_piece piece;
	int result = 1;

	if (shard->tail == NULL)
		result = shard_open(reader, number);
	if (result == 1 && !has_room(&reader->batch)) {
		int error = reader_write(reader);

		if (error != 0)
			return error;
	}
	if (result == 1)
		result = log_tail_next(shard->tail, &piece);
	if (result == -ENODATA) {
		result = gap_pass(reader, number);
		if (result == 0)
			result = log_tail_next(shard->tail, &piece);
	}
	if (result != 1)
		return result;
	reader_piece(reader, number, &piece);
	return (int64_t)(piece.last_lsn - piece.first_lsn + 1);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Nothing found: the cursor may wait, the same nothing would be found again. */
static int is_due(const struct alerts_reader *reader, uint64_t read, int now)
{
	const struct reader_batch *batch = &reader->batch;
	int waits = batch->seen_count > 0 || batch->skipped > 0 || read > 0;

	return batch->event_count > 0 ||
	       (waits && (now || monotonic_ns() - reader->written_ns >= PROFILES_WAIT_NS));
}

int64_t alerts_reader_turn(
    struct alerts_reader *reader, uint64_t suppress_ns, uint64_t events_max, int now)
{
	uint64_t read = 0;
	int64_t result = 0;
	int more = 1;

	reader->suppress_ns = suppress_ns;
	while (more && read < events_max && result >= 0) {
		more = 0;
		for (uint32_t i = 0; result >= 0 && i < LIMIT_SHARDS; i++) {
			result = shard_read(reader, i);
			if (result > 0) {
				read += (uint64_t)result;
				more = 1;
			}
			if (result == -ENOENT && reader->shards[i].tail == NULL) {
				result = 0;
				break; /* one behind the last shard */
			}
		}
	}
	if (result >= 0 && is_due(reader, read, now)) {
		result = reader_write(reader);
		reader->written_ns = monotonic_ns();
	}
	if (result < 0) {
		/* Memory is not trusted any more: from the cursors again. */
		memset(&reader->batch, 0, sizeof(reader->batch));
		shards_close(reader);
		return result;
	}
	return (int64_t)read;
}
