/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the switch said. Of every answer the first is kept and later ones are held against it; what
 * must be found in the logs is looked for by oracle_log.c.
 */
#include <stdlib.h>

#include "tests/sim/world.h"

static const char *code_text(uint16_t code)
{
	return wire_code_name(code);
}

/* ---- Requests that change something ---- */

static struct answer answer_of(const struct wire_reply *reply)
{
	struct answer answer = {
		.lsn = reply->lsn,
		.object_id = reply->object_id,
		.balance = reply->balance,
		.payout = reply->payout,
		.code = reply->code,
		.template_id = reply->template_id,
		.shard = reply->shard,
		.score = reply->score,
	};

	memcpy(answer.ticket, reply->ticket, sizeof(answer.ticket));
	return answer;
}

static int same_answer(const struct answer *a, const struct answer *b)
{
	return a->lsn == b->lsn && a->object_id == b->object_id && a->balance == b->balance &&
	       a->payout == b->payout && a->code == b->code && a->shard == b->shard &&
	       a->score == b->score && memcmp(a->ticket, b->ticket, sizeof(a->ticket)) == 0;
}

/* It never was and never will be carried out: as fenced, or as too old to be. */
static int says_never(const struct wire_reply *reply)
{
	return reply->code == WIRE_CODE_FENCED ||
	       (reply->code == WIRE_CODE_EXPIRED && reply->lsn == 0);
}

static void answer_first(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply)
{
	/* Its TRANSFER_DONE may not have been read yet; or be read, and on its way to the home,
	 * which says PENDING until then. */
	if (op->events > 0 && op->event_type != EVENT_TRANSFER_OUT &&
	    !(reply->code == WIRE_CODE_PENDING && reply->lsn == op->open_lsn) &&
	    (reply->lsn != op->event_lsn || reply->shard != op->event_shard))
		world_violation(world, "ack-lost",
		    "request %llu of terminal %llu is answered %s at LSN %llu of shard %u, the log "
		    "has it at LSN %llu of shard %u",
		    (unsigned long long)op->request.request_id, (unsigned long long)terminal->id,
		    code_text(reply->code), (unsigned long long)reply->lsn, reply->shard,
		    (unsigned long long)op->event_lsn, op->event_shard);
	op->answer = answer_of(reply);
	op->checked = 0;
}

static void never_again(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply)
{
	if (op->events > 0 && op->event_code != WIRE_CODE_EXPIRED)
		world_violation(world, "window",
		    "request %llu of terminal %llu is said never to be carried out (%s), and was "
		    "at "
		    "LSN %llu of shard %u",
		    (unsigned long long)op->request.request_id, (unsigned long long)terminal->id,
		    code_text(reply->code), (unsigned long long)op->event_lsn, op->event_shard);
	op->never = 1;
}

/* What another question says about a request is as good as its own answer. */
static int is_final(const struct wire_reply *reply)
{
	return wire_code_is_final(reply->code) || reply->code == WIRE_CODE_FENCED;
}

void oracle_answer(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply)
{
	struct answer answer = answer_of(reply);
	int known = op->answer.template_id != 0;

	/* Only the probe of another body (terminal.c) may be told so. */
	if (reply->code == WIRE_CODE_MISMATCH && known)
		return;
	if (!is_final(reply))
		return;
	if (says_never(reply)) {
		never_again(world, terminal, op, reply);
		if (known && op->answer.code != WIRE_CODE_FENCED &&
		    op->answer.code != WIRE_CODE_EXPIRED)
			goto changed;
		op->answer = answer;
		op->checked = 1;
		return;
	}
	if (op->never && reply->code != WIRE_CODE_EXPIRED)
		world_violation(world, "window",
		    "request %llu of terminal %llu was said never to be carried out, now %s",
		    (unsigned long long)reply->request_id, (unsigned long long)terminal->id,
		    code_text(reply->code));
	if (!known || (op->answer.code == WIRE_CODE_PENDING && reply->code != WIRE_CODE_PENDING)) {
		answer_first(world, terminal, op, reply);
		return;
	}
	if (same_answer(&answer, &op->answer))
		return;
changed:
	world_violation(world, "answer-changed",
	    "request %llu of terminal %llu, template 0x%x: was %s at LSN %llu of shard %u (object "
	    "%llx, balance %lld, payout %lld), is %s at LSN %llu of shard %u (object %llx, balance "
	    "%lld, payout %lld)",
	    (unsigned long long)reply->request_id, (unsigned long long)terminal->id,
	    reply->template_id, code_text(op->answer.code), (unsigned long long)op->answer.lsn,
	    op->answer.shard, (unsigned long long)op->answer.object_id,
	    (long long)op->answer.balance, (long long)op->answer.payout, code_text(reply->code),
	    (unsigned long long)reply->lsn, reply->shard, (unsigned long long)reply->object_id,
	    (long long)reply->balance, (long long)reply->payout);
}

/* ---- What lies in no log any more ---- */

