/* SPDX-License-Identifier: Apache-2.0 */
/* The whole journal on the disk the build lies on: real io_uring, real files, real errors. */
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "dataplane/journal/feed.h"
#include "dataplane/journal/keeper.h"
#include "tests/journal/harness.h"

static void start_new(struct harness *harness, struct running *running, uint32_t buffers)
{
	struct journal_report report;

	harness_begin(harness);
	assert_int_equal(harness_recover(harness, 1, 0, &report), 0);
	running_start(running, harness, &report, buffers);
}

/* Checks the events of a batch against what harness_fill makes of their LSNs; all of one size. */
static void check_events(const struct journal_batch *batch, size_t size)
{
	static uint8_t expected[4096];
	uint64_t lsn = le64_get(batch->header.first_lsn);

	assert_int_equal(
	    le32_get(batch->header.body_length), le32_get(batch->header.event_count) * size);
	for (uint32_t i = 0; i < le32_get(batch->header.event_count); i++) {
		harness_fill(expected, lsn + i, size);
		assert_memory_equal(batch->events + i * size, expected, size);
	}
}

/* Store thread in miniature: takes everything lent. Returns the last LSN seen; a gap is only where
 * more had become durable at once than may be lent, which a slow disk can bring about. */
static uint64_t take_all(struct running *running, uint64_t last, size_t size)
{
	struct journal_batch batch;
	uint64_t durable;

	while (journal_feed_take(running->feed, &batch, &durable)) {
		if (journal_writer_counters(running->writer)->buffers_not_lent == 0)
			assert_int_equal(le64_get(batch.header.first_lsn), last + 1);
		assert_true(le64_get(batch.header.first_lsn) > last);
		last = journal_batch_last_lsn(&batch.header);
		assert_true(durable >= last);
		if (size != 0)
			check_events(&batch, size);
		journal_feed_return(running->feed);
	}
	return last;
}

/* Hash of the contents applied, by event: sizes differ. */
struct trip {
	uint64_t random; /* the sizes, generated again */
	uint64_t next_lsn;
};

static size_t trip_size(uint64_t *random)
{
	return 8 * (1 + test_random(random) % (LIMIT_EVENT_SIZE_MAX / 8));
}

static int trip_apply(void *context, const struct journal_batch *batch)
{
	struct trip *trip = context;
	const uint8_t *event = batch->events;
	uint8_t expected[LIMIT_EVENT_SIZE_MAX];

	assert_int_equal(le64_get(batch->header.first_lsn), trip->next_lsn);
	for (uint32_t i = 0; i < le32_get(batch->header.event_count); i++) {
		size_t size = trip_size(&trip->random);

		harness_fill(expected, trip->next_lsn++, size);
		assert_memory_equal(event, expected, size);
		event += size;
	}
	assert_true(event == batch->events + le32_get(batch->header.body_length));
	assert_int_equal(le64_get(batch->header.state_hash), trip->next_lsn - 1);
	return 0;
}

TEST(round_trip_of_100000_random_events)
{
	uint64_t seed = test_seed(), random = seed, seen = 0;
	struct trip trip = { .random = seed, .next_lsn = 1 };
	struct journal_report report;
	struct running running;
	struct harness harness;

	start_new(&harness, &running, 16);
	assert_string_equal(running.message, ""); /* this kernel has all the features */
	/* 100,000 events of up to LIMIT_EVENT_SIZE_MAX: some 77 MB. */
	harness.config.segments_max = 128;
	running.keeper->segments_max = 128;
	running_stop(&running);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	running_start(&running, &harness, &report, 16);
	while (running.next_lsn <= 100000) {
		uint64_t before = random;

		if (!running_event(&running, trip_size(&random)))
			random = before; /* tried again when there is room */
		if (journal_writer_should_close(running.writer))
			assert_int_equal(
			    journal_writer_close_batch(running.writer, running.next_lsn - 1, 0), 0);
		(void)journal_writer_poll(running.writer);
		seen = take_all(&running, seen, 0);
		assert_true(journal_keeper_work(running.keeper, 0) >= 0);
	}
	assert_int_equal(journal_writer_close_batch(running.writer, running.next_lsn - 1, 0), 0);
	while (journal_writer_in_flight(running.writer) > 0) {
		journal_writer_wait(running.writer, 10000);
		(void)journal_writer_poll(running.writer);
		seen = take_all(&running, seen, 0);
	}
	if (journal_writer_counters(running.writer)->buffers_not_lent == 0)
		assert_int_equal(seen, 100000);
	/* A burst now and then, not the rule. */
	assert_true(journal_writer_counters(running.writer)->buffers_not_lent * 10 <
	            journal_writer_counters(running.writer)->batches);
	assert_int_equal(journal_writer_poll(running.writer), 100000);
	assert_int_equal(journal_writer_counters(running.writer)->events, 100000);
	assert_int_equal(journal_writer_counters(running.writer)->writes,
	    journal_writer_counters(running.writer)->batches);
	/* The last one may have been taken just now. */
	while (journal_keeper_work(running.keeper, 0) == 1)
		;
	assert_true(journal_keeper_ready(running.keeper) > 0);
	running_stop(&running);
	assert_int_equal(
	    journal_recover(&harness.config, 1, 100000, trip_apply, &trip, &report), 0);
	assert_int_equal(report.events, 100000);
	assert_true(report.segments > 10);
	harness_end(&harness);
}

