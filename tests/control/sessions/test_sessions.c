/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>

#include "tests/control/sessions/asked.h"

TEST_MAIN()

#define WORK_MAX 64

TEST(an_established_session_is_installed_with_the_keys_of_its_root)
{
	struct registry registry = registry_make(10);
	uint32_t id = establish(&registry, 1);
	uint8_t root[KEYS_ROOT_SIZE], key[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];
	struct session_work work;

	work_none(&registry); /* no boot id, no keys */
	assert_int_equal(sessions_boot(registry.sessions, 77), 1);
	work = work_expect(&registry, SESSION_WORK_INSTALL, id);
	root_fill(root, id);
	assert_int_equal(keys_derive(root, KEYS_TO_SWITCH, 1, 77, key, iv), 0);
	assert_memory_equal(work.to_switch_key, key, sizeof(key));
	assert_memory_equal(work.to_switch_iv, iv, sizeof(iv));
	assert_int_equal(keys_derive(root, KEYS_TO_TERMINAL, 1, 77, key, iv), 0);
	assert_memory_equal(work.to_terminal_key, key, sizeof(key));
	assert_int_equal(work.rights, 7);
	assert_int_equal(work.rate_per_s, 100);
	assert_int_equal(sessions_wait(registry.sessions, id, 1), -ETIMEDOUT);
	sessions_work_done(registry.sessions, &work, 0);
	assert_int_equal(sessions_wait(registry.sessions, id, 1), 0);
	assert_int_equal(counts_of(&registry).live, 1);
	work_none(&registry);
	registry_remove(&registry);
}

TEST(a_new_session_ends_the_old_one_only_once_it_is_installed)
{
	struct registry registry = registry_make(10);
	uint32_t old = establish(&registry, 1), new_id;

	sessions_boot(registry.sessions, 1);
	work_answer(&registry, SESSION_WORK_INSTALL, old, 0);
	new_id = establish(&registry, 1);
	work_answer(&registry, SESSION_WORK_INSTALL, new_id, -ENOMEM);
	work_none(&registry); /* refused: the old one stays */
	assert_int_equal(counts_of(&registry).live, 1);
	sessions_boot(registry.sessions, 2);
	work_answer(&registry, SESSION_WORK_INSTALL, old, 0);
	work_answer(&registry, SESSION_WORK_INSTALL, new_id, 0);
	work_answer(&registry, SESSION_WORK_END, old, 0);
	assert_int_equal(counts_of(&registry).replaced, 1);
	assert_int_equal(sessions_wait(registry.sessions, old, 1), -ENOENT);
	assert_int_equal(sessions_wait(registry.sessions, new_id, 1), 0);
	registry_remove(&registry);
}

TEST(revocation_goes_before_replaced_ones_and_those_before_installs)
{
	struct registry registry = registry_make(10);
	uint32_t old, revoked, waiting, new_id;
	struct session_work work[WORK_MAX];

	sessions_boot(registry.sessions, 1);
	old = establish(&registry, 1);
	work_answer(&registry, SESSION_WORK_INSTALL, old, 0);
	revoked = establish(&registry, 2);
	work_answer(&registry, SESSION_WORK_INSTALL, revoked, 0);
	new_id = establish(&registry, 1);
	work_answer(&registry, SESSION_WORK_INSTALL, new_id, 0);
	waiting = establish(&registry, 3);
	assert_int_equal(sessions_end_terminal(registry.sessions, 2), 1);
	assert_int_equal(sessions_work(registry.sessions, database_now_ns(), work, WORK_MAX), 3);
	assert_int_equal(work[0].session_id, revoked);
	assert_int_equal(work[1].session_id, old);
	assert_int_equal(work[2].session_id, waiting);
	assert_int_equal(work[2].kind, SESSION_WORK_INSTALL);
	registry_remove(&registry);
}

