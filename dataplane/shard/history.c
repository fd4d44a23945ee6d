/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What needs history: old outcomes, TX_STATUS, statements, closed bets, and the targets of REVERSE
 * and FENCE. A question goes to the reader's ring and its answer comes to the terminal's home; a
 * full ring is answered BUSY.
 *
 * The target of a REVERSE or FENCE, seen from the window:
 *
 *   runs now                     IN_PROGRESS; the REVERSE is given up and may come again
 *   was executed                 the reader finds its event; FENCE is decided here, REVERSE at the
 *                                event's shard, both with the event
 *   in the window, never seen    its entry is held, decided here: fenced
 *   below the window             the reader is asked: found as above; not found: it can never be
 *                                admitted, so nothing is held; decided here: fenced
 *
 * So between the look and the durable FENCE nothing can come in between.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

/* A place in the reader's ring, filled but for what depends on the kind; NULL: full. */
static struct history_query *query_reserve(struct worker *worker, enum history_kind kind,
    const struct origin *origin, const struct wire_request *request)
{
	struct history_query *query = spsc_ring_reserve(worker->rings.history_query);

	if (query == NULL) {
		stats_add(&worker->stats.history_ring_full, 1);
		return NULL;
	}
	query->origin = *origin;
	query->request_id = request->request_id;
	query->body_hash[0] = request->body_hash[0];
	query->body_hash[1] = request->body_hash[1];
	query->template_id = request->template_id;
	query->kind = (uint8_t)kind;
	query->below_durable = 0;
	query->shard = (uint8_t)worker->shard;
	query->count = 0;
	query->currency = 0;
	query->id = request->request_id;
	query->lsn = 0;
	return query;
}

static void query_publish(struct worker *worker)
{
	spsc_ring_publish(worker->rings.history_query);
	stats_add(&worker->stats.history_asked, 1);
}

void worker_history(struct worker *worker, struct session *session,
    const struct wire_request *request, enum history_kind kind, uint64_t target_id)
{
	struct origin origin = worker_origin(worker, session, request);
	struct history_query *query = query_reserve(worker, kind, &origin, request);

	if (query == NULL) {
		worker_reply_code(worker, session, request, WIRE_CODE_BUSY);
		return;
	}
	query->id = target_id;
	query->request = *request;
	query->below_durable =
	    (uint8_t)window_is_past(&worker->windows[session->terminal_index], target_id);
	query_publish(worker);
}

int worker_statement(struct worker *worker, const struct origin *origin,
    const struct wire_request *request, const struct account_row *account)
{
	struct history_query *query = query_reserve(worker, HISTORY_STATEMENT, origin, request);

	if (query == NULL)
		return 0;
	query->id = account->id;
	query->count = request->statement.count;
	query->currency = account->currency;
	query->lsn = account->lsn;
	if (request->statement.before_lsn != 0 && request->statement.before_lsn < account->lsn)
		query->lsn = request->statement.before_lsn;
	query_publish(worker);
	return 1;
}

int worker_closed(
    struct worker *worker, const struct origin *origin, const struct wire_request *request)
{
	int bet = request->template_id == WIRE_BET_STATUS;
	struct history_query *query =
	    query_reserve(worker, bet ? HISTORY_BET : HISTORY_SPRINKLE, origin, request);

	if (query == NULL)
		return 0;
	query->id = bet ? request->bet_status.bet_id : request->sprinkle_status.token;
	query->lsn = bet ? worker->bets_retired_lsn : worker->objects_retired_lsn;
	query_publish(worker);
	return 1;
}

int worker_ticket_closed(
    struct worker *worker, const struct origin *origin, const struct wire_request *request)
{
	struct history_query *query = query_reserve(worker, HISTORY_TICKET, origin, request);

	if (query == NULL)
		return 0;
	query->id = request->redeem.bet_id;
	query->lsn = worker->bets_retired_lsn;
	query->request = *request;
	query_publish(worker);
	return 1;
}

/* ---- TX_STATUS ---- */

static void status_reply(struct worker *worker, struct session *session,
    const struct wire_request *request, const struct window_entry *entry)
{
	struct wire_reply reply;

	worker_reply_start(worker, request, WIRE_CODE_OK, &reply);
	reply.lsn = entry->lsn;
	reply.object_id = entry->object_id;
	reply.score = (uint8_t)entry->score;
	reply.balance = entry->balance;
	reply.payout = entry->payout;
	reply.shard = (uint8_t)entry->shard;
	reply.tx_status.time_ns = 0;
	reply.tx_status.target_code = (uint16_t)entry->code;
	reply.tx_status.target_template = entry->template_id;
	reply.tx_status.target_shard = (uint8_t)entry->shard;
	worker_reply_send(worker, session, request, &reply);
}

