/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: each sends requests, some at a time, again and again until they are answered, and now
 * and then long after. Datagrams are sealed and opened with the session's keys, as a terminal's
 * library does.
 */
#include <stdlib.h>

#include "tests/sim/world.h"

#define RETRY_MIN_NS (20 * MILLISECOND_NS)
#define RETRY_MAX_NS (2 * SECOND_NS)
/* Ids further than this from the lowest that waits would only be answered BUSY. */
#define SPREAD_MAX 48u
/* Between two questions about what is answered. */
#define AGAIN_PAUSE_NS (10 * MILLISECOND_NS)
/* One that came late and is BUSY so long needs later ids to be done before it can be judged. */
#define LATE_NS (5 * SECOND_NS)

/* ---- Life ---- */

static uint64_t id_on(const struct world *world, uint32_t shard, unsigned nth)
{
	for (uint64_t id = 100;; id++)
		if (world_shard_of(world, id) == shard && nth-- == 0)
			return id;
}

void terminals_make(struct world *world)
{
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++) {
		struct terminal *terminal = &world->terminals[i];
		struct op *ops = terminal->ops;
		uint32_t room = terminal->ops_room;

		*terminal = (struct terminal){ .ops = ops, .ops_room = room, .next_id = 1 };
		terminal->home = i % world->plan.shards;
		terminal->id = id_on(world, terminal->home, i / world->plan.shards);
		if (room > 0)
			memset(&ops[0], 0, sizeof(ops[0]));
	}
}

void terminals_free(struct world *world)
{
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++) {
		struct terminal *terminal = &world->terminals[i];

		if (terminal->keyed) {
			aead_key_wipe(&terminal->to_switch);
			aead_key_wipe(&terminal->to_terminal);
		}
		terminal->keyed = 0;
	}
}

void terminal_switch_gone(struct terminal *terminal)
{
	terminal->installed = terminal->installing = 0;
}

void terminal_keys(struct terminal *terminal)
{
	const struct session_install *install = &terminal->install;

	if (terminal->keyed) {
		aead_key_wipe(&terminal->to_switch);
		aead_key_wipe(&terminal->to_terminal);
	}
	SLUICE_REQUIRE(aead_key_init(&terminal->to_switch, aead_backend_default(),
	                   install->to_switch_key, install->to_switch_iv) == 0);
	SLUICE_REQUIRE(aead_key_init(&terminal->to_terminal, aead_backend_default(),
	                   install->to_terminal_key, install->to_terminal_iv) == 0);
	terminal->keyed = 1;
	terminal->session_id = install->session_id;
	terminal->epoch = install->epoch;
	terminal->packet_number = 0;
}

/* ---- Requests and their ids ---- */

struct op *terminal_op(struct terminal *terminal, uint64_t request_id)
{
	if (request_id == 0 || request_id >= terminal->next_id)
		return NULL;
	return &terminal->ops[request_id];
}

/* The next `count` ids, one behind the other; the first of them. */
static uint32_t ids_take(struct terminal *terminal, uint32_t count)
{
	uint32_t first = terminal->next_id;

	if (first + count > terminal->ops_room) {
		terminal->ops_room = terminal->ops_room == 0 ? 1024 : 2 * terminal->ops_room;
		terminal->ops =
		    realloc(terminal->ops, (size_t)terminal->ops_room * sizeof(*terminal->ops));
		SLUICE_REQUIRE(terminal->ops != NULL);
	}
	memset(&terminal->ops[first], 0, count * sizeof(*terminal->ops));
	terminal->next_id += count;
	return first;
}

static void flight_add(struct terminal *terminal, uint32_t id)
{
	SLUICE_REQUIRE(terminal->flight_count < WORLD_FLIGHT_MAX);
	terminal->flight[terminal->flight_count++] = id;
}

void terminal_answered(struct terminal *terminal, uint64_t request_id)
{
	for (uint32_t i = 0; i < terminal->flight_count; i++)
		if (terminal->flight[i] == request_id) {
			terminal->flight[i] = terminal->flight[--terminal->flight_count];
			return;
		}
}

static uint32_t lowest_waiting(const struct terminal *terminal)
{
	uint32_t lowest = terminal->next_id;

	for (uint32_t i = 0; i < terminal->flight_count; i++)
		if (terminal->flight[i] < lowest && !terminal->ops[terminal->flight[i]].late)
			lowest = terminal->flight[i];
	return lowest;
}

/* 1: an id that came late waits for the window to pass it. */
static int late_waits(const struct terminal *terminal)
{
	for (uint32_t i = 0; i < terminal->flight_count; i++) {
		const struct op *op = &terminal->ops[terminal->flight[i]];

		if (op->late && op->sent > 0 && sim_clock_ns() - op->asked_ns > LATE_NS)
			return 1;
	}
	return 0;
}

