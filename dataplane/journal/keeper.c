/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes, recycles and retires segment files. A segment is handed to the writer only when its size,
 * its zeros and its name are durable; a name is given only once, generations only grow.
 */
#include "dataplane/journal/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/journal/meta.h"
#include "dataplane/journal/reader.h"
#include "dataplane/journal/seal_internal.h"
#include "dataplane/journal/segment.h"

static uint32_t ready_count(const struct journal_keeper *keeper)
{
	struct spsc_ring *ring = keeper->ready;

	/* The tail is ours; the head pairs with H1 of the ring and may only be behind. */
	return atomic_load_explicit(&ring->tail, memory_order_relaxed) -
	       atomic_load_explicit(&ring->head, memory_order_acquire);
}

/* A name that may or may not be durable must never be written under: no way back from that. */
static int directory_sync(struct journal_keeper *keeper)
{
	if (fsync(keeper->directory_fd) != 0)
		keeper->failed = -errno;
	return keeper->failed;
}

static int hand_over(struct journal_keeper *keeper, int fd, uint64_t generation, uint64_t size)
{
	struct journal_segment segment = { .generation = generation, .size = size, .fd = fd };

	if (!spsc_ring_push(keeper->ready, &segment))
		return -ENOSPC;
	if (generation > keeper->newest)
		keeper->newest = generation;
	return 0;
}

static int make_begin(struct journal_keeper *keeper)
{
	int fd, result;

	result = journal_file_open(keeper->directory_fd, JOURNAL_NAME_NEW,
	    O_RDWR | O_CREAT | O_EXCL, keeper->buffered_too, &fd);
	if (result != 0)
		return result;
	if (fallocate(fd, 0, 0, (off_t)keeper->segment_size) != 0 &&
	    (errno != EOPNOTSUPP || ftruncate(fd, (off_t)keeper->segment_size) != 0)) {
		result = -errno;
		close(fd);
		unlinkat(keeper->directory_fd, JOURNAL_NAME_NEW, 0);
		return result;
	}
	keeper->making_fd = fd;
	keeper->making_offset = 0;
	keeper->files++;
	return 0;
}

static void make_abandon(struct journal_keeper *keeper)
{
	if (keeper->making_fd < 0)
		return;
	close(keeper->making_fd);
	keeper->making_fd = -1;
	keeper->files--;
	unlinkat(keeper->directory_fd, JOURNAL_NAME_NEW, 0);
}

/* One slice of zeros; behind the last one: sync, name, sync of the name, hand over. */
static int make_go_on(struct journal_keeper *keeper)
{
	char name[JOURNAL_NAME_SIZE];
	uint64_t left = keeper->segment_size - keeper->making_offset;
	int result, fd = keeper->making_fd;

	if (left > 0) {
		uint64_t size = left < JOURNAL_ZEROS_SIZE ? left : JOURNAL_ZEROS_SIZE;

		/* DSYNC, or the worker's next flush would wait for the zeros of a whole segment. */
		result = journal_file_zero(fd, keeper->zeros, keeper->making_offset, size, 1);
		keeper->making_offset += size;
		if (result != 0)
			make_abandon(keeper);
		return result;
	}
	journal_segment_name(name, keeper->newest + 1);
	result = fdatasync(fd) == 0 ? 0 : -errno;
	if (result == 0 && renameat2(keeper->directory_fd, JOURNAL_NAME_NEW, keeper->directory_fd,
	                       name, RENAME_NOREPLACE) != 0)
		result = -errno;
	if (result != 0) {
		make_abandon(keeper);
		return result;
	}
	keeper->making_fd = -1;
	result = directory_sync(keeper);
	if (result == 0)
		result = hand_over(keeper, fd, keeper->newest + 1, keeper->segment_size);
	if (result != 0)
		close(fd);
	return result;
}

static void oldest_publish(struct journal_keeper *keeper)
{
	/* Pairs with the acquire in the sealer's retain. */
	atomic_store_explicit(&keeper->oldest_generation,
	    keeper->kept_count > 0 ? keeper->kept[0].generation : 0, memory_order_release);
}

static void kept_remove_oldest(struct journal_keeper *keeper)
{
	keeper->kept_count--;
	memmove(keeper->kept, keeper->kept + 1, keeper->kept_count * sizeof(*keeper->kept));
	oldest_publish(keeper);
}

/* Takes the oldest file away. */
static int retire(struct journal_keeper *keeper)
{
	char name[JOURNAL_NAME_SIZE];
	int result;

	journal_segment_name(name, keeper->kept[0].generation);
	if (unlinkat(keeper->directory_fd, name, 0) != 0)
		return -errno;
	result = directory_sync(keeper);
	if (keeper->kept[0].fd >= 0)
		close(keeper->kept[0].fd);
	kept_remove_oldest(keeper);
	keeper->files--;
	return result;
}

