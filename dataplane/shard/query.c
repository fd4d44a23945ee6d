/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of main (query.h) and what the worker keeps for them: the last HEARTBEAT of each
 * terminal. Nothing here is on the way of a bet.
 */
#include "dataplane/shard/query.h"

#include <errno.h>

#include "dataplane/shard/worker.h"

void worker_heartbeat(
    struct worker *worker, const struct session *session, const struct wire_request *request)
{
	stats_add(&worker->stats.heartbeats, 1);
	worker->heartbeats[session->terminal_index] = (struct terminal_heartbeat){
		.received_ns = worker->now_ns,
		.local_time_ns = request->heartbeat.local_time_ns,
		.sequence = request->heartbeat.sequence,
		.firmware = request->heartbeat.firmware,
		.error_code = request->heartbeat.error_code,
		.state = request->heartbeat.state,
		.battery_percent = request->heartbeat.battery_percent,
	};
}

/* Each of these fills the answer and returns the row's LSN, 0 when there is no such row. */

static void object_by_key(
    const struct worker *worker, uint8_t kind, uint64_t word, struct object_row *out)
{
	const struct object_key key = { .words = { word }, .kind = kind };
	const struct object_row *row = ledger_object_by_key(worker->ledger, &key);

	*out = row != NULL ? *row : (struct object_row){ .id = 0 };
}

static uint64_t query_account(const struct worker *worker, struct shard_query *query)
{
	const struct account_row *account = ledger_account(worker->ledger, query->id);
	struct query_account *answer = &query->account;
	uint64_t lsn;

	query->found = account != NULL;
	if (account == NULL)
		return 0;
	answer->row = *account;
	object_by_key(worker, OBJECT_PLAY_LIMITS, query->id, &answer->limits);
	object_by_key(worker, OBJECT_PLAY_COUNTERS, query->id, &answer->counters);
	answer->has_play = answer->limits.id != 0 || answer->counters.id != 0;
	lsn = account->lsn > answer->limits.lsn ? account->lsn : answer->limits.lsn;
	return lsn > answer->counters.lsn ? lsn : answer->counters.lsn;
}

static uint64_t query_bet(const struct worker *worker, struct shard_query *query)
{
	query->found = ledger_bet(worker->ledger, query->id, &query->bet) == 0;
	return query->found ? query->bet.lsn : 0;
}

/* The code is over what was sold: the full payout at the odds of the bet's legs, as at PLACE_BET.
 */
static uint64_t query_ticket(const struct worker *worker, struct shard_query *query)
{
	struct query_ticket *answer = &query->ticket_bet;
	struct ticket_facts facts;

	query->found = ledger_bet(worker->ledger, query->id, &answer->bet) == 0;
	if (!query->found) {
		answer->genuine =
		    query->facts.bet_id == query->id &&
		    ticket_verify(worker->shared->ticket_key, &query->facts, query->ticket);
		return 0;
	}
	facts = outcome_ticket_facts(&answer->bet);
	answer->genuine = (uint8_t)ticket_verify(worker->shared->ticket_key, &facts, query->ticket);
	return answer->bet.lsn;
}

/* The entry of this shard; the others' are not ours to touch. */
static uint64_t query_market(const struct worker *worker, struct shard_query *query)
{
	const struct market_row_state *market = ledger_market(worker->ledger, query->id);
	struct query_market *answer = &query->markets[worker->shard];

	answer->found = market != NULL;
	if (market == NULL)
		return 0;
	answer->row = *market;
	answer->exposure_market = ledger_market_exposure(worker->ledger, query->id, -1);
	answer->bets_open = ledger_market_open(worker->ledger, query->id);
	for (int i = 0; i < market->selection_count; i++)
		answer->exposure[i] = ledger_market_exposure(worker->ledger, query->id, i);
	/* Exposures change with every bet: of what is in them, all must be durable. */
	return ledger_shard(worker->ledger)->lsn;
}

static uint64_t query_object(const struct worker *worker, struct shard_query *query)
{
	const struct object_row *row = query->id != 0
	                                   ? ledger_object(worker->ledger, query->id)
	                                   : ledger_object_by_key(worker->ledger, &query->key);
	struct query_object *answer = &query->objects[worker->shard];

	answer->found = row != NULL;
	if (row == NULL)
		return 0;
	answer->row = *row;
	answer->exposure = 0;
	if (row->kind != OBJECT_PARTNER)
		return row->lsn;
	answer->exposure = ledger_partner_exposure(worker->ledger, (uint32_t)query->key.words[0]);
	/* It changes with every bet: of what is in it, all must be durable. */
	return ledger_shard(worker->ledger)->lsn;
}

