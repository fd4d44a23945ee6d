/* SPDX-License-Identifier: Apache-2.0 */
#include "control/commands/commands.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Held while the gate is asked, so that it is not taken away meanwhile. Taken inside of LMDB's
 * write lock: whoever holds it may not write. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static struct commands_gate gate;

void commands_gate_set(const struct commands_gate *fresh)
{
	pthread_mutex_lock(&gate_lock);
	gate = fresh != NULL ? *fresh : (struct commands_gate){ .open = NULL };
	pthread_mutex_unlock(&gate_lock);
}

static int gate_open(void)
{
	int error;

	pthread_mutex_lock(&gate_lock);
	error = gate.open != NULL ? gate.open(gate.context) : 0;
	pthread_mutex_unlock(&gate_lock);
	return error;
}

static void gate_adopted(void)
{
	pthread_mutex_lock(&gate_lock);
	if (gate.adopted != NULL)
		gate.adopted(gate.context);
	pthread_mutex_unlock(&gate_lock);
}

static struct commands_refusal refusal;

void commands_refusal_set(const struct commands_refusal *fresh)
{
	pthread_mutex_lock(&gate_lock);
	refusal = fresh != NULL ? *fresh : (struct commands_refusal){ .refused = NULL };
	pthread_mutex_unlock(&gate_lock);
}

int commands_next(struct db_txn *txn, uint64_t *sequence)
{
	uint64_t last;
	int error = database_last(txn, CONTROL_TABLE_COMMAND, &last);

	if (error == 0)
		*sequence = last + 1;
	return error;
}

static int command_put(
    struct db_txn *txn, const struct record_control_command *record, struct db_bytes text)
{
	size_t size = sizeof(*record) + text.size;
	struct db_key key = db_key_make(le64_get(record->sequence));
	uint8_t *bytes = malloc(size);
	int error;

	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes, record, sizeof(*record));
	memcpy(bytes + sizeof(*record), text.data, text.size);
	error = database_put(
	    txn, CONTROL_TABLE_COMMAND, db_key(&key), (struct db_bytes){ bytes, size });
	free(bytes);
	return error;
}

static int command_append_text(
    struct db_txn *txn, const char *text, uint64_t sequence, enum control_command_state state)
{
	uint64_t now_ns = database_now_ns();
	struct record_control_command record = {
		.header = record_control_header(RECORD_CONTROL_COMMAND, sizeof(record)),
		.sequence = le64_make(sequence),
		.committed_ns = le64_make(now_ns),
		.done_ns = le64_make(state == CONTROL_COMMAND_COMMITTED ? 0 : now_ns),
		.text_length = le32_make((uint32_t)strlen(text)),
		.state = (uint8_t)state,
	};

	return command_put(txn, &record, (struct db_bytes){ text, strlen(text) });
}

int commands_append(struct db_txn *txn, const json_t *command, uint64_t *sequence)
{
	char *text = json_dumps(command, JSON_COMPACT);
	uint64_t next;
	int error = text == NULL ? -ENOMEM : strlen(text) > CONTROL_TEXT_SIZE_MAX ? -EMSGSIZE : 0;

	if (error == 0)
		error = gate_open();
	if (error == 0)
		error = commands_next(txn, &next);
	if (error == 0)
		error = command_append_text(txn, text, next, CONTROL_COMMAND_COMMITTED);
	if (error == 0)
		*sequence = next;
	free(text);
	return error;
}

static int last_body(struct db_txn *txn, void *sequence)
{
	return database_last(txn, CONTROL_TABLE_COMMAND, sequence);
}

int commands_last(const struct database *database, uint64_t *sequence)
{
	return database_read(database, last_body, sequence);
}

/* The record and its text, pointing into the map. */
static int command_find(struct db_txn *txn, uint64_t sequence,
    struct record_control_command *record, struct db_bytes *text)
{
	struct db_key key = db_key_make(sequence);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_COMMAND, db_key(&key), &value);

	return error != 0 ? error : record_control_command_read(value, record, text);
}

int commands_record(struct db_txn *txn, uint64_t sequence, struct record_control_command *record)
{
	struct db_bytes text;

	return command_find(txn, sequence, record, &text);
}

struct get_context {
	uint64_t sequence;
	json_t *command;
};

static int get_body(struct db_txn *txn, void *argument)
{
	struct get_context *context = argument;
	struct record_control_command record;
	struct db_bytes text;
	int error = command_find(txn, context->sequence, &record, &text);

	if (error != 0)
		return error;
	context->command = json_loadb(text.data, text.size, 0, NULL);
	return context->command != NULL ? 0 : -EBADMSG;
}

int commands_get(const struct database *database, uint64_t sequence, json_t **command)
{
	struct get_context context = { .sequence = sequence };
	int error = database_read(database, get_body, &context);

	if (error != 0)
		return error;
	json_object_set_new(context.command, "cmd", json_string("command"));
	json_object_set_new(context.command, "sequence", json_integer((json_int_t)sequence));
	*command = context.command;
	return 0;
}

struct mark_context {
	uint64_t first, last;
	enum control_command_state state;
};