/* The oldest file becomes the newest generation; what it holds is of an older one, thus void. */
static int recycle(struct journal_keeper *keeper)
{
	char old_name[JOURNAL_NAME_SIZE], new_name[JOURNAL_NAME_SIZE];
	struct journal_segment segment = keeper->kept[0];
	uint64_t generation = keeper->newest + 1;
	int result = 0;

	if (segment.fd < 0)
		result = journal_segment_open(keeper->directory_fd, segment.generation, O_RDWR,
		    keeper->buffered_too, &segment.fd, &segment.size);
	if (result != 0)
		return result;
	keeper->kept[0] = segment;
	if (segment.size != keeper->segment_size)
		return retire(keeper); /* the setting changed */
	journal_segment_name(old_name, segment.generation);
	journal_segment_name(new_name, generation);
	if (renameat2(keeper->directory_fd, old_name, keeper->directory_fd, new_name,
	        RENAME_NOREPLACE) != 0)
		return -errno;
	kept_remove_oldest(keeper);
	result = directory_sync(keeper);
	if (result == 0)
		result = hand_over(keeper, segment.fd, generation, segment.size);
	if (result != 0)
		close(segment.fd);
	return result;
}

static int keep_one(struct journal_keeper *keeper, const struct journal_segment *segment)
{
	SLUICE_REQUIRE(keeper->kept_count < keeper->kept_max);
	SLUICE_REQUIRE(keeper->kept_count == 0 ||
	               keeper->kept[keeper->kept_count - 1].generation < segment->generation);
	keeper->kept[keeper->kept_count++] = *segment;
	oldest_publish(keeper);
	/* Pairs with the acquire in finished_generation of the sealer. */
	atomic_store_explicit(
	    &keeper->finished_generation, segment->generation, memory_order_release);
	return 1;
}

/* The oldest file is below the checkpoint, and its seal is where it has to be. */
static int is_spare(const struct journal_keeper *keeper, uint64_t checkpoint_lsn)
{
	const struct journal_segment *oldest = &keeper->kept[0];

	return keeper->kept_count > 0 && oldest->last_lsn < checkpoint_lsn &&
	       (keeper->sealer == NULL ||
	           oldest->generation <= journal_sealer_released(keeper->sealer));
}

/* 1 did something, 0 nothing to do, -errno. */
static int work(struct journal_keeper *keeper, uint64_t checkpoint_lsn)
{
	struct journal_segment back;
	int result = 0, spare;

	if (keeper->failed != 0)
		return keeper->failed;
	if (spsc_ring_pop(keeper->finished, &back))
		return keep_one(keeper, &back);
	spare = is_spare(keeper, checkpoint_lsn);
	if (keeper->making_fd >= 0)
		result = make_go_on(keeper);
	else if (spare && keeper->files > keeper->segments_max)
		result = retire(keeper);
	else if (ready_count(keeper) >= keeper->segments_ready)
		return 0;
	else if (spare)
		result = recycle(keeper);
	else if (keeper->files < keeper->segments_max)
		result = make_begin(keeper);
	else
		return 0; /* quota reached, nothing below the checkpoint: the writer runs dry */
	return result == 0 ? 1 : result;
}

int journal_keeper_work(struct journal_keeper *keeper, uint64_t checkpoint_lsn)
{
	int result = work(keeper, checkpoint_lsn);

	if (result < 0)
		keeper->errors++;
	return result;
}

/* A file found at start: kept below the end, handed over at and behind it, else taken away. */
static int adopt(struct journal_keeper *keeper, struct journal_reader *reader, uint64_t generation,
    const struct journal_position *end)
{
	struct journal_segment segment = { .generation = generation, .fd = -1 };
	char name[JOURNAL_NAME_SIZE];
	uint64_t first;
	int result;

	if (generation < end->generation) {
		result = journal_reader_first_lsn(reader, generation + 1, &first);
		/* Unknown: as if it reached the end. Only recycled later than it could be. */
		segment.last_lsn = result == 0 ? first - 1 : end->next_lsn - 1;
		if (result != 0 && result != -ENOENT)
			return result;
		return keep_one(keeper, &segment) < 0 ? -EINVAL : 0;
	}
	result = journal_segment_open(keeper->directory_fd, generation, O_RDWR,
	    keeper->buffered_too, &segment.fd, &segment.size);
	if (result != 0)
		return result;
	/* The segment to go on in has the size it has; ready ones follow it without a gap. */
	if (generation == end->generation ||
	    (generation == keeper->newest + 1 && segment.size == keeper->segment_size)) {
		result = hand_over(keeper, segment.fd, generation, segment.size);
		if (result != 0)
			close(segment.fd);
		return result;
	}
	close(segment.fd);
	journal_segment_name(name, generation);
	if (unlinkat(keeper->directory_fd, name, 0) != 0)
		return -errno;
	keeper->files--;
	return 0;
}

