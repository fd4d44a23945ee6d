/* SPDX-License-Identifier: Apache-2.0 */
/* What of the registry is durable: the last session id of each slot, and the boot id they live
 * under. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/sessions/table.h"

/* Ended slots written along with one synced transaction. */
#define RECORDS_PER_WRITE 512u

/* In table `meta`: the data plane's boot id as last seen, LE64. */
static const char boot_key_text[] = "boot_id";
static const struct db_bytes boot_key = { boot_key_text, sizeof(boot_key_text) - 1 };

struct record_batch {
	uint32_t numbers[RECORDS_PER_WRITE + 1];
	struct record_control_slot records[RECORDS_PER_WRITE + 1];
	uint32_t count;
	uint64_t boot_id; /* 0: not to be written */
};

static struct record_control_slot record_of(const struct slot *slot)
{
	return (struct record_control_slot){
		.header = record_header_make(
		    (enum record_kind)RECORD_CONTROL_SLOT, sizeof(struct record_control_slot)),
		.session_id = le32_make(slot->session_id),
		.state = slot->state == SLOT_FREE     ? CONTROL_SLOT_OVER
		         : slot->state == SLOT_ENDING ? CONTROL_SLOT_ENDING
		                                      : CONTROL_SLOT_LIVE,
		.terminal_id = le64_make(slot->terminal_id),
		.terminal_version = le64_make(slot->terminal_version),
		.established_ns = le64_make(slot->established_ns),
		.expires_ns = le64_make(slot->expires_ns),
	};
}

static int batch_write(struct db_txn *txn, void *context)
{
	const struct record_batch *batch = context;
	int result = 0;

	for (uint32_t i = 0; i < batch->count && result == 0; i++) {
		struct db_key key = db_key_make(batch->numbers[i]);

		result = database_put(txn, CONTROL_TABLE_SLOT, db_key(&key),
		    (struct db_bytes){ &batch->records[i], sizeof(batch->records[i]) });
	}
	if (result == 0 && batch->boot_id != 0) {
		struct le64 value = le64_make(batch->boot_id);

		result = database_put(
		    txn, CONTROL_TABLE_META, boot_key, (struct db_bytes){ &value, sizeof(value) });
	}
	return result;
}

static void batch_add(struct sessions *sessions, struct record_batch *batch, uint32_t number)
{
	batch->numbers[batch->count] = number;
	batch->records[batch->count++] = record_of(&sessions->slots[number]);
}

int sessions_record(struct sessions *sessions, uint32_t number)
{
	struct record_batch batch = { 0 };
	uint32_t ended = 0;
	int result;

	pthread_mutex_lock(&sessions->mutex);
	while (batch.count < RECORDS_PER_WRITE && sessions->unrecorded_head != 0) {
		uint32_t next = sessions->unrecorded_head;

		sessions->unrecorded_head = sessions->slots[next].unrecorded_next;
		sessions->slots[next].unrecorded = 0;
		batch_add(sessions, &batch, next);
	}
	ended = batch.count;
	if (number != 0)
		batch_add(sessions, &batch, number);
	/* The boot id comes with the last of the sessions it ended: were it durable before them,
	 * a crash in between would leave them as alive under it. But never behind a new session. */
	if (sessions->boot_id != sessions->boot_id_recorded &&
	    (sessions->unrecorded_head == 0 || number != 0))
		batch.boot_id = sessions->boot_id;
	pthread_mutex_unlock(&sessions->mutex);
	if (batch.count == 0 && batch.boot_id == 0)
		return 0;
	result = database_write(sessions->database, batch_write, &batch);
	pthread_mutex_lock(&sessions->mutex);
	if (result == 0 && batch.boot_id != 0)
		sessions->boot_id_recorded = batch.boot_id;
	for (uint32_t i = 0; result != 0 && i < ended; i++) {
		struct slot *slot = &sessions->slots[batch.numbers[i]];

		if (slot->unrecorded)
			continue;
		slot->unrecorded = 1;
		slot->unrecorded_next = sessions->unrecorded_head;
		sessions->unrecorded_head = batch.numbers[i];
	}
	pthread_mutex_unlock(&sessions->mutex);
	return result;
}

