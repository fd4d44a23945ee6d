/* SPDX-License-Identifier: Apache-2.0 */
/* An older copy of a shard's journal, told by what control saw of it. */
#include "control/link/inside.h"
#include "tests/control/link/bed.h"

/* All shards at this LSN of this journal. */
static void journals_set(struct bed *bed, uint64_t incarnation, uint64_t lsn)
{
	pthread_mutex_lock(&bed->fake->mutex);
	for (unsigned i = 0; i < FAKE_SHARDS; i++) {
		bed->fake->base[i] = 1; /* also one that a restore began */
		bed->fake->incarnation[i] = incarnation;
		bed->fake->durable[i] = lsn;
	}
	pthread_mutex_unlock(&bed->fake->mutex);
}

static void durable_set(struct bed *bed, unsigned shard, uint64_t incarnation, uint64_t lsn)
{
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->incarnation[shard] = incarnation;
	bed->fake->durable[shard] = lsn;
	bed->fake->opens = 0;
	pthread_mutex_unlock(&bed->fake->mutex);
}

static void again(struct bed *bed)
{
	bed_unlink(bed);
	bed_link(bed);
}

static struct bed *begun(uint64_t lsn)
{
	struct bed *bed = bed_make(0);

	bed->fake = fake_start(bed->root, 1);
	journals_set(bed, 77, lsn);
	bed_link(bed);
	state_await(bed, LINK_UP);
	return bed;
}

static void refused(struct bed *bed, unsigned shard, uint64_t has, uint64_t had)
{
	struct link_report report;
	char words[128];

	state_await(bed, LINK_REFUSED);
	link_report(bed->link, &report);
	snprintf(words, sizeof(words),
	    "shard %u of the data plane ends at LSN %llu, and went to %llu before", shard,
	    (unsigned long long)has, (unsigned long long)had);
	if (strstr(report.message, words) == NULL)
		fail_msg("%s", report.message);
	assert_non_null(strstr(report.message, "backup restore"));
	assert_int_equal(link_is_lost(bed->link), 1);
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->opens, 0);
	pthread_mutex_unlock(&bed->fake->mutex);
}

TEST(a_journal_that_ends_before_where_it_was_is_refused_until_it_is_back)
{
	struct bed *bed = begun(1000);

	durable_set(bed, 1, 77, 999);
	fake_reboot(bed->fake);
	refused(bed, 1, 999, 1000);
	/* Neither a restart of control nor another of the copy changes that. */
	again(bed);
	refused(bed, 1, 999, 1000);
	fake_reboot(bed->fake);
	refused(bed, 1, 999, 1000);
	durable_set(bed, 1, 77, 1000);
	fake_reboot(bed->fake);
	state_await(bed, LINK_UP);
	bed_free(bed);
}

TEST(what_is_given_up_is_not_held_against_it_again)
{
	struct bed *bed = begun(1000);

	durable_set(bed, 2, 77, 10);
	fake_reboot(bed->fake);
	refused(bed, 2, 10, 1000);
	link_adopted(bed->link);
	state_await(bed, LINK_UP);
	again(bed);
	state_await(bed, LINK_UP);
	/* From here on as any other. */
	durable_set(bed, 2, 77, 9);
	fake_reboot(bed->fake);
	refused(bed, 2, 9, 10);
	bed_free(bed);
}

/* A restore, a re-sharding, a repair: each begins another journal. And one that does not say. */
TEST(of_another_journal_nothing_is_known)
{
	static const uint64_t others[] = { 78, 76, 0 };

	for (unsigned k = 0; k < SLUICE_ARRAY_COUNT(others); k++) {
		struct bed *bed = begun(1000);

		durable_set(bed, 0, others[k], 5);
		fake_reboot(bed->fake);
		for (uint64_t opens = 0; opens == 0; usleep(1000)) {
			pthread_mutex_lock(&bed->fake->mutex);
			opens = bed->fake->opens;
			pthread_mutex_unlock(&bed->fake->mutex);
		}
		state_await(bed, LINK_UP);
		bed_free(bed);
	}
}

TEST(what_is_seen_is_kept_across_restarts_of_control)
{
	struct bed *bed = begun(1000);

	durable_set(bed, 0, 77, 5000);
	again(bed); /* the first status is written down at once */
	state_await(bed, LINK_UP);
	bed_unlink(bed);
	durable_set(bed, 0, 77, 4999);
	bed_link(bed);
	refused(bed, 0, 4999, 5000);
	bed_free(bed);
}

static struct record_control_seen sample(void)
{
	struct link_seen seen = { 0 };

	seen.shards[0].incarnation = 1000;
	seen.shards[0].lsn = 123456789012345ull;
	seen.shards[LIMIT_SHARDS - 1].incarnation = UINT64_MAX;
	seen.shards[LIMIT_SHARDS - 1].lsn = UINT64_MAX;
	return record_control_seen_make(&seen);
}

TEST(the_record_comes_back_and_what_does_not_fit_is_refused)
{
	struct record_control_seen record = sample();
	struct db_bytes bytes = { &record, sizeof(record) };
	struct link_seen seen;

	assert_int_equal(record_control_seen_read(bytes, &seen), 0);
	assert_int_equal(seen.shards[0].incarnation, 1000);
	assert_int_equal(seen.shards[0].lsn, 123456789012345ull);
	assert_int_equal(seen.shards[1].incarnation, 0);
	assert_int_equal(seen.shards[LIMIT_SHARDS - 1].lsn, UINT64_MAX);
	for (bytes.size = 0; bytes.size < sizeof(record); bytes.size++)
		assert_case_equal(bytes.size, record_control_seen_read(bytes, &seen), -EBADMSG);
	/* Every single bit of the header counts. */
	for (size_t bit = 0; bit < sizeof(record.header) * 8; bit++) {
		uint8_t *at = (uint8_t *)&record + bit / 8;

		*at ^= (uint8_t)(1u << bit % 8);
		assert_case_equal(bit, record_control_seen_read(bytes, &seen), -EBADMSG);
		*at ^= (uint8_t)(1u << bit % 8);
	}
	record.shards[1].lsn = le64_make(1); /* of no journal */
	assert_int_equal(record_control_seen_read(bytes, &seen), -EBADMSG);
	assert_int_equal(seen.shards[0].incarnation, 1000); /* nothing was written */
}

TEST_MAIN()
