/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The home side of a request: rights, request window, deadline, and the way to the shard that owns
 * what it names.
 */
#include "dataplane/ledger/ledger_model.h"
#include "dataplane/shard/worker.h"

int64_t worker_request_stake(const struct wire_request *request)
{
	int64_t stake = 0, most = 0;

	if (request->template_id == WIRE_PLACE_BET) {
		stake = request->place_bet.stake;
		most = LIMIT_STAKE_MAX;
	} else if (request->template_id == WIRE_ROUND_DEBIT) {
		stake = request->round.amount;
		most = LIMIT_BALANCE_MAX;
	}
	return stake > 0 && stake <= most ? stake : 0;
}

/* What a bet or a game round's debit takes of its terminal's limit until its outcome is known: the
 * limit is an amount in the rules' currency, and stakes in others are no part of it. */
static int64_t stake_reserved(const struct worker *worker, const struct wire_request *request)
{
	uint16_t currency = ledger_shard(worker->ledger)->rules.currency;

	if (request->template_id == WIRE_ROUND_DEBIT && request->round.currency != currency)
		return 0;
	if (request->template_id == WIRE_PLACE_BET && request->place_bet.currency != currency)
		return 0;
	return worker_request_stake(request);
}

struct origin worker_origin(
    const struct worker *worker, const struct session *session, const struct wire_request *request)
{
	return (struct origin){
		.terminal_id = session->terminal_id,
		.session_id = session->session_id,
		.terminal_index = session->terminal_index,
		.staked_day = worker->windows[session->terminal_index].staked_day,
		.home = (uint8_t)worker->shard,
		.no_reply = (request->flags & MESSAGE_FLAG_NO_REPLY) != 0,
		.reserved_stake = stake_reserved(worker, request) > 0,
		.received_ns = worker->latency.turn_ns,
	};
}

uint32_t worker_owner(const struct worker *worker, const struct wire_request *request)
{
	uint32_t bucket;

	/* Of one shard it is the one: its map of buckets need not be asked. */
	if (worker->shared->shard_count == 1)
		return worker->shard;
	/* Nobody's row (a cash bet, a shift, a fence, account 0): journalled at home. */
	if (ledger_request_bucket_key(request, &bucket) == 0)
		return worker->shard;
	return worker->shared->buckets.shard[bucket];
}

uint16_t worker_permission(
    const struct worker *worker, const struct session *session, const struct wire_request *request)
{
	const struct terminal_window *window = &worker->windows[session->terminal_index];
	uint32_t right = wire_request_right(request);

	/* HELLO, HEARTBEAT and questions about its own requests need no right: a blocked terminal's
	 * link can still be seen to live. What is refused here leaves no trace. */
	if (SLUICE_UNLIKELY(window->blocked) &&
	    (right != 0 || wire_template_mutates(request->template_id)))
		return WIRE_CODE_TERMINAL_BLOCKED;
	if (right != 0 && (session->rights & window->rights & right) == 0)
		return WIRE_CODE_NO_RIGHT;
	return WIRE_CODE_OK;
}

struct terminal_share worker_share(
    struct worker *worker, uint32_t window_index, const struct wire_request *request)
{
	struct terminal_window *window = &worker->windows[window_index];
	struct terminal_share share = {
		.staked_today = worker_terminal_staked(worker, window),
		.daily_max = window->daily_max,
	};

	if (request->template_id == WIRE_SHIFT_OPEN || request->template_id == WIRE_SHIFT_CLOSE)
		share.cash_total = worker_cash(worker, window_index, request->shift.currency);
	window->staked_today += stake_reserved(worker, request);
	return share;
}

struct ring_request *worker_forward_reserve(struct worker *worker, uint32_t owner,
    const struct origin *origin, const struct wire_request *request,
    const struct terminal_share *share)
{
	struct ring_request *slot = spsc_ring_reserve(worker->rings.request_out[owner]);

	if (slot == NULL) {
		stats_add(&worker->stats.request_ring_full, 1);
		return NULL;
	}
	slot->origin = *origin;
	slot->share = *share;
	slot->request = *request;
	slot->group = 0;
	slot->has_target = 0;
	slot->target_shard = 0;
	worker->remote_running++;
	stats_add(&worker->stats.requests_remote, 1);
	return slot;
}