static int mark_body(struct db_txn *txn, void *argument)
{
	const struct mark_context *context = argument;
	int error = 0;

	for (uint64_t at = context->first; error == 0 && at <= context->last; at++) {
		struct record_control_command record;
		struct db_bytes text;
		char *copy;

		error = command_find(txn, at, &record, &text);
		if (error != 0 || record.state != CONTROL_COMMAND_COMMITTED)
			continue;
		record.state = (uint8_t)context->state;
		record.done_ns = le64_make(database_now_ns());
		/* The text lies in the map, which the put changes. */
		copy = malloc(text.size + 1);
		if (copy == NULL)
			return -ENOMEM;
		memcpy(copy, text.data, text.size);
		error = command_put(txn, &record, (struct db_bytes){ copy, text.size });
		free(copy);
	}
	return error;
}

int commands_mark(
    struct database *database, uint64_t first, uint64_t last, enum control_command_state state)
{
	struct mark_context context = { first, last, state };

	return first > last ? 0 : database_write(database, mark_body, &context);
}

struct refuse_context {
	uint64_t sequence;
	const char *why;
	struct commands_refusal refusal;
};

static int refuse_body(struct db_txn *txn, void *argument)
{
	const struct refuse_context *context = argument;
	struct mark_context mark = { context->sequence, context->sequence,
		CONTROL_COMMAND_REFUSED };
	struct record_control_command record;
	struct db_bytes text;
	json_t *command;
	int error = command_find(txn, context->sequence, &record, &text);

	if (error != 0 || record.state != CONTROL_COMMAND_COMMITTED)
		return error;
	command = json_loadb(text.data, text.size, 0, NULL);
	error = mark_body(txn, &mark);
	if (error == 0 && command != NULL && context->refusal.refused != NULL)
		error = context->refusal.refused(
		    context->refusal.context, txn, context->sequence, command, context->why);
	json_decref(command);
	return error;
}

int commands_refuse(struct database *database, uint64_t sequence, const char *why)
{
	struct refuse_context context = { .sequence = sequence, .why = why };

	pthread_mutex_lock(&gate_lock);
	context.refusal = refusal;
	pthread_mutex_unlock(&gate_lock);
	return database_write(database, refuse_body, &context);
}

static int mark_late_body(struct db_txn *txn, void *argument)
{
	struct mark_context *context = argument;
	uint64_t highest;
	int error = database_last(txn, CONTROL_TABLE_COMMAND, &highest);

	if (error != 0)
		return error;
	if (highest < context->last)
		context->last = highest;
	return mark_body(txn, context);
}

int commands_mark_late(struct database *database, uint64_t first, uint64_t last,
    enum control_command_state state, uint64_t *marked)
{
	struct mark_context context = { first, last, state };
	int error = database_write(database, mark_late_body, &context);

	if (error == 0)
		*marked = context.last < first ? first - 1 : context.last;
	return error;
}

static int adopt_body(struct db_txn *txn, void *argument)
{
	const uint64_t *last = argument;
	uint64_t next;
	int error = commands_next(txn, &next);

	for (; error == 0 && next <= *last; next++)
		error = command_append_text(txn, "{\"type\":\"none\"}", next, CONTROL_COMMAND_DONE);
	return error;
}

int commands_adopt(struct database *database, uint64_t last)
{
	int error = database_write(database, adopt_body, &last);

	if (error == 0)
		gate_adopted();
	return error;
}

static const char *state_name(uint8_t state)
{
	return state == CONTROL_COMMAND_DONE      ? "done"
	       : state == CONTROL_COMMAND_REFUSED ? "refused"
	                                          : "committed";
}

static json_t *command_object(const struct record_control_command *record, struct db_bytes text)
{
	json_t *command = json_loadb(text.data, text.size, 0, NULL);

	if (command == NULL)
		return NULL;
	return json_pack("{s:I, s:O?, s:s, s:I, s:I, s:o}", "sequence",
	    (json_int_t)le64_get(record->sequence), "type", json_object_get(command, "type"),
	    "state", state_name(record->state), "committed_ns",
	    (json_int_t)le64_get(record->committed_ns), "done_ns",
	    (json_int_t)le64_get(record->done_ns), "command", command);
}

struct list_context {
	json_t *list;
	uint64_t before;
	unsigned count;
};

static int list_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	uint64_t last, at;
	int error = database_last(txn, CONTROL_TABLE_COMMAND, &last);

	at = context->before == 0 || context->before > last ? last : context->before - 1;
	for (unsigned i = 0; error == 0 && i < context->count && at > 0; i++, at--) {
		struct record_control_command record;
		struct db_bytes text;
		json_t *object;

		error = command_find(txn, at, &record, &text);
		if (error != 0)
			break;
		object = command_object(&record, text);
		if (object == NULL)
			return -EBADMSG;
		json_array_append_new(context->list, object);
	}
	return error;
}

json_t *commands_list(const struct database *database, uint64_t before_sequence, unsigned count)
{
	struct list_context context = { json_array(), before_sequence, count };

	if (context.list != NULL && database_read(database, list_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}
