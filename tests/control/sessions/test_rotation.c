/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/control/sessions/asked.h"

TEST_MAIN()

TEST(rotation_installs_the_next_epoch_and_a_new_boot_keeps_it)
{
	struct registry registry = registry_make(4);
	uint64_t later_ns = database_now_ns() + 3601 * REGISTRY_S_NS;
	struct session_work work, again;
	uint32_t id;

	id = installed(&registry, 1, 0);
	assert_true(sessions_due_ns(registry.sessions) <= later_ns);
	assert_int_equal(sessions_work(registry.sessions, later_ns, &work, 1), 1);
	assert_int_equal(work.epoch, 2);
	/* Told, not answered: the same epoch and keys again. */
	assert_int_equal(sessions_boot(registry.sessions, 1), 1);
	again = work_expect(&registry, SESSION_WORK_INSTALL, id);
	assert_int_equal(again.epoch, 2);
	assert_memory_equal(again.to_switch_key, work.to_switch_key, AEAD_KEY_SIZE);
	/* Under a new boot id the epoch stays, the keys do not. */
	assert_int_equal(sessions_boot(registry.sessions, 2), 1);
	sessions_work_done(registry.sessions, &again, 0); /* too late: it counts for nothing */
	assert_int_equal(sessions_wait(registry.sessions, id, 1), -ETIMEDOUT);
	again = work_expect(&registry, SESSION_WORK_INSTALL, id);
	assert_int_equal(again.epoch, 2);
	assert_memory_not_equal(again.to_switch_key, work.to_switch_key, AEAD_KEY_SIZE);
	sessions_work_done(registry.sessions, &again, 0);
	assert_int_equal(sessions_rotate(registry.sessions, id), 0);
	again = work_expect(&registry, SESSION_WORK_INSTALL, id);
	assert_int_equal(again.epoch, 3);
	registry_remove(&registry);
}

/* An operator's call was answered with "done" and did nothing while the answer to the install
 * before was still on its way, although the terminal had moved to that epoch already. */
TEST(a_rotation_asked_for_while_an_install_is_in_flight_is_another_one)
{
	struct registry registry = registry_make(4);
	struct session_work work, again;
	uint32_t id;

	id = installed(&registry, 1, 0);
	/* Two before the first is handed out are one; worn epochs need no more than the next. */
	assert_int_equal(sessions_rotate(registry.sessions, id), 0);
	assert_int_equal(sessions_rotate(registry.sessions, id), 0);
	work = work_expect(&registry, SESSION_WORK_INSTALL, id);
	assert_int_equal(work.epoch, 2);
	assert_int_equal(sessions_rotate_worn(registry.sessions, id), 0);
	work_none(&registry);
	/* In flight: another one follows, whether the first is answered before it or after. */
	assert_int_equal(sessions_rotate(registry.sessions, id), 0);
	sessions_work_done(registry.sessions, &work, 0);
	work = work_expect(&registry, SESSION_WORK_INSTALL, id);
	assert_int_equal(work.epoch, 3);
	assert_int_equal(sessions_rotate(registry.sessions, id), 0);
	again = work_expect(&registry, SESSION_WORK_INSTALL, id);
	assert_int_equal(again.epoch, 4);
	sessions_work_done(registry.sessions, &work, 0); /* of an older version: nothing */
	assert_int_equal(counts_of(&registry).pending, 1);
	sessions_work_done(registry.sessions, &again, 0);
	assert_int_equal(counts_of(&registry).live, 1);
	work_none(&registry);
	registry_remove(&registry);
}

TEST(rotations_of_sessions_installed_together_are_spread)
{
	struct registry registry = registry_make(200);
	struct session_work work[200];
	uint64_t now_ns, first_ns;
	unsigned count;

	sessions_boot(registry.sessions, 1);
	for (uint64_t terminal = 1; terminal <= 100; terminal++)
		establish(&registry, terminal);
	now_ns = database_now_ns();
	count = sessions_work(registry.sessions, now_ns, work, 200);
	assert_int_equal(count, 100);
	for (unsigned i = 0; i < count; i++)
		sessions_work_done(registry.sessions, &work[i], 0);
	first_ns = sessions_due_ns(registry.sessions);
	assert_true(first_ns > now_ns + 2600 * REGISTRY_S_NS);
	/* A minute after the first one, fewer than half are due; at the hour all are. */
	count = sessions_work(registry.sessions, first_ns + 60 * REGISTRY_S_NS, work, 200);
	assert_true(count >= 1 && count < 50);
	count += sessions_work(registry.sessions, now_ns + 3700 * REGISTRY_S_NS, work, 200);
	assert_int_equal(count, 100);
	registry_remove(&registry);
}

TEST(epochs_end_at_65535_and_the_session_with_them)
{
	struct registry registry = registry_make(4);
	uint32_t id;

	id = installed(&registry, 1, 0);
	for (unsigned epoch = 2; epoch <= UINT16_MAX; epoch++) {
		struct session_work work;

		assert_int_equal(sessions_rotate(registry.sessions, id), 0);
		assert_int_equal(sessions_work(registry.sessions, database_now_ns(), &work, 1), 1);
		assert_int_equal(work.epoch, epoch);
		sessions_work_done(registry.sessions, &work, 0);
	}
	assert_int_equal(sessions_rotate(registry.sessions, id), 0);
	work_answer(&registry, SESSION_WORK_END, id, 0);
	registry_remove(&registry);
}
