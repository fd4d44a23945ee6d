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
#include "lmdb-schema/event_sections.h"

/* A withdrawal paid at the counter after it was approved: the terminal's home keeps the sum. */
static void cash_tell(struct worker *worker, const struct event_buffer *event)
{
	struct outcome outcome = { .kind = OUTCOME_CASH };
	struct object_withdrawal withdrawal;
	struct event_record record;
	struct event_view view;

	outcome.done.cash = outcome_cash(event);
	if (outcome.done.cash == 0)
		return;
	memcpy(&record, event->bytes, sizeof(record));
	/* A command's event has no terminal: the withdrawal says which one asked. */
	SLUICE_REQUIRE(event_view_read(event->bytes, le16_get(record.length), &view) == 0 &&
	               view.object_count == 1);
	memcpy(&withdrawal, view.objects[0].body, sizeof(withdrawal));
	outcome.origin.terminal_id = le64_get(withdrawal.origin.terminal_id);
	outcome.origin.home =
	    worker->shared->buckets.shard[ids_bucket_of_key(outcome.origin.terminal_id)];
	outcome.origin.no_reply = 1;
	outcome.currency = le16_get(record.currency);
	worker_answer(worker, le64_get(record.lsn), &outcome);
}

int worker_command_event(struct worker *worker, const struct ledger_command *command)
{
	struct event_buffer *event = worker_reserve(worker);
	int length;

	if (event == NULL)
		return journal_writer_error(worker->journal) != 0 ? -EIO : 0;
	length = ledger_decide_command(worker->ledger, command, worker_event_time(worker), event);
	if (length < 0)
		return length;
	if (length > 0) {
		(void)worker_commit(worker, event, (size_t)length);
		if (command->type == EVENT_WITHDRAW_CLOSE)
			cash_tell(worker, event);
	}
	return 1;
}

int worker_command_mark(struct worker *worker, uint64_t sequence)
{
	struct ledger_command mark = {
		.type = EVENT_COMMAND_MARK,
		.control_sequence = sequence,
	};
	struct command_mark *kept;
	int done = worker_command_event(worker, &mark);

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
void worker_command_done(struct worker *worker, uint64_t ticket, int error, int already, int marked)
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
int worker_session_end(struct worker *worker, uint32_t session_id)
{
	/* The open answer would be sealed at the end of the turn: for whoever has the slot then. */
	worker_reply_discard(worker, session_id);
	return session_end(worker->sessions, session_id);
}

/* 1 when the command is about a row of another shard: only its number is marked here. */
static int command_elsewhere(const struct worker *worker, const struct ledger_command *command)
{
	uint32_t bucket;

	return ledger_command_bucket(command, &bucket) &&
	       worker->shared->buckets.shard[bucket] != worker->shard;
}

/*
 * 0, or why a command is refused for good, whatever its number: the number is used up by it, on all
 * shards alike. A malformed one is, too: nothing could ever come behind it otherwise.
 */
static int command_refused(const struct ledger_command *command, int error)
{
	if (error == -EINVAL && command->type == EVENT_ACCOUNT_FREEZE)
		return -ENOENT;
	/* Of a mark it is a gap. */
	if (error == -EINVAL && command->type != EVENT_COMMAND_MARK)
		return error;
	return error == -ENOENT || error == -EALREADY || error == -ERANGE || error == -EACCES ||
	               error == -EPERM
	           ? error
	           : 0;
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
	length = ledger_decide_command(
	    worker->ledger, &command->ledger, worker_event_time(worker), &event);
	if (length >= 0)
		return 0;
	return command_refused(&command->ledger, length) != 0
	           ? command_refused(&command->ledger, length)
	           : length;
}

/* 1 when a result was journalled whose bets have not all been dealt with yet. */
static int command_walks(const struct worker *worker, const struct ledger_command *command)
{
	const struct market_row_state *market;

	if (command->type != EVENT_MARKET_RESULT || command->result.op == RESULT_FINAL)
		return 0;
	market = ledger_market(worker->ledger, command->market_id);
	return market != NULL && !market->walked;
}

/* A numbered command that is next. 1 done, 0 no room now or a walk goes on, negative: not done. */
static int command_carry_out(
    struct worker *worker, const struct shard_command *command, int *refused)
{
	const struct ledger_command *ledger = &command->ledger;
	int done = 1;

	*refused = 0;
	/* The event and its mark in one batch: a command is never found done without its number. */
	if (worker_reserve_events(worker, 2) == NULL)
		return journal_writer_error(worker->journal) != 0 ? -EIO : 0;
	if (!command_elsewhere(worker, ledger)) {
		done = worker_command_event(worker, ledger);
		*refused = done < 0 ? command_refused(ledger, done) : 0;
		if (*refused != 0)
			done = 1;
		else if (done > 0 && ledger->type == EVENT_TERMINAL_SET)
			worker_window_allow(worker, ledger->terminal_id);
		else if (done > 0 &&
		         (ledger->type == EVENT_RULES_SET || ledger->type == EVENT_PARTNER_SET))
			worker_overdrafts_look(worker);
	}
	return done > 0 ? worker_command_mark(worker, ledger->control_sequence) : done;
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
	if (error == 0 && !already && command->ledger.type == EVENT_MARKET_RESULT) {
		done = worker_command_event(worker, &command->ledger);
		if (done == 0)
			return 0;
		refused = done < 0 ? command_refused(&command->ledger, done) : 0;
		if (refused == 0 && done > 0 && command_walks(worker, &command->ledger)) {
			/* The mark and the result come at the walk's end. */
			worker_walk_begin(worker, command->ledger.market_id, command->ticket,
			    command->ledger.control_sequence);
			return 1;
		}
		if (done > 0 || refused != 0)
			done = worker_command_mark(worker, command->ledger.control_sequence);
		if (done == 0)
			return 0;
		error = done < 0 ? done : refused;
	} else if (error == 0 && !already) {
		done = command_carry_out(worker, command, &refused);
		if (done == 0)
			return 0;
		error = done < 0 ? done : refused;
	}
	worker_command_done(worker, command->ticket, error, already, error == refused);
	return 1;
}

static void accounts_open(struct worker *worker, const struct shard_command *command)
{
	int already;
	int error = sequence_check(worker, command->accounts.control_sequence, &already);

	/* A number done before needs no room; main looks for gaps before it asks. */
	if (command->check == SHARD_CHECK && already) {
		worker_result(worker, 0, command->ticket, 0, 0);
		return;
	}
	if (command->check == SHARD_DO && (error != 0 || already)) {
		worker_command_done(worker, command->ticket, error, already, error == 0);
		return;
	}
	worker_range_begin(worker, command);
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
		    worker, 0, command->ticket, worker_session_end(worker, command->session_id), 0);
		return 1;
	case SHARD_LEDGER:
		return command_ledger(worker, command);
	case SHARD_ACCOUNTS_OPEN:
		accounts_open(worker, command);
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
	if (worker->range.ticket != 0 || worker->walk.active || !command_take(worker, command))
		worker->waiting = *command;
	return 1;
}

/* What was begun or stepped aside in an earlier turn. */
static unsigned numbered_go_on(struct worker *worker)
{
	if (worker->range.ticket != 0) {
		worker_range_go_on(worker);
		return 1;
	}
	if (worker->walk.active)
		return 0; /* settle.c goes on with it */
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
