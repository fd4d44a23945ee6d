/* SPDX-License-Identifier: Apache-2.0 */
/* The new shards' ledgers out of the old ones' rows. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/postings.h"
#include "tools/sluice-db/reshard.h"
#include "wire/rights.h"

static int fail(struct reshard *reshard, const char *what, uint64_t id, int error)
{
	return restore_fail(&reshard->restore, EXIT_MISMATCH,
	    "%s %" PRIu64 " cannot be moved (%s); run sluice-db verify", what, id,
	    strerror(-error));
}

/* ---- Accounts ---- */

/* TRANSIT of all peers is one sum: nothing is under way, so over all shards it must be nothing. */
static uint64_t sum_id(uint64_t id)
{
	return own_account_kind(id) == OWN_TRANSIT ? id & ~0xffffffffull : id;
}

static int accounts_move(struct reshard *reshard, const struct ledger *ledger)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_ACCOUNT);
	int error = 0;

	for (uint32_t i = 0; i < count && error == 0; i++) {
		const struct account_row *row = ledger_account_at(ledger, i);
		uint32_t bucket, to;

		(void)table_get(&reshard->currencies, row->currency);
		if (row->id > LIMIT_ACCOUNT_ID_MAX) {
			struct reshard_sum *sum;

			if (!own_account_is(row->id))
				return fail(reshard, "system account", row->id, -EINVAL);
			sum = table_get(&reshard->sums, sum_id(row->id));
			sum->currency = row->currency;
			sum->balance += row->balance;
			continue;
		}
		bucket = ids_bucket_of_key(row->id);
		to = reshard->to_map.shard[bucket];
		error = ledger_load_account(reshard->to[to].ledger, row);
		if (error == 0 && ledger_account_state_at(ledger, i) != NULL)
			error = ledger_load_account_state(
			    reshard->to[to].ledger, row->id, ledger_account_state_at(ledger, i));
		if (error != 0)
			return fail(reshard, "account", row->id, error);
		reshard->accounts++;
		reshard->moved += reshard->from_map.shard[bucket] != to;
	}
	return error;
}

/* ---- Markets: the same on all, but for when each shard was done and its credit ---- */

static int markets_move(struct reshard *reshard)
{
	const struct ledger *first = reshard->from[0].ledger;
	uint32_t count = ledger_row_count(first, LEDGER_MARKET);
	int error = 0;

	for (uint32_t i = 0; i < count && error == 0; i++) {
		struct market_row_state row = *ledger_market_at(first, i);

		for (uint32_t k = 1; k < reshard->from_count; k++) {
			const struct market_row_state *other =
			    ledger_market(reshard->from[k].ledger, row.id);

			row.lsn = other->lsn > row.lsn ? other->lsn : row.lsn;
			row.final = row.final && other->final;
			row.walked = row.walked && other->walked;
			if (other->walked_ns > row.walked_ns)
				row.walked_ns = other->walked_ns;
		}
		memset(row.credit_moved, 0, sizeof(row.credit_moved));
		row.credit_moved_market = 0;
		for (uint32_t k = 0; k < reshard->to_count && error == 0; k++)
			error = ledger_load_market(reshard->to[k].ledger, &row);
		if (error != 0)
			return fail(reshard, "market", row.id, error);
	}
	return 0;
}

/* ---- Objects ---- */

/* The event that was reversed: in the newest log, or in one of before. 0 or -1. */
static int reversal_target(const struct reshard *reshard, uint32_t from,
    const struct object_reversal *reversal, struct event_record *record)
{
	uint64_t terminal_id = le64_get(reversal->terminal_id);
	uint64_t request_id = le64_get(reversal->target_request_id);
	struct event_buffer event;
	uint8_t shard;

	if (log_history_event(reshard->from[from].history, le64_get(reversal->lsn), &event) < 0 &&
	    log_past_request(reshard->past, terminal_id, request_id, &event, &shard) < 0)
		return -1;
	memcpy(record, event.bytes, sizeof(*record));
	return le64_get(record->terminal_id) == terminal_id &&
	               le64_get(record->request_id) == request_id
	           ? 0
	           : -1;
}

/*
 * One of an older log does not tell its bucket. Without its target nobody knows who will be asked
 * about it, or holds the partner's key of it: everybody gets it then. To have it anywhere but there
 * would let the same request be taken back once more.
 */
