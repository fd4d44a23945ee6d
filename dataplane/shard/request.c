/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The home side of a request: rights, request window, deadline, and the way to the shard that owns
 * the account. Answers that need no account (HELLO, HEARTBEAT, MARKET_QUERY) are made here.
 */
#include "dataplane/shard/worker.h"

/* Base of an answer. The union behind is filled by the caller; it is not zeroed, it is large. */
static void reply_start(const struct worker *worker, const struct wire_request *request,
    uint16_t code, struct wire_reply *reply)
{
	reply->request_id = request->request_id;
	reply->lsn = 0;
	reply->switch_time_ns = worker->now_ns;
	reply->object_id = 0;
	reply->template_id = request->template_id;
	reply->code = code;
	reply->detail = 0;
	reply->shard = (uint8_t)worker->shard;
	reply->flags = 0;
	reply->score = 0;
	reply->balance = 0;
	reply->payout = 0;
	if (wire_code_class(code) == WIRE_CLASS_TRANSIENT)
		reply->detail = 5; /* ms: a few group commits */
}

static void answer_send(struct worker *worker, struct session *session,
    const struct wire_request *request, struct wire_reply *reply)
{
	if ((request->flags & MESSAGE_FLAG_NO_REPLY) == 0)
		worker_reply(worker, session, reply);
}

/* An answer that carries nothing but a code. */
static void answer_code(struct worker *worker, struct session *session,
    const struct wire_request *request, uint16_t code)
{
	struct wire_reply reply;

	memset(&reply.bet_status, 0, sizeof(reply.bet_status));
	memset(&reply.balance_row, 0, sizeof(reply.balance_row));
	reply.markets.row_count = 0;
	reply.markets.more = 0;
	reply.markets.up_to_version = 0;
	reply_start(worker, request, code, &reply);
	answer_send(worker, session, request, &reply);
}

static void answer_hello(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	const struct terminal_window *window = &worker->windows[session->terminal_index];
	uint64_t highest = window->highest_done;
	struct wire_reply reply;

	/* A terminal that lost its memory must not meet an id that is still running. */
	for (unsigned i = 0; i < LIMIT_REQUEST_WINDOW; i++)
		if (window->entries[i].state != WINDOW_FREE &&
		    window->entries[i].request_id > highest)
			highest = window->entries[i].request_id;
	reply_start(worker, request, WIRE_CODE_OK, &reply);
	reply.object_id = session->terminal_id;
	reply.hello.next_id = highest + 1;
	reply.hello.terminal_id = session->terminal_id;
	reply.hello.heartbeat_ms = WORKER_HEARTBEAT_MS;
	answer_send(worker, session, request, &reply);
}

/* Adds one market as rows of four selections. Returns the rows used, 0 when they do not fit. */
static unsigned market_rows(
    const struct market_row_state *market, struct market_row *rows, unsigned room)
{
	unsigned needed = (market->selection_count + 3u) / 4u;

	if (needed > room)
		return 0;
	for (unsigned i = 0; i < needed; i++) {
		struct market_row *row = &rows[i];

		memset(row, 0, sizeof(*row));
		row->market_id = le64_make(market->id);
		row->event_id = le64_make(market->event_id);
		row->version = le64_make(market->version);
		row->start_time_ns = le64_make(market->start_time_ns);
		row->state = market->state;
		row->kind = market->kind;
		row->selection_count = market->selection_count;
		row->selection_first = (uint8_t)(4 * i);
		for (unsigned k = 0; k < 4 && 4 * i + k < market->selection_count; k++)
			row->odds[k] = le32_make(market->odds[4 * i + k]);
	}
	return needed;
}