TEST(an_offer_is_void_once_the_terminal_was_ended)
{
	struct registry registry = registry_make(10);
	uint8_t root[KEYS_ROOT_SIZE] = { 0 };
	struct sessions_offer offer, second;

	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &offer), 0);
	assert_int_equal(sessions_end_terminal(registry.sessions, 1), 0);
	assert_int_equal(sessions_establish(registry.sessions, &offer, root, 0, 0, 0), -ENOENT);
	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &offer), 0);
	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &second), 0);
	assert_int_equal(sessions_establish(registry.sessions, &offer, root, 0, 0, 0), -ENOENT);
	assert_int_equal(sessions_establish(registry.sessions, &second, root, 0, 0, 0), 0);
	assert_int_equal(sessions_establish(registry.sessions, &second, root, 0, 0, 0), -ENOENT);
	assert_int_equal(counts_of(&registry).reserved, 0);
	registry_remove(&registry);
}

TEST(an_offer_lapses_after_a_minute)
{
	struct registry registry = registry_make(1);
	struct sessions_offer offer;
	struct session_work work;

	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &offer), 0);
	assert_int_equal(sessions_reserve(registry.sessions, 2, 1, &offer), -ENOSPC);
	assert_int_equal(
	    sessions_work(registry.sessions, database_now_ns() + 61 * REGISTRY_S_NS, &work, 1), 0);
	assert_int_equal(counts_of(&registry).reserved, 0);
	assert_int_equal(sessions_reserve(registry.sessions, 2, 1, &offer), 0);
	registry_remove(&registry);
}

TEST(after_a_restart_sessions_are_keyless_until_a_new_boot_id)
{
	struct registry registry = registry_make(10);
	uint32_t id, ended;

	id = installed(&registry, 5, 0);
	ended = establish(&registry, 2);
	work_answer(&registry, SESSION_WORK_INSTALL, ended, 0);
	assert_int_equal(sessions_end(registry.sessions, ended), 0);
	work_answer(&registry, SESSION_WORK_END, ended, -ENOENT);
	registry_restart(&registry);
	assert_int_equal(counts_of(&registry).keyless, 1);
	assert_int_equal(sessions_boot(registry.sessions, 5), 0);
	assert_int_equal(sessions_wait(registry.sessions, id, 1), 0);
	assert_int_equal(sessions_seen(registry.sessions, id, 1), 1);
	work_none(&registry);
	registry_restart(&registry);
	assert_int_equal(sessions_boot(registry.sessions, 6), 0);
	assert_int_equal(counts_of(&registry).keyless, 0);
	assert_int_equal(sessions_wait(registry.sessions, id, 1), -ENOENT);
	work_none(&registry); /* the new data plane never knew it */
	registry_restart(&registry);
	assert_int_equal(counts_of(&registry).keyless, 0);
	registry_remove(&registry);
}

TEST(a_keyless_session_is_replaced_expired_and_ended)
{
	struct registry registry = registry_make(10);
	uint32_t ids[3], new_id;
	struct session_work work;

	sessions_boot(registry.sessions, 5);
	for (uint64_t i = 0; i < 3; i++) {
		ids[i] = establish(&registry, i + 1);
		work_answer(&registry, SESSION_WORK_INSTALL, ids[i], 0);
	}
	registry_restart(&registry);
	sessions_boot(registry.sessions, 5);
	new_id = establish(&registry, 1);
	assert_int_equal(slot_of(new_id) > 3, 1);
	work_answer(&registry, SESSION_WORK_INSTALL, new_id, 0);
	work_answer(&registry, SESSION_WORK_END, ids[0], 0);
	sessions_update_terminal(registry.sessions, 2, 2, 1, 0, 0);
	work_answer(&registry, SESSION_WORK_END, ids[1], 0);
	assert_int_equal(sessions_end(registry.sessions, new_id), 0);
	work_answer(&registry, SESSION_WORK_END, new_id, 0);
	assert_int_equal(sessions_work(registry.sessions,
	                     database_now_ns() + 24 * 3600 * REGISTRY_S_NS, &work, 1),
	    1);
	assert_int_equal(work.kind, SESSION_WORK_END);
	assert_int_equal(work.session_id, ids[2]);
	assert_int_equal(counts_of(&registry).expired, 1);
	registry_remove(&registry);
}

