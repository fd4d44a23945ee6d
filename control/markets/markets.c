/* SPDX-License-Identifier: Apache-2.0 */
#include "control/markets/markets_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"

static const char *const state_names[] = {
	[MARKET_BEFORE] = "before",
	[MARKET_OPEN] = "open",
	[MARKET_SUSPENDED] = "suspended",
	[MARKET_CLOSED] = "closed",
	[MARKET_SETTLED] = "settled",
	[MARKET_VOID] = "void",
};

const char *markets_state_name(enum market_state state)
{
	return (size_t)state < SLUICE_ARRAY_COUNT(state_names) ? state_names[state] : NULL;
}

enum market_state markets_state_parse(const char *name)
{
	for (size_t i = MARKET_BEFORE; i < SLUICE_ARRAY_COUNT(state_names); i++)
		if (strcmp(name, state_names[i]) == 0)
			return (enum market_state)i;
	return 0;
}

static const char *kind_name(uint8_t kind)
{
	return kind == MARKET_KIND_1X2          ? "1x2"
	       : kind == MARKET_KIND_OVER_UNDER ? "over_under"
	       : kind == MARKET_KIND_HANDICAP   ? "handicap"
	                                        : "other";
}

const char *markets_kind_name(enum market_kind kind)
{
	return kind_name((uint8_t)kind);
}

/* "-0.75" of -3 quarters. */
static void line_text(int quarters, char out[16])
{
	static const char *const parts[] = { "", ".25", ".5", ".75" };
	unsigned size = (unsigned)(quarters < 0 ? -quarters : quarters);

	snprintf(out, 16, "%s%u%s", quarters < 0 ? "-" : "", size / 4, parts[size % 4]);
}

json_t *markets_json(const struct record_control_market *row)
{
	const struct event_market *market = &row->market;
	json_t *selections = json_array(), *odds = json_array(), *object;
	struct settlement_outcomes outcomes;
	char line[16], outcome[MARKET_OUTCOME_SIZE];
	int settled = market->state >= MARKET_SETTLED && market_row_outcomes(row, &outcomes) == 0;

	line_text((int16_t)le16_get(market->line), line);
	for (unsigned i = 0; i < market->selection_count; i++) {
		json_int_t price = (json_int_t)le32_get(market->odds[i]);
		json_t *selection = json_pack("{s:i, s:s, s:I}", "selection", (int)i, "name",
		    (const char *)row->selections[i], "odds", price);

		if (settled) {
			market_outcome_text(outcomes.of[i], outcome);
			json_object_set_new(selection, "outcome", json_string(outcome));
		}
		json_array_append_new(selections, selection);
		json_array_append_new(odds, json_integer(price));
	}
	object = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o}", "market",
	    (json_int_t)le64_get(row->id), "event", (json_int_t)le64_get(market->event_id), "name",
	    (const char *)row->name, "kind", kind_name(market->kind), "line", line, "state",
	    markets_state_name(market->state), "start_time_ns",
	    (json_int_t)le64_get(market->start_time_ns), "version",
	    (json_int_t)le64_get(market->version), "odds", odds, "selections", selections);
	if (settled)
		json_object_set_new(object, "final", json_boolean(row->final != 0));
	return object;
}

/* ---- Rows and commands ---- */

int market_row_get(struct db_txn *txn, uint64_t market_id, struct record_control_market *row)
{
	struct db_key key = db_key_make(market_id);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_MARKET, db_key(&key), &value);

	return error != 0 ? error : record_control_market_read(value, row);
}

