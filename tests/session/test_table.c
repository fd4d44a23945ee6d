/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <errno.h>

#include "tests/session/fixture.h"

TEST(create_checks_its_range)
{
	assert_null(session_table_create(0, LANE));
	assert_null(session_table_create(LIMIT_SESSION_SLOTS + 1, LANE));
	session_table_free(NULL);
}

TEST(a_full_size_table_costs_address_space_only)
{
	struct session_table *table = session_table_create(LIMIT_SESSION_SLOTS, LANE);
	uint32_t last = (LIMIT_SESSION_SLOTS - 1) | 7u << LIMIT_SESSION_SLOT_BITS;

	assert_non_null(table);
	assert_int_equal(install(table, last, 1, 1), 0);
	assert_non_null(session_find(table, last));
	assert_int_equal(session_count(table), 1);
	session_table_free(table);
}

TEST(install_judges_slot_generation_and_terminal)
{
	static const struct {
		uint32_t session_id;
		uint64_t terminal_id;
		int result;
	} cases[] = {
		{ 0, 77, -EINVAL }, { 5, 77, -EINVAL }, /* generation 0 */
		{ 16 | 1u << 20, 77, -EINVAL }, { 0 | 1u << 20, 77, 0 },
		{ 15 | 0xfffu << 20, 77, 0 }, { SESSION_ID, 77, 0 }, /* again */
		{ SESSION_ID, 78, -EEXIST },                         /* another terminal */
		{ 5 | 2u << 20, 77, -EEXIST },                       /* another generation */
	};
	struct session_table *table = session_table_create(16, LANE);

	assert_non_null(table);
	assert_int_equal(install(table, SESSION_ID, 1, 1), 0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct session_install made = install_of(cases[i].session_id, 1, 1);

		made.terminal_id = cases[i].terminal_id;
		assert_case_equal(i, session_install(table, &made, START), cases[i].result);
	}
	assert_int_equal(session_count(table), 3);
	session_table_free(table);
}

TEST(find_wants_slot_and_generation)
{
	struct session_table *table = session_table_create(16, LANE);

	assert_int_equal(install(table, SESSION_ID, 1, 1), 0);
	assert_non_null(session_find(table, SESSION_ID));
	assert_null(session_find(table, 0));
	assert_null(session_find(table, 5));
	assert_null(session_find(table, 5 | 2u << 20));
	assert_null(session_find(table, 6 | 1u << 20));
	assert_null(session_find(table, 16 | 1u << 20));
	session_table_free(table);
}

TEST(an_ended_id_never_comes_back_and_its_slot_does)
{
	struct session_table *table = session_table_create(16, LANE);
	uint32_t next = 5 | 2u << 20;
	struct session *session;

	/* Not even one that was ended before it came. */
	assert_int_equal(session_end(table, 6 | 1u << 20), -ENOENT);
	assert_int_equal(install(table, 6 | 1u << 20, 1, 1), -EEXIST);
	assert_int_equal(install(table, 6 | 2u << 20, 1, 1), 0);
	assert_int_equal(session_end(table, 6 | 2u << 20), 0);
	assert_int_equal(install(table, SESSION_ID, 1, 1), 0);
	session = session_find(table, SESSION_ID);
	assert_int_equal(session_end(table, SESSION_ID), 0);
	assert_int_equal(session_end(table, SESSION_ID), -ENOENT);
	assert_int_equal(session_count(table), 0);
	assert_null(session_find(table, SESSION_ID));
	assert_true(bytes_all_zero(session->epochs, sizeof(session->epochs)));
	assert_true(bytes_all_zero(session->reset_key, sizeof(session->reset_key)));

	assert_int_equal(install(table, SESSION_ID, 1, 1), -EEXIST);
	assert_int_equal(install(table, next, 1, 1), 0);
	assert_non_null(session_find(table, next));
	assert_null(session_find(table, SESSION_ID));
	session_table_free(table);
}

static int install_until(
    struct session_table *table, uint32_t id, uint64_t expires_ns, uint64_t now)
{
	struct session_install made = install_of(id, 1, 1);

	made.expires_ns = expires_ns;
	return session_install(table, &made, now);
}

