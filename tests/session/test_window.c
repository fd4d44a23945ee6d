/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/session/window_fixture.h"

TEST(new_window_is_empty_and_begins_at_1)
{
	struct terminal_window window;

	memset(&window, 0xff, sizeof(window));
	window_init(&window, TERMINAL);
	assert_int_equal(window.terminal_id, TERMINAL);
	assert_int_equal(window_base(&window), 1);
	assert_int_equal(window.running, 0);
	assert_int_equal(window.staked_today, 0);
}

/* Verdict on one id at a window where 1..100 are done and 101 runs. */
TEST(verdicts_at_every_edge)
{
	static const struct {
		uint64_t id;
		uint64_t body;
		enum window_verdict verdict;
	} cases[] = {
		{ 0, 0, WINDOW_BAD_ID },
		{ 1, 1, WINDOW_BELOW },
		{ 36, 36, WINDOW_BELOW },  /* 100 took its entry */
		{ 37, 37, WINDOW_BELOW },  /* 101 took its entry */
		{ 37, 38, WINDOW_BELOW },  /* history judges the body too */
		{ 38, 38, WINDOW_REPLAY }, /* lowest entry left */
		{ 38, 1, WINDOW_MISMATCH },
		{ 100, 100, WINDOW_REPLAY },
		{ 100, 1, WINDOW_MISMATCH },
		{ 101, 101, WINDOW_IN_PROGRESS },
		{ 101, 1, WINDOW_MISMATCH }, /* of a running id as well */
		{ 102, 102, WINDOW_ADMITTED },
		{ 164, 164, WINDOW_ADMITTED },
		{ 165, 165, WINDOW_FULL },       /* 101 runs in its entry */
		{ 100 + 65536, 1, WINDOW_FULL }, /* 101 runs */
		{ 100 + 65537, 1, WINDOW_BAD_ID },
		{ UINT64_MAX, 1, WINDOW_BAD_ID },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct terminal_window window;
		struct wire_request request = request_of(cases[i].id, cases[i].body);
		const struct window_entry *entry;

		window_init(&window, TERMINAL);
		run(&window, 1, 100);
		assert_int_equal(admit(&window, 101), WINDOW_ADMITTED);
		assert_case_equal(i, window_admit(&window, &request, &entry), cases[i].verdict);
		switch (cases[i].verdict) {
		case WINDOW_ADMITTED:
		case WINDOW_REPLAY:
		case WINDOW_IN_PROGRESS:
		case WINDOW_MISMATCH:
		case WINDOW_FENCED:
			assert_non_null(entry);
			assert_case_equal(i, entry->request_id, cases[i].id);
			break;
		case WINDOW_BELOW:
		case WINDOW_BAD_ID:
		case WINDOW_FULL:
			assert_null(entry);
			break;
		}
	}
}

TEST(first_id_may_be_65536_and_not_more)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	assert_int_equal(admit(&window, 65537), WINDOW_BAD_ID);
	assert_int_equal(window.running, 0);
	assert_int_equal(admit(&window, 65536), WINDOW_ADMITTED);
}

TEST(an_id_too_far_ahead_does_not_move_the_window)
{
	struct terminal_window window, before;

	window_init(&window, TERMINAL);
	run(&window, 1, 80);
	before = window;
	assert_int_equal(admit(&window, 80 + 65537), WINDOW_BAD_ID);
	assert_memory_equal(&window, &before, sizeof(window));
}

TEST(ids_complete_out_of_order)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	for (uint64_t id = 1; id <= 32; id++)
		assert_int_equal(admit(&window, id), WINDOW_ADMITTED);
	assert_int_equal(window.running, 32);
	for (uint64_t id = 32; id >= 1; id--)
		complete(&window, id);
	assert_int_equal(window.running, 0);
	assert_int_equal(window.highest_done, 32);
	for (uint64_t id = 1; id <= 32; id++)
		assert_int_equal(admit(&window, id), WINDOW_REPLAY);
}

TEST(admission_does_not_slide_the_window)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	run(&window, 1, 3);
	assert_int_equal(admit(&window, 60), WINDOW_ADMITTED);
	assert_int_equal(window.highest_done, 3);
	assert_int_equal(window_base(&window), 1);
	assert_int_equal(admit(&window, 4), WINDOW_ADMITTED);
}

TEST(abandoned_id_is_free_again)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	assert_int_equal(admit(&window, 5), WINDOW_ADMITTED);
	window_abandon(&window, 5);
	assert_int_equal(window.running, 0);
	assert_int_equal(window.highest_done, 0);
	assert_int_equal(admit(&window, 5), WINDOW_ADMITTED);
	complete(&window, 5);
	assert_int_equal(admit(&window, 5), WINDOW_REPLAY);
}

