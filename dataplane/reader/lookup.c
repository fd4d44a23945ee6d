/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/reader/lookup.h"

#include <errno.h>

int reader_log_retired(const struct reader_files *files)
{
	/* Before its first event the log of a re-sharded switch goes on in the past. */
	for (uint32_t shard = 0; shard < files->shared->shard_count; shard++) {
		uint64_t first_lsn = log_history_first_lsn(files->histories[shard]);

		if (first_lsn == 0 || (first_lsn > 1 && !log_past_reaches(files->past, first_lsn)))
			return 1;
	}
	return 0;
}

/* The shard of today for an event of the past: who would be asked about it. */
static uint8_t event_owner(const struct reader_files *files, const struct event_buffer *event)
{
	struct event_record record;
	uint64_t account_id;
	uint32_t bucket;

	memcpy(&record, event->bytes, sizeof(record));
	account_id = le64_get(record.account_id);
	if (account_id != 0)
		bucket = ids_bucket_of_key(account_id);
	else if (le16_get(record.type) == EVENT_PLACE_BET ||
	         le16_get(record.type) == EVENT_REDEEM || le16_get(record.type) == EVENT_CANCEL_BET)
		bucket = ids_bucket_of_printed(le64_get(record.object_id));
	else
		bucket = ids_bucket_of_key(le64_get(record.terminal_id));
	return files->shared->buckets.shard[bucket];
}

/*
 * The event of (terminal, request id), on whatever shard, or in the past. *shard is the one that
 * answered then, *owner the one to ask now. Its length, -ENOENT or -EIO.
 */
static int request_find(const struct reader_files *files, const struct history_query *query,
    struct event_buffer *event, uint8_t *shard, uint8_t *owner)
{
	int length;

	for (uint32_t i = 0; i < files->shared->shard_count; i++) {
		length = log_history_request(
		    files->histories[i], query->origin.terminal_id, query->id, event);
		if (length == -ENOENT)
			continue;
		*shard = *owner = (uint8_t)i;
		return length < 0 ? -EIO : length;
	}
	length = log_past_request(files->past, query->origin.terminal_id, query->id, event, shard);
	if (length > 0)
		*owner = event_owner(files, event);
	return length < 0 && length != -ENOENT ? -EIO : length;
}

static void unavailable(struct wire_reply *reply)
{
	reply->code = WIRE_CODE_STORAGE_UNAVAILABLE;
	reply->detail = READER_BUSY_MS;
}

/* The event that fences the id, on whatever shard, or in the past. Its length, -ENOENT or -EIO. */
static int fence_find(const struct reader_files *files, const struct history_query *query,
    struct event_buffer *event, uint8_t *shard)
{
	int length = -ENOENT;

	for (uint32_t i = 0; i < files->shared->shard_count && length == -ENOENT; i++) {
		*shard = (uint8_t)i;
		length = log_history_fence(
		    files->histories[i], query->origin.terminal_id, query->id, event);
	}
	if (length == -ENOENT)
		length =
		    log_past_fence(files->past, query->origin.terminal_id, query->id, event, shard);
	return length < 0 && length != -ENOENT ? -EIO : length;
}

/* Of a request in no log: 1 when nobody can tell, for the log of its time is put away, and the id
 * is not known to be fenced; 0: it was never carried out; -EIO. */
static int outcome_is_unknown(const struct reader_files *files, const struct history_query *query)
{
	struct event_buffer event;
	uint8_t shard;
	int length;

	if (!reader_log_retired(files))
		return 0;
	length = fence_find(files, query, &event, &shard);
	return length == -EIO ? -EIO : length == -ENOENT;
}

/* ---- The outcome of a request sent again ---- */