void worker_tx_status(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct terminal_window *window = &worker->windows[session->terminal_index];
	uint64_t target_id = request->tx_status.target_request_id;
	const struct window_entry *entry = window_find(window, target_id);

	if (entry == NULL && target_id >= window_base(window)) {
		worker_reply_code(worker, session, request, WIRE_CODE_REQUEST_UNKNOWN);
	} else if (entry != NULL && entry->state == WINDOW_DONE && entry->fence) {
		/* As the log says of it later: it was never carried out. */
		worker_reply_code(worker, session, request, WIRE_CODE_REQUEST_UNKNOWN);
	} else if (entry == NULL ||
	           (entry->state == WINDOW_DONE && entry->code == WIRE_CODE_PENDING)) {
		/* What waits for approval may have become final since. */
		worker_history(worker, session, request, HISTORY_STATUS, target_id);
	} else if (entry->state == WINDOW_RUNNING) {
		worker_reply_code(worker, session, request, WIRE_CODE_IN_PROGRESS);
	} else {
		status_reply(worker, session, request, entry);
	}
}

/* ---- REVERSE and FENCE ---- */

static uint64_t target_of(const struct wire_request *request)
{
	return request->template_id == WIRE_FENCE ? request->fence.target_request_id
	                                          : request->reverse.target_request_id;
}

/* Admitted: its own entry runs. */
void worker_target(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct terminal_window *window = &worker->windows[session->terminal_index];
	struct terminal_share share = { 0 };
	struct origin origin = worker_origin(worker, session, request);
	struct worker_ask ask = { .origin = &origin, .request = request, .share = &share };
	uint64_t target_id = target_of(request);
	const struct window_entry *entry = window_find(window, target_id);
	struct history_query *query;

	/* Ids go up, and a request can only be about one sent before it. */
	if (target_id == 0 || target_id >= request->request_id) {
		worker_give_up(worker, &origin, request, WIRE_CODE_BAD_FIELD);
		return;
	}
	if (entry != NULL && entry->state == WINDOW_DONE && !entry->fence &&
	    entry->code == WIRE_CODE_PENDING && entry->template_id != WIRE_WITHDRAW) {
		worker_give_up(worker, &origin, request, WIRE_CODE_IN_PROGRESS);
		return;
	}
	switch (window_fence_hold(window, target_id)) {
	case WINDOW_ADMITTED:
		origin.held = 1;
		worker_decide(worker, &ask);
		return;
	case WINDOW_FENCED: /* once more: it changes nothing */
		worker_decide(worker, &ask);
		return;
	case WINDOW_IN_PROGRESS:
		worker_give_up(worker, &origin, request, WIRE_CODE_IN_PROGRESS);
		return;
	case WINDOW_FULL:
		/* 64 or more below this very request: it cannot be admitted while this runs, and
		 * never after it. Otherwise what is in its way could still be given up. */
		if (request->request_id - target_id < LIMIT_REQUEST_WINDOW) {
			worker_give_up(worker, &origin, request, WIRE_CODE_BUSY);
			return;
		}
		break;
	case WINDOW_REPLAY:
	case WINDOW_BELOW:
	case WINDOW_MISMATCH:
	case WINDOW_BAD_ID:
		break;
	}
	query = query_reserve(worker, HISTORY_TARGET, &origin, request);
	if (query == NULL) {
		worker_give_up(worker, &origin, request, WIRE_CODE_BUSY);
		return;
	}
	query->id = target_id;
	query->request = *request;
	query_publish(worker);
}

void worker_status_found(struct worker *worker, const struct history_found *found)
{
	const struct terminal_share share = { 0 };
	const struct worker_ask ask = {
		.origin = &found->origin,
		.request = &found->request,
		.share = &share,
		.target = &found->target,
		.target_shard = found->target_shard,
	};

	if (found->shard == worker->shard)
		worker_read(worker, &ask);
	else
		worker_route(worker, found->shard, &ask);
}

void worker_target_found(struct worker *worker, const struct history_found *found)
{
	struct terminal_share share = { 0 };
	struct worker_ask ask = {
		.origin = &found->origin,
		.request = &found->request,
		.share = &share,
		.target = found->found ? &found->target : NULL,
		.expired = worker->now_ns > wire_request_deadline(&found->request),
	};

	if (found->kind == HISTORY_TICKET && wire_code_is_final(found->code)) {
		ask.refuse_code = found->code;
		worker_decide(worker, &ask);
		return;
	}
	if (found->code != WIRE_CODE_OK) {
		worker_give_up(worker, &found->origin, &found->request, found->code);
		return;
	}
	if (found->found && !ask.expired && found->request.template_id == WIRE_REVERSE)
		worker_route(worker, found->shard, &ask);
	else
		worker_decide(worker, &ask);
}