/* The trap: 101 takes the entry of 37, which was executed, and is abandoned. 37 must not run again.
 */
TEST(abandon_after_eviction_never_reopens_an_executed_id)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	run(&window, 1, 100);
	assert_int_equal(admit(&window, 37), WINDOW_REPLAY);
	assert_int_equal(admit(&window, 101), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 37), WINDOW_BELOW);
	window_abandon(&window, 101);
	assert_int_equal(admit(&window, 37), WINDOW_BELOW);
	assert_int_equal(admit(&window, 101), WINDOW_ADMITTED);
}

TEST(a_running_entry_is_never_overwritten)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	assert_int_equal(admit(&window, 5), WINDOW_ADMITTED);
	run(&window, 6, 68);
	assert_int_equal(admit(&window, 69), WINDOW_FULL);
	assert_int_equal(admit(&window, 70), WINDOW_FULL); /* nor anything beyond */
	assert_int_equal(admit(&window, 5), WINDOW_IN_PROGRESS);
	complete(&window, 5);
	assert_int_equal(window.highest_done, 68);
	assert_int_equal(admit(&window, 5), WINDOW_REPLAY);
	assert_int_equal(admit(&window, 69), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 5), WINDOW_BELOW);
}

/* The trap: 1000 and 1 in one datagram. Journalled in that order, a walk back along the chain meets
 * 1 first and would stop before 1000. */
TEST(ids_that_run_together_lie_within_64)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	assert_int_equal(admit(&window, 1000), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 1), WINDOW_FULL);
	assert_int_equal(admit(&window, 936), WINDOW_FULL);
	assert_int_equal(admit(&window, 937), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 1001), WINDOW_FULL); /* 937 runs */
	complete(&window, 937);
	assert_int_equal(admit(&window, 1001), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 1063), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 1064), WINDOW_FULL);
	window_abandon(&window, 1000);
	assert_int_equal(admit(&window, 1064), WINDOW_ADMITTED);
}

TEST(at_most_64_run_at_once)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	for (uint64_t id = 1; id <= LIMIT_REQUEST_WINDOW; id++)
		assert_int_equal(admit(&window, id), WINDOW_ADMITTED);
	for (uint64_t id = 65; id <= 200; id++)
		assert_int_equal(admit(&window, id), WINDOW_FULL);
	assert_int_equal(window.running, LIMIT_REQUEST_WINDOW);
	complete(&window, 2);
	assert_int_equal(admit(&window, 66), WINDOW_FULL); /* 1 runs */
	complete(&window, 1);
	assert_int_equal(admit(&window, 66), WINDOW_ADMITTED);
}

/* What the limits promise: with at most 32 ids open, no unanswered id ever loses its place. */
TEST(thirty_two_in_flight_never_push_out_an_unanswered_id)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	for (uint64_t lowest = 1; lowest < 1000; lowest++) {
		for (uint64_t id = lowest; id < lowest + LIMIT_IN_FLIGHT_PER_TERMINAL; id++) {
			enum window_verdict verdict = admit(&window, id);

			assert_true(verdict == WINDOW_ADMITTED || verdict == WINDOW_REPLAY ||
			            verdict == WINDOW_IN_PROGRESS);
		}
		/* All but the lowest may be done; then the lowest. */
		for (uint64_t id = lowest + LIMIT_IN_FLIGHT_PER_TERMINAL - 1; id > lowest; id--) {
			if (admit(&window, id) == WINDOW_IN_PROGRESS)
				complete(&window, id);
		}
		if (admit(&window, lowest) == WINDOW_IN_PROGRESS)
			complete(&window, lowest);
	}
}

TEST(restored_gap_is_admissible_and_restored_id_replays)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	for (uint64_t id = 1; id <= 100; id++) {
		if (id != 50 && id != 20)
			restore(&window, id);
	}
	assert_int_equal(window.highest_done, 100);
	assert_int_equal(window.running, 0);
	assert_int_equal(admit(&window, 50), WINDOW_ADMITTED);
	assert_int_equal(admit(&window, 20), WINDOW_BELOW);
	assert_int_equal(admit(&window, 36), WINDOW_BELOW);
	assert_int_equal(admit(&window, 37), WINDOW_REPLAY);
	assert_int_equal(admit(&window, 100), WINDOW_REPLAY);
	assert_int_equal(admit(&window, 101), WINDOW_ADMITTED);
}

