/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/journal/writer.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/journal/segment.h"

#define NONE UINT32_MAX
/* At the end: longer than any device that will still answer. */
#define DRAIN_ROUNDS 100
#define DRAIN_US     100000

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(struct journal_writer *writer, int error)
{
	if (writer->error == 0)
		writer->error = error;
}

/* Takes the next ready segment from the keeper. 0 when there is none. */
static int take_segment(struct journal_writer *writer, struct writer_segment *segment)
{
	if (!spsc_ring_pop(writer->keeper->ready, &segment->file)) {
		segment->file.fd = -1;
		return 0;
	}
	writer_ring_use_file(writer, segment);
	return 1;
}

int journal_writer_open(struct journal_writer **out, const struct journal_config *config,
    const struct journal_report *start, struct journal_feed *feed, struct journal_keeper *keeper,
    char *message, size_t message_size)
{
	struct journal_writer *writer = calloc(1, sizeof(*writer));
	uint32_t count = 2;
	int result = -ENOMEM;

	if (message_size > 0)
		message[0] = '\0';
	if (writer == NULL)
		return -ENOMEM;
	*writer = (struct journal_writer){ .feed = feed,
		.keeper = keeper,
		.depth = config->depth,
		.close_size =
		    config->close_size != 0 ? config->close_size : LIMIT_JOURNAL_BATCH_CLOSE_SIZE,
		.shard = (uint16_t)config->shard,
		.incarnation = start->incarnation,
		.boot_counter = start->boot_counter,
		.segment.file.fd = -1,
		.next.file.fd = -1,
		.offset = start->end.offset,
		.next_lsn = start->end.next_lsn,
		.previous_checksum = start->end.previous_checksum,
		.durable_lsn = start->end.next_lsn - 1,
		.open_buffer = NONE };
	while (count < feed->buffers)
		count *= 2;
	writer->slots = calloc(count, sizeof(*writer->slots));
	if (writer->slots == NULL || journal_order_init(&writer->order, count) != 0)
		goto fail;
	for (uint32_t i = 0; i < count; i++)
		writer->slots[i].finished.fd = -1;
	result = -EINVAL;
	if (journal_config_check(config) != 0 || config->depth > feed->depth ||
	    start->end.next_lsn == 0 || start->boot_counter == 0) {
		snprintf(message, message_size, "journal settings do not fit each other");
		goto fail;
	}
	result = writer_ring_open(writer, message, message_size);
	if (result != 0)
		goto fail;
	result = -ENOENT;
	if (!take_segment(writer, &writer->segment) ||
	    writer->segment.file.generation != start->end.generation) {
		snprintf(message, message_size, "no journal segment is ready to go on in");
		goto fail;
	}
	journal_feed_publish(feed, writer->durable_lsn);
	*out = writer;
	return 0;
fail:
	journal_writer_free(writer);
	return result;
}

/* A batch of any size will find its place: here, or in a next segment already held. */
static int have_room(struct journal_writer *writer)
{
	if (writer->segment.file.size >= writer->offset + LIMIT_JOURNAL_BATCH_SIZE_MAX ||
	    writer->next.file.fd >= 0)
		return 1;
	return take_segment(writer, &writer->next);
}

static int open_batch(struct journal_writer *writer)
{
	if (!have_room(writer)) {
		writer->counters.no_segment++;
		return 0;
	}
	/* As many slots as buffers or more; the ones complete behind a failed one hold theirs. */
	writer->open_buffer = journal_feed_obtain(writer->feed);
	if (writer->open_buffer == NONE) {
		writer->counters.no_buffer++;
		return 0;
	}
	writer->open_size = JOURNAL_HEADER_SIZE;
	writer->open_count = 0;
	return 1;
}

void *journal_writer_reserve(struct journal_writer *writer, size_t size)
{
	SLUICE_REQUIRE(size > 0 && size % 8 == 0 &&
	               size <= LIMIT_JOURNAL_BATCH_SIZE_MAX - JOURNAL_HEADER_SIZE);
	if (writer->error != 0)
		return NULL;
	if (writer->open_buffer == NONE && !open_batch(writer))
		return NULL;
	if (writer->open_size + size > LIMIT_JOURNAL_BATCH_SIZE_MAX) {
		writer->counters.no_buffer++;
		return NULL;
	}
	writer->open_reserved = size;
	return journal_feed_buffer(writer->feed, writer->open_buffer) + writer->open_size;
}

