/* SPDX-License-Identifier: Apache-2.0 */
/* Chains, balances and sums of the derivation; the head comment is in derive.h. */
#include "tools/sluice-db/derive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/codes.h"

struct derived_terminal {
	uint64_t id, lsn;
};

void derive_init(struct derive *derive, uint32_t shard, uint64_t first_lsn, struct damage *damage)
{
	memset(derive, 0, sizeof(*derive));
	derive->shard = shard;
	table_init(&derive->accounts, sizeof(struct derived_account));
	table_init(&derive->terminals, sizeof(struct derived_terminal));
	table_init(&derive->bets, sizeof(struct derived_bet));
	table_init(&derive->objects, sizeof(struct derived_object));
	table_init(&derive->transfers, sizeof(struct derived_transfer));
	table_init(&derive->arrivals, sizeof(struct derived_arrival));
	table_init(&derive->sums, sizeof(struct derived_sum));
	derive_results_init(derive);
	derive->next_lsn = first_lsn;
	derive->complete = first_lsn == 1;
	derive->damage = damage;
}

void derive_free(struct derive *derive)
{
	table_free(&derive->accounts);
	table_free(&derive->terminals);
	table_free(&derive->bets);
	table_free(&derive->objects);
	table_free(&derive->transfers);
	table_free(&derive->arrivals);
	table_free(&derive->sums);
	table_free(&derive->markets);
	free(derive->legs);
	derive->legs = NULL;
}

static int derive_terminal(struct derive *derive, const struct event_record *record)
{
	uint64_t id = le64_get(record->terminal_id), previous = le64_get(record->prev_terminal_lsn);
	struct derived_terminal *terminal;
	int is_new;

	if (id == 0)
		return 0;
	is_new = table_find(&derive->terminals, id) == NULL;
	terminal = table_get(&derive->terminals, id);
	if (terminal->lsn != previous && !(is_new && !derive->complete))
		WRONG(derive, "terminal %llu: chain names LSN %llu, its last event is %llu",
		    (unsigned long long)id, (unsigned long long)previous,
		    (unsigned long long)terminal->lsn);
	terminal->lsn = derive->next_lsn;
	return 0;
}

/* ---- Accounts ---- */

static void touch(struct derive *derive, uint64_t account_id)
{
	for (uint32_t i = 0; i < derive->touched_count; i++)
		if (derive->touched[i] == account_id)
			return;
	SLUICE_REQUIRE(derive->touched_count < DERIVE_TOUCHED_MAX);
	derive->touched[derive->touched_count++] = account_id;
}

void derive_expect(struct derive *derive, uint64_t account_id, uint16_t currency, int64_t amount)
{
	struct derived_account *account;

	if (amount == 0)
		return;
	account = table_get(&derive->accounts, account_id);
	account->currency = currency;
	account->expected += amount;
	touch(derive, account_id);
}

/*
 * One customer's part: chain, and the balance after the event. `opens`: this event makes the
 * account. *found is NULL for an account that is not of this shard, of which nothing may be said.
 */
static int customer_next(
    struct derive *derive, uint64_t id, uint16_t currency, const struct posting *posting, int opens)
{
	struct derived_account *account = table_find(&derive->accounts, id);

	if (account == NULL) {
		if (!opens && posting->prev_lsn == 0) {
			if (posting->amount == 0)
				return 0; /* refused: no such account */
			WRONG(derive, "account %llu: money moved, and it was never opened",
			    (unsigned long long)id);
		}
		if (!opens && derive->complete)
			WRONG(derive, "account %llu: used before it was opened",
			    (unsigned long long)id);
		account = table_get(&derive->accounts, id);
		account->currency = currency;
		account->balance = opens ? 0 : posting->balance - posting->amount;
		account->lsn = posting->prev_lsn;
		derive->customers++;
	} else if (opens) {
		WRONG(derive, "account %llu: opened twice", (unsigned long long)id);
	}
	if (account->lsn != posting->prev_lsn)
		WRONG(derive, "account %llu: chain names LSN %llu, its last event is %llu",
		    (unsigned long long)id, (unsigned long long)posting->prev_lsn,
		    (unsigned long long)account->lsn);
	if (posting->amount != 0 && account->currency != currency && derive->complete)
		WRONG(derive, "account %llu: of currency %u, moved in %u", (unsigned long long)id,
		    account->currency, currency);
	if (__builtin_add_overflow(account->balance, posting->amount, &account->balance) ||
	    account->balance < 0 || account->balance != posting->balance)
		WRONG(derive, "account %llu: balance %lld in the event, %lld derived",
		    (unsigned long long)id, (long long)posting->balance,
		    (long long)account->balance);
	account->lsn = derive->next_lsn;
	return 0;
}

/* A RECEIVABLE posting is the other side of what a customer owes. */
static int owed_next(struct derive *derive, const struct posting *posting)
{
	struct derived_account *owner = table_find(&derive->accounts, posting->owner);

	if (posting->owner == 0 || owner == NULL)
		WRONG(derive, "RECEIVABLE changes by %lld, and it is nobody's debt",
		    (long long)posting->amount);
	owner->owed -= posting->amount;
	if (owner->owed < 0 && derive->complete)
		WRONG(derive, "account %llu: owes %lld after it", (unsigned long long)owner->id,
		    (long long)owner->owed);
	derive_expect(derive, posting->account_id, owner->currency, posting->amount);
	return 0;
}