TEST(past_its_time_a_session_counts_as_ended)
{
	struct session_table *table = session_table_create(16, LANE);
	uint32_t next = 5 | 2u << 20;
	struct session *session;

	assert_int_equal(install_until(table, SESSION_ID, START, START), -EINVAL);
	assert_int_equal(install_until(table, SESSION_ID, START + 10, START), 0);
	session = session_find(table, SESSION_ID);
	assert_false(session_expired(session, START + 9));
	assert_true(session_expired(session, START + 10));
	assert_int_equal(install_until(table, next, 0, START + 9), -EEXIST); /* it lives */
	/* Prolonged, then for ever, then with an end again. */
	assert_int_equal(install_until(table, SESSION_ID, START + 20, START + 9), 0);
	assert_false(session_expired(session, START + 19));
	assert_int_equal(install_until(table, SESSION_ID, 0, START + 9), 0);
	assert_false(session_expired(session, UINT64_MAX));
	assert_int_equal(install_until(table, SESSION_ID, START + 30, START + 9), 0);
	/* Too late: it has ended, though nobody has come by to wipe it. */
	assert_int_equal(install_until(table, SESSION_ID, 0, START + 30), -EEXIST);
	assert_null(session_find(table, SESSION_ID));
	assert_int_equal(session_count(table), 0);
	assert_int_equal(install_until(table, next, 0, START + 30), 0);
	session_table_free(table);
}

TEST(a_later_generation_takes_the_slot_of_a_session_past_its_time)
{
	struct session_table *table = session_table_create(16, LANE);
	uint32_t next = 5 | 2u << 20;

	assert_int_equal(install_until(table, SESSION_ID, START + 10, START), 0);
	assert_int_equal(install_until(table, next, START + 90, START + 10), 0);
	assert_null(session_find(table, SESSION_ID));
	assert_non_null(session_find(table, next));
	assert_int_equal(session_count(table), 1);
	session_table_free(table);
}

TEST(expire_goes_round_and_wipes_what_is_past_its_time_only)
{
	struct session_table *table = session_table_create(16, LANE);
	struct session *session;
	uint32_t slot = 0, ended[16];

	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(
		    install_until(table, i | 1u << 20, i % 2 ? START + i : 0, START), 0);
	session = session_find(table, 3 | 1u << 20);
	assert_int_equal(session_expire(table, START, &slot, 16, ended), 0);
	assert_int_equal(session_expire(table, START + 5, &slot, 4, ended), 2);
	assert_int_equal(ended[0], 1 | 1u << 20);
	assert_int_equal(ended[1], 3 | 1u << 20);
	assert_true(bytes_all_zero(session->epochs, sizeof(session->epochs)));
	assert_true(bytes_all_zero(session->reset_key, sizeof(session->reset_key)));
	assert_int_equal(session_expire(table, START + 5, &slot, 4, ended), 1);
	assert_int_equal(ended[0], 5 | 1u << 20);
	assert_int_equal(session_count(table), 13);
	/* More than there are slots: once round. */
	assert_int_equal(session_expire(table, START + 100, &slot, 1000, ended), 5);
	assert_int_equal(session_count(table), 8);
	session_table_free(table);
}

TEST(installing_a_held_epoch_again_keeps_counters_and_window)
{
	struct session_table *table = session_table_create(16, LANE);
	struct session_install again = install_of(SESSION_ID, 4, 1);
	struct session *session;
	uint8_t datagram[64];

	assert_int_equal(install(table, SESSION_ID, 4, 1), 0);
	session = session_find(table, SESSION_ID);
	session->terminal_index = 9;
	assert_int_equal(session_seal(table, session, datagram, 8), 40);
	assert_int_equal(session_seal(table, session, datagram, 8), 40);
	replay_set(&session->epochs[0].replay, 10);
	again.rights = RIGHT_MARKET;
	again.rate_per_s = 100;
	again.rate_burst = 10;
	memset(again.to_terminal_key, 0, sizeof(again.to_terminal_key));
	assert_int_equal(session_install(table, &again, START), 0);
	assert_int_equal(session->epochs[0].send_counter, 2);
	assert_false(replay_check(&session->epochs[0].replay, 10));
	assert_int_equal(session->terminal_index, 9);
	assert_int_equal(session->rights, RIGHT_MARKET);
	assert_int_equal(session->rate_per_s, 100);
	assert_true(session->rate_tokens == 10 << 16);
	session_table_free(table);
}