static uint32_t reversal_bucket(
    const struct reshard *reshard, uint32_t from, const struct object_reversal *reversal)
{
	uint32_t bucket_plus_one = le32_get(reversal->bucket_plus_one);
	struct event_record record;

	if (bucket_plus_one != 0)
		return bucket_plus_one - 1;
	if (reversal_target(reshard, from, reversal, &record) != 0)
		return RESHARD_EVERY_SHARD;
	return event_bucket(&record);
}

#define BODY(type, name, object)                                                                   \
	struct type name;                                                                          \
	memcpy(&name, (object)->body, sizeof(name))

uint32_t reshard_object_shard(
    const struct reshard *reshard, uint32_t from, const struct object_bytes *object)
{
	uint32_t bucket = 0;

	switch ((enum object_kind)object->kind) {
	case OBJECT_WITHDRAWAL:
	case OBJECT_TRANSFER:
	case OBJECT_SPRINKLE:
		bucket = ids_bucket_of_printed(le64_get(object->id));
		break;
	case OBJECT_CLAIM: {
		BODY(object_claim, claim, object);
		bucket = ids_bucket_of_printed(le64_get(claim.token));
		break;
	}
	case OBJECT_ROUND: {
		BODY(object_round, round, object);
		bucket = ids_bucket_of_key(le64_get(round.account_id));
		break;
	}
	case OBJECT_ROUND_TX: {
		BODY(object_round_tx, transaction, object);
		bucket = ids_bucket_of_key(le64_get(transaction.account_id));
		break;
	}
	case OBJECT_PARTNER_KEY: {
		BODY(object_partner_key, key, object);
		bucket = ids_bucket_of_key(le64_get(key.account_id));
		break;
	}
	case OBJECT_REVERSAL: {
		BODY(object_reversal, reversal, object);
		bucket = reversal_bucket(reshard, from, &reversal);
		if (bucket == RESHARD_EVERY_SHARD)
			return bucket;
		break;
	}
	case OBJECT_PLAY_LIMITS:
	case OBJECT_PLAY_COUNTERS: {
		BODY(object_play_counters, play, object); /* both begin with the account */
		bucket = ids_bucket_of_key(le64_get(play.account_id));
		break;
	}
	case OBJECT_TRANSFER_IN:
	case OBJECT_LINK:
	case OBJECT_PARTNER:
		break;
	}
	return reshard->to_map.shard[bucket];
}

/* Once, from shard 0, to all; its credit is shared out anew. */
static int partner_move(struct reshard *reshard, uint32_t from, const struct object_row *row)
{
	struct object_row fresh = *row;
	struct object_partner partner;
	int error = 0;

	if (from != 0)
		return 0;
	memcpy(&partner, row->body, sizeof(partner));
	partner.credit_moved = le64s_make(0);
	memcpy(fresh.body, &partner, sizeof(partner));
	for (uint32_t k = 0; k < reshard->to_count && error == 0; k++)
		error = ledger_load_object(reshard->to[k].ledger, &fresh);
	return error;
}

/*
 * Gets the id of its whole natural key: older partners' keys have one hashed without their account,
 * which those of several shards may share. A reversal that is on several shards, since nobody knows
 * where it belongs, is there already.
 */
static int keyed_move(struct reshard *reshard, uint32_t to, const struct object_row *row)
{
	struct ledger *ledger = reshard->to[to].ledger;
	struct object_row moved = *row;
	struct object_key key;

	if (object_key_of(row->kind, row->partner_id, row->body, &key) != 0)
		return -EBADMSG;
	if (row->kind == OBJECT_REVERSAL && ledger_object_by_key(ledger, &key) != NULL)
		return 0;
	moved.id = object_key_hash(&key);
	while (ledger_object(ledger, moved.id) != NULL)
		moved.id++;
	return ledger_load_object(ledger, &moved);
}

/* What was found of its bucket is kept from now on: the log it was found in may be gone one day. */
static int reversal_move(struct reshard *reshard, uint32_t from, const struct object_row *row)
{
	struct object_row moved = *row;
	struct object_reversal reversal;
	uint32_t bucket;
	int error = 0;

	memcpy(&reversal, row->body, sizeof(reversal));
	bucket = reversal_bucket(reshard, from, &reversal);
	if (bucket != RESHARD_EVERY_SHARD) {
		reversal.bucket_plus_one = le32_make(bucket + 1);
		memcpy(moved.body, &reversal, sizeof(reversal));
	}
	for (uint32_t k = 0; k < reshard->to_count && error == 0; k++)
		if (bucket == RESHARD_EVERY_SHARD || reshard->to_map.shard[bucket] == k)
			error = keyed_move(reshard, k, &moved);
	return error;
}

