/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands from main: sessions, and the journalled commands of control. A command with a control
 * sequence number is followed by a COMMAND_MARK event; a shard that has the mark answers "already".
 * A crash between a command's events and its mark is harmless: resent, each part finds itself done.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

static uint64_t event_time(const struct worker *worker)
{
	uint64_t last = ledger_shard(worker->ledger)->time_ns;

	return worker->now_ns > last ? worker->now_ns : last;
}

/* Journals one ledger command. 1 done or nothing to do, 0 no room now, negative: refused. */
static int command_event(struct worker *worker, const struct ledger_command *command)
{
	struct event_buffer *event = worker_reserve(worker);
	int length;

	if (event == NULL)
		return journal_writer_error(worker->journal) != 0 ? -EIO : 0;
	length = ledger_decide_command(worker->ledger, command, event_time(worker), event);
	if (length < 0)
		return length;
	if (length > 0)
		(void)worker_commit(worker, event, (size_t)length);
	return 1;
}

static int command_mark(struct worker *worker, uint64_t sequence)
{
	struct ledger_command mark = {
		.type = EVENT_COMMAND_MARK,
		.control_sequence = sequence,
	};

	return command_event(worker, &mark);
}

/* Answers main once everything journalled so far is durable. */
static void command_done(struct worker *worker, uint64_t ticket, int error, int already)
{
	uint64_t gate = error == 0 ? ledger_shard(worker->ledger)->lsn : 0;

	worker_result(worker, gate, ticket, error, already);
}

/* The order of numbers: done before, next, or a gap. */
static int sequence_check(const struct worker *worker, uint64_t sequence, int *already)
{
	uint64_t last = ledger_shard(worker->ledger)->control_sequence;

	*already = sequence <= last;
	return sequence > last + 1 ? -ERANGE : 0;
}

static int session_install_here(struct worker *worker, const struct session_install *install)
{
	uint32_t window = worker_window(worker, install->terminal_id);
	struct session *session;
	int error;

	if (window == UINT32_MAX)
		return -ENOSPC;
	error = session_install(worker->sessions, install, worker->now_ns);
	if (error != 0)
		return error;
	session = session_find(worker->sessions, install->session_id);
	SLUICE_REQUIRE(session != NULL);
	session->terminal_index = window;
	return 0;
}

/* From here on nothing is opened or sealed for the session, whatever is on its way. */
static int session_end_here(struct worker *worker, uint32_t session_id)
{
	/* The open answer would be sealed at the end of the turn: for whoever has the slot then. */
	worker_reply_discard(worker, session_id);
	return session_end(worker->sessions, session_id);
}

/* 1 when the command is about a row of another shard: only its number is marked here. */
static int command_elsewhere(const struct worker *worker, const struct ledger_command *command)
{
	uint64_t key;

	if (command->type == EVENT_ACCOUNT_FREEZE)
		key = command->account_id;
	else if (command->type == EVENT_TERMINAL_SET)
		key = command->terminal_id;
	else
		return 0;
	return worker->shared->buckets.shard[ids_bucket_of_key(key)] != worker->shard;
}

/* 1: finished with the command; 0: no room in the journal now, try it again next turn. */
static int command_ledger(struct worker *worker, const struct shard_command *command)
{
	int already, done, refused = 0;
	int error = sequence_check(worker, command->ledger.control_sequence, &already);

	if (error == 0 && !already) {
		int elsewhere = command_elsewhere(worker, &command->ledger);

		done = elsewhere ? 1 : command_event(worker, &command->ledger);
		if (done > 0 && !elsewhere && command->ledger.type == EVENT_TERMINAL_SET)
			worker_window_allow(worker, command->ledger.terminal_id);
		/* Refused for good, whatever the number: the number is used up, on all shards
		 * alike. */
		if (done == -EINVAL && command->ledger.type == EVENT_ACCOUNT_FREEZE) {
			refused = -ENOENT;
			done = 1;
		}
		if (done > 0)
			done = command_mark(worker, command->ledger.control_sequence);
		if (done == 0)
			return 0;
		error = done < 0 ? done : refused;
	}
	command_done(worker, command->ticket, error, already);
	return 1;
}

static void command_accounts(struct worker *worker, const struct shard_command *command)
{
	int already;
	int error = sequence_check(worker, command->accounts.control_sequence, &already);

	if (error != 0 || already) {
		command_done(worker, command->ticket, error, already);
		return;
	}
	worker->range = (struct range_command){
		.ticket = command->ticket,
		.next = command->accounts.first,
		.end = command->accounts.first + command->accounts.count,
		.control_sequence = command->accounts.control_sequence,
		.opening_balance = command->accounts.opening_balance,
		.currency = command->accounts.currency,
	};
}