/* Each step: install an epoch, the result, then which of the epochs 1..9 are held (bit e). */
TEST(previous_current_and_next_are_held)
{
	static const struct {
		uint16_t epoch;
		int current;
		int result;
		unsigned held;
	} steps[] = {
		{ 3, 1, 0, 1u << 3 },
		{ 5, 0, -EINVAL, 1u << 3 }, /* beyond next */
		{ 1, 0, -EINVAL, 1u << 3 }, /* older than previous */
		{ 2, 0, 0, 1u << 2 | 1u << 3 },
		{ 4, 0, 0, 1u << 2 | 1u << 3 | 1u << 4 },
		{ 2, 1, -EINVAL, 1u << 2 | 1u << 3 | 1u << 4 }, /* back */
		{ 4, 1, 0, 1u << 3 | 1u << 4 },
		{ 2, 0, -EINVAL, 1u << 3 | 1u << 4 }, /* never again: it would reuse nonces */
		{ 5, 0, 0, 1u << 3 | 1u << 4 | 1u << 5 },
		{ 6, 1, 0, 1u << 5 | 1u << 6 }, /* makes room for itself */
		{ 9, 1, 0, 1u << 9 },
	};
	struct session_table *table = session_table_create(16, LANE);

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(steps); i++) {
		struct session *session;
		unsigned held = 0;

		assert_case_equal(i, install(table, SESSION_ID, steps[i].epoch, steps[i].current),
		    steps[i].result);
		session = session_find(table, SESSION_ID);
		assert_non_null(session);
		for (unsigned e = 0; e < LIMIT_EPOCHS_HELD; e++) {
			if (session->epochs[e].held)
				held |= 1u << session->epochs[e].epoch;
			else
				assert_true(bytes_all_zero(
				    &session->epochs[e], sizeof(session->epochs[e])));
		}
		assert_case_equal(i, held, steps[i].held);
	}
	session_table_free(table);
}

TEST(three_epochs_without_a_current_one_and_no_fourth)
{
	struct session_table *table = session_table_create(16, LANE);
	uint8_t datagram[64];

	assert_int_equal(install(table, SESSION_ID, 1, 0), 0);
	assert_int_equal(install(table, SESSION_ID, 2, 0), 0);
	assert_int_equal(install(table, SESSION_ID, 3, 0), 0);
	assert_int_equal(install(table, SESSION_ID, 4, 0), -EINVAL);
	assert_int_equal(
	    session_seal(table, session_find(table, SESSION_ID), datagram, 8), -EAGAIN);
	session_table_free(table);
}

TEST(rates_default_and_have_a_ceiling)
{
	struct session_table *table = session_table_create(16, LANE);
	struct session_install made = install_of(SESSION_ID, 1, 1);
	struct session *session;

	assert_int_equal(session_install(table, &made, START), 0);
	session = session_find(table, SESSION_ID);
	assert_int_equal(session->rate_per_s, SESSION_RATE_DEFAULT_PER_S);
	assert_int_equal(session->rate_burst, SESSION_BURST_DEFAULT);
	assert_true(session->rate_tokens == (int64_t)SESSION_BURST_DEFAULT << 16);
	made.rate_per_s = UINT32_MAX;
	made.rate_burst = UINT32_MAX;
	assert_int_equal(session_install(table, &made, START), 0);
	assert_int_equal(session->rate_per_s, SESSION_RATE_MAX_PER_S);
	assert_int_equal(session->rate_burst, UINT32_MAX);
	session_table_free(table);
}

TEST(rotation_is_wanted_before_the_counter_is_used_up)
{
	struct session_table *table = session_table_create(16, LANE);
	struct session *session;

	assert_int_equal(install(table, SESSION_ID, 1, 1), 0);
	session = session_find(table, SESSION_ID);
	assert_false(session_wants_rotation(session));
	session->epochs[0].send_counter = LIMIT_EPOCH_SEALED_MAX / 4 * 3;
	assert_true(session_wants_rotation(session));
	session->epochs[0].send_counter = 0;
	session->epochs[0].open_failed = LIMIT_EPOCH_OPEN_FAILED_MAX;
	assert_true(session_wants_rotation(session));
	session_table_free(table);
}

TEST_MAIN()