static int objects_move(struct reshard *reshard, uint32_t from)
{
	const struct ledger *ledger = reshard->from[from].ledger;
	uint32_t count = ledger_row_count(ledger, LEDGER_OBJECT);
	int error = 0;

	for (uint32_t i = 0; i < count && error == 0; i++) {
		const struct object_row *row = ledger_object_at(ledger, i);
		struct object_bytes bytes = { .id = le64_make(row->id), .kind = row->kind };
		uint32_t to;

		if (row->id == 0 || ledger_row_retired(ledger, LEDGER_OBJECT, i) ||
		    row->kind == OBJECT_LINK || row->kind == OBJECT_TRANSFER_IN)
			continue;
		memcpy(bytes.body, row->body, sizeof(bytes.body));
		to = reshard_object_shard(reshard, from, &bytes);
		if (row->kind == OBJECT_PARTNER)
			error = partner_move(reshard, from, row);
		else if (row->kind == OBJECT_PARTNER_KEY)
			error = keyed_move(reshard, to, row);
		else if (row->kind == OBJECT_REVERSAL)
			error = reversal_move(reshard, from, row);
		else
			error = ledger_load_object(reshard->to[to].ledger, row);
		if (error != 0)
			return fail(reshard, object_kind_name(row->kind), row->id, error);
		reshard->objects += row->kind != OBJECT_PARTNER || from == 0;
	}
	return 0;
}

/* ---- Bets, terminals ---- */

static int bets_move(struct reshard *reshard, const struct ledger *ledger)
{
	uint32_t count = ledger_row_count(ledger, LEDGER_BET);

	for (uint32_t i = 0; i < count; i++) {
		struct bet_row row;
		int error;

		if (ledger_row_retired(ledger, LEDGER_BET, i))
			continue;
		ledger_bet_at(ledger, i, &row);
		if (row.id == 0)
			continue;
		error = ledger_load_bet(
		    reshard->to[reshard->to_map.shard[ids_bucket_of_printed(row.id)]].ledger, &row);
		if (error != 0)
			return fail(reshard, "bet", row.id, error);
		reshard->bets++;
	}
	return 0;
}

/* Every shard learned the same cases, or was not yet there: the one that knows most of them. */
static void terminal_cases(struct risk_feedback *known, const struct risk_feedback *other)
{
	uint32_t labels = (uint32_t)known->confirmed + known->dismissed;

	if ((uint32_t)other->confirmed + other->dismissed > labels)
		*known = *other;
}

static void terminals_gather(struct reshard *reshard, uint32_t from)
{
	const struct ledger *ledger = reshard->from[from].ledger;
	uint32_t count = ledger_row_count(ledger, LEDGER_TERMINAL);

	for (uint32_t i = 0; i < count; i++) {
		const struct terminal_row *row = ledger_terminal_at(ledger, i);
		struct reshard_terminal *terminal = table_get(&reshard->terminals, row->id);
		const struct risk_terminal_state *state = ledger_terminal_state_at(ledger, i);
		uint64_t highest = terminal->row.highest_request_id;
		int64_t staked = terminal->row.staked_today;
		uint32_t day = terminal->row.staked_day;
		int home = reshard->from_map.shard[ids_bucket_of_key(row->id)] == from;

		if (terminal->row.id == 0 || home)
			terminal->row = *row;
		/* One past cannot be made of several: the longest. */
		if (state != NULL && state->observations >= terminal->state.observations) {
			struct risk_feedback cases = terminal->state.feedback;

			terminal->state = *state;
			terminal_cases(&terminal->state.feedback, &cases);
		} else if (state != NULL) {
			terminal_cases(&terminal->state.feedback, &state->feedback);
		}
		terminal->settled |= (uint8_t)home;
		if (highest > row->highest_request_id)
			terminal->row.highest_request_id = highest;
		else
			terminal->row.highest_request_id = row->highest_request_id;
		/* What it has staked is the sum over the shards of its newest day. */
		terminal->row.staked_day = day > row->staked_day ? day : row->staked_day;
		terminal->row.staked_today =
		    (day == terminal->row.staked_day ? staked : 0) +
		    (row->staked_day == terminal->row.staked_day ? row->staked_today : 0);
	}
}