static void answer_markets(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	const struct market_row_state *found[LIMIT_MARKETS_PER_ANSWER];
	uint64_t version = request->market_query.since_version;
	struct wire_reply reply;
	unsigned count = 0, rows = 0;
	int more = 0;

	reply_start(worker, request, WIRE_CODE_OK, &reply);
	if (request->market_query.market_id != 0) {
		found[0] = ledger_market(worker->ledger, request->market_query.market_id);
		if (found[0] != NULL && found[0]->version > version)
			count = 1;
		if (found[0] == NULL)
			reply.code = WIRE_CODE_MARKET_UNKNOWN;
	} else {
		count = ledger_markets_since(
		    worker->ledger, version, found, LIMIT_MARKETS_PER_ANSWER, &more);
	}
	for (unsigned i = 0; i < count; i++) {
		/* A version that is not durable yet is left for the next question. */
		unsigned used = found[i]->lsn > worker->durable_lsn
		                    ? 0
		                    : market_rows(found[i], reply.markets.rows + rows,
		                          LIMIT_MARKETS_PER_ANSWER - rows);

		if (used == 0) {
			more = 1;
			break;
		}
		rows += used;
		version = found[i]->version;
	}
	reply.markets.up_to_version = version;
	reply.markets.more = (uint8_t)more;
	reply.markets.row_count = (uint8_t)rows;
	reply.object_id = request->market_query.market_id;
	answer_send(worker, session, request, &reply);
}

static struct origin origin_of(
    const struct worker *worker, const struct session *session, const struct wire_request *request)
{
	return (struct origin){
		.terminal_id = session->terminal_id,
		.session_id = session->session_id,
		.terminal_index = session->terminal_index,
		.home = (uint8_t)worker->shard,
		.no_reply = (request->flags & MESSAGE_FLAG_NO_REPLY) != 0,
		.received_ns = worker->latency.turn_ns,
	};
}

int64_t worker_terminal_staked(struct worker *worker, struct terminal_window *window)
{
	uint32_t day = risk_day(&ledger_shard(worker->ledger)->rules, worker->now_ns);

	if (window->staked_day != day) {
		window->staked_day = day;
		window->staked_today = 0;
	}
	return window->staked_today;
}

/* Sends the request to the account's shard. 0 when the ring is full. */
static int request_forward(struct worker *worker, uint32_t owner, const struct origin *origin,
    const struct wire_request *request, const struct terminal_share *share)
{
	struct ring_request *slot = spsc_ring_reserve(worker->rings.request_out[owner]);

	if (slot == NULL)
		return 0;
	slot->origin = *origin;
	slot->share = *share;
	slot->request = *request;
	spsc_ring_publish(worker->rings.request_out[owner]);
	worker->remote_running++;
	stats_add(&worker->stats.requests_remote, 1);
	return 1;
}

static int64_t stake_reserved(const struct wire_request *request)
{
	int64_t stake;

	if (request->template_id != WIRE_PLACE_BET)
		return 0;
	stake = request->place_bet.stake;
	return stake > 0 && stake <= LIMIT_STAKE_MAX ? stake : 0;
}

static uint64_t request_deadline(const struct wire_request *request)
{
	switch (request->template_id) {
	case WIRE_PLACE_BET:
		return request->place_bet.deadline_ns;
	case WIRE_CANCEL_BET:
		return request->cancel_bet.deadline_ns;
	case WIRE_DEPOSIT:
		return request->deposit.deadline_ns;
	default:
		return UINT64_MAX;
	}
}

/* A new request: reserve the terminal's limit, then decide here or at the account's shard. */
static void request_admitted(struct worker *worker, struct session *session,
    struct terminal_window *window, const struct wire_request *request)
{
	struct origin origin = origin_of(worker, session, request);
	struct terminal_share share = { worker_terminal_staked(worker, window), window->daily_max };
	int expired = worker->now_ns > request_deadline(request);
	uint32_t bucket, owner;

	origin.staked_day = window->staked_day;
	window->staked_today += stake_reserved(request);
	if (ledger_request_bucket_key(request, &bucket) == 0 || expired)
		owner = worker->shard; /* nobody's account: the refusal is journalled at home */
	else
		owner = worker->shared->buckets.shard[bucket];
	if (owner == worker->shard) {
		worker_decide(worker, &origin, request, &share, expired);
		return;
	}
	if (!request_forward(worker, owner, &origin, request, &share)) {
		window->staked_today -= stake_reserved(request);
		window_abandon(window, request->request_id);
		stats_add(&worker->stats.request_ring_full, 1);
		answer_code(worker, session, request, WIRE_CODE_BUSY);
	}
}

