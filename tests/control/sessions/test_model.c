/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry against a simple model: a data plane with the rules of dataplane/session,
 * connections that break anywhere, control and data plane that restart, and a list of all ids ever
 * given out.
 */
#include <errno.h>

#include "control/sessions/table.h"
#include "tests/control/sessions/registry.h"

TEST_MAIN()

#define SLOTS     12u
#define TERMINALS 6u
#define STEPS     4000u
#define GIVEN_MAX 8192u
#define WORK_MAX  8u

/* Of one session id. */
struct given {
	uint32_t id;
	uint64_t terminal;
	uint8_t established;
	uint8_t told_to_end; /* ended by a call, expired, or control lost its root */
	uint8_t end_seen;    /* END was handed out */
	uint64_t installed;  /* under this boot id an install was answered with 0 */
	uint64_t order;      /* of establishment */
	/* The last key seen, and what it was for. */
	uint64_t key_boot;
	uint16_t key_epoch;
	uint8_t key[AEAD_KEY_SIZE];
};

struct plane_slot {
	uint32_t live, ended; /* ids */
	uint16_t epoch;
};

struct model {
	struct registry registry;
	uint64_t seed, boot_id, orders;
	struct given given[GIVEN_MAX];
	unsigned given_count;
	struct plane_slot plane[SLOTS + 1];
	struct sessions_offer offers[TERMINALS + 1]; /* session_id 0: none */
	int connected;
	unsigned installs, ends;
};

static uint64_t draw(struct model *model, uint64_t below)
{
	return test_random(&model->seed) % below;
}

static struct given *given_find(struct model *model, uint32_t id)
{
	for (unsigned i = 0; i < model->given_count; i++)
		if (model->given[i].id == id)
			return &model->given[i];
	return NULL;
}

static void step_reserve(struct model *model, uint64_t terminal)
{
	struct sessions_offer offer;
	struct given *given;
	int result = sessions_reserve(model->registry.sessions, terminal, 1, &offer);

	/* An older offer of this terminal is void in any case. */
	model->offers[terminal].session_id = 0;
	if (result == -ENOSPC)
		return;
	assert_int_equal(result, 0);
	assert_null(given_find(model, offer.session_id)); /* no id twice, restarts or not */
	assert_true(slot_of(offer.session_id) >= 1 && slot_of(offer.session_id) <= SLOTS);
	/* What the data plane still has in this slot would refuse the new one. */
	assert_int_equal(model->plane[slot_of(offer.session_id)].live, 0);
	assert_true(model->given_count < GIVEN_MAX);
	given = &model->given[model->given_count++];
	given->id = offer.session_id;
	given->terminal = terminal;
	model->offers[terminal] = offer;
}

static void step_establish(struct model *model, uint64_t terminal)
{
	struct sessions_offer *offer = &model->offers[terminal];
	uint8_t root[KEYS_ROOT_SIZE] = { 1 };
	struct given *given;

	if (offer->session_id == 0)
		return;
	memcpy(root + 8, &offer->session_id, sizeof(offer->session_id));
	given = given_find(model, offer->session_id);
	assert_int_equal(sessions_establish(model->registry.sessions, offer, root, 1, 0, 0), 0);
	given->established = 1;
	given->order = ++model->orders;
	offer->session_id = 0;
}

static void step_end_terminal(struct model *model, uint64_t terminal)
{
	(void)sessions_end_terminal(model->registry.sessions, terminal);
	for (unsigned i = 0; i < model->given_count; i++)
		if (model->given[i].terminal == terminal)
			model->given[i].told_to_end = 1;
	model->offers[terminal].session_id = 0;
}

static void step_end_one(struct model *model)
{
	struct given *given;

	if (model->given_count == 0)
		return;
	given = &model->given[model->given_count - 1 -
	                      draw(model, model->given_count) % SLOTS % model->given_count];
	if (sessions_end(model->registry.sessions, given->id) == 0)
		given->told_to_end = 1;
	if (model->offers[given->terminal].session_id == given->id)
		model->offers[given->terminal].session_id = 0;
}