/* ---- Datagrams out ---- */

struct builder {
	uint8_t bytes[LIMIT_DATAGRAM_SIZE_MAX + 64];
	size_t size;
	unsigned count;
};

static void datagram_seal(struct world *world, uint32_t number, struct builder *builder)
{
	struct terminal *terminal = &world->terminals[number];
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.epoch = le16_make(terminal->epoch),
		.session_id = le32_make(terminal->session_id),
		.packet_number = le64_make(++terminal->packet_number),
	};

	if (builder->count == 0)
		return;
	memcpy(builder->bytes, &header, sizeof(header));
	aead_seal(&terminal->to_switch, builder->bytes, builder->size);
	/* A byte on the line falls over: the switch must throw it away. */
	if (!world->ending && sim_below(400) == 0)
		builder->bytes[sim_below(builder->size + 32)] ^= (uint8_t)(1u << sim_below(8));
	network_to_switch(world, number, builder->bytes,
	    LIMIT_FRAME_HEADER_SIZE + builder->size + LIMIT_FRAME_TAG_SIZE);
	builder->size = 0;
	builder->count = 0;
}

/* 0: no room left in the datagram. */
static int message_add(
    struct world *world, uint32_t number, struct builder *builder, struct wire_request *request)
{
	int size;

	if (builder->count == LIMIT_MESSAGES_PER_DATAGRAM)
		return 0;
	size =
	    wire_request_encode(request, builder->bytes + LIMIT_FRAME_HEADER_SIZE + builder->size,
	        LIMIT_PAYLOAD_SIZE_MAX - builder->size);
	if (size <= 0)
		return 0;
	builder->size += (size_t)size;
	builder->count++;
	trace_note(TRACE_SEND, number, request->request_id, request->template_id,
	    terminal_op(&world->terminals[number], request->request_id)->sent);
	return 1;
}

static uint64_t retry_after(const struct op *op)
{
	uint64_t wait = RETRY_MIN_NS << (op->sent > 7 ? 7 : op->sent);

	return (wait > RETRY_MAX_NS ? RETRY_MAX_NS : wait) + sim_below(RETRY_MIN_NS);
}

/* A request, or the whole group it belongs to: a group is always sent as one. */
static void op_send(struct world *world, uint32_t number, struct builder *builder, uint32_t id)
{
	struct terminal *terminal = &world->terminals[number];
	uint32_t first = id - terminal->ops[id].group_back;
	uint32_t count = terminal->ops[first].group > 1 ? terminal->ops[first].group : 1;

	if (count > 1)
		datagram_seal(world, number, builder);
	for (uint32_t i = first; i < first + count; i++) {
		struct op *op = &terminal->ops[i];

		if (op->sent++ == 0)
			op->asked_ns = sim_clock_ns();
		else {
			op->request.flags |= MESSAGE_FLAG_RETRANSMISSION;
			world->counts.resends++;
		}
		op->due_ns = sim_clock_ns() + retry_after(op);
		if (!message_add(world, number, builder, &op->request)) {
			datagram_seal(world, number, builder);
			if (!message_add(world, number, builder, &op->request))
				world_violation(world, "simulator", "template 0x%x does not encode",
				    op->request.template_id);
		}
	}
}

/* ---- What to ask ---- */

static void op_make(struct world *world, struct terminal *terminal, uint32_t id)
{
	struct op *op = &terminal->ops[id];

	memset(op, 0, sizeof(*op));
	op->request.request_id = id;
	request_make(world, terminal, &op->request);
	op->request.request_id = id;
	op->mutates = (uint8_t)wire_template_mutates(op->request.template_id);
	op->state = OP_ASKED;
	world->operations++;
	world->counts.operations++;
}

/* Requests linked to each other, mostly such as may be. */
static void group_make(
    struct world *world, struct terminal *terminal, uint32_t first, unsigned count)
{
	uint32_t shard = (uint32_t)sim_below(world->plan.shards);

	for (uint32_t i = first; i < first + count; i++) {
		struct op *op = &terminal->ops[i];

		for (unsigned tries = 0; tries < 40; tries++) {
			uint32_t bucket;

			request_make(world, terminal, &op->request);
			if (wire_template_mutates(op->request.template_id) &&
			    op->request.template_id != WIRE_REVERSE &&
			    op->request.template_id != WIRE_FENCE &&
			    ledger_request_bucket_key(&op->request, &bucket) != 0 &&
			    world->process.shared.buckets.shard[bucket] == shard)
				break;
		}
		op->request.request_id = i;
		op->request.flags = i + 1 < first + count ? MESSAGE_FLAG_LINKED : 0;
		op->mutates = (uint8_t)wire_template_mutates(op->request.template_id);
		op->state = OP_ASKED;
		op->group_back = (uint8_t)(i - first);
		op->group = (uint8_t)count;
		flight_add(terminal, i);
		world->operations++;
		world->counts.operations++;
	}
}