TEST(restore_does_not_depend_on_the_order_of_the_shards)
{
	struct terminal_window forward, backward, by_shard;

	window_init(&forward, TERMINAL);
	window_init(&backward, TERMINAL);
	window_init(&by_shard, TERMINAL);
	for (uint64_t id = 1; id <= 500; id++)
		restore(&forward, id);
	for (uint64_t id = 500; id >= 1; id--)
		restore(&backward, id);
	for (uint64_t shard = 0; shard < 3; shard++) {
		for (uint64_t id = 1; id <= 500; id++) {
			if (id % 3 == shard)
				restore(&by_shard, id);
		}
	}
	assert_memory_equal(&forward, &backward, sizeof(forward));
	assert_memory_equal(&forward, &by_shard, sizeof(forward));
}

TEST(restoring_twice_keeps_the_first)
{
	struct terminal_window window;
	struct window_outcome done = outcome_of(9, 9);

	window_init(&window, TERMINAL);
	window_restore(&window, &done);
	done.balance++;
	window_restore(&window, &done);
	assert_int_equal(window.entries[9].balance, outcome_of(9, 9).balance);
	assert_int_equal(window.highest_done, 9);
}

/* Outcomes older than the kept log: nothing up to the terminal's highest id may run again. */
TEST(retired_history_closes_every_older_id)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	restore(&window, 100);
	window_restore_retired(&window, 100);
	assert_int_equal(admit(&window, 100), WINDOW_REPLAY);
	assert_int_equal(admit(&window, 99), WINDOW_BELOW);
	assert_int_equal(admit(&window, 50), WINDOW_BELOW);
	assert_int_equal(admit(&window, 101), WINDOW_ADMITTED);
	window_init(&window, TERMINAL);
	window_restore_retired(&window, 70000);
	assert_int_equal(admit(&window, 70000), WINDOW_BELOW);
	assert_int_equal(admit(&window, 70001), WINDOW_ADMITTED);
}

/* "Never" may be said of an id only when no later start could admit it. */
TEST(an_id_is_past_only_below_what_is_durable)
{
	struct terminal_window window;

	window_init(&window, TERMINAL);
	restore(&window, 100);
	assert_int_equal(window_is_past(&window, 36), 1);
	assert_int_equal(window_is_past(&window, 37), 0);
	/* Where the log of then is gone, the same end is found each time. */
	window_restore_retired(&window, 90);
	assert_int_equal(window_is_past(&window, 90), 1);
	assert_int_equal(window_is_past(&window, 91), 0);
	/* An entry that a running id has taken comes back in a crash. */
	assert_int_equal(admit(&window, 164), WINDOW_ADMITTED);
	assert_int_equal(window_base(&window), 101);
	assert_int_equal(window_is_past(&window, 91), 0);
	assert_int_equal(window_is_past(&window, 36), 1);
}

TEST(stored_answer_holds_every_member)
{
	struct terminal_window window;
	struct wire_request request = request_of(11, 11);
	struct window_outcome done = outcome_of(11, 11);
	const struct window_entry *entry;
	struct wire_reply reply;

	window_init(&window, TERMINAL);
	memcpy(done.ticket, "ticket!", sizeof(done.ticket));
	assert_int_equal(admit(&window, 11), WINDOW_ADMITTED);
	window_complete(&window, &done);
	assert_int_equal(window_admit(&window, &request, &entry), WINDOW_REPLAY);
	assert_memory_equal(entry->ticket, "ticket!", sizeof(entry->ticket));

	memset(&reply, 0xaa, sizeof(reply));
	reply.switch_time_ns = 123;
	window_reply(entry, &reply);
	assert_int_equal(reply.request_id, 11);
	assert_int_equal(reply.lsn, 110);
	assert_int_equal(reply.object_id, 1100);
	assert_int_equal(reply.template_id, WIRE_PLACE_BET);
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(reply.detail, 0);
	assert_int_equal(reply.shard, 3);
	assert_int_equal(reply.flags, MESSAGE_FLAG_ANSWER_REPLAYED);
	assert_int_equal(reply.score, 40);
	assert_memory_equal(reply.ticket, "ticket!", sizeof(reply.ticket));
	assert_true(reply.balance == -33);
	assert_true(reply.payout == 77);
	assert_int_equal(reply.switch_time_ns, 123);
}

/* ---- The model: every id's fate in plain arrays, no entries, no reuse. ---- */

#define MODEL_IDS 4096

