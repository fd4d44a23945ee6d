/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that home gives by itself: session messages, markets and events. Every shard has every
 * market, so nobody is asked.
 */
#include "dataplane/shard/worker.h"

/* Base of an answer. The union behind is filled by the caller; it is not zeroed, it is large. */
void worker_reply_start(const struct worker *worker, const struct wire_request *request,
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
	memset(reply->ticket, 0, sizeof(reply->ticket));
	reply->balance = 0;
	reply->payout = 0;
	if (wire_code_class(code) == WIRE_CLASS_TRANSIENT)
		reply->detail = 5; /* ms: a few group commits */
}

void worker_reply_send(struct worker *worker, struct session *session,
    const struct wire_request *request, struct wire_reply *reply)
{
	if ((request->flags & MESSAGE_FLAG_NO_REPLY) == 0)
		worker_reply(worker, session, reply);
}

/* What the templates with rows or fields of their own say when there is nothing to say. */
static void reply_clear(const struct wire_request *request, struct wire_reply *reply)
{
	switch (request->template_id) {
	case WIRE_BET_STATUS:
		memset(&reply->bet_status, 0, sizeof(reply->bet_status));
		break;
	case WIRE_BALANCE:
		memset(&reply->balance_row, 0, sizeof(reply->balance_row));
		break;
	case WIRE_KEY_UPDATE:
		memset(&reply->key_update, 0, sizeof(reply->key_update));
		break;
	case WIRE_TX_STATUS:
		memset(&reply->tx_status, 0, sizeof(reply->tx_status));
		break;
	case WIRE_SPRINKLE_STATUS:
		memset(&reply->sprinkle, 0, sizeof(reply->sprinkle));
		break;
	case WIRE_STATEMENT:
		reply->statement.next_lsn = 0;
		reply->statement.currency = 0;
		reply->statement.row_count = 0;
		break;
	case WIRE_EVENT_QUERY:
		reply->events.up_to_version = 0;
		reply->events.more = reply->events.row_count = 0;
		break;
	case WIRE_MARKET_QUERY:
		reply->markets.up_to_version = 0;
		reply->markets.more = reply->markets.row_count = 0;
		break;
	default:
		memset(&reply->hello, 0, sizeof(reply->hello));
		break;
	}
}

void worker_reply_code(struct worker *worker, struct session *session,
    const struct wire_request *request, uint16_t code)
{
	struct wire_reply reply;

	reply_clear(request, &reply);
	worker_reply_start(worker, request, code, &reply);
	worker_reply_send(worker, session, request, &reply);
}

/* ---- Session messages ---- */

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
	worker_reply_start(worker, request, WIRE_CODE_OK, &reply);
	reply.object_id = session->terminal_id;
	reply.hello.next_id = highest + 1;
	reply.hello.terminal_id = session->terminal_id;
	reply.hello.heartbeat_ms = WORKER_HEARTBEAT_MS;
	worker_reply_send(worker, session, request, &reply);
}

static void answer_key_update(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	struct wire_reply reply;

	worker_reply_start(worker, request, WIRE_CODE_OK, &reply);
	reply.object_id = session->terminal_id;
	reply.key_update.boot_id = worker->shared->boot_id;
	reply.key_update.epoch = session->epoch_current;
	worker_reply_send(worker, session, request, &reply);
}

/* The session ends when its answer is sealed: what comes behind it in this burst is not heard. */
static void answer_goodbye(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	uint32_t session_id = session->session_id;

	worker_reply_code(worker, session, request, WIRE_CODE_OK);
	worker_reply_flush(worker);
	(void)!worker_session_end(worker, session_id);
	/* W3: no keys are left; main may give the slot to any shard. */
	atomic_store_explicit(&worker->shared->slot_home[session_id & (LIMIT_SESSION_SLOTS - 1)],
	    0xff, memory_order_release);
}

/* ---- Markets and events ---- */

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
		row->line = le16_make((uint16_t)market->line);
		for (unsigned k = 0; k < 4 && 4 * i + k < market->selection_count; k++) {
			row->odds[k] = le32_make(market->odds[4 * i + k]);
			row->result[k] = market->outcomes.of[4 * i + k].kind;
		}
	}
	return needed;
}