/* ---- The data plane ---- */

static void plane_install(struct model *model, const struct session_work *work)
{
	struct plane_slot *slot = &model->plane[slot_of(work->session_id)];
	struct given *given = given_find(model, work->session_id);

	model->installs++;
	assert_non_null(given);
	assert_true(given->established);
	assert_false(given->told_to_end);
	assert_false(given->end_seen);
	assert_int_equal(work->terminal_id, given->terminal);
	/* As session_install demands. */
	if (slot->live != 0)
		assert_int_equal(slot->live, work->session_id);
	else
		assert_true(generation_of(work->session_id) > generation_of(slot->ended));
	if (slot->live != 0)
		assert_true(work->epoch >= slot->epoch);
	assert_true(work->epoch >= given->key_epoch);
	if (given->key_boot == model->boot_id && given->key_epoch == work->epoch)
		assert_memory_equal(given->key, work->to_switch_key, AEAD_KEY_SIZE);
	else
		assert_memory_not_equal(given->key, work->to_switch_key, AEAD_KEY_SIZE);
	given->key_boot = model->boot_id;
	given->key_epoch = work->epoch;
	memcpy(given->key, work->to_switch_key, AEAD_KEY_SIZE);
}

/* An end nobody asked for needs a newer session of the terminal that is installed. */
static void plane_end(struct model *model, const struct session_work *work)
{
	struct given *given = given_find(model, work->session_id);
	int replaced = 0;

	model->ends++;
	assert_non_null(given);
	given->end_seen = 1;
	for (unsigned i = 0; i < model->given_count; i++) {
		const struct given *other = &model->given[i];

		replaced |= other->terminal == given->terminal && other->order > given->order &&
		            other->installed == model->boot_id;
	}
	assert_true(given->told_to_end || replaced);
}

/* The data plane got it and carries it out; its answer. */
static int plane_take(struct model *model, const struct session_work *work)
{
	struct plane_slot *slot = &model->plane[slot_of(work->session_id)];

	if (work->kind == SESSION_WORK_INSTALL) {
		if (draw(model, 16) == 0)
			return -EPERM; /* a full table */
		slot->live = work->session_id;
		slot->epoch = work->epoch;
		return 0;
	}
	if (slot->live != work->session_id)
		return -ENOENT;
	slot->live = 0;
	slot->ended = work->session_id;
	return 0;
}

static void work_answered(struct model *model, const struct session_work *work, int error)
{
	struct given *given = given_find(model, work->session_id);

	if (error == 0 && work->kind == SESSION_WORK_INSTALL && !given->told_to_end)
		given->installed = model->boot_id;
	sessions_work_done(model->registry.sessions, work, error);
}

static void step_connect(struct model *model, int reboot)
{
	if (reboot) {
		model->boot_id++;
		memset(model->plane, 0, sizeof(model->plane));
	}
	(void)sessions_boot(model->registry.sessions, model->boot_id);
	model->connected = 1;
}

/* One lot; `faults`: the connection may break before, between and after. */
static unsigned step_work(struct model *model, uint64_t ahead_ns, int faults)
{
	struct session_work work[WORK_MAX];
	unsigned count, delivered, answered;
	int errors[WORK_MAX], installs = 0;

	if (!model->connected)
		step_connect(model, 0);
	count =
	    sessions_work(model->registry.sessions, database_now_ns() + ahead_ns, work, WORK_MAX);
	delivered = answered = count;
	if (faults && count != 0 && draw(model, 3) == 0) {
		delivered = (unsigned)draw(model, count + 1);
		answered = (unsigned)draw(model, delivered + 1);
	}
	for (unsigned i = 0; i < count; i++) {
		if (work[i].kind == SESSION_WORK_INSTALL) {
			plane_install(model, &work[i]);
			installs = 1;
		} else {
			assert_false(installs); /* ends go first */
			plane_end(model, &work[i]);
		}
		if (i < delivered)
			errors[i] = plane_take(model, &work[i]);
	}
	for (unsigned i = 0; i < answered; i++)
		work_answered(model, &work[i], errors[i]);
	/* The rest: told at once that no answer came, or only by the next connection. */
	for (unsigned i = answered; i < count; i++)
		if (draw(model, 2) == 0)
			sessions_work_done(model->registry.sessions, &work[i], -ENOTCONN);
	if (answered < count)
		model->connected = 0;
	sessions_work_wipe(work, count);
	return count;
}