/* The end was promised, and control died before the data plane was told. */
TEST(an_end_outlives_a_restart)
{
	struct registry registry = registry_make(10);
	uint32_t ended, other;

	sessions_boot(registry.sessions, 5);
	ended = establish(&registry, 1);
	work_answer(&registry, SESSION_WORK_INSTALL, ended, 0);
	other = establish(&registry, 2);
	work_answer(&registry, SESSION_WORK_INSTALL, other, 0);
	assert_int_equal(sessions_end(registry.sessions, ended), 0);
	for (int i = 0; i < 2; i++) {
		registry_restart(&registry);
		assert_int_equal(counts_of(&registry).ending, 1);
		assert_int_equal(counts_of(&registry).keyless, 1);
	}
	sessions_boot(registry.sessions, 5);
	work_answer(&registry, SESSION_WORK_END, ended, 0);
	work_none(&registry);
	registry_restart(&registry);
	assert_int_equal(counts_of(&registry).ending, 0);
	assert_int_equal(sessions_wait(registry.sessions, other, 1), 0);
	registry_remove(&registry);
}

TEST(at_the_start_sessions_end_whose_terminal_may_not_have_them)
{
	static const struct {
		const char *name;
		uint64_t terminal; /* 1..8 are enrolled */
		enum control_terminal_state state;
		uint64_t version, void_version;
		int ends;
	} cases[] = {
		{ "as it was", 1, CONTROL_TERMINAL_ACTIVE, 1, 1, 0 },
		{ "settings changed since", 1, CONTROL_TERMINAL_ACTIVE, 4, 1, 0 },
		{ "blocked", 1, CONTROL_TERMINAL_BLOCKED, 2, 2, 1 },
		{ "blocked and unblocked", 1, CONTROL_TERMINAL_ACTIVE, 3, 2, 1 },
		{ "revoked", 1, CONTROL_TERMINAL_REVOKED, 2, 2, 1 },
		{ "enrolled again", 1, CONTROL_TERMINAL_ACTIVE, 2, 2, 1 },
		{ "unknown", REGISTRY_TERMINALS + 1, 0, 0, 0, 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct registry registry = registry_make(10);
		uint32_t id;

		sessions_boot(registry.sessions, 5);
		id = establish(&registry, cases[i].terminal);
		work_answer(&registry, SESSION_WORK_INSTALL, id, 0);
		if (cases[i].state != 0)
			registry_terminal(&registry, cases[i].terminal, cases[i].state,
			    cases[i].version, cases[i].void_version);
		registry_restart(&registry);
		if (counts_of(&registry).ending != (uint32_t)cases[i].ends ||
		    counts_of(&registry).keyless != (uint32_t)!cases[i].ends)
			fail_msg("%s", cases[i].name);
		sessions_boot(registry.sessions, 5);
		if (cases[i].ends)
			work_answer(&registry, SESSION_WORK_END, id, 0);
		work_none(&registry);
		registry_remove(&registry);
	}
}

TEST(a_change_during_the_handshake_wins_over_what_was_read_before)
{
	struct registry registry = registry_make(10);
	uint8_t root[KEYS_ROOT_SIZE] = { 1 };
	struct sessions_offer offer;
	struct session_work work;

	sessions_boot(registry.sessions, 5);
	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &offer), 0);
	sessions_update_terminal(registry.sessions, 1, 3, 2, 11, 12);
	sessions_update_terminal(registry.sessions, 1, 2, 4, 21, 22); /* overtaken */
	assert_int_equal(sessions_establish(registry.sessions, &offer, root, 7, 31, 32), 0);
	work = work_expect(&registry, SESSION_WORK_INSTALL, offer.session_id);
	assert_int_equal(work.rights, 2);
	assert_int_equal(work.rate_per_s, 11);
	assert_int_equal(work.rate_burst, 12);
	sessions_work_done(registry.sessions, &work, 0);
	sessions_update_terminal(registry.sessions, 1, 3, 7, 0, 0); /* told already */
	sessions_update_terminal(registry.sessions, 1, 2, 7, 0, 0);
	work_none(&registry);
	assert_int_equal(counts_of(&registry).live, 1);
	registry_remove(&registry);
}