struct model {
	uint8_t running[MODEL_IDS];
	uint8_t executed[MODEL_IDS]; /* durable, for ever */
	uint8_t told_below[MODEL_IDS];
	uint64_t highest_done;
	unsigned running_count;
};

/* What must hold of a verdict whatever happened before. */
static void model_check(struct model *model, uint64_t id, enum window_verdict verdict)
{
	uint64_t low = model->highest_done > 63 ? model->highest_done - 63 : 1;

	switch (verdict) {
	case WINDOW_ADMITTED:
		assert_false(model->executed[id]); /* never twice */
		assert_false(model->running[id]);
		assert_false(model->told_below[id]); /* history's word is final */
		assert_true(id >= low);
		for (uint64_t other = 1; other < MODEL_IDS; other++)
			if (model->running[other])
				assert_true(other < id + 64 && id < other + 64);
		model->running[id] = 1;
		model->running_count++;
		break;
	case WINDOW_REPLAY:
		assert_true(model->executed[id]);
		break;
	case WINDOW_IN_PROGRESS:
		assert_true(model->running[id]);
		break;
	case WINDOW_BELOW:
		assert_false(model->running[id]);
		assert_true(id <= model->highest_done);
		model->told_below[id] = 1;
		break;
	case WINDOW_FULL: {
		unsigned far = 0;

		for (uint64_t other = 1; other < MODEL_IDS; other++)
			far += model->running[other] && (other >= id + 64 || id >= other + 64);
		assert_true(far > 0);
		break;
	}
	case WINDOW_MISMATCH:
	case WINDOW_BAD_ID:
	case WINDOW_FENCED:
		fail_msg("id %llu: verdict %d", (unsigned long long)id, (int)verdict);
	}
}

static uint64_t pick_running(const struct model *model, uint64_t *random)
{
	unsigned skip = (unsigned)(test_random(random) % model->running_count);

	for (uint64_t id = 1; id < MODEL_IDS; id++) {
		if (model->running[id] && skip-- == 0)
			return id;
	}
	return 0;
}

static void model_finish(
    struct model *model, struct terminal_window *window, uint64_t id, int durable)
{
	model->running[id] = 0;
	model->running_count--;
	if (!durable) {
		window_abandon(window, id);
		return;
	}
	complete(window, id);
	model->executed[id] = 1;
	if (id > model->highest_done)
		model->highest_done = id;
}

static void model_run(uint64_t *random, uint64_t spread, unsigned steps)
{
	static struct model model;
	struct terminal_window window;

	memset(&model, 0, sizeof(model));
	window_init(&window, TERMINAL);
	for (unsigned step = 0; step < steps; step++) {
		uint64_t back = test_random(random) % (spread + 40);
		uint64_t id = model.highest_done + spread;

		id = id > back ? id - back : 1;
		if (id >= MODEL_IDS)
			break;
		if (model.running_count == 0 || test_random(random) % 2 == 0)
			model_check(&model, id, admit(&window, id));
		else
			model_finish(&model, &window, pick_running(&model, random),
			    test_random(random) % 4 != 0);
		assert_int_equal(window.running, model.running_count);
		assert_true(window.highest_done == model.highest_done);
	}
}

TEST(random_runs_against_the_model)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 60; round++) {
		model_run(&random, 8, 2000);  /* a well-behaved terminal */
		model_run(&random, 70, 2000); /* more open than the window holds */
		model_run(&random, 300, 400); /* jumps */
	}
}

/* A restart in the middle: what is executed is restored, what ran and was lost may run again. */
TEST(random_restart_keeps_every_executed_id)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200; round++) {
		uint8_t executed[400] = { 0 };
		struct terminal_window before, after;
		uint64_t highest = 0;

		window_init(&before, TERMINAL);
		for (uint64_t id = 1; id < 400; id++) {
			if (admit(&before, id) != WINDOW_ADMITTED)
				continue;
			if (test_random(&random) % 8 == 0) {
				window_abandon(&before, id);
				continue;
			}
			complete(&before, id);
			executed[id] = 1;
			highest = id;
		}
		window_init(&after, TERMINAL);
		for (uint64_t id = 1; id < 400; id++) {
			if (executed[id])
				restore(&after, id);
		}
		for (uint64_t id = 1; id <= highest; id++) {
			enum window_verdict verdict = admit(&after, id);

			if (executed[id])
				assert_true(verdict == WINDOW_BELOW || verdict == WINDOW_REPLAY);
			if (id + 63 >= highest)
				assert_int_equal(
				    verdict, executed[id] ? WINDOW_REPLAY : WINDOW_ADMITTED);
		}
	}
}

TEST_MAIN()
