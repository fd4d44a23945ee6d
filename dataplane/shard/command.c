/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands from main: sessions, and the journalled commands of control. A command with a control
 * sequence number is followed by a COMMAND_MARK event; a shard that has the mark answers "already".
 * A crash between a command's events and its mark is harmless: resent, each part finds itself done.
 *
 * Sessions and questions never wait for a numbered command: one that cannot go on steps aside. A
 * number counts as done, in the status and in answers, when its mark is durable.
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
	struct command_mark *kept;
	int done = command_event(worker, &mark);

	if (done <= 0)
		return done;
	/* With no place left the newest one takes the last: numbers are published later, not wrong.
	 */
	if (worker->marks_count < WORKER_MARKS_MAX)
		worker->marks_count++;
	kept = &worker->marks[worker->marks_count - 1];
	*kept = (struct command_mark){ ledger_shard(worker->ledger)->lsn, sequence };
	return done;
}

void worker_marks_publish(struct worker *worker)
{
	uint32_t durable = 0;

	while (durable < worker->marks_count && worker->marks[durable].lsn <= worker->durable_lsn)
		durable++;
	if (durable == 0)
		return;
	stats_set(&worker->stats.control_sequence, worker->marks[durable - 1].sequence);
	worker->marks_count -= durable;
	memmove(
	    worker->marks, worker->marks + durable, worker->marks_count * sizeof(worker->marks[0]));
}

/*
 * Answers main once everything journalled so far is durable: a command done now or before, or one
 * that was refused and has used up its number. `error` alone does not wait.
 */
static void command_done(struct worker *worker, uint64_t ticket, int error, int already, int marked)
{
	uint64_t gate = marked ? ledger_shard(worker->ledger)->lsn : 0;

	if (gate > worker->durable_lsn && journal_writer_error(worker->journal) != 0) {
		/* It never will be durable in this life of the process. */
		gate = 0;
		error = -EIO;
		already = 0;
	}
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

/* What a check of a single command finds: deciding changes nothing. 0 or -errno. */
static int ledger_check(struct worker *worker, const struct shard_command *command)
{
	struct event_buffer event;
	int length;

	if (command_elsewhere(worker, &command->ledger) ||
	    command->ledger.type == EVENT_COMMAND_MARK)
		return 0;
	if (command->check == SHARD_CHECK &&
	    command->ledger.control_sequence <= ledger_shard(worker->ledger)->control_sequence)
		return 0;
	length =
	    ledger_decide_command(worker->ledger, &command->ledger, event_time(worker), &event);
	if (length == -EINVAL && command->ledger.type == EVENT_ACCOUNT_FREEZE)
		return -ENOENT;
	return length < 0 ? length : 0;
}

/* 1: finished with the command; 0: no room in the journal now, try it again next turn. */
static int command_ledger(struct worker *worker, const struct shard_command *command)
{
	int already, done, refused = 0, error;

	if (command->check != SHARD_DO) {
		worker_result(worker, 0, command->ticket, ledger_check(worker, command), 0);
		return 1;
	}
	error = sequence_check(worker, command->ledger.control_sequence, &already);
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
	command_done(worker, command->ticket, error, already, error == refused);
	return 1;
}

static void command_accounts(struct worker *worker, const struct shard_command *command)
{
	int already;
	int error = sequence_check(worker, command->accounts.control_sequence, &already);

	/* A number done before needs no room; main looks for gaps before it asks. */
	if (command->check == SHARD_CHECK && already) {
		worker_result(worker, 0, command->ticket, 0, 0);
		return;
	}
	if (command->check == SHARD_DO && (error != 0 || already)) {
		command_done(worker, command->ticket, error, already, error == 0);
		return;
	}
	worker->range = (struct range_command){
		.ticket = command->ticket,
		.first = command->accounts.first,
		.next = command->accounts.first,
		.end = command->accounts.first + command->accounts.count,
		.control_sequence = command->accounts.control_sequence,
		.opening_balance = command->accounts.opening_balance,
		.currency = command->accounts.currency,
		.check = command->check,
	};
}

static int range_here(const struct worker *worker, uint64_t account_id)
{
	return worker->shared->buckets.shard[ids_bucket_of_key(account_id)] == worker->shard;
}

/* One slice of looking up which accounts are not open yet. At its end: does all of it fit? */
static void range_look(struct worker *worker)
{
	struct range_command *range = &worker->range;
	enum ledger_spare spare =
	    range->check == SHARD_CHECK_DRY_RUN ? LEDGER_SPARE_SYSTEM : LEDGER_SPARE_NONE;
	int error;

	for (unsigned looked = 0; range->next < range->end && looked < WORKER_ACCOUNTS_PER_TURN;
	     range->next++) {
		if (!range_here(worker, range->next))
			continue;
		looked++;
		range->missing += ledger_account(worker->ledger, range->next) == NULL;
	}
	if (range->next < range->end)
		return;
	error = ledger_accounts_fit(
	    worker->ledger, range->missing, range->opening_balance, range->currency, spare);
	if (error != 0 || range->check != SHARD_DO) {
		worker_result(worker, 0, range->ticket, error, 0);
		range->ticket = 0;
		return;
	}
	range->opening = 1;
	range->next = range->first;
}

/* One slice of a range of accounts, so that live traffic goes on beside it. */
static void range_open(struct worker *worker)
{
	struct range_command *range = &worker->range;
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

		if (range_here(worker, range->next)) {
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
		return;
	if (done != 0) {
		command_done(worker, range->ticket, done < 0 ? done : 0, 0, done > 0);
		range->ticket = 0;
	}
}

static int command_numbered(const struct shard_command *command)
{
	return command->kind == SHARD_LEDGER || command->kind == SHARD_ACCOUNTS_OPEN;
}

/* Carries out the oldest command. 1: done with it; 0: it stays for a later turn. */
static int command_take(struct worker *worker, struct shard_command *command)
{
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

/*
 * One numbered command at a time, in their order: one that meets a range or a full journal steps
 * aside, so that sessions and questions behind it go on. 0: it cannot even do that.
 */
static int numbered_take(struct worker *worker, struct shard_command *command)
{
	if (worker->waiting.ticket != 0)
		return 0;
	if (worker->range.ticket != 0 || !command_take(worker, command))
		worker->waiting = *command;
	return 1;
}

/* What was begun or stepped aside in an earlier turn. */
static unsigned numbered_go_on(struct worker *worker)
{
	if (worker->range.ticket != 0) {
		if (worker->range.opening)
			range_open(worker);
		else
			range_look(worker);
		return 1;
	}
	if (worker->waiting.ticket == 0 || worker_pending_full(worker) ||
	    !command_take(worker, &worker->waiting))
		return 0;
	worker->waiting.ticket = 0;
	return 1;
}

unsigned worker_commands(struct worker *worker)
{
	unsigned taken = numbered_go_on(worker);

	while (taken < WORKER_COMMANDS_PER_TURN) {
		struct shard_command *command = spsc_ring_peek(worker->rings.command);

		if (command == NULL || worker_pending_full(worker))
			break;
		if (command_numbered(command) ? !numbered_take(worker, command)
		                              : !command_take(worker, command))
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