void worker_route(struct worker *worker, uint32_t owner, const struct worker_ask *ask)
{
	struct ring_request *slot;

	if (owner == worker->shard) {
		worker_decide(worker, ask);
		return;
	}
	slot = worker_forward_reserve(worker, owner, ask->origin, ask->request, ask->share);
	if (slot == NULL) {
		worker_give_up(worker, ask->origin, ask->request, WIRE_CODE_BUSY);
		return;
	}
	slot->has_target = ask->target != NULL;
	slot->target_shard = ask->target_shard;
	if (ask->target != NULL)
		slot->target = *ask->target;
	spsc_ring_publish(worker->rings.request_out[owner]);
}

static int is_shift(const struct wire_request *request)
{
	return request->template_id == WIRE_SHIFT_OPEN || request->template_id == WIRE_SHIFT_CLOSE;
}

static int is_target(const struct wire_request *request)
{
	return request->template_id == WIRE_REVERSE || request->template_id == WIRE_FENCE;
}

/* A new request: reserve the terminal's limit, then decide here or at the owner's shard. */
static void request_admitted(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct terminal_share share = worker_share(worker, session->terminal_index, request);
	struct origin origin = worker_origin(worker, session, request);
	struct worker_ask ask = {
		.origin = &origin,
		.request = request,
		.share = &share,
		.expired = worker->now_ns > wire_request_deadline(request),
	};

	/* The drawer is counted when nothing of the terminal is on its way. */
	if (is_shift(request) && worker->windows[session->terminal_index].running > 1) {
		worker_give_up(worker, &origin, request, WIRE_CODE_BUSY);
		return;
	}
	if (is_target(request) && !ask.expired) {
		worker_target(worker, session, request);
		return;
	}
	worker_route(worker, ask.expired ? worker->shard : worker_owner(worker, request), &ask);
}

void worker_answer_verdict(struct worker *worker, struct session *session,
    const struct wire_request *request, int verdict, const struct window_entry *entry)
{
	struct wire_reply reply;

	switch (verdict) {
	case WINDOW_REPLAY:
		worker_reply_start(worker, request, WIRE_CODE_OK, &reply);
		window_reply(entry, &reply);
		reply.switch_time_ns = worker->now_ns;
		worker_reply_send(worker, session, request, &reply);
		return;
	case WINDOW_FENCED:
		worker_reply_start(worker, request, WIRE_CODE_FENCED, &reply);
		reply.lsn = entry->lsn;
		reply.shard = (uint8_t)entry->shard;
		reply.object_id = request->request_id;
		worker_reply_send(worker, session, request, &reply);
		return;
	case WINDOW_IN_PROGRESS:
		worker_reply_code(worker, session, request, WIRE_CODE_IN_PROGRESS);
		return;
	case WINDOW_MISMATCH:
		worker_reply_code(worker, session, request, WIRE_CODE_MISMATCH);
		return;
	case WINDOW_BAD_ID:
		worker_reply_code(worker, session, request, WIRE_CODE_BAD_REQUEST_ID);
		return;
	case WINDOW_BELOW:
		worker_history(worker, session, request, HISTORY_OUTCOME, request->request_id);
		return;
	default: /* WINDOW_FULL */
		stats_add(&worker->stats.window_full, 1);
		worker_reply_code(worker, session, request, WIRE_CODE_BUSY);
		return;
	}
}

static void request_mutate(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct terminal_window *window = &worker->windows[session->terminal_index];
	const struct window_entry *entry = NULL;
	enum window_verdict verdict;

	if (worker_pending_full(worker)) {
		stats_add(&worker->stats.pending_full, 1);
		worker_reply_code(worker, session, request, WIRE_CODE_BUSY);
		return;
	}
	verdict = window_admit(window, request, &entry);
	if (verdict == WINDOW_ADMITTED)
		request_admitted(worker, session, request);
	else
		worker_answer_verdict(worker, session, request, verdict, entry);
}

