/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/alerts/reader.h"
#include "dataplane/risk/risk.h"
#include "wire/codes.h"

/* The place of an account, made when there is none. */
static struct profile_seen *seen_of(struct reader_batch *batch, uint64_t account_id)
{
	size_t slot = (size_t)(account_id * 0x9e3779b97f4a7c15ull >> 32) & (READER_SLOTS - 1);
	struct profile_seen *seen;

	while (batch->slots[slot] != 0) {
		seen = &batch->seen[batch->slots[slot] - 1];
		if (seen->account_id == account_id)
			return seen;
		slot = (slot + 1) & (READER_SLOTS - 1);
	}
	SLUICE_REQUIRE(batch->seen_count < READER_SEEN_MAX);
	seen = &batch->seen[batch->seen_count++];
	batch->slots[slot] = (uint16_t)batch->seen_count;
	memset(seen, 0, sizeof(*seen));
	seen->account_id = account_id;
	return seen;
}

static void factors_see(struct reader_batch *batch, const struct event_record *record)
{
	struct profile_seen *seen = seen_of(batch, le64_get(record->account_id));
	uint32_t bits = le32_get(record->factor_bits);
	uint64_t time_ns = le64_get(record->time_ns);

	for (uint32_t rest = bits; rest != 0; rest &= rest - 1) {
		unsigned factor = (unsigned)__builtin_ctz(rest);

		if ((seen->factor_bits & 1u << factor) == 0)
			seen->factors[factor].first_ns = time_ns;
		seen->factors[factor].last_ns = time_ns;
		seen->factors[factor].count++;
		seen->factor_bits |= 1u << factor;
	}
}

/* Counted in one of the batch that is like it, or on its own. */
static void alert_see(struct alerts_reader *reader, uint32_t shard, const uint8_t *bytes,
    const struct event_record *record)
{
	struct reader_batch *batch = &reader->batch;
	uint64_t time_ns = le64_get(record->time_ns);
	struct alert_event *event;

	for (unsigned i = batch->event_count; i-- > 0;) {
		event = &batch->events[i];
		if (event->shard != shard || event->account_id != le64_get(record->account_id) ||
		    event->factor_bits != le32_get(record->factor_bits) ||
		    (event->account_id == 0 && event->terminal_id != le64_get(record->terminal_id)))
			continue;
		if (time_ns < event->time_ns || time_ns - event->time_ns >= reader->suppress_ns)
			break;
		event->count++;
		event->last_ns = time_ns;
		event->last_lsn = le64_get(record->lsn);
		if (record->score > event->score)
			event->score = record->score;
		if (le16_get(record->code) == WIRE_CODE_RISK_SCORE)
			event->code = WIRE_CODE_RISK_SCORE;
		return;
	}
	SLUICE_REQUIRE(batch->event_count < READER_EVENTS_MAX);
	event = &batch->events[batch->event_count++];
	*event = (struct alert_event){
		.shard = shard,
		.line = reader->shards[shard].line,
		.lsn = le64_get(record->lsn),
		.last_lsn = le64_get(record->lsn),
		.time_ns = time_ns,
		.last_ns = time_ns,
		.hash = XXH3_64bits(bytes, le16_get(record->length)),
		.account_id = le64_get(record->account_id),
		.terminal_id = le64_get(record->terminal_id),
		.object_id = le64_get(record->object_id),
		.amount = le64s_get(record->amount),
		.factor_bits = le32_get(record->factor_bits),
		.rule_version = le32_get(record->rule_version),
		.count = 1,
		.code = le16_get(record->code),
		.currency = le16_get(record->currency),
		.score = record->score,
	};
}

void reader_piece(struct alerts_reader *reader, uint32_t shard, const struct log_tail_piece *piece)
{
	const uint8_t *at = piece->events, *end = at + piece->size, *last = at;
	struct event_record record;

	for (; at < end; at += le16_get(record.length)) {
		uint16_t code;

		last = at;
		memcpy(&record, at, sizeof(record));
		code = le16_get(record.code);
		if (le16_get(record.type) == EVENT_ACCOUNT_OPEN && code == WIRE_CODE_OK) {
			struct profile_seen *seen =
			    seen_of(&reader->batch, le64_get(record.account_id));

			seen->opened = 1;
			if (le32_get(record.cashier_id) != 0)
				seen->partner_id = le32_get(record.cashier_id);
		}
		if (le32_get(record.factor_bits) == 0 && code != WIRE_CODE_RISK_SCORE)
			continue;
		if (le64_get(record.account_id) != 0)
			factors_see(&reader->batch, &record);
		if (((le32_get(record.factor_bits) & RISK_BIT(ALERT)) != 0 ||
		        code == WIRE_CODE_RISK_SCORE) &&
		    (le64_get(record.account_id) != 0 || le64_get(record.terminal_id) != 0) &&
		    le64_get(record.lsn) > reader->shards[shard].alerts_after)
			alert_see(reader, shard, at, &record);
	}
	memcpy(&record, last, sizeof(record));
	reader->shards[shard].lsn = piece->last_lsn;
	reader->shards[shard].hash = XXH3_64bits(last, le16_get(record.length));
}

static int alert_write(
    struct db_txn *txn, const struct alerts_reader *reader, const struct alert_event *found)
{
	struct alert_event event = *found;
	uint64_t number;
	int error =
	    event.account_id == 0 ? 0 : profile_partner(txn, event.account_id, &event.partner_id);

	return error != 0 ? error : alerts_raise_event(txn, &event, reader->suppress_ns, &number);
}

static int seen_write(struct db_txn *txn, const struct profile_seen *seen)
{
	int error = 0;

	if (seen->factor_bits != 0 || seen->partner_id != 0)
		error = profile_add(txn, seen);
	if (error == 0 && seen->opened)
		error = subject_flags_opened(txn, seen->account_id);
	return error;
}

static int write_body(struct db_txn *txn, void *argument)
{
	const struct alerts_reader *reader = argument;
	const struct reader_batch *batch = &reader->batch;
	int error = batch->skipped == 0 ? 0 : alerts_skipped_add(txn, batch->skipped);

	for (unsigned i = 0; error == 0 && i < batch->seen_count; i++)
		error = seen_write(txn, &batch->seen[i]);
	for (unsigned i = 0; error == 0 && i < batch->event_count; i++)
		error = alert_write(txn, reader, &batch->events[i]);
	for (uint32_t i = 0; error == 0 && i < LIMIT_SHARDS; i++) {
		const struct reader_shard *shard = &reader->shards[i];

		if (shard->tail != NULL && shard->lsn != shard->written_lsn)
			error = alerts_cursor_put(txn, i, shard->lsn, shard->hash, shard->line);
	}
	return error;
}

int reader_write(struct alerts_reader *reader)
{
	int error = database_write(reader->database, write_body, reader);

	if (error != 0)
		return error;
	reader->batch.event_count = reader->batch.seen_count = 0;
	reader->batch.skipped = 0;
	memset(reader->batch.slots, 0, sizeof(reader->batch.slots));
	for (uint32_t i = 0; i < LIMIT_SHARDS; i++)
		reader->shards[i].written_lsn = reader->shards[i].lsn;
	return 0;
}