/* 1: nobody may have this session any longer, and the data plane may not have been told. */
static int record_is_void(
    struct db_txn *txn, const struct record_control_slot *record, int *is_void)
{
	struct db_key key = db_key_make(le64_get(record->terminal_id));
	struct record_control_terminal terminal;
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_TERMINAL, db_key(&key), &value);

	if (error == 0)
		error = record_control_terminal_read(value, &terminal);
	if (error != 0 && error != -ENOENT)
		return error;
	*is_void = record->state == CONTROL_SLOT_ENDING || error == -ENOENT ||
	           terminal.state != CONTROL_TERMINAL_ACTIVE ||
	           le64_get(record->terminal_version) < le64_get(terminal.sessions_void_version);
	return 0;
}

static int slot_load(
    struct sessions *sessions, struct db_txn *txn, uint64_t number, struct db_bytes value)
{
	struct record_control_slot record;
	uint32_t session_id;
	struct slot *slot;
	int error = record_control_slot_read(value, &record), is_void = 0;

	if (error != 0)
		return error;
	session_id = le32_get(record.session_id);
	if (number == 0 || number >= LIMIT_SESSION_SLOTS || slot_of(session_id) != number ||
	    generation_of(session_id) == 0)
		return -EBADMSG;
	slot = &sessions->slots[number];
	slot->session_id = session_id;
	slot->terminal_id = le64_get(record.terminal_id);
	slot->terminal_version = le64_get(record.terminal_version);
	slot->established_ns = le64_get(record.established_ns);
	slot->expires_ns = le64_get(record.expires_ns);
	slot->rotate_ns = slot->retry_ns = UINT64_MAX;
	sessions->slot_highest = (uint32_t)number;
	if (record.state == CONTROL_SLOT_OVER)
		return 0;
	error = record_is_void(txn, &record, &is_void);
	if (error != 0)
		return error;
	/* The data plane may have it. When it has expired, its first look at the time ends it. */
	slot->told = 1;
	slot->installed = 1;
	slot_state_set(sessions, (uint32_t)number, SLOT_KEYLESS);
	slot_index(sessions, (uint32_t)number);
	slot_schedule(sessions, (uint32_t)number);
	if (is_void)
		slot_end(sessions, (uint32_t)number, QUEUE_ENDS);
	return 0;
}

static int body_load(struct db_txn *txn, void *context)
{
	struct sessions *sessions = context;
	struct db_cursor cursor;
	struct db_bytes value;
	struct le64 boot_id;
	int result = db_get(txn, CONTROL_TABLE_META, boot_key, &value);

	if (result == 0) {
		if (value.size != sizeof(boot_id))
			return -EBADMSG;
		memcpy(&boot_id, value.data, sizeof(boot_id));
		sessions->boot_id_recorded = le64_get(boot_id);
	} else if (result != -ENOENT) {
		return result;
	}
	result = db_cursor_open(&cursor, txn, CONTROL_TABLE_SLOT);
	if (result != 0)
		return result;
	for (result = db_cursor_first(&cursor); result == 0; result = db_cursor_next(&cursor)) {
		uint64_t number;

		result = db_key_number(cursor.key, &number);
		if (result == 0)
			result = slot_load(sessions, txn, number, cursor.value);
		if (result != 0)
			break;
	}
	db_cursor_close(&cursor);
	return result == -ENOENT ? 0 : result;
}

struct free_slot {
	uint64_t established_ns;
	uint32_t number;
};

static int free_compare(const void *left, const void *right)
{
	const struct free_slot *a = left, *b = right;

	if (a->established_ns != b->established_ns)
		return a->established_ns < b->established_ns ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* The order in which slots became free is not durable; that of their last sessions is. */
static int free_load(struct sessions *sessions)
{
	struct free_slot *order;
	uint32_t count = 0;

	if (sessions->slot_highest == 0)
		return 0;
	order = malloc(sessions->slot_highest * sizeof(*order));
	if (order == NULL)
		return -ENOMEM;
	for (uint32_t number = 1; number <= sessions->slot_highest; number++) {
		const struct slot *slot = &sessions->slots[number];

		if (slot->state == SLOT_FREE)
			order[count++] = (struct free_slot){ slot->established_ns, number };
	}
	qsort(order, count, sizeof(*order), free_compare);
	for (uint32_t i = 0; i < count; i++)
		slot_enqueue(sessions, order[i].number,
		    generation_of(sessions->slots[order[i].number].session_id) == GENERATION_MAX
		        ? QUEUE_WORN
		        : QUEUE_FREE);
	free(order);
	return 0;
}

int sessions_load(struct sessions *sessions)
{
	int result = database_read(sessions->database, body_load, sessions);

	return result != 0 ? result : free_load(sessions);
}
