/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/admin/admin_job.h"

#include "dataplane/admin/admin_peer.h"

#include <errno.h>
#include <stdio.h>

static int is_numbered(const struct shard_command *command)
{
	return command->kind == SHARD_LEDGER || command->kind == SHARD_ACCOUNTS_OPEN;
}

/* What may find a table full on one shard and not on another: what may make a row. */
static int needs_check(const struct shard_command *command)
{
	if (command->kind == SHARD_ACCOUNTS_OPEN)
		return 1;
	return command->ledger.type != EVENT_RULES_SET &&
	       command->ledger.type != EVENT_COMMAND_MARK &&
	       command->ledger.type != EVENT_ACCOUNT_FREEZE &&
	       command->ledger.type != EVENT_FEEDBACK;
}

/* Commands that move a customer's money, which may not fit into the balance. */
static int moves_money(const struct shard_command *command)
{
	return command->kind == SHARD_LEDGER && (command->ledger.type == EVENT_ADJUST ||
	                                            command->ledger.type == EVENT_WITHDRAW_CLOSE ||
	                                            command->ledger.type == EVENT_BET_VOID);
}

/*
 * A refusal for good, by the state of what the command is about or by a field of it: all shards use
 * up the number alike, or every later command would wait for this one for ever. A gap is found
 * before a shard is asked (admin.c), so of these -ERANGE is the amount, and -EINVAL of a mark is
 * none.
 */
static int is_refusal(const struct shard_command *command, int error)
{
	if (error == -EINVAL)
		return command->kind == SHARD_LEDGER && command->ledger.type != EVENT_COMMAND_MARK;
	return error == -ENOENT || error == -EALREADY || error == -EACCES || error == -EPERM ||
	       (error == -ERANGE && moves_money(command));
}

/*
 * What the shards get. Of a command that one of them refuses when checked it is the number alone:
 * another one might carry it out, and their rows would differ.
 */
static struct shard_command job_command(const struct admin_job *job)
{
	struct shard_command command = job->request.command;

	if (job->refused != 0) {
		uint64_t sequence = command.kind == SHARD_ACCOUNTS_OPEN
		                        ? command.accounts.control_sequence
		                        : command.ledger.control_sequence;

		command.kind = SHARD_LEDGER;
		command.ledger = (struct ledger_command){
			.type = EVENT_COMMAND_MARK,
			.control_sequence = sequence,
		};
	}
	return command;
}

/* Pushes to one shard or all under a new ticket. 0 when a ring is full: nothing was sent then. */
static int job_push(struct admin_jobs *jobs, struct admin_job *job)
{
	const struct admin_request *request = &job->request;
	const struct admin_context *context = jobs->context;
	uint32_t first = request->kind == ADMIN_ALL_SHARDS ? 0 : request->shard;
	uint32_t count = request->kind == ADMIN_ALL_SHARDS ? context->shared->shard_count : 1;
	struct shard_command command;

	for (uint32_t i = first; i < first + count; i++)
		if (spsc_ring_reserve(context->workers[i]->rings.command) == NULL)
			return 0;
	job->ticket = ++jobs->ticket_last;
	job->request.command.ticket = job->ticket;
	job->shards_left = count;
	job->error = 0;
	job->already = 1;
	command = job_command(job);
	for (uint32_t i = first; i < first + count; i++)
		SLUICE_REQUIRE(spsc_ring_push(context->workers[i]->rings.command, &command));
	explicit_bzero(&command, sizeof(command)); /* it may hold keys */
	return 1;
}

static void job_free(struct admin_jobs *jobs, struct admin_job *job)
{
	if (jobs->numbered == job)
		jobs->numbered = NULL;
	jobs->running--;
	explicit_bzero(job, sizeof(*job)); /* it may hold keys */
}

int admin_job_start(
    struct admin_jobs *jobs, struct admin_peer *client, const struct admin_request *request)
{
	struct admin_job *job = NULL;
	int numbered = is_numbered(&request->command);