TEST(write_recover_write_recover)
{
	struct journal_report report;
	struct running running;
	struct harness harness;

	start_new(&harness, &running, 8);
	for (uint64_t round = 1; round <= 5; round++) {
		for (int i = 0; i < 20; i++)
			assert_true(running_event(&running, 136));
		assert_int_equal(running_drain(&running), round * 20);
		/* An event never closed into a batch was never durable. */
		assert_true(running_event(&running, 136));
		running_stop(&running);
		assert_int_equal(harness_recover(&harness, 1, round * 20, &report), 0);
		assert_int_equal(report.cut_lsn, round * 20);
		assert_int_equal(report.boot_counter, round + 1);
		running_start(&running, &harness, &report, 8);
	}
	running_stop(&running);
	harness_end(&harness);
}

/* The discarded tail of one life must not continue the next one, even written at the same place. */
TEST(stale_batches_behind_a_cut_do_not_come_back)
{
	struct journal_report report;
	struct running running;
	struct harness harness;

	start_new(&harness, &running, 8);
	for (int i = 0; i < 4; i++) {
		assert_true(running_event(&running, 136));
		(void)running_drain(&running);
	}
	harness.batches[0] = (struct journal_position){ .generation = 1, .offset = 2 * 4096 };
	running_stop(&running);
	harness_zero(&harness, 0, 0, 4096); /* LSN 3; LSN 4 remains, proving LSN 3 durable */
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	harness.batches[0].offset = 3 * 4096;
	harness_zero(&harness, 0, 0, 4096);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.cut_lsn, 2);
	running_start(&running, &harness, &report, 8);
	assert_true(running_event(&running, 136));
	assert_int_equal(running_drain(&running), 3);
	running_stop(&running);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(report.cut_lsn, 3);
	harness_end(&harness);
}

static unsigned count_files(const struct harness *harness)
{
	struct journal_segment_list list;
	unsigned count;

	assert_int_equal(journal_segment_list(harness->directory_fd, &list), 0);
	count = (unsigned)list.count;
	journal_segment_list_free(&list);
	return count;
}

static void keep(struct running *running)
{
	while (journal_keeper_work(running->keeper, running->checkpoint_lsn) == 1)
		;
}

/* Up to eight events of a block each into one batch of nine blocks: 28 batches fill a segment. */
#define FILL_BATCHES 28u
static unsigned fill_batch(struct running *running)
{
	unsigned count = 0;

	while (count < 8 && running_event(running, 4096))
		count++;
	return count;
}

/* Without checkpoints the quota stops the writer (BUSY); a checkpoint lets it go on. */
TEST(quota_stops_and_recycling_goes_on)
{
	struct journal_report report;
	struct running running;
	struct harness harness;
	uint64_t stopped_lsn, last = 0;

	start_new(&harness, &running, 12);
	while (fill_batch(&running) > 0) {
		(void)running_drain(&running);
		last = take_all(&running, last, 4096);
		keep(&running);
		assert_true(count_files(&harness) <= harness.config.segments_max);
	}
	stopped_lsn = running.next_lsn - 1;
	assert_true(journal_writer_counters(running.writer)->no_segment > 0);
	assert_int_equal(journal_writer_error(running.writer), 0);
	/* All four segments, but for the last 128 KiB of the last one. */
	assert_true(stopped_lsn >= 8 * 3 * FILL_BATCHES && stopped_lsn < 8 * 4 * FILL_BATCHES);
	running.checkpoint_lsn = stopped_lsn;
	for (uint64_t i = 1; i <= 200; i++) {
		keep(&running);
		assert_int_equal(fill_batch(&running), 8);
		running.checkpoint_lsn = running_drain(&running);
		last = take_all(&running, last, 4096);
		assert_int_equal(last, stopped_lsn + 8 * i);
	}
	assert_true(count_files(&harness) <= harness.config.segments_max);
	running_stop(&running);
	assert_int_equal(harness_recover(&harness, last - 5, last - 6, &report), 0);
	assert_int_equal(report.cut_lsn, last);
	assert_true(report.end.generation > 4);
	/* From the first LSN on it cannot: those segments are recycled. */
	assert_int_equal(harness_recover(&harness, 1, 0, &report), -EBADMSG);
	harness_end(&harness);
}