/*
 * Its row goes home. What was learned of it, judged cases above all, every shard has to know: its
 * customers are on all of them. There it is a row without settings, as a first event makes it.
 */
static int terminal_put(
    struct reshard *reshard, const struct reshard_terminal *terminal, uint32_t shard)
{
	int learned = !bytes_all_zero(&terminal->state, sizeof(terminal->state));
	int home = reshard->to_map.shard[ids_bucket_of_key(terminal->row.id)] == shard;
	struct ledger *ledger = reshard->to[shard].ledger;
	struct terminal_row row = { .id = terminal->row.id, .rights = RIGHT_ALL };
	int error;

	if (!home && !learned)
		return 0;
	if (home)
		row = terminal->row;
	row.lsn = reshard->shard.lsn;
	error = ledger_load_terminal(ledger, &row);
	if (error == 0 && learned)
		error = ledger_load_terminal_state(ledger, row.id, &terminal->state);
	return error;
}

static int terminals_move(struct reshard *reshard)
{
	for (uint32_t i = 0; i < reshard->terminals.count; i++) {
		const struct reshard_terminal *terminal = table_at(&reshard->terminals, i);

		for (uint32_t shard = 0; shard < reshard->to_count; shard++) {
			int error = terminal_put(reshard, terminal, shard);

			if (error != 0)
				return fail(reshard, "terminal", terminal->row.id, error);
		}
	}
	return 0;
}

/* ---- All ---- */

static int ledgers_create(struct reshard *reshard)
{
	struct ledger_config all = { .shard_count = reshard->to_count, .buckets = reshard->to_map };
	const uint64_t most = (1u << 30) - 1;
	uint64_t rows[LEDGER_TABLE_COUNT] = { 0 };

	for (uint32_t i = 0; i < reshard->from_count; i++)
		for (unsigned t = 0; t < LEDGER_TABLE_COUNT; t++)
			rows[t] +=
			    ledger_row_count(reshard->from[i].ledger, (enum ledger_table)t) + 4096;
	for (unsigned t = 0; t < LEDGER_TABLE_COUNT; t++)
		rows[t] = rows[t] < most ? rows[t] : most;
	all.accounts_max = (uint32_t)rows[LEDGER_ACCOUNT];
	all.bets_max = (uint32_t)rows[LEDGER_BET];
	all.markets_max =
	    (uint32_t)(rows[LEDGER_MARKET] < most / 4 ? rows[LEDGER_MARKET] : most / 4);
	all.terminals_max = (uint32_t)rows[LEDGER_TERMINAL];
	all.objects_max = (uint32_t)rows[LEDGER_OBJECT];
	for (uint32_t i = 0; i < reshard->to_count; i++) {
		all.shard = i;
		reshard->to[i].config = all;
		reshard->to[i].ledger = ledger_create(&all);
		if (reshard->to[i].ledger == NULL)
			return restore_fail(&reshard->restore, EXIT_MISSING, "not enough memory");
		ledger_load_shard(reshard->to[i].ledger, &reshard->shard);
	}
	return 0;
}

int reshard_build(struct reshard *reshard)
{
	struct shard_row *shard = &reshard->shard;
	int error;

	*shard = *ledger_shard(reshard->from[0].ledger);
	for (uint32_t i = 1; i < reshard->from_count; i++) {
		const struct shard_row *other = ledger_shard(reshard->from[i].ledger);

		shard->lsn = other->lsn > shard->lsn ? other->lsn : shard->lsn;
		shard->time_ns = other->time_ns > shard->time_ns ? other->time_ns : shard->time_ns;
		if (other->bet_counter > shard->bet_counter)
			shard->bet_counter = other->bet_counter;
	}
	error = ledgers_create(reshard);
	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++)
		error = accounts_move(reshard, reshard->from[i].ledger);
	if (error == 0)
		error = markets_move(reshard);
	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++)
		error = objects_move(reshard, i);
	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++)
		error = bets_move(reshard, reshard->from[i].ledger);
	for (uint32_t i = 0; i < reshard->from_count && error == 0; i++)
		terminals_gather(reshard, i);
	return error == 0 ? terminals_move(reshard) : error;
}
