/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of the window holds, fences, and outcomes that become final after a restart. */
#include "tests/session/window_fixture.h"

/* An entry is packed: the widest values of every member come back as they are. */
TEST(the_widest_values_fit_an_entry)
{
	static const int64_t amounts[] = { 0, -1, LIMIT_BALANCE_MAX, -LIMIT_BALANCE_MAX,
		WINDOW_AMOUNT_MAX, -WINDOW_AMOUNT_MAX };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(amounts); i++) {
		struct terminal_window window;
		struct window_outcome done = outcome_of(UINT32_MAX, 5);
		struct wire_reply reply;

		done.balance = amounts[i];
		done.payout = -amounts[i];
		done.lsn = WINDOW_LSN_MAX;
		done.object_id = UINT64_MAX;
		done.code = 0xffff;
		done.template_id = WIRE_TEMPLATE_MAX;
		done.shard = LIMIT_SHARDS - 1;
		done.score = 100;
		memset(done.ticket, 0xff, sizeof(done.ticket));
		window_init(&window, TERMINAL);
		window_restore(&window, &done);
		window_reply(window_find(&window, UINT32_MAX), &reply);
		assert_true(reply.balance == amounts[i] && reply.payout == -amounts[i]);
		assert_true(reply.lsn == WINDOW_LSN_MAX && reply.object_id == UINT64_MAX);
		assert_int_equal(reply.code, 0xffff);
		assert_int_equal(reply.template_id, WIRE_TEMPLATE_MAX);
		assert_int_equal(reply.shard, LIMIT_SHARDS - 1);
		assert_int_equal(reply.score, 100);
		assert_memory_equal(reply.ticket, done.ticket, sizeof(reply.ticket));
	}
}

/* ---- Fences ---- */

TEST(a_fenced_id_is_never_admitted_whatever_its_body)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	run(&window, 1, 10);
	assert_int_equal(admit(&window, 15), WINDOW_ADMITTED); /* the FENCE of 12 */
	assert_int_equal(window_fence_hold(&window, 12), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 12), WINDOW_IN_PROGRESS);
	assert_int_equal(window_fence_hold(&window, 12), WINDOW_IN_PROGRESS);
	complete(&window, 15);
	window_fence(&window, 12, 2, 999);
	assert_int_equal(window.running, 0);
	assert_int_equal(admit(&window, 12), WINDOW_FENCED);
	assert_int_equal(window_fence_hold(&window, 12), WINDOW_FENCED);
	assert_int_equal(window_find(&window, 12)->code, WIRE_CODE_FENCED);
	assert_int_equal(window_find(&window, 12)->lsn, 999);
	assert_int_equal(admit(&window, 13), WINDOW_ADMITTED);
}

TEST(a_fence_given_up_leaves_its_target_free)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	run(&window, 1, 10);
	assert_int_equal(window_fence_hold(&window, 12), WINDOW_ADMITTED);
	window_abandon(&window, 12);
	assert_int_equal(window.running, 0);
	assert_int_equal(admit(&window, 12), WINDOW_ADMITTED);
}

TEST(a_fence_holds_nothing_that_ran_or_is_out_of_reach)
{
	struct terminal_window window, before;

	window_init(&window, TERMINAL);
	run(&window, 1, 100);
	assert_int_equal(admit(&window, 110), WINDOW_ADMITTED);
	before = window;
	assert_int_equal(window_fence_hold(&window, 100), WINDOW_REPLAY);
	assert_int_equal(window_fence_hold(&window, 110), WINDOW_IN_PROGRESS);
	assert_int_equal(window_fence_hold(&window, 20), WINDOW_BELOW);
	assert_int_equal(window_fence_hold(&window, 0), WINDOW_BAD_ID);
	window_fence(&window, 20, 0, 7);  /* below: it never is admitted anyway */
	window_fence(&window, 100, 0, 7); /* it has an outcome */
	assert_memory_equal(&window, &before, sizeof(window));
}

TEST(a_fence_is_restored_in_any_order)
{
	for (unsigned order = 0; order < 2; order++) {
		struct terminal_window window;

		window_init(&window, TERMINAL);
		if (order == 0)
			window_fence(&window, 12, 1, 50);
		restore(&window, 15);
		restore(&window, 16);
		if (order == 1)
			window_fence(&window, 12, 1, 50);
		assert_int_equal(admit(&window, 12), WINDOW_FENCED);
		assert_int_equal(admit(&window, 13), WINDOW_ADMITTED);
	}
}

/* ---- Transfers that were open when the process ended ---- */

TEST(a_pending_outcome_becomes_final_once)
{
	struct terminal_window window;
	struct window_outcome done = outcome_of(9, 9);

	window_init(&window, TERMINAL);
	done.code = WIRE_CODE_PENDING;
	window_restore(&window, &done);
	assert_int_equal(window_find(&window, 9)->code, WIRE_CODE_PENDING);
	done.code = WIRE_CODE_ACCOUNT_UNKNOWN;
	done.balance = 77;
	done.body_hash[0]++; /* another body: not this request */
	window_update(&window, &done);
	assert_int_equal(window_find(&window, 9)->code, WIRE_CODE_PENDING);
	done.body_hash[0]--;
	window_update(&window, &done);
	assert_int_equal(window_find(&window, 9)->code, WIRE_CODE_ACCOUNT_UNKNOWN);
	assert_int_equal(window_find(&window, 9)->balance, 77);
	done.code = WIRE_CODE_OK;
	window_update(&window, &done);
	assert_int_equal(window_find(&window, 9)->code, WIRE_CODE_ACCOUNT_UNKNOWN);
	done.request_id = 10; /* not there */
	window_update(&window, &done);
	assert_null(window_find(&window, 10));
}

TEST_MAIN()