	if (numbered && jobs->numbered != NULL)
		return 0;
	for (unsigned i = 0; i < ADMIN_JOBS_MAX && job == NULL; i++)
		if (jobs->jobs[i].ticket == 0)
			job = &jobs->jobs[i];
	if (job == NULL)
		return 0;
	jobs->running++;
	job->request = *request;
	if (request->command.kind == SHARD_QUERY) {
		job->request.command.query = &jobs->queries[job - jobs->jobs];
		admin_query_prepare(jobs->context, request, job->request.command.query);
	}
	if (numbered && request->command.check == SHARD_DO && needs_check(&request->command))
		job->request.command.check = SHARD_CHECK;
	if (!job_push(jobs, job)) {
		job_free(jobs, job);
		return 0;
	}
	if (numbered)
		jobs->numbered = job;
	job->client = client;
	client->job = job;
	return 1;
}

/* What the error means, as the head comment of admin.h says. */
static const char *error_kind(const struct admin_job *job)
{
	const struct shard_command *command = &job->request.command;

	switch (command->kind) {
	case SHARD_SESSION_INSTALL:
		return job->error == -EEXIST   ? "slot_live"
		       : job->error == -ENOSPC ? "full"
		       : job->error == -EINVAL ? "refused"
		                               : "failed";
	case SHARD_SESSION_END:
		return job->error == -ENOENT ? "unknown_session" : "failed";
	case SHARD_LEDGER:
	case SHARD_ACCOUNTS_OPEN:
		if (job->error == -EBUSY && command->check != SHARD_DO)
			return "full";
		if (is_refusal(command, job->error))
			return "refused";
		return job->error == -ERANGE ? "gap" : "failed";
	case SHARD_QUERY:
		break;
	}
	return "failed";
}

/* Why the state of what the command is about forbids it. */
static json_t *refusal_json(const struct admin_job *job)
{
	const struct ledger_command *command = &job->request.command.ledger;

	if (job->error == -EINVAL)
		return admin_error("a field of the command is out of range; nothing was changed");
	if (job->error == -ERANGE && command->type != EVENT_ADJUST)
		return admin_error(
		    "the account has no room for what would go back to it; nothing was changed");
	switch (command->type) {
	case EVENT_BET_VOID:
		return admin_error(job->error == -EALREADY
		                       ? "the bet is not open any more; nothing was changed"
		                       : "no such bet; nothing was changed");
	case EVENT_WITHDRAW_CLOSE:
		return admin_error(
		    job->error == -EALREADY
		        ? "the withdrawal is not waiting any more; nothing was changed"
		    : job->error == -EACCES
		        ? "the account of the withdrawal is frozen or its partner is blocked: "
		          "unfreeze or unblock first, or reject the withdrawal, which gives the "
		          "money back; nothing was changed"
		    : job->error == -EPERM
		        ? "the account of the withdrawal owes the house: reject the withdrawal, "
		          "which repays that first; nothing was changed"
		        : "no such withdrawal; nothing was changed");
	case EVENT_MARKET_SET:
		return admin_error(
		    "the market has its result, or it is open or has bets and its kind, line or "
		    "number of selections would change: import it as it was, or under a new id; "
		    "nothing was changed");
	case EVENT_MARKET_RESULT:
		return admin_error(
		    job->error == -EALREADY
		        ? "the market is not in a state for it: a result needs a market "
		          "without another one, a rollback one that is not final; nothing was "
		          "changed"
		        : "no such market; nothing was changed");
	case EVENT_ADJUST:
		return admin_error(job->error == -ERANGE
		                       ? "the amount does not fit: the balance would pass 0 or its "
		                         "limit; nothing was changed"
		                   : job->error == -EALREADY
		                       ? "the account has another currency; nothing was changed"
		                       : "no such account; nothing was changed");
	case EVENT_PLAY_SET:
	case EVENT_ACCOUNT_FREEZE:
	case EVENT_ACCOUNT_FLAGS:
		return admin_error("no such account; nothing was changed");
	default:
		return admin_error("refused: what it is about is not there or not in a state for "
		                   "it; nothing was changed");
	}
}

