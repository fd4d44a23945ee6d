/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets_internal.h"
#include "lmdb-schema/control_alerts.h"

#define SETTINGS_MAX 256u

json_t *rules_json(const struct rule_set *set)
{
	json_t *list = json_array();
	char key[64];

	json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s}", "key", "version", "value",
	                                (json_int_t)set->rules.version, "unit", "", "help",
	                                "number of the command that set them; 1: the defaults"));
	for (size_t i = 0; i < rule_fields_count; i++)
		if (!rule_fields[i].extra || set->extra.present)
			json_array_append_new(
			    list, json_pack("{s:s, s:I, s:s, s:s}", "key", rule_fields[i].name,
			              "value", (json_int_t)rule_field_get(set, &rule_fields[i]),
			              "unit", rule_fields[i].unit, "help", rule_fields[i].help));
	for (unsigned i = 0; i < set->extra.currency_count; i++)
		for (unsigned k = 0; k < RULE_AMOUNTS; k++) {
			const struct risk_amounts *amounts = &set->extra.currencies[i];

			snprintf(key, sizeof(key), RULE_AMOUNT_PREFIX "%u.%s", amounts->currency,
			    rule_amount_names[k]);
			json_array_append_new(
			    list, json_pack("{s:s, s:I, s:s, s:s}", "key", key, "value",
			              (json_int_t)rule_amount_get(amounts, k), "unit",
			              "minor units", "help", "in that currency; 0: none"));
		}
	return list;
}

/* As the admin socket takes them: points by the factors' names, without "points_". */
static json_t *factors_object(const struct rule_set *set)
{
	json_t *factors = json_object(), *points = json_object();

#define RULE(name, low, high)                                                                      \
	json_object_set_new(factors, #name, json_integer((json_int_t)set->extra.factors.name));
	RISK_FACTOR_RULES(RULE)
#undef RULE
	for (unsigned i = 0; i < RISK_STATE_FACTOR_COUNT; i++) {
		const char *from = risk_state_factor_name((enum risk_state_factor)i);
		char name[40];
		size_t length = strlen(from);

		SLUICE_REQUIRE(length < sizeof(name));
		for (size_t k = 0; k <= length; k++)
			name[k] = (char)tolower((unsigned char)from[k]);
		json_object_set_new(points, name, json_integer(set->extra.factors.points[i]));
	}
	json_object_set_new(factors, "points", points);
	return factors;
}

static void extra_object(json_t *object, const struct rule_set *set)
{
	static const char *const states[] = { "off", "shadow", "active" };
	const struct risk_rules_extra *extra = &set->extra;
	json_t *currencies = json_array();

	json_object_set_new(object, "factors", factors_object(set));
	json_object_set_new(object, "report_threshold", json_integer(extra->report_threshold));
	json_object_set_new(object, "points_country", json_integer(extra->points_country));
	json_object_set_new(object, "points_watch_list", json_integer(extra->points_watch_list));
	json_object_set_new(object, "points_model_max", json_integer(extra->points_model_max));
	json_object_set_new(
	    object, "points_partner_confirmed", json_integer(extra->points_partner_confirmed));
	json_object_set_new(object, "model",
	    json_pack("{s:s, s:I}", "state", states[extra->model_state], "version",
	        (json_int_t)extra->model_version));
	for (unsigned i = 0; i < extra->currency_count; i++) {
		json_t *amounts =
		    json_pack("{s:i}", "currency", (int)extra->currencies[i].currency);

		for (unsigned k = 0; k < RULE_AMOUNTS; k++)
			json_object_set_new(amounts, rule_amount_names[k],
			    json_integer(rule_amount_get(&extra->currencies[i], k)));
		json_array_append_new(currencies, amounts);
	}
	json_object_set_new(object, "currencies", currencies);
}

json_t *rules_object(const struct rule_set *set)
{
	json_t *object = json_object();

	json_object_set_new(object, "version", json_integer((json_int_t)set->rules.version));
	for (size_t i = 0; i < rule_fields_count; i++)
		if (rule_fields[i].offset < offsetof(struct rule_set, extra))
			json_object_set_new(object, rule_fields[i].name,
			    json_integer((json_int_t)rule_field_get(set, &rule_fields[i])));
	if (set->extra.present)
		extra_object(object, set);
	return object;
}

/* ---- In the database ---- */

/* 1: never in force so far, as it is only stored or was refused. 0, or -errno. */
static int version_aside(struct db_txn *txn, uint64_t version)
{
	struct record_control_rules_note note;
	struct db_key key = db_key_make(version);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_RULES_NOTE, db_key(&key), &value);

	/* Versions of before there were notes have none. */
	if (error == -ENOENT)
		return 0;
	if (error == 0)
		error = record_control_rules_note_read(value, &note);
	return error != 0 ? error : note.state != CONTROL_RULES_SENT;
}

