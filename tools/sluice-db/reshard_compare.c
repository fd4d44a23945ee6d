/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The old root itself against the new one, by a way of its own: rows, log and journal of the old
 * shards as they lie there, past the backup and the restored copy that everything was moved out of.
 * What those lost, the comparison of the copy with the new shards could not miss.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/sluice-db/postings.h"
#include "tools/sluice-db/reshard.h"

/* Of one currency. */
struct money {
	uint64_t currency; /* key */
	int64_t customers, owed, stakes, house;
};

struct tally {
	uint64_t accounts, bets, bets_open, objects[OBJECT_KIND_MAX + 1];
	struct table money; /* struct money */
};

static void tally_accounts(struct tally *tally, const struct ledger *ledger)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_ACCOUNT);

	for (uint32_t i = 0; i < count; i++) {
		const struct account_row *row = ledger_account_at(ledger, i);
		struct money *money = table_get(&tally->money, row->currency);

		if (row->id <= LIMIT_ACCOUNT_ID_MAX) {
			tally->accounts++;
			money->customers += row->balance;
			money->owed += row->owed;
		} else if (own_account_kind(row->id) != OWN_TRANSIT) {
			money->house +=
			    row->balance; /* TRANSIT carries what the shards differ by */
		}
	}
}

static void tally_bets(struct tally *tally, const struct ledger *ledger)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_BET);

	for (uint32_t i = 0; i < count; i++) {
		struct bet_row bet;

		if (ledger_row_retired(ledger, LEDGER_BET, i))
			continue;
		ledger_bet_at(ledger, i, &bet);
		if (bet.id == 0)
			continue;
		tally->bets++;
		if (bet.state == BET_OPEN) {
			struct money *money = table_get(&tally->money, bet.currency);

			tally->bets_open++;
			money->stakes += bet.stake;
		}
	}
}

/* What is on one shard only: links end, partners are on all, a reversal may be. */
static int is_counted(const struct object_row *row)
{
	return row->kind <= OBJECT_KIND_MAX && row->kind != OBJECT_LINK &&
	       row->kind != OBJECT_TRANSFER_IN && row->kind != OBJECT_PARTNER &&
	       row->kind != OBJECT_REVERSAL;
}

static void tally_add(struct tally *tally, const struct ledger *ledger)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_OBJECT);

	tally_accounts(tally, ledger);
	tally_bets(tally, ledger);
	for (uint32_t i = 0; i < count; i++) {
		const struct object_row *row = ledger_object_at(ledger, i);

		if (row->id != 0 && !ledger_row_retired(ledger, LEDGER_OBJECT, i) &&
		    is_counted(row))
			tally->objects[row->kind]++;
	}
}

/* The last event of a shard: the newest log environment, the journal behind it. 0 or -errno. */
static int last_find(const char *path, uint32_t shard, uint64_t *last_lsn, struct damage *damage)
{
	struct events events;
	struct db_bytes event;
	int result = events_open(&events, path, shard, damage);

	if (result != 0)
		return result;
	if (events.env_count > 0)
		events_seek(&events, events.first_lsns[events.env_count - 1]);
	while ((result = events_next(&events, &event)) == 1)
		;
	*last_lsn = events.next_lsn - 1;
	events_close(&events);
	return result;
}

static int old_shard_add(
    struct reshard *reshard, const struct options *old, uint32_t shard, struct tally *tally)
{
	struct damage damage = { .shard = shard };
	struct ledger_config config;
	struct ledger *ledger;
	char path[PATH_MAX];
	uint64_t last_lsn = 0, taken = ledger_shard(reshard->from[shard].ledger)->lsn;
	int error;

	shard_path(old, shard, path);
	error = last_find(path, shard, &last_lsn, &damage);
	if (error == 0)
		error = backup_ledger_load(path, shard, last_lsn, &ledger, &config, &damage);
	if (error != 0)
		return restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "shard %u of the old root cannot be read: %s; run sluice-db verify on it",
		    shard, damage.what[0] != '\0' ? damage.what : strerror(-error));
	if (ledger_shard(ledger)->lsn != taken)
		error = restore_fail(&reshard->restore, EXIT_MISMATCH,
		    "shard %u ends at LSN %" PRIu64 ", and only %" PRIu64
		    " was taken over; start the switch and sluice-control, wait until it is idle, "
		    "stop both and try again",
		    shard, ledger_shard(ledger)->lsn, taken);
	else
		tally_add(tally, ledger);
	ledger_free(ledger);
	return error;
}

static int differs(struct reshard *reshard, const char *what, int64_t before, int64_t after)
{
	return restore_fail(&reshard->restore, EXIT_MISMATCH,
	    "%s: %" PRId64 " in the old root, %" PRId64
	    " in the new one; nothing was made, the old root is as it was",
	    what, before, after);
}

static int money_compare(
    struct reshard *reshard, const struct money *before, const struct money *after)
{
	const struct {
		const char *name;
		int64_t before, after;
	} sums[] = {
		{ "balances of customers", before->customers, after->customers },
		{ "debts of customers", before->owed, after->owed },
		{ "stakes of open bets", before->stakes, after->stakes },
		{ "system accounts", before->house, after->house },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(sums); i++)
		if (sums[i].before != sums[i].after) {
			char what[80];

			snprintf(what, sizeof(what), "%s in currency %" PRIu64, sums[i].name,
			    before->currency);
			return differs(reshard, what, sums[i].before, sums[i].after);
		}
	return 0;
}

static int tally_compare(struct reshard *reshard, struct tally *before, struct tally *after)
{
	int error = 0;

	if (before->accounts != after->accounts)
		return differs(
		    reshard, "accounts", (int64_t)before->accounts, (int64_t)after->accounts);
	if (before->bets != after->bets)
		return differs(reshard, "bets", (int64_t)before->bets, (int64_t)after->bets);
	if (before->bets_open != after->bets_open)
		return differs(
		    reshard, "open bets", (int64_t)before->bets_open, (int64_t)after->bets_open);
	for (unsigned kind = 0; kind <= OBJECT_KIND_MAX; kind++)
		if (before->objects[kind] != after->objects[kind])
			return differs(reshard, object_kind_name((uint8_t)kind),
			    (int64_t)before->objects[kind], (int64_t)after->objects[kind]);
	for (uint32_t i = 0; i < before->money.count && error == 0; i++) {
		const struct money *money = table_at(&before->money, i);

		error = money_compare(reshard, money, table_get(&after->money, money->currency));
	}
	for (uint32_t i = 0; i < after->money.count && error == 0; i++) {
		const struct money *money = table_at(&after->money, i);

		error = money_compare(reshard, table_get(&before->money, money->currency), money);
	}
	return error;
}

int reshard_compare(struct reshard *reshard, const char *root)
{
	struct options old = *reshard->options;
	struct tally before = { 0 }, after = { 0 };
	int error = 0;

	old.root = root;
	table_init(&before.money, sizeof(struct money));
	table_init(&after.money, sizeof(struct money));
	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++)
		error = old_shard_add(reshard, &old, i, &before);
	for (uint32_t i = 0; i < reshard->to_count && error == 0; i++)
		tally_add(&after, reshard->to[i].ledger);
	if (error == 0)
		error = tally_compare(reshard, &before, &after);
	table_free(&before.money);
	table_free(&after.money);
	return error;
}