static void request_history(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct history_query *query = spsc_ring_reserve(worker->rings.history_query);

	if (query == NULL) {
		stats_add(&worker->stats.history_ring_full, 1);
		answer_code(worker, session, request, WIRE_CODE_BUSY);
		return;
	}
	query->origin = origin_of(worker, session, request);
	query->request_id = request->request_id;
	query->body_hash[0] = request->body_hash[0];
	query->body_hash[1] = request->body_hash[1];
	query->template_id = request->template_id;
	query->below_durable = request->request_id + LIMIT_REQUEST_WINDOW <=
	                       worker->windows[session->terminal_index].highest_done;
	spsc_ring_publish(worker->rings.history_query);
	stats_add(&worker->stats.history_asked, 1);
}

static void request_mutate(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct terminal_window *window = &worker->windows[session->terminal_index];
	const struct window_entry *entry = NULL;
	struct wire_reply reply;

	if (worker_pending_full(worker)) {
		stats_add(&worker->stats.pending_full, 1);
		answer_code(worker, session, request, WIRE_CODE_BUSY);
		return;
	}
	switch (window_admit(window, request, &entry)) {
	case WINDOW_ADMITTED:
		request_admitted(worker, session, window, request);
		return;
	case WINDOW_REPLAY:
		reply_start(worker, request, WIRE_CODE_OK, &reply);
		window_reply(entry, &reply);
		reply.switch_time_ns = worker->now_ns;
		answer_send(worker, session, request, &reply);
		return;
	case WINDOW_IN_PROGRESS:
		answer_code(worker, session, request, WIRE_CODE_IN_PROGRESS);
		return;
	case WINDOW_MISMATCH:
		answer_code(worker, session, request, WIRE_CODE_MISMATCH);
		return;
	case WINDOW_BELOW:
		request_history(worker, session, request);
		return;
	case WINDOW_BAD_ID:
		answer_code(worker, session, request, WIRE_CODE_BAD_REQUEST_ID);
		return;
	case WINDOW_FULL:
		stats_add(&worker->stats.window_full, 1);
		answer_code(worker, session, request, WIRE_CODE_BUSY);
		return;
	}
}

static void request_read(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct origin origin = origin_of(worker, session, request);
	const struct terminal_share none = { 0, 0 };
	uint32_t bucket, owner = worker->shard;

	if (worker_pending_full(worker)) {
		stats_add(&worker->stats.pending_full, 1);
		answer_code(worker, session, request, WIRE_CODE_BUSY);
		return;
	}
	if (ledger_request_bucket_key(request, &bucket) != 0)
		owner = worker->shared->buckets.shard[bucket];
	if (owner == worker->shard) {
		worker_read(worker, &origin, request);
	} else if (!request_forward(worker, owner, &origin, request, &none)) {
		stats_add(&worker->stats.request_ring_full, 1);
		answer_code(worker, session, request, WIRE_CODE_BUSY);
	}
}

void worker_request(struct worker *worker, struct session *session, struct wire_request *request)
{
	const struct terminal_window *window = &worker->windows[session->terminal_index];
	uint32_t right = wire_template_right(request->template_id);

	/* HELLO and HEARTBEAT need no right: a blocked terminal's link can still be seen to live.
	 * What is refused here never reaches the window and leaves no trace. */
	if (right != 0 && SLUICE_UNLIKELY(window->blocked)) {
		answer_code(worker, session, request, WIRE_CODE_TERMINAL_BLOCKED);
		return;
	}
	if (right != 0 && (session->rights & window->rights & right) == 0) {
		answer_code(worker, session, request, WIRE_CODE_NO_RIGHT);
		return;
	}
	if (wire_template_mutates(request->template_id)) {
		request_mutate(worker, session, request);
		return;
	}
	switch (request->template_id) {
	case WIRE_HELLO:
		answer_hello(worker, session, request);
		break;
	case WIRE_MARKET_QUERY:
		answer_markets(worker, session, request);
		break;
	case WIRE_BALANCE:
	case WIRE_BET_STATUS:
		request_read(worker, session, request);
		break;
	default: /* HEARTBEAT */
		worker_heartbeat(worker, session, request);
		answer_code(worker, session, request, WIRE_CODE_OK);
		break;
	}
}