static int system_next(struct derive *derive, const struct posting *posting, uint16_t currency)
{
	struct derived_account *account = table_get(&derive->accounts, posting->account_id);

	account->currency = currency;
	account->lsn = derive->next_lsn;
	if (__builtin_add_overflow(account->balance, posting->amount, &account->balance))
		WRONG(derive, "%s overflows", own_account_name(posting->account_id));
	touch(derive, posting->account_id);
	return own_account_kind(posting->account_id) == OWN_RECEIVABLE ? owed_next(derive, posting)
	                                                               : 0;
}

/* The record's own account, moved or not: an event that moves nothing is in its chain too. */
static int record_account(struct derive *derive, const struct event_view *view)
{
	const struct event_record *record = &view->record;
	uint64_t id = le64_get(record->account_id);
	int opens =
	    le16_get(record->type) == EVENT_ACCOUNT_OPEN && le16_get(record->code) == WIRE_CODE_OK;
	struct posting own = {
		.account_id = id,
		.amount = postings_moves(view) ? le64s_get(record->amount) : 0,
		.balance = le64s_get(record->balance),
		.prev_lsn = le64_get(record->prev_account_lsn),
	};
	struct derived_account *account;
	int error;

	if (id == 0 || id > LIMIT_ACCOUNT_ID_MAX)
		return 0;
	error = customer_next(derive, id, le16_get(record->currency), &own, opens);
	if (error != 0 || !opens)
		return error;
	account = table_find(&derive->accounts, id);
	account->partner_id = le32_get(record->cashier_id);
	return 0;
}

static int derive_money(struct derive *derive, const struct event_view *view)
{
	uint16_t currency = le16_get(view->record.currency);
	struct posting postings[POSTINGS_MAX];
	struct derived_sum *sum;
	int count = postings_make(view, postings), error = record_account(derive, view);

	if (error != 0)
		return error;
	if (count < 0)
		WRONG(derive, "debit and credit lines do not come to zero");
	for (int i = 0; i < count && error == 0; i++) {
		const struct posting *posting = &postings[i];

		if (posting->account_id > LIMIT_ACCOUNT_ID_MAX)
			error = system_next(derive, posting, currency);
		else if (posting->source == POSTING_LINE)
			error = customer_next(derive, posting->account_id, currency, posting, 0);
		else if (posting->account_id == 0)
			WRONG(derive, "money moves on no account");
	}
	if (error != 0 || count == 0)
		return error;
	sum = table_get(&derive->sums, currency);
	for (int i = 0; i < count; i++)
		sum->balances += postings[i].amount;
	if (sum->balances != 0)
		WRONG(derive, "currency %u: balances sum to %lld, not zero", currency,
		    (long long)sum->balances);
	return 0;
}

/* ---- Proofs ---- */

/* The accounts with bets, objects or debts behind them; the others are the outside world. */
static int provable(uint64_t account_id)
{
	enum own_account kind = own_account_kind(account_id);

	return kind != OWN_FUNDING && kind != OWN_CASH && kind != OWN_ADJUSTMENT;
}

static int derive_proofs(struct derive *derive)
{
	for (uint32_t i = 0; i < derive->touched_count && derive->complete; i++) {
		uint64_t id = derive->touched[i];
		const struct derived_account *account = table_find(&derive->accounts, id);

		if (!provable(id) || account->balance == account->expected)
			continue;
		WRONG(derive, "%s of currency %u (%u): holds %lld, what is behind it comes to %lld",
		    own_account_name(id), own_account_currency(id), own_account_part(id),
		    (long long)account->balance, (long long)account->expected);
	}
	return 0;
}

int derive_event(struct derive *derive, struct db_bytes event)
{
	struct event_view view;
	int error;

	if (event_view_read(event.data, event.size, &view) != 0)
		WRONG(derive, "event malformed");
	if (le64_get(view.record.lsn) != derive->next_lsn)
		WRONG(derive, "LSN %llu expected", (unsigned long long)derive->next_lsn);
	if (le64_get(view.record.time_ns) < derive->time_ns)
		WRONG(derive, "event time runs backwards");
	derive->time_ns = le64_get(view.record.time_ns);
	derive->touched_count = 0;
	error = derive_terminal(derive, &view.record);
	if (error == 0)
		error = derive_money(derive, &view);
	if (error == 0)
		error = derive_result(derive, &view);
	if (error == 0)
		error = derive_bet(derive, &view);
	if (error == 0)
		error = derive_objects(derive, &view);
	if (error == 0)
		error = derive_retired(derive, &view);
	if (error == 0)
		error = derive_proofs(derive);
	if (error != 0)
		return error;
	derive->next_lsn++;
	derive->events++;
	return 0;
}

int derive_end(struct derive *derive, uint64_t transit_max_s)
{
	derive->transfers_open = 0;
	for (uint32_t i = 0; i < derive->transfers.count; i++) {
		const struct derived_transfer *transfer = table_at(&derive->transfers, i);

		if (transfer->done_lsn != 0)
			continue;
		derive->transfers_open++;
		if ((derive->time_ns - transfer->open_ns) / 1000000000u <= transit_max_s)
			continue;
		damage_note(derive->damage, transfer->open_lsn,
		    "transfer %llu to shard %u: open for %llu s, the bound is %llu",
		    (unsigned long long)transfer->id, transfer->peer,
		    (unsigned long long)((derive->time_ns - transfer->open_ns) / 1000000000u),
		    (unsigned long long)transit_max_s);
	}
	return derive->damage->what[0] == '\0' ? 0 : -EBADMSG;
}