void oracle_unknown(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply)
{
	/* FENCE and REVERSE: their own outcome, or that of their target, which is read first. */
	const struct op *meant =
	    op->request.template_id == WIRE_TX_STATUS
	        ? terminal_op(terminal, op->request.tx_status.target_request_id)
	        : op;
	int retired = 0;

	for (uint32_t i = 0; i < world->plan.shards; i++)
		retired |= log_history_first_lsn(world->process.histories[i]) > 1;
	world->counts.outcomes_unknown++;
	if (!retired)
		world_violation(world, "retention",
		    "request %llu of terminal %llu: %s, and all logs are there",
		    (unsigned long long)reply->request_id, (unsigned long long)terminal->id,
		    code_text(reply->code));
	if (meant != NULL && meant->events > 0 &&
	    meant->event_lsn >= log_history_first_lsn(world->process.histories[meant->event_shard]))
		world_violation(world, "retention",
		    "request %llu of terminal %llu: %s; LSN %llu of shard %u, whose log begins at "
		    "%llu, has the outcome of %llu",
		    (unsigned long long)reply->request_id, (unsigned long long)terminal->id,
		    code_text(reply->code), (unsigned long long)meant->event_lsn,
		    meant->event_shard,
		    (unsigned long long)log_history_first_lsn(
		        world->process.histories[meant->event_shard]),
		    (unsigned long long)meant->request.request_id);
}

/* ---- Questions ---- */

static void read_note(struct world *world, const struct oracle_read *read)
{
	struct oracle *oracle = &world->oracle;

	if (oracle->read_count == oracle->read_room) {
		oracle->read_room = oracle->read_room == 0 ? 1024 : 2 * oracle->read_room;
		oracle->reads = realloc(oracle->reads, oracle->read_room * sizeof(*oracle->reads));
		SLUICE_REQUIRE(oracle->reads != NULL);
	}
	oracle->reads[oracle->read_count++] = *read;
	world->counts.reads++;
}

static void statement_note(
    struct world *world, struct oracle_read read, const struct wire_reply *reply)
{
	uint64_t before = UINT64_MAX;

	read.kind = READ_ROW;
	for (unsigned i = 0; i < reply->statement.row_count; i++) {
		const struct statement_row *row = &reply->statement.rows[i];

		read.lsn = le64_get(row->lsn);
		read.balance = le64s_get(row->balance_after);
		if (read.lsn >= before)
			world_violation(world, "balance-history",
			    "statement of account %llu: LSN %llu comes behind %llu",
			    (unsigned long long)read.id, (unsigned long long)read.lsn,
			    (unsigned long long)before);
		before = read.lsn;
		read_note(world, &read);
	}
}

/* TX_STATUS: the outcome it names counts as if the request itself had been answered. */
static void status_note(struct world *world, struct terminal *terminal, const struct op *asked,
    const struct wire_reply *reply)
{
	struct op *op = terminal_op(terminal, asked->request.tx_status.target_request_id);

	if (op == NULL || !op->mutates)
		return;
	if (reply->code == WIRE_CODE_REQUEST_UNKNOWN && op->answer.template_id != 0 &&
	    op->answer.lsn != 0 && op->answer.code != WIRE_CODE_FENCED && op->checked)
		world_violation(world, "ack-lost",
		    "request %llu of terminal %llu was answered %s at LSN %llu; asked, it is "
		    "unknown",
		    (unsigned long long)op->request.request_id, (unsigned long long)terminal->id,
		    code_text(op->answer.code), (unsigned long long)op->answer.lsn);
	if (reply->code != WIRE_CODE_OK || reply->lsn == 0)
		return;
	read_note(world, &(struct oracle_read){ .lsn = reply->lsn,
	                     .id = op->request.request_id,
	                     .balance = reply->balance,
	                     .terminal_id = terminal->id,
	                     .request_id = asked->request.request_id,
	                     .code = reply->tx_status.target_code,
	                     .shard = reply->tx_status.target_shard,
	                     .kind = READ_STATUS });
}

static void markets_note(
    struct world *world, const struct terminal *terminal, const struct wire_reply *reply)
{
	struct oracle_shard *shard = &world->oracle.shards[terminal->home];

	for (unsigned i = 0; i < reply->markets.row_count; i++) {
		uint64_t id = le64_get(reply->markets.rows[i].market_id);
		uint64_t version = le64_get(reply->markets.rows[i].version);

		if (id <= WORLD_MARKETS && version > shard->market_seen[id])
			shard->market_seen[id] = version;
	}
}

void oracle_read_answer(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply)
{
	struct oracle_read read = {
		.lsn = reply->lsn,
		.id = reply->object_id,
		.balance = reply->balance,
		.terminal_id = terminal->id,
		.request_id = reply->request_id,
		.code = reply->code,
		.shard = reply->shard,
	};

	if (op->request.template_id == WIRE_TX_STATUS) {
		status_note(world, terminal, op, reply);
		return;
	}
	if (reply->code != WIRE_CODE_OK)
		return;
	switch (reply->template_id) {
	case WIRE_BALANCE:
		read.kind = READ_BALANCE;
		read_note(world, &read);
		break;
	case WIRE_BET_STATUS:
		read.kind = READ_BET;
		read.balance = reply->payout;
		read.state = reply->bet_status.state;
		read_note(world, &read);
		break;
	case WIRE_SPRINKLE_STATUS:
		read.kind = READ_OBJECT;
		read_note(world, &read);
		break;
	case WIRE_STATEMENT:
		statement_note(world, read, reply);
		break;
	case WIRE_MARKET_QUERY:
		markets_note(world, terminal, reply);
		break;
	default:
		break;
	}
}