size_t journal_writer_room(const struct journal_writer *writer)
{
	if (writer->error != 0)
		return 0;
	return LIMIT_JOURNAL_BATCH_SIZE_MAX -
	       (writer->open_buffer == NONE ? JOURNAL_HEADER_SIZE : writer->open_size);
}

void journal_writer_append(
    struct journal_writer *writer, uint64_t lsn, uint64_t time_ns, size_t size)
{
	SLUICE_REQUIRE(lsn == writer->next_lsn);
	SLUICE_REQUIRE(size > 0 && size % 8 == 0 && size <= writer->open_reserved);
	writer->open_reserved = 0;
	writer->open_size += size;
	writer->open_count++;
	writer->open_time_ns = time_ns;
	writer->next_lsn++;
}

static size_t open_size(const struct journal_writer *writer)
{
	return writer->open_buffer == NONE || writer->open_count == 0 ? 0 : writer->open_size;
}

int journal_writer_should_close(const struct journal_writer *writer)
{
	return writer->error == 0 &&
	       journal_group_commit_due(journal_order_in_flight(&writer->order), writer->depth,
	           writer->close_size, open_size(writer));
}

unsigned journal_writer_in_flight(const struct journal_writer *writer)
{
	/* A failed writer submits nothing any more. */
	return writer->error != 0 ? writer->order.writing : journal_order_in_flight(&writer->order);
}

/* Starts what is closed, up to the depth. */
static void submit(struct journal_writer *writer)
{
	uint64_t ticket;
	int queued = writer->submit_again, result;

	if (writer->error != 0)
		return;
	while (journal_order_submit(&writer->order, writer->depth, &ticket)) {
		writer->slots[ticket & writer->order.mask].submitted_ns = clock_ns();
		writer_ring_write(writer, ticket);
		queued = 1;
	}
	if (!queued)
		return;
	result = writer_ring_submit(writer);
	if (result < 0)
		fail(writer, -result);
}

/* The open batch's place; into the next segment when it does not fit the rest of this one. */
static void place(struct journal_writer *writer, struct writer_slot *slot)
{
	slot->finished.fd = -1;
	if (writer->offset + slot->size > writer->segment.file.size) {
		SLUICE_REQUIRE(writer->next.file.fd >= 0);
		SLUICE_REQUIRE(writer->next.file.generation == writer->segment.file.generation + 1);
		SLUICE_REQUIRE(slot->size <= writer->next.file.size);
		slot->finished = writer->segment.file;
		slot->finished.last_lsn = writer->next_lsn - writer->open_count - 1;
		writer->segment = writer->next;
		writer->next.file.fd = -1;
		writer->offset = 0;
	}
	slot->generation = writer->segment.file.generation;
	slot->offset = writer->offset;
	slot->fd = writer->segment.file.fd;
	slot->index = writer->segment.index;
}

int journal_writer_close_batch(
    struct journal_writer *writer, uint64_t state_hash, uint64_t control_sequence)
{
	struct journal_batch_header header = { 0 };
	struct writer_slot *slot;
	uint8_t *bytes;
	size_t size = open_size(writer);

	if (writer->error != 0)
		return -writer->error;
	if (size == 0)
		return 0;
	bytes = journal_feed_buffer(writer->feed, writer->open_buffer);
	slot = &writer->slots[journal_order_close(&writer->order) & writer->order.mask];
	slot->buffer = writer->open_buffer;
	slot->size = (uint32_t)journal_batch_padded((uint32_t)(size - JOURNAL_HEADER_SIZE));
	slot->last_lsn = writer->next_lsn - 1;
	place(writer, slot);
	header.shard = le16_make(writer->shard);
	header.incarnation = le64_make(writer->incarnation);
	header.boot_counter = le64_make(writer->boot_counter);
	header.segment_generation = le64_make(slot->generation);
	header.first_lsn = le64_make(writer->next_lsn - writer->open_count);
	header.event_count = le32_make(writer->open_count);
	header.body_length = le32_make((uint32_t)(size - JOURNAL_HEADER_SIZE));
	header.time_ns = le64_make(writer->open_time_ns);
	header.durable_through = le64_make(writer->durable_lsn);
	header.control_sequence = le64_make(control_sequence);
	header.state_hash = le64_make(state_hash);
	header.previous_checksum = le64_make(writer->previous_checksum);
	header.segment_offset = le64_make(slot->offset);
	journal_batch_seal(&header, bytes + JOURNAL_HEADER_SIZE);
	memcpy(bytes, &header, sizeof(header));
	memset(bytes + size, 0, slot->size - size);
	writer->previous_checksum = le64_get(header.header_checksum);
	writer->offset = slot->offset + slot->size;
	writer->counters.batches++;
	writer->counters.events += writer->open_count;
	writer->counters.bytes += slot->size;
	writer->open_buffer = NONE;
	submit(writer);
	return -writer->error;
}