TEST(a_lowered_quota_and_another_segment_size_retire_files)
{
	struct journal_report report;
	struct running running;
	struct harness harness;

	harness_begin(&harness);
	harness.config.segments_max = 8;
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	running_start(&running, &harness, &report, 12);
	for (unsigned i = 0; i < FILL_BATCHES * 6; i++) {
		assert_int_equal(fill_batch(&running), 8);
		(void)running_drain(&running);
		(void)take_all(&running, 8 * (uint64_t)i, 4096);
		keep(&running);
	}
	running_stop(&running);
	assert_true(count_files(&harness) >= 7);
	harness.config.segments_max = 3;
	harness.config.segment_size = 2 * HARNESS_SEGMENT;
	assert_int_equal(harness_recover(&harness, 700, 699, &report), 0);
	running_start(&running, &harness, &report, 12);
	running.checkpoint_lsn = report.cut_lsn + 1;
	keep(&running);
	assert_true(count_files(&harness) <= 3);
	for (int i = 0; i < 150; i++) {
		assert_int_equal(fill_batch(&running), 8);
		running.checkpoint_lsn = running_drain(&running);
		(void)take_all(&running, running.checkpoint_lsn - 8, 4096);
		keep(&running);
	}
	running_stop(&running);
	harness_end(&harness);
}

/* A store that does not take: the worker goes on, the reader fills the gap. */
TEST(what_was_not_lent_is_read_from_the_files)
{
	struct journal_reader *reader;
	struct journal_batch batch;
	struct running running;
	struct harness harness;
	uint64_t durable, last;
	const char *why;

	start_new(&harness, &running, 6); /* reserve 4: two can be lent */
	for (int i = 0; i < 50; i++) {
		assert_true(running_event(&running, 136));
		assert_int_equal(running_drain(&running), i + 1);
	}
	assert_int_equal(journal_writer_counters(running.writer)->buffers_not_lent, 48);
	assert_int_equal(journal_writer_counters(running.writer)->no_buffer, 0);
	last = take_all(&running, 0, 136);
	assert_int_equal(last, 2);
	assert_int_equal(journal_feed_take(running.feed, &batch, &durable), 0);
	assert_int_equal(durable, 50); /* a gap: 3 to 50 were not lent */
	assert_int_equal(journal_reader_open(&reader, &harness.config), 0);
	assert_int_equal(journal_reader_seek(reader, last + 1), 0);
	while (last < durable) {
		assert_int_equal(journal_reader_next(reader, &batch, &why), 1);
		assert_int_equal(le64_get(batch.header.first_lsn), last + 1);
		check_events(&batch, 136);
		last = journal_batch_last_lsn(&batch.header);
	}
	/* Back to the feed. */
	assert_true(running_event(&running, 136));
	(void)running_drain(&running);
	assert_int_equal(take_all(&running, last, 136), 51);
	assert_int_equal(journal_reader_next(reader, &batch, &why), 1);
	assert_int_equal(journal_reader_next(reader, &batch, &why), 0);
	journal_reader_close(reader);
	running_stop(&running);
	harness_end(&harness);
}

TEST(a_full_batch_refuses_and_asks_to_be_closed)
{
	struct running running;
	struct harness harness;
	unsigned events = 0;

	start_new(&harness, &running, 6);
	assert_int_equal(journal_writer_should_close(running.writer), 0);
	assert_int_equal(journal_writer_close_batch(running.writer, 0, 0), 0); /* nothing open */
	while (running_event(&running, 512))
		events++;
	assert_int_equal(events, (LIMIT_JOURNAL_BATCH_SIZE_MAX - JOURNAL_HEADER_SIZE) / 512);
	assert_int_equal(journal_writer_should_close(running.writer), 1);
	assert_int_equal(running_drain(&running), events);
	assert_int_equal(journal_writer_in_flight(running.writer), 0);
	running_stop(&running);
	harness_end(&harness);
}

/* More is closed than may be written at once: it waits its turn, the depth is kept, then BUSY. */
TEST(closed_batches_wait_behind_the_depth)
{
	struct running running;
	struct harness harness;

	start_new(&harness, &running, 6);
	for (int i = 0; i < 6; i++) {
		assert_true(running_event(&running, 136));
		assert_int_equal(journal_writer_close_batch(running.writer, 0, 0), 0);
	}
	assert_int_equal(journal_writer_in_flight(running.writer), 6);
	assert_false(running_event(&running, 136)); /* no buffer */
	assert_int_equal(journal_writer_counters(running.writer)->no_buffer, 1);
	assert_int_equal(running_drain(&running), 6);
	running_stop(&running);
	harness_end(&harness);
}