/* What is due at a later time: offers lapse, epochs rotate, refused work is tried again. */
static void step_later(struct model *model)
{
	static const uint64_t ahead_s[] = { 2, 61, 3601 };
	uint64_t ahead = ahead_s[draw(model, 3)];

	if (ahead > 60)
		for (unsigned i = 0; i <= TERMINALS; i++)
			model->offers[i].session_id = 0;
	(void)step_work(model, ahead * REGISTRY_S_NS, 1);
}

static void step_restart(struct model *model)
{
	/* Killed: what was still to be written is not. */
	if (draw(model, 2) == 0)
		model->registry.sessions->unrecorded_head = 0;
	registry_restart(&model->registry);
	for (unsigned i = 0; i <= TERMINALS; i++)
		model->offers[i].session_id = 0;
	/* Without their roots no session may be installed again; ends are in order at any time. */
	for (unsigned i = 0; i < model->given_count; i++)
		model->given[i].told_to_end = 1;
	model->connected = 0;
}

/* Everything answered, nothing left to do: registry and data plane hold the same sessions. */
static void settle(struct model *model)
{
	struct sessions_counts counts;
	uint32_t live = 0;

	for (unsigned i = 0; i < 1000; i++) {
		sessions_counts(model->registry.sessions, &counts);
		if (counts.pending == 0 && counts.ending == 0)
			break;
		/* Ten minutes: refused work waits up to 64 s. Offers lapse. */
		(void)step_work(model, 600 * REGISTRY_S_NS, 0);
	}
	for (unsigned i = 0; i <= TERMINALS; i++)
		model->offers[i].session_id = 0;
	(void)step_work(model, 600 * REGISTRY_S_NS, 0);
	sessions_counts(model->registry.sessions, &counts);
	assert_int_equal(counts.pending + counts.ending + counts.reserved, 0);
	for (uint32_t slot = 1; slot <= SLOTS; slot++) {
		uint32_t id = model->plane[slot].live;

		live += id != 0;
		if (id != 0)
			assert_int_equal(sessions_wait(model->registry.sessions, id, 1), 0);
	}
	/* A keyless one may never have come as far as the data plane. */
	assert_true(live >= counts.live && live <= counts.live + counts.keyless);
	assert_true(counts.live <= TERMINALS); /* one each */
}

TEST(random_histories_keep_the_rules)
{
	struct model *model = calloc(1, sizeof(*model));
	unsigned restarts = 0, boots = 0;

	assert_non_null(model);
	model->seed = test_seed();
	model->boot_id = 100;
	model->registry = registry_make(SLOTS);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t terminal = 1 + draw(model, TERMINALS), kind = draw(model, 100);

		if (kind < 18)
			step_reserve(model, terminal);
		else if (kind < 40)
			step_establish(model, terminal);
		else if (kind < 42)
			step_end_terminal(model, terminal);
		else if (kind < 46)
			step_end_one(model);
		else if (kind < 50)
			sessions_update_terminal(model->registry.sessions, terminal, 2 + step,
			    (uint32_t)draw(model, 8), 0, 0);
		else if (kind < 54 && model->given_count != 0)
			(void)sessions_rotate(model->registry.sessions,
			    model->given[draw(model, model->given_count)].id);
		else if (kind < 58)
			step_later(model);
		else if (kind < 60) {
			step_connect(model, 1);
			boots++;
		} else if (kind < 61) {
			step_restart(model);
			restarts++;
		} else if (kind < 62)
			settle(model);
		else
			(void)step_work(model, 0, 1);
	}
	settle(model);
	printf("%u ids, %u installs, %u ends, %u boots, %u restarts\n", model->given_count,
	    model->installs, model->ends, boots, restarts);
	registry_remove(&model->registry);
	free(model);
}