TEST(changed_rights_are_installed_under_the_same_epoch)
{
	struct registry registry = registry_make(10);
	struct session_work work;
	uint32_t id;

	sessions_boot(registry.sessions, 5);
	id = establish(&registry, 1);
	work = work_expect(&registry, SESSION_WORK_INSTALL, id);
	sessions_update_terminal(registry.sessions, 1, 2, 3, 11, 12);
	sessions_work_done(registry.sessions, &work, 0); /* an answer to the old rights */
	assert_int_equal(counts_of(&registry).pending, 1);
	work = work_expect(&registry, SESSION_WORK_INSTALL, id);
	assert_int_equal(work.rights, 3);
	assert_int_equal(work.rate_per_s, 11);
	assert_int_equal(work.rate_burst, 12);
	assert_int_equal(work.epoch, 1);
	sessions_work_done(registry.sessions, &work, 0);
	assert_int_equal(counts_of(&registry).live, 1);
	work_none(&registry);
	registry_remove(&registry);
}

TEST(a_refused_install_is_tried_again_and_given_up_one_day)
{
	struct registry registry = registry_make(10);
	uint64_t now_ns = database_now_ns();
	struct session_work work;
	unsigned tries = 0;
	uint32_t id;

	sessions_boot(registry.sessions, 5);
	id = establish(&registry, 1);
	while (sessions_work(registry.sessions, now_ns, &work, 1) == 1 &&
	       work.kind == SESSION_WORK_INSTALL && tries < 100) {
		tries++;
		sessions_work_done(registry.sessions, &work, -EPERM);
		now_ns += 600 * REGISTRY_S_NS;
	}
	assert_int_equal(tries, 8);
	assert_int_equal(work.kind, SESSION_WORK_END);
	assert_int_equal(sessions_wait(registry.sessions, id, 1), -ENOENT);
	registry_remove(&registry);
}

TEST(an_id_the_data_plane_says_has_ended_is_over)
{
	struct registry registry = registry_make(10);
	uint32_t id;

	id = installed(&registry, 5, -EEXIST);
	assert_int_equal(sessions_wait(registry.sessions, id, 1), -ENOENT);
	work_answer(&registry, SESSION_WORK_END, id, -ENOENT);
	work_none(&registry);
	registry_remove(&registry);
}

TEST(a_session_nobody_knows_is_ended_and_its_generation_skipped)
{
	struct registry registry = registry_make(1);
	uint32_t id, stray = 9u << LIMIT_SESSION_SLOT_BITS | 1;

	id = installed(&registry, 5, 0);
	assert_int_equal(sessions_seen(registry.sessions, id, 1), 1);
	assert_int_equal(sessions_end(registry.sessions, id), 0);
	work_answer(&registry, SESSION_WORK_END, id, 0);
	assert_int_equal(sessions_seen(registry.sessions, stray, 8), 0);
	work_answer(&registry, SESSION_WORK_END, stray, 0);
	assert_int_equal(establish(&registry, 1), 10u << LIMIT_SESSION_SLOT_BITS | 1);
	registry_remove(&registry);
}