static json_t *error_json(const struct admin_job *job)
{
	if (job->request.command.kind == SHARD_LEDGER &&
	    is_refusal(&job->request.command, job->error))
		return refusal_json(job);
	if (job->request.command.kind == SHARD_ACCOUNTS_OPEN && job->error == -EALREADY)
		return admin_error("an account of these is open already, in another currency; "
		                   "nothing was changed");
	switch (job->error) {
	case -ERANGE:
		return admin_error(
		    "the command sequence has a gap; ask status for control_sequence "
		    "and send the number after it");
	case -ENOSPC:
	case -EBUSY:
		if (job->request.command.kind == SHARD_LEDGER &&
		    job->request.command.ledger.type == EVENT_MARKET_RESULT)
			return admin_error("the bets of the market are still being settled; try "
			                   "again in a moment");
		return admin_error("a table of the switch is full%s; raise capacity in the "
		                   "configuration and restart",
		    job->request.command.check != SHARD_DO ? " and nothing was changed" : "");
	case -EEXIST:
		return admin_error("the session slot is live under another generation; end that "
		                   "session first");
	case -ENOENT:
		return admin_error("no such session");
	case -EINVAL:
		return admin_error("a field of the command is out of range");
	default:
		return admin_error("refused: %s", strerror(-job->error));
	}
}

/* W3: only this thread gives a slot to a worker. */
static void home_note(const struct admin_jobs *jobs, const struct admin_job *job)
{
	const struct shard_command *command = &job->request.command;
	_Atomic uint8_t *homes = jobs->context->shared->slot_home;

	if (job->error != 0)
		return;
	if (command->kind == SHARD_SESSION_INSTALL)
		/* W3: the session is in its home's table before any worker hands packets there. */
		atomic_store_explicit(
		    &homes[command->install.session_id & (LIMIT_SESSION_SLOTS - 1)],
		    (uint8_t)job->request.shard, memory_order_release);
	if (command->kind == SHARD_SESSION_END)
		/* W3: packets for it are dropped as unknown from here on. */
		atomic_store_explicit(&homes[command->session_id & (LIMIT_SESSION_SLOTS - 1)], 0xff,
		    memory_order_release);
}

static json_t *job_answer(const struct admin_jobs *jobs, const struct admin_job *job)
{
	const struct shard_command *command = &job->request.command;

	if (job->error != 0)
		return admin_kind(error_json(job), error_kind(job));
	if (command->kind == SHARD_QUERY)
		return admin_query_answer(jobs->context, command->query);
	if (is_numbered(command) && command->check == SHARD_CHECK_DRY_RUN)
		return json_pack("{s:b, s:b}", "ok", 1, "dry_run", 1);
	return json_pack("{s:b, s:b}", "ok", 1, "already", job->already);
}

static void job_over(struct admin_jobs *jobs, struct admin_job *job)
{
	struct admin_peer *client = job->client;

	home_note(jobs, job);
	if (client != NULL) {
		client->job = NULL;
		admin_peer_answer(client, job_answer(jobs, job));
	}
	job_free(jobs, job);
}

/* All shards have answered. A command that all can do stays, to be sent to be done; one that is
 * refused too, since it uses up its number. */
static void job_answered(struct admin_jobs *jobs, struct admin_job *job)
{
	const struct shard_command *command = &job->request.command;

	if (is_numbered(command) && command->check == SHARD_CHECK &&
	    (job->error == 0 || is_refusal(command, job->error))) {
		job->refused = job->error;
		return;
	}
	if (job->error == 0)
		job->error = job->refused;
	job_over(jobs, job);
}

static void result_take(struct admin_jobs *jobs, const struct shard_result *result)
{
	for (unsigned i = 0; i < ADMIN_JOBS_MAX; i++) {
		struct admin_job *job = &jobs->jobs[i];

		if (job->ticket != result->ticket || job->shards_left == 0)
			continue;
		/* A shard that could not weighs more than one that would not. */
		if (result->error != 0 &&
		    (job->error == 0 || is_refusal(&job->request.command, job->error)))
			job->error = result->error;
		job->already &= result->already;
		if (--job->shards_left == 0)
			job_answered(jobs, job);
		return;
	}
}

void admin_jobs_work(struct admin_jobs *jobs)
{
	struct admin_job *job;
	struct shard_result result;

	for (uint32_t shard = 0; shard < jobs->context->shared->shard_count; shard++)
		while (spsc_ring_pop(jobs->context->workers[shard]->rings.result, &result))
			result_take(jobs, &result);
	job = jobs->numbered;
	if (job == NULL || job->shards_left != 0)
		return;
	if (job->client == NULL) {
		/* Nothing was done yet, and who asked will not know: it asks again. */
		job_free(jobs, job);
		return;
	}
	job->request.command.check = SHARD_DO;
	(void)job_push(jobs, job); /* no room: tried again */
}