static void outcome_found(const struct reader_files *files, const struct history_query *query,
    const struct event_buffer *event, uint8_t shard, struct wire_reply *reply)
{
	struct event_record record;

	memcpy(&record, event->bytes, sizeof(record));
	if (le64_get(record.body_hash[0]) != query->body_hash[0] ||
	    le64_get(record.body_hash[1]) != query->body_hash[1]) {
		reply->code = WIRE_CODE_MISMATCH;
		return;
	}
	reply->code = le16_get(record.code);
	reply->lsn = le64_get(record.lsn);
	reply->object_id = le64_get(record.object_id);
	reply->balance = le64s_get(record.balance);
	reply->payout = le64s_get(record.payout);
	outcome_transfer(event, &reply->object_id, &reply->balance, &reply->payout);
	reply->score = record.score;
	reply->shard = shard;
	reply->flags = MESSAGE_FLAG_ANSWER_REPLAYED;
	outcome_ticket(files->shared->ticket_key, event, reply->ticket);
}

/* In no log: what may be said of it. */
static void outcome_not_found(
    const struct reader_files *files, const struct history_query *query, struct wire_reply *reply)
{
	struct event_buffer event;
	struct event_record record;
	uint8_t shard = 0;
	int length = fence_find(files, query, &event, &shard);

	if (length == -EIO) {
		unavailable(reply);
	} else if (length > 0) {
		memcpy(&record, event.bytes, sizeof(record));
		reply->code = WIRE_CODE_FENCED;
		reply->lsn = le64_get(record.lsn);
		reply->shard = shard;
		reply->object_id = query->id;
	} else if (reader_log_retired(files)) {
		/* Nobody here can tell what ran in that time: the archive must be asked. */
		reply->code = WIRE_CODE_OUTCOME_UNKNOWN;
	} else if (query->below_durable) {
		/*
		 * Below the window that durable outcomes alone have moved: it was never carried out
		 * and, since that window only moves up, never will be.
		 */
		reply->code = WIRE_CODE_EXPIRED;
	} else {
		/* Only below entries taken by younger ids: a restart could still admit it. */
		reply->code = WIRE_CODE_BUSY;
		reply->detail = READER_BUSY_MS;
	}
}

static void look_outcome(
    const struct reader_files *files, const struct history_query *query, struct wire_reply *reply)
{
	struct event_buffer event;
	uint8_t shard = 0, owner = 0;
	int length = request_find(files, query, &event, &shard, &owner);

	if (length == -EIO)
		unavailable(reply);
	else if (length == -ENOENT)
		outcome_not_found(files, query, reply);
	else
		outcome_found(files, query, &event, shard, reply);
}

/* ---- TX_STATUS ---- */

/*
 * A withdrawal that waited may have been paid or given back since: its object says so, here once it
 * has left memory (a day after), else at its shard: the open rows are as old as their checkpoint.
 * 0 and the code; -EAGAIN: ask the shard; -EIO.
 */
static int code_now(const struct reader_files *files, const struct event_record *record,
    uint8_t shard, uint16_t *code)
{
	struct object_bytes object;
	int error;

	*code = le16_get(record->code);
	if (*code != WIRE_CODE_PENDING || le16_get(record->type) != EVENT_WITHDRAW)
		return 0;
	error = log_history_closed_object(
	    files->histories[shard], le64_get(record->object_id), &object);
	if (error == 0)
		*code = outcome_withdrawal(object.state);
	return error == -ENOENT ? -EAGAIN : error;
}

static void look_status(const struct reader_files *files, const struct history_query *query,
    struct history_found *found)
{
	struct wire_reply *reply = &found->reply;
	struct event_buffer event;
	struct event_record record;
	uint8_t shard = 0, owner = 0;
	uint16_t code;
	int error, length = request_find(files, query, &event, &shard, &owner);

	if (length == -EIO) {
		unavailable(reply);
		return;
	}
	if (length == -ENOENT) {
		error = outcome_is_unknown(files, query);
		if (error < 0)
			unavailable(reply);
		else
			reply->code = error ? WIRE_CODE_OUTCOME_UNKNOWN : WIRE_CODE_REQUEST_UNKNOWN;
		return;
	}
	memcpy(&record, event.bytes, sizeof(record));
	error = code_now(files, &record, owner, &code);
	if (error == -EAGAIN) {
		found->found = 1;
		found->shard = owner;
		found->target_shard = shard;
		found->request = query->request;
		found->target = record;
		return;
	}
	if (error != 0) {
		unavailable(reply);
		return;
	}
	reply->lsn = le64_get(record.lsn);
	reply->object_id = le64_get(record.object_id);
	reply->balance = le64s_get(record.balance);
	reply->payout = le64s_get(record.payout);
	outcome_transfer(&event, &reply->object_id, &reply->balance, &reply->payout);
	if (code == WIRE_CODE_WITHDRAWAL_CLOSED)
		reply->payout = 0; /* it was given back */
	reply->score = record.score;
	reply->shard = shard;
	reply->tx_status.time_ns = le64_get(record.time_ns);
	reply->tx_status.target_code = code;
	reply->tx_status.target_template = outcome_template(&event);
	reply->tx_status.target_shard = shard;
}