/* One slice of a range of accounts, so that live traffic goes on beside it. */
static unsigned range_slice(struct worker *worker)
{
	struct range_command *range = &worker->range;
	const struct ids_bucket_map *buckets = &worker->shared->buckets;
	unsigned opened = 0;
	int done = 1;

	while (range->next < range->end && opened < WORKER_ACCOUNTS_PER_TURN) {
		struct ledger_command open = {
			.type = EVENT_ACCOUNT_OPEN,
			.account_id = range->next,
			.amount = range->opening_balance,
			.currency = range->currency,
			.control_sequence = range->control_sequence,
		};

		if (buckets->shard[ids_bucket_of_key(range->next)] == worker->shard) {
			done = command_event(worker, &open);
			if (done <= 0)
				break;
			opened++;
		}
		range->next++;
	}
	if (done > 0 && range->next == range->end)
		done = command_mark(worker, range->control_sequence);
	else if (done >= 0)
		return 1;
	if (done != 0) {
		command_done(worker, range->ticket, done < 0 ? done : 0, 0);
		range->ticket = 0;
	}
	return 1;
}

/* Carries out the oldest command. 1: done with it; 0: it stays for a later turn. */
static int command_take(struct worker *worker, struct shard_command *command)
{
	/* One numbered command at a time; sessions and questions go on beside a range. */
	int numbered = command->kind == SHARD_LEDGER || command->kind == SHARD_ACCOUNTS_OPEN;

	if (numbered && worker->range.ticket != 0)
		return 0;
	switch (command->kind) {
	case SHARD_SESSION_INSTALL:
		/* Nothing of a session is journalled: no wait for the disk. */
		worker_result(
		    worker, 0, command->ticket, session_install_here(worker, &command->install), 0);
		/* Keys do not stay behind in ring memory. */
		explicit_bzero(&command->install, sizeof(command->install));
		return 1;
	case SHARD_SESSION_END:
		worker_result(
		    worker, 0, command->ticket, session_end_here(worker, command->session_id), 0);
		return 1;
	case SHARD_LEDGER:
		return command_ledger(worker, command);
	case SHARD_ACCOUNTS_OPEN:
		command_accounts(worker, command);
		return 1;
	case SHARD_QUERY:
		return worker_query(worker, command);
	}
	SLUICE_REQUIRE(!"no such command");
	return 1;
}

unsigned worker_commands(struct worker *worker)
{
	unsigned taken = worker->range.ticket != 0 ? range_slice(worker) : 0;

	while (taken < WORKER_COMMANDS_PER_TURN) {
		struct shard_command *command = spsc_ring_peek(worker->rings.command);

		if (command == NULL || worker_pending_full(worker))
			break;
		if (!command_take(worker, command))
			return taken + (command->kind == SHARD_QUERY);
		spsc_ring_release(worker->rings.command);
		taken++;
	}
	return taken;
}

void worker_expire(struct worker *worker)
{
	uint32_t ended[WORKER_EXPIRE_SLOTS];
	unsigned count;

	if (worker->now_ns < worker->expire_due_ns)
		return;
	worker->expire_due_ns = worker->now_ns + WORKER_EXPIRE_NS;
	count = session_expire(
	    worker->sessions, worker->now_ns, &worker->expire_slot, WORKER_EXPIRE_SLOTS, ended);
	for (unsigned i = 0; i < count; i++)
		/* W3: no keys are left; main may give the slot to any shard. */
		atomic_store_explicit(
		    &worker->shared->slot_home[ended[i] & (LIMIT_SESSION_SLOTS - 1)], 0xff,
		    memory_order_release);
}

/*
 * Time enters the state only as event time. A TICK is journalled when a second has passed without
 * any event while something waits for time: the day change of the limits.
 */
void worker_tick(struct worker *worker)
{
	const struct shard_row *shard = ledger_shard(worker->ledger);
	struct ledger_command tick = { .type = EVENT_TICK };

	if (worker->now_ns < worker->tick_due_ns)
		return;
	worker->tick_due_ns = worker->now_ns + WORKER_TICK_NS;
	if (shard->lsn == 0 ||
	    risk_day(&shard->rules, shard->time_ns) == risk_day(&shard->rules, worker->now_ns))
		return;
	(void)command_event(worker, &tick); /* no room: due again in a second */
}