/* A slice a turn of the scan for open withdrawals. 1 when the page is full or all was seen. */
static int query_withdrawals(struct worker *worker, struct shard_query *query, uint64_t *gate_lsn)
{
	struct query_withdrawals *answer = &query->withdrawals;
	uint32_t rows = ledger_row_count(worker->ledger, LEDGER_OBJECT);
	uint32_t at = worker->query_next;

	if (at == 0) {
		answer->count = 0;
		at = (uint32_t)query->id;
	}
	for (unsigned looked = 0; at < rows && answer->count < QUERY_WITHDRAWALS_MAX; at++) {
		const struct object_row *row = ledger_object_at(worker->ledger, at);

		if (looked++ == QUERY_OBJECTS_PER_TURN) {
			worker->query_next = at;
			return 0;
		}
		if (row->kind == OBJECT_WITHDRAWAL && row->state == OBJECT_OPEN)
			answer->rows[answer->count++] = *row;
	}
	worker->query_next = 0;
	answer->next_row = at < rows ? at : 0;
	query->found = 1;
	/* The page was read in several turns: the newest of its rows decides. */
	for (uint32_t i = 0; i < answer->count; i++)
		if (answer->rows[i].lsn > *gate_lsn)
			*gate_lsn = answer->rows[i].lsn;
	return 1;
}

static uint64_t query_terminal(struct worker *worker, struct shard_query *query)
{
	const struct terminal_row *row = ledger_terminal(worker->ledger, query->id);
	uint32_t window = worker_window_find(worker, query->id);
	struct query_terminal *answer = &query->terminal;

	*answer = (struct query_terminal){ .rights = RIGHT_ALL };
	query->found = row != NULL || window != UINT32_MAX;
	if (window != UINT32_MAX) {
		answer->staked_today = worker_terminal_staked(worker, &worker->windows[window]);
		answer->highest_request_id = worker->windows[window].highest_done;
	}
	if (row == NULL)
		return 0;
	answer->rights = row->rights;
	answer->blocked = row->blocked;
	answer->daily_max = row->daily_max;
	return row->lsn;
}

/* The part of the list that is at home here, a slice a turn. 1 when all of it is done. */
static int query_sessions(struct worker *worker, struct shard_query *query)
{
	for (unsigned looked = 0; worker->query_next < query->sessions_count;) {
		struct query_session *entry = &query->sessions[worker->query_next];
		const struct session *session;

		if (entry->home == worker->shard && looked++ == QUERY_SESSIONS_PER_TURN)
			return 0;
		worker->query_next++;
		if (entry->home != worker->shard)
			continue;
		session = session_at(worker->sessions, entry->slot);
		if (session == NULL || session_expired(session, worker->now_ns))
			continue;
		entry->session_id = session->session_id;
		entry->rights = session->rights;
		entry->terminal_id = session->terminal_id;
		entry->epoch = session->epoch_current;
		entry->wants_rotation = session_wants_rotation(session) != 0;
		entry->last_seen_ns = session->last_seen_ns;
		entry->datagrams = session->datagrams;
		entry->messages = session->messages;
		entry->resends = session->resends;
		for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++)
			if (session->epochs[i].held)
				entry->open_failed += session->epochs[i].open_failed;
		entry->heartbeat = worker->heartbeats[session->terminal_index];
	}
	worker->query_next = 0;
	return 1;
}

/* 1: each shard has entries of its own in the answer, and only those are its to write. */
static int query_is_shared(enum shard_query_kind kind)
{
	return kind == QUERY_SESSIONS || kind == QUERY_MARKET || kind == QUERY_OBJECT;
}

/* What was found can never be durable in this life of the process: it is not told. */
static void query_withdraw(struct worker *worker, struct shard_query *query)
{
	if (query->kind == QUERY_MARKET)
		query->markets[worker->shard].found = 0;
	else if (query->kind == QUERY_OBJECT)
		query->objects[worker->shard].found = 0;
	else if (query->kind != QUERY_SESSIONS)
		query->found = 0;
}

int worker_query(struct worker *worker, const struct shard_command *command)
{
	struct shard_query *query = command->query;
	uint64_t gate_lsn = 0;
	int error = 0;

	switch (query->kind) {
	case QUERY_ACCOUNT:
		gate_lsn = query_account(worker, query);
		break;
	case QUERY_BET:
		gate_lsn = query_bet(worker, query);
		break;
	case QUERY_TERMINAL:
		gate_lsn = query_terminal(worker, query);
		break;
	case QUERY_TICKET:
		gate_lsn = query_ticket(worker, query);
		break;
	case QUERY_MARKET:
		gate_lsn = query_market(worker, query);
		break;
	case QUERY_OBJECT:
		gate_lsn = query_object(worker, query);
		break;
	case QUERY_WITHDRAWALS:
		if (!query_withdrawals(worker, query, &gate_lsn))
			return 0;
		break;
	case QUERY_SESSIONS:
		if (!query_sessions(worker, query))
			return 0;
		break;
	}
	if (gate_lsn > worker->durable_lsn && journal_writer_error(worker->journal) != 0) {
		gate_lsn = 0;
		query_withdraw(worker, query);
		error = -EIO;
	}
	if (!query_is_shared(query->kind)) {
		query->shard = worker->shard;
		query->lsn = gate_lsn;
	}
	worker_result(worker, gate_lsn, command->ticket, error, 0);
	return 1;
}