/* ---- Targets of REVERSE and FENCE ---- */

static void look_target(const struct reader_files *files, const struct history_query *query,
    int complete, struct history_found *found)
{
	struct event_buffer event;
	uint8_t shard;
	int length;

	found->request = query->request;
	found->found = 0;
	found->code = WIRE_CODE_OK;
	if (!complete) {
		found->code = WIRE_CODE_IN_PROGRESS;
		return;
	}
	length = request_find(files, query, &event, &shard, &found->shard);
	if (length > 0) {
		memcpy(&found->target, event.bytes, sizeof(found->target));
		found->found = 1;
		return;
	}
	if (length == -ENOENT)
		length = outcome_is_unknown(files, query);
	if (length < 0)
		found->code = WIRE_CODE_STORAGE_UNAVAILABLE;
	else if (length != 0)
		found->code = WIRE_CODE_OUTCOME_UNKNOWN;
}

/* ---- REDEEM of a bet that has left memory ---- */

/* The code must be the bet's, or nothing is told of it. */
static int ticket_is(const struct reader_files *files, const struct record_bet_full *bet,
    const uint8_t ticket[TICKET_SIZE])
{
	struct ticket_facts facts = {
		.bet_id = le64_get(bet->bet.id),
		.stake = le64s_get(bet->bet.stake),
		.placed_at_ns = le64_get(bet->bet.placed_at_ns),
		.leg_count = bet->bet.leg_count,
	};

	for (unsigned i = 0; i < bet->bet.leg_count; i++)
		facts.odds[i] = le32_get(bet->legs[i].odds);
	facts.payout = ledger_payout(facts.stake, facts.odds, bet->bet.leg_count);
	return ticket_verify(files->shared->ticket_key, &facts, ticket);
}

static void look_ticket(const struct reader_files *files, const struct history_query *query,
    int complete, struct history_found *found)
{
	struct record_bet_full bet;
	int error = log_history_closed_bet(files->histories[query->shard], query->id, &bet);

	found->request = query->request;
	found->found = 0;
	if (error == -ENOENT)
		found->code = complete ? WIRE_CODE_BET_UNKNOWN : WIRE_CODE_IN_PROGRESS;
	else if (error == -EAGAIN)
		found->code = WIRE_CODE_IN_PROGRESS;
	else if (error != 0)
		found->code = WIRE_CODE_STORAGE_UNAVAILABLE;
	else if (!ticket_is(files, &bet, query->request.redeem.ticket))
		found->code = WIRE_CODE_TICKET_INVALID;
	else if (bet.bet.state == BET_PAID)
		found->code = WIRE_CODE_TICKET_PAID;
	else if (bet.bet.state == BET_EXPIRED)
		found->code = WIRE_CODE_TICKET_EXPIRED;
	else
		found->code = WIRE_CODE_TICKET_NOT_PAYABLE;
}

/* ---- BET_STATUS of a bet that has left memory ---- */