static void request_read(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct origin origin = worker_origin(worker, session, request);
	const struct terminal_share none = { 0 };
	const struct worker_ask ask = { .origin = &origin, .request = request, .share = &none };
	uint32_t owner = worker_owner(worker, request);

	if (worker_pending_full(worker)) {
		stats_add(&worker->stats.pending_full, 1);
		worker_reply_code(worker, session, request, WIRE_CODE_BUSY);
	} else if (owner == worker->shard) {
		worker_read(worker, &ask);
	} else if (worker_forward_reserve(worker, owner, &origin, request, &none) != NULL) {
		spsc_ring_publish(worker->rings.request_out[owner]);
	} else {
		worker_reply_code(worker, session, request, WIRE_CODE_BUSY);
	}
}

void worker_request(struct worker *worker, struct session *session, struct wire_request *request)
{
	uint16_t code = worker_permission(worker, session, request);

	if (code != WIRE_CODE_OK)
		worker_reply_code(worker, session, request, code);
	else if (wire_template_mutates(request->template_id))
		request_mutate(worker, session, request);
	else if (request->template_id == WIRE_TX_STATUS)
		worker_tx_status(worker, session, request);
	else if (!worker_local(worker, session, request))
		request_read(worker, session, request);
}

/* A group that is none; one over the rate is sent again, so it must not look malformed. */
static void group_refuse_form(struct worker *worker, uint32_t first, unsigned count)
{
	uint16_t code = WIRE_CODE_LINK_INVALID;

	for (uint32_t i = first; i < first + count; i++)
		if (worker->burst[i].code == WIRE_CODE_RATE_LIMITED)
			code = WIRE_CODE_RATE_LIMITED;
	for (uint32_t i = first; i < first + count; i++)
		worker_reply_code(
		    worker, worker->burst[i].session, &worker->burst[i].request, code);
}

/* One message of the burst, or the linked group it begins. Returns how many were dealt with. */
static uint32_t burst_take(struct worker *worker, uint32_t first)
{
	struct burst_message *message = &worker->burst[first];
	int invalid = 0;
	unsigned count = worker_group_size(worker, first, &invalid);

	/* Its GOODBYE was in this burst. */
	if (SLUICE_UNLIKELY(message->session->session_id == 0))
		return count;
	if (SLUICE_UNLIKELY(invalid)) {
		group_refuse_form(worker, first, count);
		return count;
	}
	if (count > 1) {
		worker_group_request(worker, first, count);
		return count;
	}
	if (message->code == WIRE_CODE_OK) {
		worker_request(worker, message->session, &message->request);
		return 1;
	}
	message->request.flags = 0; /* not decoded: the answer is sent in any case */
	worker_reply_code(worker, message->session, &message->request, message->code);
	return 1;
}

/* What the model says of the burst's bets on accounts of here. */
static void burst_score(struct worker *worker)
{
	struct ledger_model_ask asks[RISK_MODEL_BURST];
	unsigned count = 0;

	if (!ledger_model_asked(worker->ledger))
		return;
	for (uint32_t i = 0; i < worker->burst_count && count < RISK_MODEL_BURST; i++) {
		const struct burst_message *message = &worker->burst[i];

		if (message->code == WIRE_CODE_OK &&
		    message->request.template_id == WIRE_PLACE_BET &&
		    worker_owner(worker, &message->request) == worker->shard)
			asks[count++] = (struct ledger_model_ask){ &message->request,
				message->session->terminal_id };
	}
	ledger_model_burst(worker->ledger, asks, count, worker_event_time(worker));
}

void worker_requests(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->burst_count; i++)
		if (worker->burst[i].code == WIRE_CODE_OK) {
			window_prefetch(&worker->windows[worker->burst[i].session->terminal_index],
			    worker->burst[i].request.request_id);
			ledger_prefetch_begin(worker->ledger, &worker->burst[i].request,
			    worker->burst[i].session->terminal_id);
		}
	for (uint32_t i = 0; i < worker->burst_count; i++)
		if (worker->burst[i].code == WIRE_CODE_OK) {
			ledger_prefetch(worker->ledger, &worker->burst[i].request);
			ledger_prefetch_terminal(
			    worker->ledger, worker->burst[i].session->terminal_id);
		}
	burst_score(worker);
	STAMP(worker, prefetch);
	for (uint32_t i = 0; i < worker->burst_count;)
		i += burst_take(worker, i);
	worker->burst_count = 0;
}
