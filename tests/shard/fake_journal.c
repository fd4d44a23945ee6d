/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's writer with completions, errors and refusals in the hands of the test. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/shard/fake.h"

struct journal_writer {
	uint64_t recovered, appended, closed, durable;
	int error;
	unsigned refuse;
	int crowded;
	struct journal_counters counters;
	struct event_buffer room;
	struct event_buffer events[FAKE_JOURNAL_EVENTS];
};

struct journal_writer *fake_journal_create(uint64_t lsn)
{
	struct journal_writer *journal = calloc(1, sizeof(*journal));

	if (journal != NULL)
		journal->recovered = journal->appended = journal->closed = journal->durable = lsn;
	return journal;
}

void fake_journal_complete(struct journal_writer *journal, uint64_t lsn)
{
	SLUICE_REQUIRE(journal->error == 0 && lsn <= journal->closed && lsn >= journal->durable);
	journal->durable = lsn;
}

void fake_journal_complete_all(struct journal_writer *journal)
{
	fake_journal_complete(journal, journal->closed);
}

void fake_journal_fail(struct journal_writer *journal, int error)
{
	journal->error = error;
}

void fake_journal_refuse(struct journal_writer *journal, unsigned count)
{
	journal->refuse = count;
}

void fake_journal_crowd(struct journal_writer *journal, int crowded)
{
	journal->crowded = crowded;
}

uint64_t fake_journal_durable(const struct journal_writer *journal)
{
	return journal->durable;
}

uint64_t fake_journal_closed(const struct journal_writer *journal)
{
	return journal->closed;
}

const struct event_buffer *fake_journal_event(const struct journal_writer *journal, uint64_t lsn)
{
	if (lsn <= journal->recovered || lsn > journal->appended ||
	    lsn - journal->recovered > FAKE_JOURNAL_EVENTS)
		return NULL;
	return &journal->events[lsn - journal->recovered - 1];
}

int journal_writer_open(struct journal_writer **out, const struct journal_config *config,
    const struct journal_report *start, struct journal_feed *feed, struct journal_keeper *keeper,
    char *message, size_t message_size)
{
	(void)out, (void)config, (void)start, (void)feed, (void)keeper;
	(void)message, (void)message_size;
	return -ENOSYS; /* tests set worker->journal themselves */
}

void *journal_writer_reserve(struct journal_writer *writer, size_t size)
{
	SLUICE_REQUIRE(size <= LIMIT_JOURNAL_BATCH_SIZE_MAX);
	if (writer->error != 0)
		return NULL;
	if (writer->refuse != 0) {
		writer->refuse--;
		return NULL;
	}
	return &writer->room;
}

size_t journal_writer_room(const struct journal_writer *writer)
{
	return writer->error != 0 || writer->refuse != 0 || writer->crowded
	           ? 0
	           : LIMIT_JOURNAL_BATCH_SIZE_MAX;
}

void journal_writer_append(
    struct journal_writer *writer, uint64_t lsn, uint64_t time_ns, size_t size)
{
	struct event_record record;

	memcpy(&record, writer->room.bytes, sizeof(record));
	SLUICE_REQUIRE(lsn == writer->appended + 1 && lsn == le64_get(record.lsn));
	SLUICE_REQUIRE(time_ns == le64_get(record.time_ns) && size <= sizeof(writer->room));
	/* A shard does not check what it has decided; the follower would stop at it. */
	SLUICE_REQUIRE(event_check(writer->room.bytes, size) == 0);
	writer->appended = lsn;
	if (lsn - writer->recovered <= FAKE_JOURNAL_EVENTS)
		writer->events[lsn - writer->recovered - 1] = writer->room;
}

int journal_writer_should_close(const struct journal_writer *writer)
{
	return writer->error == 0 && writer->appended != writer->closed;
}

int journal_writer_close_batch(
    struct journal_writer *writer, uint64_t state_hash, uint64_t control_sequence)
{
	(void)state_hash, (void)control_sequence;
	if (writer->error != 0)
		return -writer->error;
	writer->closed = writer->appended;
	return 0;
}

uint64_t journal_writer_poll(struct journal_writer *writer)
{
	return writer->durable;
}

int journal_writer_error(const struct journal_writer *writer)
{
	return writer->error;
}

unsigned journal_writer_in_flight(const struct journal_writer *writer)
{
	/* What a failed one had under way has ended. */
	return writer->error != 0 ? 0 : writer->closed != writer->durable;
}

void journal_writer_wait(struct journal_writer *writer, unsigned timeout_us)
{
	(void)writer, (void)timeout_us;
}

const struct journal_counters *journal_writer_counters(const struct journal_writer *writer)
{
	return &writer->counters;
}

void journal_writer_free(struct journal_writer *writer)
{
	free(writer);
}