static uint32_t new_request(struct world *world, struct terminal *terminal)
{
	uint32_t id, count;

	if (sim_below(30) == 0) /* ids that are never used, or later */
		(void)ids_take(terminal, 1 + (uint32_t)sim_below(3));
	if (sim_below(25) == 0 && terminal->flight_count + 8 <= WORLD_FLIGHT_MAX) {
		count = 2 + (uint32_t)sim_below(4);
		id = ids_take(terminal, count);
		group_make(world, terminal, id, count);
		return id;
	}
	/* Sometimes an id that was left out comes late. */
	if (terminal->next_id > 8 && sim_below(40) == 0) {
		id = terminal->next_id - 1 -
		     (uint32_t)sim_below(terminal->next_id > 120 ? 100 : terminal->next_id - 2);
		if (terminal->ops[id].state == OP_FREE) {
			uint8_t never = terminal->ops[id].never;

			op_make(world, terminal, id);
			terminal->ops[id].never = never;
			terminal->ops[id].late = 1;
			flight_add(terminal, id);
			return id;
		}
	}
	id = ids_take(terminal, 1);
	op_make(world, terminal, id);
	flight_add(terminal, id);
	return id;
}

/* The same id with another body: never carried out. Only of an id with its answer. */
static void mismatch_send(
    struct world *world, uint32_t number, struct builder *builder, uint32_t id)
{
	struct op *op = &world->terminals[number].ops[id];
	struct wire_request other = op->request;

	if (!op->mutates || op->state != OP_DONE || op->request.template_id != WIRE_DEPOSIT)
		return;
	other.deposit.amount += 1;
	(void)message_add(world, number, builder, &other);
}

int terminal_step(struct world *world, uint32_t number)
{
	struct terminal *terminal = &world->terminals[number];
	struct builder builder = { .size = 0 };
	uint64_t now_ns = sim_clock_ns();
	int sent = 0;

	if (!terminal->installed)
		return 0;
	for (uint32_t i = 0; i < terminal->flight_count; i++) {
		uint32_t id = terminal->flight[i];

		if (terminal->ops[id].due_ns > now_ns)
			continue;
		op_send(world, number, &builder, id);
		sent = 1;
	}
	while (((!world->ending && world->operations < world->plan.operations) ||
	           late_waits(terminal)) &&
	       terminal->flight_count < WORLD_FLIGHT_MAX / 2 &&
	       terminal->next_id < lowest_waiting(terminal) + SPREAD_MAX && sim_below(3) != 0) {
		op_send(world, number, &builder, new_request(world, terminal));
		sent = 1;
	}
	if (!world->ending && terminal->next_id > 1 && terminal->again_ns <= now_ns &&
	    sim_chance(world->plan.again)) {
		uint32_t known = terminal->next_id - 1, near = known < 90 ? known : 90;
		uint32_t id = sim_below(5) ? known - (uint32_t)sim_below(near)
		                           : 1 + (uint32_t)sim_below(known);

		terminal->again_ns = now_ns + sim_below(AGAIN_PAUSE_NS);
		if (terminal->ops[id].state == OP_DONE && terminal->ops[id].mutates) {
			op_send(world, number, &builder, id);
			if (sim_below(8) == 0)
				mismatch_send(world, number, &builder, id);
			sent = 1;
		}
	}
	datagram_seal(world, number, &builder);
	return sent;
}

uint64_t terminal_next_ns(const struct terminal *terminal)
{
	uint64_t next = UINT64_MAX;

	if (!terminal->installed)
		return next;
	for (uint32_t i = 0; i < terminal->flight_count; i++)
		if (terminal->ops[terminal->flight[i]].due_ns < next)
			next = terminal->ops[terminal->flight[i]].due_ns;
	return next;
}

void terminal_wait_again(struct terminal *terminal, uint32_t id)
{
	struct op *first = &terminal->ops[id - terminal->ops[id].group_back];
	struct op *op = &terminal->ops[id];

	if (op->state != OP_DONE || !op->mutates || first->group > 1 ||
	    terminal->flight_count == WORLD_FLIGHT_MAX)
		return;
	op->state = OP_ASKED;
	op->due_ns = sim_clock_ns();
	flight_add(terminal, id);
}