int market_row_put(struct db_txn *txn, const struct record_control_market *row)
{
	struct db_key key = db_key_make(le64_get(row->id));

	return database_put(
	    txn, CONTROL_TABLE_MARKET, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
}

/* Puts the row under the next number and appends the command that says the same to the shards. */
static int row_change(struct db_txn *txn, struct record_control_market *row, uint64_t *sequence)
{
	const struct event_market *market = &row->market;
	json_t *odds = json_array();
	json_t *command;
	uint64_t next = 0;
	int error = commands_next(txn, &next);

	row->market.version = le64_make(next);
	for (unsigned i = 0; i < market->selection_count; i++)
		json_array_append_new(odds, json_integer((json_int_t)le32_get(market->odds[i])));
	command = json_pack("{s:s, s:I, s:I, s:I, s:i, s:i, s:i, s:o}", "type", "market_set",
	    "market_id", (json_int_t)le64_get(row->id), "event_id",
	    (json_int_t)le64_get(market->event_id), "start_time_ns",
	    (json_int_t)le64_get(market->start_time_ns), "state", (int)market->state, "kind",
	    (int)market->kind, "line", (int)(int16_t)le16_get(market->line), "odds", odds);
	if (error == 0 && command == NULL)
		error = -ENOMEM;
	if (error == 0)
		error = market_row_put(txn, row);
	if (error == 0)
		error = commands_append(txn, command, sequence);
	json_decref(command);
	return error;
}

int market_audit(struct db_txn *txn, const struct audit_entry *who,
    const struct record_control_market *before, const struct record_control_market *after)
{
	struct audit_entry entry = *who;
	char object[40];
	int error;

	snprintf(object, sizeof(object), "market %" PRIu64, le64_get(after->id));
	entry.object = object;
	entry.before = markets_json(before);
	entry.after = markets_json(after);
	error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

struct import_context {
	const struct market_list *list;
	const struct audit_entry *who;
	uint64_t first, last;
	uint64_t markets_max; /* 0: not known */
	char *message;
	size_t message_size;
};

/*
 * Markets stay in the shards' tables for good, so these hold as many as control does. The command
 * of one too many would be sent again for ever, and all later ones would wait behind it.
 */
static int room_check(struct db_txn *txn, const struct import_context *context, uint64_t before)
{
	uint64_t most = context->markets_max, after;
	int error = db_count(txn, CONTROL_TABLE_MARKET, &after);

	if (error != 0 || most == 0 || after == before || after <= most)
		return error;
	snprintf(context->message, context->message_size,
	    "%" PRIu64 " markets of the file are new, and the switch has room for %" PRIu64
	    " more (capacity.markets: %" PRIu64 ", in use: %" PRIu64 "); raise capacity.markets "
	    "in dataplane.yaml and restart the data plane, or import fewer (nothing was imported)",
	    after - before, before < most ? most - before : 0, most, before);
	return -E2BIG;
}

/*
 * A bet names its selection by number alone, and would be settled by another line than the one it
 * was sold by. The data plane refuses it for a market that is open or has bets; here, where bets
 * are not known, for any that was offered, so that control's row stays what the shards have.
 */
static int shape_check(const struct import_context *context,
    const struct record_control_market *known, const struct record_control_market *row)
{
	const struct event_market *was = &known->market, *is = &row->market;

	if (was->state == MARKET_BEFORE ||
	    (is->kind == was->kind && le16_get(is->line) == le16_get(was->line) &&
	        is->selection_count == was->selection_count))
		return 0;
	snprintf(context->message, context->message_size,
	    "market %" PRIu64 " has been offered, so its kind, line and number of selections stay; "
	    "import it as it was, or under a new id (nothing was imported)",
	    le64_get(row->id));
	return -EALREADY;
}

static int import_body(struct db_txn *txn, void *argument)
{
	struct import_context *context = argument;
	struct audit_entry entry = *context->who;
	char object[64];
	uint64_t before = 0;
	int error = commands_next(txn, &context->first);

	if (error == 0)
		error = db_count(txn, CONTROL_TABLE_MARKET, &before);
	for (size_t i = 0; error == 0 && i < context->list->count; i++) {
		struct record_control_market row = context->list->markets[i], known;

		error = market_row_get(txn, le64_get(row.id), &known);
		if (error == 0 && known.market.state >= MARKET_SETTLED)
			continue; /* its bets were paid by what it was */
		if (error == 0)
			error = shape_check(context, &known, &row);
		else if (error == -ENOENT)
			error = 0;
		if (error == 0)
			error = row_change(txn, &row, &context->last);
	}
	if (error == 0)
		error = room_check(txn, context, before);
	snprintf(object, sizeof(object), "%zu markets", context->list->count);
	entry.object = object;
	entry.after = json_pack("{s:I, s:I}", "first_command", (json_int_t)context->first,
	    "last_command", (json_int_t)context->last);
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.after);
	return error;
}

int markets_import(struct database *database, const struct market_list *list, uint64_t markets_max,
    const struct audit_entry *who, uint64_t *first, uint64_t *last, char *message,
    size_t message_size)
{
	struct import_context context = { list, who, 0, 0, markets_max, message, message_size };
	int error;

	message[0] = '\0';
	error = database_write(database, import_body, &context);
	if (error != 0)
		return error;
	*first = context.first;
	*last = context.last;
	return 0;
}

struct change_context {
	uint64_t market_id;
	enum market_state state; /* 0: keep */
	const uint32_t *odds;    /* NULL: keep */
	size_t *count;
	const struct audit_entry *who;
	uint64_t sequence;
	struct record_control_market row; /* as it is then */
};

static int change_body(struct db_txn *txn, void *argument)
{
	struct change_context *context = argument;
	struct record_control_market before, row;
	int error = market_row_get(txn, context->market_id, &before);

	context->sequence = 0;
	if (error != 0)
		return error;
	if (before.market.state >= MARKET_CLOSED && context->state != before.market.state)
		return -EPERM;
	row = before;
	if (context->state != 0)
		row.market.state = (uint8_t)context->state;
	if (context->odds != NULL) {
		size_t given = *context->count;

		*context->count = row.market.selection_count;
		if (given != row.market.selection_count)
			return -EINVAL;
		for (size_t i = 0; i < given; i++)
			row.market.odds[i] = le32_make(context->odds[i]);
	}
	context->row = row;
	if (memcmp(&row, &before, sizeof(row)) == 0)
		return 0;
	error = row_change(txn, &row, &context->sequence);
	context->row = row;
	return error != 0 ? error : market_audit(txn, context->who, &before, &row);
}

int markets_state_set(struct database *database, uint64_t market_id, enum market_state state,
    const struct audit_entry *who, uint64_t *sequence, struct record_control_market *row)
{
	struct change_context context = { .market_id = market_id, .state = state, .who = who };
	int error = database_write(database, change_body, &context);

	if (error == 0) {
		*sequence = context.sequence;
		*row = context.row;
	}
	return error;
}

int markets_odds_set(struct database *database, uint64_t market_id, const uint32_t *odds,
    size_t *count, const struct audit_entry *who, uint64_t *sequence,
    struct record_control_market *row)
{
	struct change_context context = {
		.market_id = market_id, .odds = odds, .count = count, .who = who
	};
	int error = database_write(database, change_body, &context);

	if (error == 0) {
		*sequence = context.sequence;
		*row = context.row;
	}
	return error;
}

/* ---- Reading ---- */

struct get_context {
	uint64_t market_id;
	struct record_control_market *row;
};

static int get_body(struct db_txn *txn, void *argument)
{
	const struct get_context *context = argument;

	return market_row_get(txn, context->market_id, context->row);
}

int markets_get(
    const struct database *database, uint64_t market_id, struct record_control_market *row)
{
	struct get_context context = { market_id, row };

	return database_read(database, get_body, &context);
}

struct list_context {
	json_t *list;
	uint64_t first;
	unsigned count;
	enum market_state state;
};

static int list_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	struct db_key key = db_key_make(context->first > 0 ? context->first - 1 : 0);
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_MARKET);

	if (error != 0)
		return error;
	error = db_cursor_seek_below(&cursor, db_key(&key));
	error = error == 0         ? db_cursor_next(&cursor)
	        : error == -ENOENT ? db_cursor_first(&cursor)
	                           : error;
	while (error == 0 && json_array_size(context->list) < context->count) {
		struct record_control_market row;

		error = record_control_market_read(cursor.value, &row);
		if (error == 0 && (context->state == 0 || row.market.state == context->state))
			json_array_append_new(context->list, markets_json(&row));
		if (error == 0)
			error = db_cursor_next(&cursor);
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

json_t *markets_list(
    const struct database *database, uint64_t first_id, unsigned count, enum market_state state)
{
	struct list_context context = { json_array(), first_id, count, state };

	if (context.list != NULL && database_read(database, list_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}