static int adopt_all(struct journal_keeper *keeper, const struct journal_segment_list *list,
    uint32_t shard, const struct journal_position *end)
{
	struct journal_reader *reader;
	struct journal_meta meta;
	int result = journal_meta_read(keeper->directory_fd, shard, &meta);

	if (result != 0)
		return result;
	result = journal_reader_open_at(
	    &reader, keeper->directory_fd, shard, meta.incarnation, keeper->buffered_too);
	if (result != 0)
		return result;
	keeper->files = (uint32_t)list->count;
	keeper->newest = end->generation - 1;
	for (size_t i = 0; i < list->count && result == 0; i++)
		result = adopt(keeper, reader, list->generations[i], end);
	/* Only a journal without a single event may lack the segment to go on in. */
	if (result == 0 && keeper->newest < end->generation && end->next_lsn != meta.base_lsn + 1)
		result = -ENOENT;
	if (result == 0)
		result = directory_sync(keeper);
	journal_reader_close(reader);
	return result;
}

static uint32_t power_of_two(uint32_t count)
{
	uint32_t power = 1;

	while (power < count)
		power *= 2;
	return power;
}

static int prepare(struct journal_keeper *keeper, const struct journal_segment_list *list)
{
	uint32_t most = keeper->segments_max;

	if (list->count > most)
		most = (uint32_t)list->count;
	keeper->kept_max = most + 1;
	keeper->kept = calloc(keeper->kept_max, sizeof(*keeper->kept));
	keeper->ready = spsc_ring_create(power_of_two(most + 1), sizeof(struct journal_segment));
	keeper->finished = spsc_ring_create(power_of_two(most + 1), sizeof(struct journal_segment));
	keeper->zeros = journal_aligned_alloc(JOURNAL_ZEROS_SIZE);
	if (keeper->kept == NULL || keeper->ready == NULL || keeper->finished == NULL ||
	    keeper->zeros == NULL)
		return -ENOMEM;
	return 0;
}

int journal_keeper_create(struct journal_keeper **out, const struct journal_config *config,
    const struct journal_position *end)
{
	struct journal_segment_list list = { 0 };
	struct journal_keeper *keeper;
	int result = journal_config_check(config);

	if (result != 0 || end->generation == 0 || end->next_lsn == 0)
		return -EINVAL;
	keeper = calloc(1, sizeof(*keeper));
	if (keeper == NULL)
		return -ENOMEM;
	keeper->making_fd = -1;
	keeper->segment_size = config->segment_size;
	keeper->segments_ready = config->segments_ready;
	keeper->segments_max = config->segments_max;
	keeper->buffered_too = config->allow_volatile;
	keeper->directory_fd = -1;
	result = journal_directory_open(config, 0, &keeper->directory_fd, NULL, 0);
	if (result == 0)
		result = journal_segment_list(keeper->directory_fd, &list);
	if (result == 0)
		result = prepare(keeper, &list);
	/* Left over from a crash while a segment was made: never had a name, never held anything.
	 */
	if (result == 0 && unlinkat(keeper->directory_fd, JOURNAL_NAME_NEW, 0) != 0 &&
	    errno != ENOENT)
		result = -errno;
	if (result == 0)
		result = adopt_all(keeper, &list, config->shard, end);
	/* The one to go on in and one behind it, so that the writer can start at once. */
	while (result >= 0 && ready_count(keeper) < 2 &&
	       (keeper->making_fd >= 0 || keeper->files < keeper->segments_max)) {
		result = keeper->making_fd >= 0 ? make_go_on(keeper) : make_begin(keeper);
	}
	journal_segment_list_free(&list);
	if (result < 0) {
		journal_keeper_free(keeper);
		return result;
	}
	*out = keeper;
	return 0;
}

static void ring_close(struct spsc_ring *ring)
{
	struct journal_segment segment;

	while (ring != NULL && spsc_ring_pop(ring, &segment))
		close(segment.fd);
	spsc_ring_free(ring);
}

unsigned journal_keeper_ready(const struct journal_keeper *keeper)
{
	return spsc_ring_count(keeper->ready);
}

int journal_keeper_crowded(const struct journal_keeper *keeper, uint64_t checkpoint_lsn)
{
	uint32_t needed = 0;

	while (needed < keeper->kept_count &&
	       keeper->kept[keeper->kept_count - 1 - needed].last_lsn >= checkpoint_lsn)
		needed++;
	return needed > keeper->segments_max / 2;
}

uint64_t journal_keeper_bytes(const struct journal_keeper *keeper)
{
	return keeper->files * keeper->segment_size;
}

void journal_keeper_free(struct journal_keeper *keeper)
{
	if (keeper == NULL)
		return;
	make_abandon(keeper);
	ring_close(keeper->ready);
	ring_close(keeper->finished);
	for (uint32_t i = 0; i < keeper->kept_count; i++)
		if (keeper->kept[i].fd >= 0)
			close(keeper->kept[i].fd);
	if (keeper->directory_fd >= 0)
		close(keeper->directory_fd);
	free(keeper->kept);
	free(keeper->zeros);
	free(keeper);
}
