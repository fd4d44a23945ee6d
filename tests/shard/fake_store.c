/* SPDX-License-Identifier: Apache-2.0 */
/* History as a scan over what the fake journal was given. */
#include <errno.h>
#include <string.h>

#include "lmdb-schema/past.h"
#include "tests/shard/fake.h"

void store_status(const struct store *store, struct store_status *status)
{
	memset(status, 0, sizeof(*status));
	status->committed_lsn = store->committed_lsn;
	status->checkpoint_lsn = store->checkpoint_lsn;
}

int log_history_event(struct log_history *history, uint64_t lsn, struct event_buffer *event)
{
	const struct event_buffer *found = fake_journal_event(history->journal, lsn);
	struct event_record record;

	if (history->error != 0)
		return history->error;
	if (found == NULL || lsn > history->store->committed_lsn || lsn < history->store->first_lsn)
		return -ENOENT;
	*event = *found;
	memcpy(&record, found->bytes, sizeof(record));
	return le16_get(record.length);
}

int log_history_request(struct log_history *history, uint64_t terminal_id, uint64_t request_id,
    struct event_buffer *event)
{
	for (uint64_t lsn = history->store->committed_lsn; lsn != 0; lsn--) {
		struct event_record record;
		int length = log_history_event(history, lsn, event);

		if (length == -ENOENT)
			continue;
		if (length < 0)
			return length;
		memcpy(&record, event->bytes, sizeof(record));
		if (le64_get(record.terminal_id) == terminal_id &&
		    le64_get(record.request_id) == request_id)
			return length;
	}
	return -ENOENT;
}

int log_history_fence(struct log_history *history, uint64_t terminal_id, uint64_t target_id,
    struct event_buffer *event)
{
	for (uint64_t lsn = history->store->committed_lsn; lsn != 0; lsn--) {
		struct event_record record;
		int length = log_history_event(history, lsn, event);

		if (length < 0)
			return length;
		memcpy(&record, event->bytes, sizeof(record));
		if (le64_get(record.terminal_id) == terminal_id &&
		    le16_get(record.type) == EVENT_FENCE &&
		    le16_get(record.code) == WIRE_CODE_FENCED_NOW &&
		    le64_get(record.object_id) == target_id)
			return length;
	}
	return -ENOENT;
}

uint64_t log_history_first_lsn(const struct log_history *history)
{
	return history->store->first_lsn;
}

int log_history_refresh(struct log_history *history)
{
	(void)history;
	return 0;
}

int log_history_closed_bet(
    struct log_history *history, uint64_t bet_id, struct record_bet_full *bet)
{
	if (history->error != 0)
		return history->error;
	if (le64_get(history->closed_bet.bet.id) != bet_id)
		return -ENOENT;
	*bet = history->closed_bet;
	return 0;
}

int log_history_closed_object(
    struct log_history *history, uint64_t object_id, struct object_bytes *object)
{
	if (history->error != 0)
		return history->error;
	if (le64_get(history->closed_object.id) != object_id)
		return -ENOENT;
	*object = history->closed_object;
	return 0;
}

/* ---- The past of a re-sharded switch: one shard, or none ---- */

int log_past_request(struct log_past *past, uint64_t terminal_id, uint64_t request_id,
    struct event_buffer *event, uint8_t *shard)
{
	*shard = 0;
	return past == NULL ? -ENOENT
	                    : log_history_request(past->history, terminal_id, request_id, event);
}

int log_past_fence(struct log_past *past, uint64_t terminal_id, uint64_t target_id,
    struct event_buffer *event, uint8_t *shard)
{
	*shard = 0;
	return past == NULL ? -ENOENT
	                    : log_history_fence(past->history, terminal_id, target_id, event);
}

int log_past_event(
    struct log_past *past, uint64_t account_id, uint64_t lsn, struct event_buffer *event)
{
	(void)account_id;
	return past == NULL ? -ENOENT : log_history_event(past->history, lsn, event);
}

int log_past_reaches(const struct log_past *past, uint64_t first_lsn)
{
	return past != NULL && first_lsn <= past->last_lsn + 1;
}