/* The descriptor of a segment of this process, found by its name. */
static int find_descriptor(uint64_t generation)
{
	char name[JOURNAL_NAME_SIZE], link[64], target[256];
	int found = -1;

	journal_segment_name(name, generation);
	for (int fd = 3; fd < 256; fd++) {
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		length = readlink(link, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (strstr(target, name) != NULL)
			found = fd;
	}
	return found;
}

static void check_failed(
    struct running *running, struct harness *harness, uint64_t durable, int error)
{
	struct journal_report report;

	assert_int_equal(journal_writer_error(running->writer), error);
	assert_int_equal(running_drain(running), durable);
	assert_null(journal_writer_reserve(running->writer, 136));
	assert_int_equal(journal_writer_close_batch(running->writer, 0, 0), -error);
	assert_int_equal(journal_writer_should_close(running->writer), 0);
	assert_true(journal_writer_counters(running->writer)->write_errors > 0);
	running_stop(running);
	/* What was durable is there; the floor is kept. */
	assert_int_equal(harness_recover(harness, 1, durable, &report), 0);
	assert_true(report.cut_lsn >= durable);
	harness_end(harness);
}

TEST(a_write_error_ends_durability_before_the_failed_batch)
{
	struct running running;
	struct harness harness;
	uint64_t durable = 0;
	int fd, bad;

	start_new(&harness, &running, 8);
	/* The second segment cannot be written: its descriptor is read-only. */
	fd = find_descriptor(2);
	assert_true(fd >= 0);
	bad = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup2(bad, fd), fd);
	close(bad);
	while (fill_batch(&running) > 0) {
		uint64_t before = durable;

		durable = running_drain(&running);
		(void)take_all(&running, before, 4096);
	}
	assert_int_equal(durable, 8 * FILL_BATCHES); /* all of the first segment */
	check_failed(&running, &harness, durable, EBADF);
}

TEST(a_short_write_is_a_failed_write)
{
	struct rlimit limit, before;
	struct running running;
	struct harness harness;

	start_new(&harness, &running, 8);
	assert_true(running_event(&running, 4096));
	assert_int_equal(running_drain(&running), 1);
	/* The next batch takes two blocks; the limit leaves room for one. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 3 * 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(running_event(&running, 4096));
	assert_int_equal(running_drain(&running), 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	check_failed(&running, &harness, 1, EIO);
}

/* Later batches complete well, the failed one stands before them: they are never reported. */
TEST(nothing_behind_a_failed_batch_is_durable)
{
	struct rlimit limit, before;
	struct journal_batch batch;
	struct running running;
	struct harness harness;
	uint64_t durable;

	start_new(&harness, &running, 8);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(running_event(&running, 4096));
	assert_int_equal(journal_writer_close_batch(running.writer, 0, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(running_event(&running, 136));
	assert_int_equal(journal_writer_close_batch(running.writer, 0, 0), 0);
	assert_int_equal(running_drain(&running), 0);
	assert_int_equal(journal_feed_take(running.feed, &batch, &durable), 0);
	assert_int_equal(durable, 0);
	check_failed(&running, &harness, 0, EIO);
}

/* A keeper made for another position than the report's is noticed. */
TEST(writer_wants_the_position_recovery_returned)
{
	struct journal_report report;
	struct journal_writer *writer;
	struct journal_keeper *keeper;
	struct journal_feed *feed;
	struct harness harness;
	char message[128];

	harness_begin(&harness);
	assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
	assert_int_equal(journal_keeper_create(&keeper, &harness.config, &report.end), 0);
	assert_int_equal(journal_feed_create(&feed, 8, 2), 0);
	report.end.generation = 2;
	assert_int_equal(journal_writer_open(&writer, &harness.config, &report, feed, keeper,
	                     message, sizeof(message)),
	    -ENOENT);
	assert_true(message[0] != '\0');
	journal_keeper_free(keeper);
	journal_feed_free(feed);
	harness_end(&harness);
}

TEST(feed_settings_out_of_range)
{
	struct journal_feed *feed;

	assert_int_equal(journal_feed_create(&feed, 3, 2), -EINVAL);
	assert_int_equal(journal_feed_create(&feed, 8, 0), -EINVAL);
	assert_int_equal(journal_feed_create(&feed, 64, LIMIT_JOURNAL_DEPTH_MAX + 1), -EINVAL);
}

TEST_MAIN()
