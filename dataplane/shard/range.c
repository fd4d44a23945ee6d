/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts opened in a range: looked up first, opened in slices, so that live traffic goes on
 * beside it.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

void worker_range_begin(struct worker *worker, const struct shard_command *command)
{
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
		const struct account_row *account;

		if (!range_here(worker, range->next))
			continue;
		looked++;
		account = ledger_account(worker->ledger, range->next);
		range->missing += account == NULL;
		range->other_currency |= account != NULL && account->currency != range->currency;
	}
	if (range->next < range->end)
		return;
	error = ledger_accounts_fit(
	    worker->ledger, range->missing, range->opening_balance, range->currency, spare);
	/* Only when it is asked: one that was opened meanwhile is left as it is. */
	if (range->other_currency && range->check != SHARD_DO)
		error = -EALREADY;
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
			done = worker_command_event(worker, &open);
			if (done <= 0)
				break;
			opened++;
		}
		range->next++;
	}
	if (done > 0 && range->next == range->end)
		done = worker_command_mark(worker, range->control_sequence);
	else if (done >= 0)
		return;
	if (done != 0) {
		worker_command_done(worker, range->ticket, done < 0 ? done : 0, 0, done > 0);
		range->ticket = 0;
	}
}

void worker_range_go_on(struct worker *worker)
{
	if (worker->range.opening)
		range_open(worker);
	else
		range_look(worker);
}