static void look_bet(
    const struct reader_files *files, const struct history_query *query, struct wire_reply *reply)
{
	struct record_bet_full bet;
	int error = log_history_closed_bet(files->histories[query->shard], query->id, &bet);

	reply->object_id = query->id;
	reply->shard = query->shard;
	if (error == -ENOENT) {
		reply->code = WIRE_CODE_BET_UNKNOWN;
	} else if (error == -EAGAIN) {
		reply->code = WIRE_CODE_IN_PROGRESS;
		reply->detail = READER_BUSY_MS;
	} else if (error != 0) {
		unavailable(reply);
	} else {
		reply->lsn = le64_get(bet.bet.lsn);
		reply->payout = le64s_get(bet.bet.payout);
		reply->bet_status.account_id = le64_get(bet.bet.account_id);
		reply->bet_status.placed_at_ns = le64_get(bet.bet.placed_at_ns);
		reply->bet_status.stake = le64s_get(bet.bet.stake);
		reply->bet_status.currency = le16_get(bet.bet.currency);
		reply->bet_status.state = bet.bet.state;
		reply->bet_status.leg_count = bet.bet.leg_count;
		reply->bet_status.reprints = bet.bet.reprints;
	}
}

/* ---- SPRINKLE_STATUS of one that has ended and left memory ---- */

static void look_sprinkle(
    const struct reader_files *files, const struct history_query *query, struct wire_reply *reply)
{
	struct object_sprinkle sprinkle;
	struct object_bytes object;
	int error = log_history_closed_object(files->histories[query->shard], query->id, &object);

	reply->object_id = query->id;
	reply->shard = query->shard;
	if (error == -ENOENT || (error == 0 && object.kind != OBJECT_SPRINKLE)) {
		reply->code = WIRE_CODE_SPRINKLE_UNKNOWN;
	} else if (error == -EAGAIN) {
		reply->code = WIRE_CODE_IN_PROGRESS;
		reply->detail = READER_BUSY_MS;
	} else if (error != 0) {
		unavailable(reply);
	} else {
		memcpy(&sprinkle, object.body, sizeof(sprinkle));
		reply->lsn = le64_get(object.lsn);
		reply->sprinkle.total = le64s_get(sprinkle.total);
		reply->sprinkle.remaining = le64s_get(sprinkle.remaining);
		reply->sprinkle.ends_ns = le64_get(sprinkle.ends_ns);
		reply->sprinkle.shares = le32_get(sprinkle.shares);
		reply->sprinkle.claimed = le32_get(sprinkle.claimed);
		reply->sprinkle.currency = le16_get(object.currency);
		reply->sprinkle.state = object.state == OBJECT_OPEN ? 1 : 2;
	}
}

void reader_look_up(const struct reader_files *files, const struct history_query *query,
    int complete, struct history_found *found)
{
	struct wire_reply *reply = &found->reply;

	found->origin = query->origin;
	found->kind = query->kind;
	found->found = 0;
	if (query->kind == HISTORY_TARGET) {
		look_target(files, query, complete, found);
		return;
	}
	if (query->kind == HISTORY_TICKET) {
		look_ticket(files, query, complete, found);
		return;
	}
	memset(reply, 0, sizeof(*reply));
	reply->request_id = query->request_id;
	reply->template_id = query->template_id;
	if (!complete) {
		reply->code = WIRE_CODE_IN_PROGRESS;
		reply->detail = READER_BUSY_MS;
		return;
	}
	switch ((enum history_kind)query->kind) {
	case HISTORY_OUTCOME:
		look_outcome(files, query, reply);
		break;
	case HISTORY_STATUS:
		look_status(files, query, found);
		break;
	case HISTORY_STATEMENT:
		reader_statement(files, query, reply);
		break;
	case HISTORY_BET:
		look_bet(files, query, reply);
		break;
	case HISTORY_SPRINKLE:
		look_sprinkle(files, query, reply);
		break;
	case HISTORY_TARGET:
	case HISTORY_TICKET:
		break;
	}
}

void reader_busy(const struct history_query *query, struct history_found *found)
{
	found->origin = query->origin;
	found->kind = query->kind;
	found->found = 0;
	if (query->kind == HISTORY_TARGET || query->kind == HISTORY_TICKET) {
		found->request = query->request;
		found->shard = query->shard;
		found->code = WIRE_CODE_BUSY;
		return;
	}
	memset(&found->reply, 0, sizeof(found->reply));
	found->reply.request_id = query->request_id;
	found->reply.template_id = query->template_id;
	found->reply.code = WIRE_CODE_BUSY;
	found->reply.detail = READER_BUSY_MS;
}
