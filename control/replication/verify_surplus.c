/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that no stretch looks at: above the cursor, of unknown shards, of retired events; and the
 * accounts, which are one row for many events. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/replication/verify.h"

#define ACCOUNT_PAGE 20000

static int number_query(
    struct session *session, const char *sql, const struct session_params *params, uint64_t *number)
{
	PGresult *result;
	int error = session_query(session, sql, params, &result);

	if (error != 0)
		return error;
	*number = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return 0;
}

int verify_retired(struct verify *verify, struct session *session, uint32_t shard, uint64_t first)
{
	char texts[2][24];
	struct session_params params = { .values = { texts[0], texts[1] }, .count = 2 };
	uint64_t legs, cancels;
	int error;

	verify->retired += first - 1;
	if (first == 1)
		return 0;
	snprintf(texts[0], sizeof(texts[0]), "%u", shard);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, first);
	error = number_query(session,
	    "select coalesce(sum(legs), 0) from sluice.bets where shard = $1 and lsn < $2", &params,
	    &legs);
	if (error == 0)
		error = number_query(session,
		    "select count(*) from sluice.bet_cancels where shard = $1 and lsn < $2",
		    &params, &cancels);
	if (error != 0)
		return error;
	verify->retired_rows[VERIFY_LEGS] += legs;
	verify->retired_rows[VERIFY_CANCELS] += cancels;
	return 0;
}

/* Tables with shard and LSN. */
static int above_count(struct verify *verify, struct session *session, enum verify_table table,
    const char *name, const char *lsn, const char *amount)
{
	char sql[512];
	PGresult *result;
	uint64_t count;
	int error;

	snprintf(sql, sizeof(sql),
	    "select count(*), min(t.shard), min(t.%s), coalesce(sum(%s), 0) from sluice.%s t where "
	    "not exists (select from sluice.cursor c where c.shard = t.shard and c.shard >= 0 and "
	    "t.%s between 1 and c.lsn)",
	    lsn, amount, name, lsn);
	error = session_query(session, sql, NULL, &result);
	if (error != 0)
		return error;
	count = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	verify->tables[table].surplus += count;
	verify->sum += strtoll(PQgetvalue(result, 0, 3), NULL, 10);
	if (count > 0)
		verify_note(verify, table, (int)strtol(PQgetvalue(result, 0, 1), NULL, 10),
		    strtoull(PQgetvalue(result, 0, 2), NULL, 10),
		    "a row above the cursor, or of a shard that is not known");
	PQclear(result);
	return 0;
}

/* Tables of which all rows must have been seen. */
static int rest_count(
    struct verify *verify, struct session *session, enum verify_table table, const char *sql)
{
	struct verify_count *count = &verify->tables[table];
	uint64_t known = count->rows + verify->retired_rows[table], all;
	int error = number_query(session, sql, NULL, &all);

	if (error != 0)
		return error;
	if (all > known) {
		count->surplus += all - known;
		verify_note(verify, table, 0, 0, "rows that belong to no event");
	}
	if (all < known) {
		count->missing += known - all;
		verify_note(verify, table, 0, 0, "rows of retired events are missing");
	}
	return 0;
}

int verify_surplus(struct verify *verify, struct session *session)
{
	int error =
	    above_count(verify, session, VERIFY_TRANSACTIONS, "transactions", "lsn", "t.amount");

	if (error == 0)
		error = above_count(verify, session, VERIFY_BETS, "bets", "lsn", "0");
	if (error == 0)
		error = above_count(verify, session, VERIFY_BET_CHANGES, "bet_changes", "lsn", "0");
	if (error == 0)
		error = above_count(verify, session, VERIFY_POSTINGS, "postings", "lsn", "0");
	if (error == 0)
		error = above_count(verify, session, VERIFY_OBJECTS, "object_changes", "lsn", "0");
	if (error == 0)
		error = above_count(verify, session, VERIFY_BLOCKS, "log_block", "last_lsn", "0");
	if (error == 0)
		error = rest_count(
		    verify, session, VERIFY_LEGS, "select count(*) from sluice.bet_legs");
	if (error == 0)
		error = rest_count(
		    verify, session, VERIFY_CANCELS, "select count(*) from sluice.bet_cancels");
	return error;
}

static int64_t number_at(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

/* 1 the same, 0 not. The log of an account whose opening was retired does not say if it is frozen,
 * nor whose customer it is. */
static int account_same(const struct verify *verify, const struct typed_account *account,
    const PGresult *result, int row)
{
	int frozen = PQgetisnull(result, row, 6) ? -1 : PQgetvalue(result, row, 6)[0] == 't';
	int64_t partner = PQgetisnull(result, row, 7) ? -1 : number_at(result, row, 7);
	int retired = verify->log_first[account->shard] > 1;

	return number_at(result, row, 1) == account->balance &&
	       (uint64_t)number_at(result, row, 2) == account->lsn &&
	       number_at(result, row, 3) == copy_time_us(account->changed_ns) + COPY_EPOCH_US &&
	       number_at(result, row, 4) == account->shard &&
	       (uint16_t)number_at(result, row, 5) == account->currency &&
	       (frozen == account->frozen || (account->frozen < 0 && retired)) &&
	       (partner == account->partner || (account->partner < 0 && retired));
}

/* 1 when the account was in the log, 0 when not. */
static int account_compare(struct verify *verify, const PGresult *result, int row)
{
	struct verify_count *count = &verify->tables[VERIFY_ACCOUNTS];
	const struct typed_account *account =
	    typed_account_find(&verify->typed, (uint64_t)number_at(result, row, 0));
	uint64_t lsn = (uint64_t)number_at(result, row, 2);
	int64_t shard = number_at(result, row, 4);

	count->rows++;
	if (account == NULL) {
		if (shard >= 0 && shard < (int64_t)LIMIT_SHARDS && lsn >= 1 &&
		    lsn < verify->log_first[shard])
			return 0; /* its last event is retired */
		count->surplus++;
		verify_note(verify, VERIFY_ACCOUNTS, (int)shard, lsn,
		    "an account that no event in the log names");
		return 0;
	}
	if (!account_same(verify, account, result, row)) {
		count->differing++;
		verify_note(verify, VERIFY_ACCOUNTS, account->shard, account->lsn,
		    "an account that differs from its last event");
	}
	return 1;
}

/* In pages by id, so that memory does not grow with them; what is expected of them is in memory. */
int verify_accounts(struct verify *verify, struct session *session)
{
	char after[24], sql[320];
	struct session_params params = { .values = { after }, .count = 0 };
	uint64_t found = 0;
	int rows;

	do {
		PGresult *result;
		int error;

		snprintf(sql, sizeof(sql),
		    "select id, balance, lsn, (extract(epoch from changed) * 1000000)::bigint, "
		    "shard, currency, frozen, partner from sluice.accounts %s order by id limit %d",
		    params.count == 0 ? "" : "where id > $1", ACCOUNT_PAGE);
		error = session_query(session, sql, &params, &result);
		if (error != 0)
			return error;
		rows = PQntuples(result);
		for (int row = 0; row < rows; row++)
			found += account_compare(verify, result, row) != 0;
		if (rows > 0)
			snprintf(after, sizeof(after), "%s", PQgetvalue(result, rows - 1, 0));
		params.count = 1;
		PQclear(result);
	} while (rows == ACCOUNT_PAGE);
	if (found < verify->typed.account_count) {
		verify->tables[VERIFY_ACCOUNTS].missing += verify->typed.account_count - found;
		verify_note(verify, VERIFY_ACCOUNTS, 0, 0, "an account without its row");
	}
	return 0;
}
