/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: what the switch says when it says it, and what a terminal does once it has heard it. */
#include "tests/sim/world.h"

static void message_read(struct world *world, uint32_t number, const uint8_t *text, size_t size,
    void (*take)(struct world *, struct terminal *, struct op *, const struct wire_reply *))
{
	struct terminal *terminal = &world->terminals[number];
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	int count = wire_frame_messages(text, size, offsets);

	if (count < 0)
		world_violation(world, "answer-malformed", "terminal %u: bad framing", number);
	for (int i = 0; i < count; i++) {
		size_t end = i + 1 < count ? offsets[i + 1] : size;
		struct wire_reply reply;
		struct op *op;

		if (wire_reply_decode(text + offsets[i], end - offsets[i], &reply) != 0)
			world_violation(
			    world, "answer-malformed", "terminal %u: not an answer", number);
		op = terminal_op(terminal, reply.request_id);
		if (op == NULL || op->state == OP_FREE)
			world_violation(world, "answer-unasked", "terminal %u, request %llu",
			    number, (unsigned long long)reply.request_id);
		take(world, terminal, op, &reply);
	}
}

/* ---- Said ---- */

static void told(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply)
{
	unsigned class = wire_code_class(reply->code);

	trace_note(TRACE_REPLY, (uint64_t)(terminal - world->terminals), reply->request_id,
	    reply->code, reply->lsn);
	world->counts.answers++;
	if (!wire_template_answers(op->request.template_id, reply->template_id))
		world_violation(world, "answer-malformed",
		    "request %llu of terminal %llu: template 0x%x answers 0x%x",
		    (unsigned long long)reply->request_id, (unsigned long long)terminal->id,
		    reply->template_id, op->request.template_id);
	if (class == WIRE_CLASS_UNKNOWN)
		oracle_unknown(world, terminal, op, reply);
	if (class == WIRE_CLASS_INVARIANT)
		world_violation(world, "ack-lost", "request %llu of terminal %llu: %s",
		    (unsigned long long)reply->request_id, (unsigned long long)terminal->id,
		    wire_code_name(reply->code));
	if (op->mutates)
		oracle_answer(world, terminal, op, reply);
	else
		oracle_read_answer(world, terminal, op, reply);
}

size_t terminal_told(
    struct world *world, uint32_t number, uint8_t *datagram, size_t size, uint8_t **text)
{
	struct terminal *terminal = &world->terminals[number];
	struct frame_header header;
	size_t text_size;

	memcpy(&header, datagram, sizeof(header));
	if (size < LIMIT_FRAME_HEADER_SIZE + LIMIT_FRAME_TAG_SIZE ||
	    header.version_kind != (WIRE_VERSION << 4 | FRAME_KIND_DATA) ||
	    le32_get(header.session_id) != terminal->install.session_id)
		return 0; /* a RESET, or of a session that ended */
	text_size = size - LIMIT_FRAME_HEADER_SIZE - LIMIT_FRAME_TAG_SIZE;
	if (aead_open(&terminal->to_terminal, datagram, text_size) != 0)
		world_violation(world, "answer-malformed", "terminal %u cannot open it", number);
	*text = datagram + LIMIT_FRAME_HEADER_SIZE;
	message_read(world, number, *text, text_size, told);
	return text_size;
}

/* ---- Heard ---- */

static void heard(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply)
{
	unsigned class = wire_code_class(reply->code);

	(void)world;
	if (op->state != OP_ASKED)
		return;
	if (class == WIRE_CLASS_TRANSIENT) {
		uint64_t soon = sim_clock_ns() + (1 + reply->detail) * MILLISECOND_NS +
		                sim_below(20 * MILLISECOND_NS);

		if (soon < op->due_ns)
			op->due_ns = soon;
		return;
	}
	op->state = class == WIRE_CLASS_FRAME || class == WIRE_CLASS_SESSION ? OP_DROPPED : OP_DONE;
	terminal_answered(terminal, op->request.request_id);
	if (!wire_code_is_final(reply->code) || reply->code == WIRE_CODE_EXPIRED)
		return;
	if (op->request.template_id == WIRE_PLACE_BET && reply->code == WIRE_CODE_OK) {
		struct kept_ticket *ticket = &world->tickets[world->ticket_count++ % WORLD_KEPT];

		kept_add(&world->bets, reply->object_id);
		ticket->bet_id = reply->object_id;
		memcpy(ticket->ticket, reply->ticket, sizeof(ticket->ticket));
	}
	if (op->request.template_id == WIRE_SPRINKLE_CREATE && reply->code == WIRE_CODE_OK)
		kept_add(&world->tokens, reply->object_id);
	if (op->request.template_id == WIRE_WITHDRAW && reply->code == WIRE_CODE_PENDING)
		kept_add(&world->withdrawals, reply->object_id);
}

void terminal_receive(struct world *world, uint32_t number, const uint8_t *text, size_t size)
{
	message_read(world, number, text, size, heard);
}