/* Fills the markets of an answer, `count` found ones that are all later than `version`. */
static void markets_fill(const struct worker *worker, const struct market_row_state **found,
    unsigned count, uint64_t version, int more, struct wire_reply *reply)
{
	unsigned rows = 0;

	for (unsigned i = 0; i < count; i++) {
		/* A version that is not durable yet is left for the next question. */
		unsigned used = found[i]->lsn > worker->durable_lsn
		                    ? 0
		                    : market_rows(found[i], reply->markets.rows + rows,
		                          LIMIT_MARKETS_PER_ANSWER - rows);

		if (used == 0) {
			more = 1;
			break;
		}
		rows += used;
		version = found[i]->version;
	}
	reply->markets.up_to_version = version;
	reply->markets.more = (uint8_t)more;
	reply->markets.row_count = (uint8_t)rows;
}

static void answer_markets(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	const struct market_row_state *found[LIMIT_MARKETS_PER_ANSWER];
	uint64_t version = request->market_query.since_version;
	struct wire_reply reply;
	unsigned count = 0;
	int more = 0;

	worker_reply_start(worker, request, WIRE_CODE_OK, &reply);
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
	markets_fill(worker, found, count, version, more, &reply);
	reply.object_id = request->market_query.market_id;
	worker_reply_send(worker, session, request, &reply);
}

/* 1 when all markets of the event up to its version are durable. */
static int event_durable(const struct worker *worker, const struct event_row *row)
{
	const struct market_row_state *newest[1];
	uint64_t version = le64_get(row->version);
	int more = 0;

	return version == 0 ||
	       ledger_event_markets(
	           worker->ledger, le64_get(row->event_id), version - 1, newest, 1, &more) == 0 ||
	       newest[0]->lsn <= worker->durable_lsn;
}

/* The markets of one event are answered as MARKET_QUERY is. */
static void answer_event_markets(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	const struct market_row_state *found[LIMIT_MARKETS_PER_ANSWER];
	uint64_t version = request->event_query.since_version;
	struct wire_reply reply;
	int more = 0;
	unsigned count = ledger_event_markets(worker->ledger, request->event_query.event_id,
	    version, found, LIMIT_MARKETS_PER_ANSWER, &more);

	worker_reply_start(worker, request, WIRE_CODE_OK, &reply);
	reply.template_id = WIRE_MARKET_QUERY;
	reply.object_id = request->event_query.event_id;
	markets_fill(worker, found, count, version, more, &reply);
	worker_reply_send(worker, session, request, &reply);
}

static void answer_events(
    struct worker *worker, struct session *session, const struct wire_request *request)
{
	uint64_t version = request->event_query.since_version, up_to = version;
	struct wire_reply reply;
	unsigned count, rows = 0;
	int more = 0;

	if (request->event_query.event_id != 0) {
		answer_event_markets(worker, session, request);
		return;
	}
	worker_reply_start(worker, request, WIRE_CODE_OK, &reply);
	count = ledger_events_since(
	    worker->ledger, version, reply.events.rows, LIMIT_EVENTS_PER_ANSWER, &more, &up_to);
	while (rows < count && event_durable(worker, &reply.events.rows[rows]))
		version = le64_get(reply.events.rows[rows++].version);
	reply.events.up_to_version = rows == count ? up_to : version;
	reply.events.more = (uint8_t)(more || rows < count);
	reply.events.row_count = (uint8_t)rows;
	worker_reply_send(worker, session, request, &reply);
}

int worker_local(struct worker *worker, struct session *session, const struct wire_request *request)
{
	switch (request->template_id) {
	case WIRE_HELLO:
		answer_hello(worker, session, request);
		return 1;
	case WIRE_HEARTBEAT:
		worker_heartbeat(worker, session, request);
		worker_reply_code(worker, session, request, WIRE_CODE_OK);
		return 1;
	case WIRE_KEY_UPDATE:
		answer_key_update(worker, session, request);
		return 1;
	case WIRE_GOODBYE:
		answer_goodbye(worker, session, request);
		return 1;
	case WIRE_MARKET_QUERY:
		answer_markets(worker, session, request);
		return 1;
	case WIRE_EVENT_QUERY:
		answer_events(worker, session, request);
		return 1;
	default:
		return 0;
	}
}