TEST(generations_run_out_and_come_back_with_the_next_boot_id)
{
	struct registry registry = registry_make(1);
	uint32_t last = 0;
	struct sessions_offer offer;

	sessions_boot(registry.sessions, 5);
	/* One the data plane knows moves the slot near the end of its generations. */
	last = establish(&registry, 1);
	assert_int_equal(sessions_end(registry.sessions, last), 0);
	assert_int_equal(sessions_seen(registry.sessions,
	                     (GENERATION_MAX - 1) << LIMIT_SESSION_SLOT_BITS | 1, 8),
	    0);
	last = establish(&registry, 1);
	assert_int_equal(generation_of(last), GENERATION_MAX);
	assert_int_equal(sessions_end(registry.sessions, last), 0);
	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &offer), -ENOSPC);
	registry_restart(&registry);
	sessions_boot(registry.sessions, 5);
	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &offer), -ENOSPC);
	sessions_boot(registry.sessions, 6);
	assert_int_equal(sessions_reserve(registry.sessions, 1, 1, &offer), 0);
	assert_int_equal(offer.session_id, 1u << LIMIT_SESSION_SLOT_BITS | 1);
	registry_remove(&registry);
}

TEST(slots_are_used_lowest_first_and_rest_before_they_are_used_again)
{
	struct registry registry = registry_make(3);
	uint32_t first = establish(&registry, 1), second;

	assert_int_equal(first, 1u << LIMIT_SESSION_SLOT_BITS | 1);
	assert_int_equal(sessions_end(registry.sessions, first), 0);
	second = establish(&registry, 2);
	assert_int_equal(slot_of(second), 2);
	assert_int_equal(sessions_end(registry.sessions, second), 0);
	assert_int_equal(slot_of(establish(&registry, 3)), 3);
	/* None is left that was never used: the one that is free longest. */
	assert_int_equal(establish(&registry, 4), 2u << LIMIT_SESSION_SLOT_BITS | 1);
	assert_int_equal(establish(&registry, 5), 2u << LIMIT_SESSION_SLOT_BITS | 2);
	registry_remove(&registry);
}

TEST(the_list_names_state_and_terminal)
{
	struct registry registry = registry_make(3);
	json_t *list;
	uint32_t id = establish(&registry, 1);

	establish(&registry, 2);
	list = sessions_list(registry.sessions, 0);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	list = sessions_list(registry.sessions, 2);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(list, 0), "state")), "pending");
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(list, 0), "terminal")), 2);
	json_decref(list);
	list = sessions_find(registry.sessions, id);
	assert_int_equal(json_integer_value(json_object_get(list, "session")), id);
	assert_int_equal(json_integer_value(json_object_get(list, "terminal")), 1);
	assert_true(json_integer_value(json_object_get(list, "expires_ns")) >
	            json_integer_value(json_object_get(list, "established_ns")));
	json_decref(list);
	assert_null(sessions_find(registry.sessions, id + 7));
	registry_remove(&registry);
}

struct waiter {
	struct registry *registry;
	uint32_t session_id;
	int result;
};

static void *waiter_run(void *argument)
{
	struct waiter *waiter = argument;

	waiter->result = sessions_wait(waiter->registry->sessions, waiter->session_id, 30000);
	return NULL;
}

TEST(a_waiter_hears_of_the_installation_and_of_the_end)
{
	struct registry registry = registry_make(3);
	struct waiter waiters[2] = { { &registry, 0, 1 }, { &registry, 0, 1 } };
	pthread_t threads[2];

	sessions_boot(registry.sessions, 5);
	for (uint64_t i = 0; i < 2; i++) {
		waiters[i].session_id = establish(&registry, i + 1);
		assert_int_equal(pthread_create(&threads[i], NULL, waiter_run, &waiters[i]), 0);
	}
	work_answer(&registry, SESSION_WORK_INSTALL, waiters[0].session_id, 0);
	assert_int_equal(sessions_end(registry.sessions, waiters[1].session_id), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(waiters[0].result, 0);
	assert_int_equal(waiters[1].result, -ENOENT);
	registry_remove(&registry);
}