/* The newest version of all, and the newest that was not put aside; 1 stands for the defaults. */
static int versions_last(struct db_txn *txn, uint64_t *newest, uint64_t *in_force)
{
	struct db_cursor cursor;
	uint64_t number = 1;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_RULES), aside = 1;

	if (error != 0)
		return error;
	*newest = *in_force = 1;
	error = db_cursor_last(&cursor);
	while (error == 0 && aside == 1) {
		struct db_key key;

		error = db_key_number(cursor.key, &number);
		if (error == 0 && number > *newest)
			*newest = number;
		aside = error == 0 ? version_aside(txn, number) : 0;
		if (error == 0 && aside < 0)
			error = aside;
		if (error == 0 && aside == 0)
			*in_force = number;
		key = db_key_make(number - 1);
		if (error == 0 && aside == 1)
			error = number == 0 ? -ENOENT : db_cursor_seek_below(&cursor, db_key(&key));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

int rules_in_force_get(struct db_txn *txn, struct rule_set *set)
{
	uint64_t newest, in_force;
	int error = versions_last(txn, &newest, &in_force);

	return error != 0 ? error : rules_version_get(txn, (uint32_t)in_force, set);
}

static int get_body(struct db_txn *txn, void *argument)
{
	return rules_in_force_get(txn, argument);
}

int rules_get(const struct database *database, struct rule_set *set)
{
	return database_read(database, get_body, set);
}

static int rules_decode(const struct record_control_rules *row, struct rule_set *set)
{
	struct rule_set read = { 0 };
	int error = risk_rules_decode(&row->rules, &read.rules);

	if (error == 0)
		error = risk_rules_extra_decode(&read.rules,
		    row->factors.section.kind != 0 ? &row->factors : NULL, row->currencies,
		    record_control_rules_currencies(row), &read.extra);
	if (error == 0)
		*set = read;
	return error;
}

int rules_version_get(struct db_txn *txn, uint32_t version, struct rule_set *set)
{
	struct db_key key = db_key_make(version);
	struct record_control_rules row;
	struct db_bytes value;
	int error;

	if (version == 1) {
		rule_set_default(set);
		return 0;
	}
	error = db_get(txn, CONTROL_TABLE_RULES, db_key(&key), &value);
	if (error == 0)
		error = record_control_rules_read(value, &row);
	return error != 0 ? error : rules_decode(&row, set);
}

struct version_context {
	uint32_t version;
	struct rule_set *set;
};

static int version_body(struct db_txn *txn, void *argument)
{
	const struct version_context *context = argument;

	return rules_version_get(txn, context->version, context->set);
}

int rules_get_version(const struct database *database, uint32_t version, struct rule_set *set)
{
	struct version_context context = { version, set };

	return database_read(database, version_body, &context);
}

struct set_context {
	const struct rules_change *change;
	const struct audit_entry *who;
	int dry_run;
	uint64_t sequence;
	struct rule_set set; /* as they are then */
	uint32_t copied_from;
	char *message;
	size_t message_size;
};

__attribute__((format(printf, 2, 3))) static int set_refused(
    const struct set_context *context, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(context->message, context->message_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* One "key=value" of the list; a key once. */
static int setting_apply(const struct set_context *context, struct rule_set *set, size_t index)
{
	const json_t *settings = context->change->settings;
	const char *setting = json_string_value(json_array_get(settings, index));
	const char *equals = setting != NULL ? strchr(setting, '=') : NULL;
	size_t length;

	if (equals == NULL)
		return set_refused(context,
		    "\"%s\" is not KEY=VALUE; write it like stake_single_max=1000000",
		    setting != NULL ? setting : "");
	length = (size_t)(equals - setting);
	for (size_t i = 0; i < index; i++) {
		const char *other = json_string_value(json_array_get(settings, i));

		if (strncmp(other, setting, length + 1) == 0)
			return set_refused(
			    context, "%.*s is given twice; keep one of both", (int)length, setting);
	}
	return rule_setting_apply(
	    set, setting, length, equals + 1, context->message, context->message_size);
}

/* In any order: one that needs another of them is tried again behind it. */
static int settings_apply(const struct set_context *context, struct rule_set *set)
{
	size_t count = json_array_size(context->change->settings), left = count, before;
	uint8_t done[SETTINGS_MAX] = { 0 };

	if (count > SETTINGS_MAX)
		return set_refused(
		    context, "more than %u settings at once; give a file", SETTINGS_MAX);
	for (before = left + 1; left > 0 && left < before;) {
		before = left;
		for (size_t i = 0; i < count; i++)
			if (!done[i] && setting_apply(context, set, i) == 0) {
				done[i] = 1;
				left--;
			}
	}
	for (size_t i = 0; left > 0 && i < count; i++)
		if (!done[i])
			return setting_apply(context, set, i); /* in its words */
	return 0;
}

/* Who set this version, and why. */
static int note_put(
    struct db_txn *txn, const struct set_context *context, const struct rule_set *set)
{
	struct record_control_rules_note row = {
		.header = record_control_header(RECORD_CONTROL_RULES_NOTE, sizeof(row)),
		.version = le32_make(set->rules.version),
		.copied_from = le32_make(context->copied_from),
		.uid = le32_make(context->who->uid),
		.state = context->change->stage ? CONTROL_RULES_STORED : CONTROL_RULES_SENT,
	};
	const char *note = context->change->note;
	struct db_key key = db_key_make(set->rules.version);
	int error = note != NULL ? database_text(row.note, sizeof(row.note), note) : 0;

	if (error == 0 && context->who->user != NULL)
		error = database_text(row.user, sizeof(row.user), context->who->user);
	return error != 0 ? error
	                  : database_put(txn, CONTROL_TABLE_RULES_NOTE, db_key(&key),
	                        (struct db_bytes){ &row, sizeof(row) });
}

/* A stored version is in force from here on; its content stays what it is. */
static int note_activate(struct db_txn *txn, uint32_t version)
{
	struct record_control_rules_note row;
	struct db_key key = db_key_make(version);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_RULES_NOTE, db_key(&key), &value);

	if (error == 0)
		error = record_control_rules_note_read(value, &row);
	if (error != 0)
		return error;
	row.header = record_control_header(RECORD_CONTROL_RULES_NOTE, sizeof(row));
	row.state = CONTROL_RULES_SENT;
	memset(row.refusal, 0, sizeof(row.refusal));
	return database_put(
	    txn, CONTROL_TABLE_RULES_NOTE, db_key(&key), (struct db_bytes){ &row, sizeof(row) });
}

static int version_put(
    struct db_txn *txn, const struct set_context *context, const struct rule_set *set)
{
	struct record_control_rules row = {
		.set_ns = le64_make(database_now_ns()),
	};
	struct db_key key = db_key_make(set->rules.version);
	size_t size;
	int error;

	risk_rules_encode(&set->rules, &row.rules);
	if (set->extra.present)
		risk_factor_rules_encode(&set->extra, &row.factors);
	for (unsigned i = 0; i < set->extra.currency_count; i++)
		risk_amounts_encode(&set->extra.currencies[i], &row.currencies[i]);
	size = record_control_rules_size(&row);
	row.header = record_control_header(RECORD_CONTROL_RULES, size);
	error =
	    database_put(txn, CONTROL_TABLE_RULES, db_key(&key), (struct db_bytes){ &row, size });
	return error != 0 ? error : note_put(txn, context, set);
}

static int set_store(struct db_txn *txn, struct set_context *context, const struct rule_set *before,
    const struct rule_set *set)
{
	int itself = context->change->activate_version == set->rules.version;
	struct audit_entry entry = *context->who;
	json_t *command = json_pack("{s:s, s:o}", "type", "rules_set", "rules", rules_object(set));
	int error = command == NULL ? -ENOMEM : 0;

	if (error == 0)
		error = itself ? note_activate(txn, set->rules.version)
		               : version_put(txn, context, set);
	if (error == 0 && !context->change->stage)
		error = commands_append(txn, command, &context->sequence);
	entry.object = "rules";
	entry.before = rules_object(before);
	entry.after = rules_object(set);
	if (context->change->stage)
		json_object_set_new(entry.after, "stored", json_true());
	if (context->change->note != NULL)
		json_object_set_new(entry.after, "note", json_string(context->change->note));
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	json_decref(command);
	return error;
}

/* What the change is made of: the rules in force, or those of a version. */
static int set_source(
    struct db_txn *txn, struct set_context *context, uint64_t in_force, struct rule_set *set)
{
	const struct rules_change *change = context->change;
	uint32_t version =
	    change->copy_version != 0 ? change->copy_version : change->activate_version;

	context->copied_from = version;
	return rules_version_get(txn, version != 0 ? version : (uint32_t)in_force, set);
}

static int set_body(struct db_txn *txn, void *argument)
{
	struct set_context *context = argument;
	const struct rules_change *change = context->change;
	struct rule_set before, set;
	const char *field = NULL;
	uint64_t next, newest, in_force;
	int error = versions_last(txn, &newest, &in_force);

	if (error == 0)
		error = rules_version_get(txn, (uint32_t)in_force, &before);
	if (error == 0)
		error = commands_next(txn, &next);
	if (error == 0)
		error = set_source(txn, context, in_force, &set);
	if (error == 0 && change->activate_version == in_force)
		return -EALREADY;
	if (error == 0 && change->file != NULL)
		error =
		    rules_file_apply(change->file, &set, context->message, context->message_size);
	if (error == 0)
		error = settings_apply(context, &set);
	if (error == 0)
		error = rule_scores_check(&before, &set, context->message, context->message_size);
	if (error != 0)
		return error;
	/* Unique and rising without another counter; 1 stands for the defaults. Shards take no
	 * version below their own, so an older one that is activated becomes a new one. */
	if (change->activate_version <= in_force)
		set.rules.version = (uint32_t)(next > newest ? next : newest) + 1;
	if (rule_set_check(&set, &field) != 0)
		return set_refused(context, "%s is out of range", field); /* of a version stored */
	context->set = set;
	return context->dry_run ? -ECANCELED : set_store(txn, context, &before, &set);
}

int rules_change(struct database *database, const struct rules_change *change, int dry_run,
    const struct audit_entry *who, uint64_t *sequence, struct rule_set *set, char *message,
    size_t message_size)
{
	struct set_context context = { .change = change,
		.who = who,
		.dry_run = dry_run,
		.message = message,
		.message_size = message_size };
	int error = database_write(database, set_body, &context);

	if (error == -ECANCELED && dry_run)
		error = 0;
	if (error == 0) {
		*sequence = context.sequence;
		*set = context.set;
	}
	return error;
}

static int first_body(struct db_txn *txn, void *argument)
{
	static const struct rules_change change = { .note = "the first rules of an installation" };
	struct set_context context = { .change = &change, .who = argument };
	uint64_t next, newest, in_force;
	struct rule_set before, set;
	int error = commands_next(txn, &next);

	if (error == 0)
		error = versions_last(txn, &newest, &in_force);
	if (error == 0 && (next != 1 || newest != 1))
		error = -EALREADY;
	if (error != 0)
		return error;
	rule_set_default(&before);
	set = before;
	risk_rules_extra_default(&set.extra);
	set.rules.version = 2;
	return set_store(txn, &context, &before, &set);
}

int rules_first(struct database *database, const struct audit_entry *who)
{
	struct audit_entry entry = *who;

	return database_write(database, first_body, &entry);
}

int rules_set(struct database *database, const json_t *settings, int dry_run,
    const struct audit_entry *who, uint64_t *sequence, struct rule_set *set, char *message,
    size_t message_size)
{
	const struct rules_change change = { .settings = settings };

	return rules_change(database, &change, dry_run, who, sequence, set, message, message_size);
}