static void complete(struct journal_writer *writer, uint64_t ticket, int result)
{
	struct writer_slot *slot = &writer->slots[ticket & writer->order.mask];
	uint64_t taken_ns = clock_ns() - slot->submitted_ns;
	int ok = result == (int)slot->size;

	journal_order_complete(&writer->order, ticket, ok);
	writer->counters.write_ns_recent[writer->counters.writes++ % JOURNAL_WRITES_RECENT] =
	    taken_ns;
	writer->counters.write_ns_total += taken_ns;
	if (taken_ns > writer->counters.write_ns_max)
		writer->counters.write_ns_max = taken_ns;
	if (ok)
		return;
	/* Never retried in place: what the device holds there is unknown until recovery reads it.
	 */
	writer->counters.write_errors++;
	fail(writer, result < 0 ? -result : EIO);
}

static void reap(struct journal_writer *writer)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	/* Enter only when the kernel asks for it: an idle poll costs two loads. */
	if (writer->order.writing == 0)
		return;
	if (IO_URING_READ_ONCE(*writer->ring.sq.kflags) &
	    (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		(void)io_uring_get_events(&writer->ring);
	io_uring_for_each_cqe(&writer->ring, head, cqe)
	{
		if (cqe->user_data != LIBURING_UDATA_TIMEOUT)
			complete(writer, cqe->user_data, cqe->res);
		seen++;
	}
	if (seen > 0)
		io_uring_cq_advance(&writer->ring, seen);
}

static void make_durable(struct journal_writer *writer, struct writer_slot *slot)
{
	if (slot->finished.fd >= 0) {
		/* The ring has a place for every file the quota allows. */
		SLUICE_REQUIRE(spsc_ring_push(writer->keeper->finished, &slot->finished));
		slot->finished.fd = -1;
	}
	if (!journal_feed_lend(writer->feed, slot->buffer, slot->generation, slot->offset))
		writer->counters.buffers_not_lent++;
	writer->durable_lsn = slot->last_lsn;
}

uint64_t journal_writer_poll(struct journal_writer *writer)
{
	uint64_t before = writer->durable_lsn, ticket;

	reap(writer);
	while (journal_order_durable(&writer->order, &ticket))
		make_durable(writer, &writer->slots[ticket & writer->order.mask]);
	if (writer->durable_lsn != before)
		journal_feed_publish(writer->feed, writer->durable_lsn);
	submit(writer);
	return writer->durable_lsn;
}

int journal_writer_error(const struct journal_writer *writer)
{
	return writer->error;
}

void journal_writer_wait(struct journal_writer *writer, unsigned timeout_us)
{
	struct __kernel_timespec timeout = { .tv_sec = timeout_us / 1000000,
		.tv_nsec = (long long)(timeout_us % 1000000) * 1000 };
	struct io_uring_cqe *cqe;

	(void)io_uring_submit_and_wait_timeout(&writer->ring, &cqe, 1, &timeout, NULL);
}

const struct journal_counters *journal_writer_counters(const struct journal_writer *writer)
{
	return &writer->counters;
}

void journal_writer_free(struct journal_writer *writer)
{
	if (writer == NULL)
		return;
	if (writer->ring_ready) {
		/* The buffers are the feed's: nothing may be written from them after this. */
		for (int i = 0; i < DRAIN_ROUNDS && writer->order.writing > 0; i++) {
			journal_writer_wait(writer, DRAIN_US);
			reap(writer);
		}
		io_uring_queue_exit(&writer->ring);
	}
	for (uint32_t i = 0; writer->slots != NULL && i <= writer->order.mask; i++)
		if (writer->slots[i].finished.fd >= 0)
			close(writer->slots[i].finished.fd);
	if (writer->segment.file.fd >= 0)
		close(writer->segment.file.fd);
	if (writer->next.file.fd >= 0)
		close(writer->next.file.fd);
	free(writer->order.state);
	free(writer->slots);
	free(writer);
}