void worker_requests(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->burst_count; i++)
		if (worker->burst[i].code == WIRE_CODE_OK) {
			window_prefetch(&worker->windows[worker->burst[i].session->terminal_index],
			    worker->burst[i].request.request_id);
			ledger_prefetch(worker->ledger, &worker->burst[i].request);
		}
	for (uint32_t i = 0; i < worker->burst_count; i++) {
		struct burst_message *message = &worker->burst[i];

		if (message->code == WIRE_CODE_OK) {
			worker_request(worker, message->session, &message->request);
		} else {
			message->request.flags =
			    0; /* not decoded: the answer is sent in any case */
			answer_code(worker, message->session, &message->request, message->code);
		}
	}
	worker->burst_count = 0;
}

/*
 * Gives back what request_admitted reserved for a bet that was not accepted, or what a cancelled
 * bet had taken: only within the day it was taken in, as the ledger's own row does.
 */
static void stake_release(struct terminal_window *window, const struct outcome *outcome)
{
	int accepted = outcome->journalled && outcome->code == WIRE_CODE_OK;
	int release = outcome->template_id == WIRE_PLACE_BET    ? !accepted
	              : outcome->template_id == WIRE_CANCEL_BET ? accepted
	                                                        : 0;

	if (!release || outcome->origin.staked_day != window->staked_day)
		return;
	window->staked_today -= outcome->stake;
	if (window->staked_today < 0)
		window->staked_today = 0;
}

static void complete_window(struct worker *worker, const struct outcome *outcome)
{
	struct terminal_window *window = &worker->windows[outcome->origin.terminal_index];
	struct window_entry done;

	stake_release(window, outcome);
	if (!outcome->journalled) {
		window_abandon(window, outcome->request_id);
		return;
	}
	done = (struct window_entry){
		.request_id = outcome->request_id,
		.body_hash = { outcome->body_hash[0], outcome->body_hash[1] },
		.lsn = outcome->lsn,
		.object_id = outcome->object_id,
		.balance = outcome->balance,
		.payout = outcome->payout,
		.code = outcome->code,
		.template_id = outcome->template_id,
		.state = WINDOW_DONE,
		.shard = outcome->shard,
		.score = outcome->score,
	};
	window_complete(window, &done);
}

void worker_complete(struct worker *worker, const struct outcome *outcome)
{
	struct wire_reply reply;
	struct session *session;

	if (outcome->mutates)
		complete_window(worker, outcome);
	if (outcome->origin.no_reply)
		return;
	session = session_find(worker->sessions, outcome->origin.session_id);
	if (session == NULL || session_expired(session, worker->now_ns)) {
		stats_add(&worker->stats.answers_lost, 1);
		return;
	}
	reply.request_id = outcome->request_id;
	reply.lsn = outcome->lsn;
	reply.switch_time_ns = worker->now_ns;
	reply.object_id = outcome->object_id;
	reply.template_id = outcome->template_id;
	reply.code = outcome->code;
	reply.detail = outcome->detail;
	reply.shard = outcome->shard;
	reply.flags = outcome->flags;
	reply.score = outcome->score;
	reply.balance = outcome->balance;
	reply.payout = outcome->payout;
	if (outcome->template_id == WIRE_BET_STATUS) {
		reply.bet_status.account_id = outcome->account_id;
		reply.bet_status.placed_at_ns = outcome->placed_at_ns;
		reply.bet_status.stake = outcome->stake;
		reply.bet_status.currency = outcome->currency;
		reply.bet_status.state = outcome->bet_state;
		reply.bet_status.leg_count = outcome->leg_count;
	} else if (outcome->template_id == WIRE_BALANCE) {
		reply.balance_row.staked_today = outcome->stake;
		reply.balance_row.currency = outcome->currency;
	}
	latency_note(&worker->latency.answered, outcome->origin.received_ns);
	worker_reply(worker, session, &reply);
}
