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

static uint64_t query_account(const struct worker *worker, struct shard_query *query)
{
	const struct account_row *account = ledger_account(worker->ledger, query->id);

	query->found = account != NULL;
	if (account == NULL)
		return 0;
	query->account = *account;
	return account->lsn;
}

static uint64_t query_bet(const struct worker *worker, struct shard_query *query)
{
	query->found = ledger_bet(worker->ledger, query->id, &query->bet) == 0;
	return query->found ? query->bet.lsn : 0;
}

static uint64_t query_market(const struct worker *worker, struct shard_query *query)
{
	const struct market_row_state *market = ledger_market(worker->ledger, query->id);

	query->found = market != NULL;
	if (market == NULL)
		return 0;
	query->market = *market;
	return market->lsn;
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
	case QUERY_MARKET:
		gate_lsn = query_market(worker, query);
		break;
	case QUERY_SESSIONS:
		if (!query_sessions(worker, query))
			return 0;
		break;
	}
	if (query->kind != QUERY_SESSIONS) {
		query->shard = worker->shard;
		query->lsn = gate_lsn;
	}
	if (gate_lsn > worker->durable_lsn && journal_writer_error(worker->journal) != 0) {
		/* It never will be durable in this life of the process. */
		gate_lsn = query->lsn = 0;
		query->found = 0;
		error = -EIO;
	}
	worker_result(worker, gate_lsn, command->ticket, error, 0);
	return 1;
}
