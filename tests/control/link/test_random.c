/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes and breaks at random points, by seed. */
#include <errno.h>

#include "tests/control/link/bed.h"

TEST_MAIN()

struct asker {
	struct bed *bed;
	pthread_t thread;
	unsigned answered, down, wrong;
	int account;
};

static void *asker_run(void *argument)
{
	struct asker *asker = argument;
	char message[512];

	for (unsigned i = 0; i < 100; i++) {
		json_t *answer = NULL;
		int account = asker->account * 1000 + (int)i;
		int result = link_ask(asker->bed->link,
		    json_pack("{s:s, s:i}", "cmd", "account_show", "account_id", account), i % 7,
		    &answer, message, sizeof(message));

		if (result == 0) {
			asker->answered++;
			asker->wrong +=
			    json_integer_value(json_object_get(answer, "account_id")) != account;
			json_decref(answer);
		} else {
			asker->down++;
			asker->wrong += result != -EHOSTDOWN && result != -ETIMEDOUT;
		}
		usleep(500);
	}
	return NULL;
}

static void random_end(struct bed *bed, uint64_t last)
{
	struct sessions_counts counts;

	command_await(bed, last, 0);
	journals_check(bed, last, 0);
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->crash_in_32 = 0;
	pthread_mutex_unlock(&bed->fake->mutex);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		sessions_counts(bed->sessions, &counts);
		if (counts.pending == 0 && counts.ending == 0)
			break;
		usleep(1000);
	}
	assert_int_equal(counts.pending, 0);
	assert_int_equal(counts.ending, 0);
	state_await(bed, LINK_UP);
}

TEST(every_command_is_done_once_on_all_shards_through_crashes_of_both)
{
	struct asker askers[3];
	struct bed *bed = bed_make(0);
	uint64_t seed = test_seed(), last = 0;
	unsigned live = 0;
	json_t *list;

	bed->fake = fake_start(bed->root, seed);
	bed->fake->crash_in_32 = 1 + (unsigned)(test_random(&seed) % 6);
	bed_link(bed);
	for (int i = 0; i < 3; i++) {
		askers[i] = (struct asker){ .bed = bed, .account = i + 1 };
		assert_int_equal(pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]), 0);
	}
	for (unsigned i = 0; i < 150; i++) {
		unsigned count = (unsigned)(test_random(&seed) % 4);

		while (count-- > 0)
			last = command_commit(bed, "market_set");
		if (test_random(&seed) % 4 == 0)
			establish(bed, 1 + test_random(&seed) % 30);
		if (test_random(&seed) % 16 == 0)
			(void)sessions_end_terminal(bed->sessions, 1 + test_random(&seed) % 30);
		link_wake(bed->link);
		if (test_random(&seed) % 16 == 0)
			fake_disconnect(bed->fake);
		usleep((useconds_t)(test_random(&seed) % 3000));
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].wrong, 0);
	}
	/* Control dies too, between any two steps of the link. */
	bed_unlink(bed);
	bed_link(bed);
	last = command_commit(bed, "market_set");
	random_end(bed, last);
	printf("%llu commands in %llu lines, %llu crashes\n", (unsigned long long)last,
	    (unsigned long long)bed->fake->command_lines, (unsigned long long)bed->fake->crashes);
	pthread_mutex_lock(&bed->fake->mutex);
	for (unsigned i = 0; i < FAKE_SLOTS; i++) {
		const struct fake_session *session = &bed->fake->sessions[i];

		if (!session->live)
			continue;
		live++;
		assert_int_equal(sessions_wait(bed->sessions, session->session_id, 1), 0);
	}
	pthread_mutex_unlock(&bed->fake->mutex);
	list = sessions_list(bed->sessions, 0);
	assert_int_equal(json_array_size(list), live);
	json_decref(list);
	bed_free(bed);
}
