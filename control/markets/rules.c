/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/markets/markets_internal.h"
#include "lmdb-schema/control_alerts.h"

json_t *rules_json(const struct risk_rules *rules)
{
	json_t *list = json_array();

	json_array_append_new(list,
	    json_pack("{s:s, s:I, s:s, s:s}", "key", "version", "value", (json_int_t)rules->version,
	        "unit", "", "help", "number of the command that set them; 1: the defaults"));
	for (size_t i = 0; i < rule_fields_count; i++)
		json_array_append_new(
		    list, json_pack("{s:s, s:I, s:s, s:s}", "key", rule_fields[i].name, "value",
		              (json_int_t)rule_field_get(rules, &rule_fields[i]), "unit",
		              rule_fields[i].unit, "help", rule_fields[i].help));
	return list;
}

json_t *rules_object(const struct risk_rules *rules)
{
	json_t *object = json_object();

	json_object_set_new(object, "version", json_integer((json_int_t)rules->version));
	for (size_t i = 0; i < rule_fields_count; i++)
		json_object_set_new(object, rule_fields[i].name,
		    json_integer((json_int_t)rule_field_get(rules, &rule_fields[i])));
	return object;
}

/* ---- In the database ---- */

/* 1: stored, and never in force so far. 0, or -errno. */
static int version_staged(struct db_txn *txn, uint64_t version)
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
	return error != 0 ? error : note.staged;
}

/* The newest version of all, and the newest that is not only stored; 1 stands for the defaults. */
static int versions_last(struct db_txn *txn, uint64_t *newest, uint64_t *in_force)
{
	struct db_cursor cursor;
	uint64_t number = 1;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_RULES), staged = 1;

	if (error != 0)
		return error;
	*newest = *in_force = 1;
	error = db_cursor_last(&cursor);
	while (error == 0 && staged == 1) {
		struct db_key key;

		error = db_key_number(cursor.key, &number);
		if (error == 0 && number > *newest)
			*newest = number;
		staged = error == 0 ? version_staged(txn, number) : 0;
		if (error == 0 && staged < 0)
			error = staged;
		if (error == 0 && staged == 0)
			*in_force = number;
		key = db_key_make(number - 1);
		if (error == 0 && staged == 1)
			error = number == 0 ? -ENOENT : db_cursor_seek_below(&cursor, db_key(&key));
	}
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

static int get_body(struct db_txn *txn, void *argument)
{
	uint64_t newest, in_force;
	int error = versions_last(txn, &newest, &in_force);

	return error != 0 ? error : rules_version_get(txn, (uint32_t)in_force, argument);
}

int rules_get(const struct database *database, struct risk_rules *rules)
{
	return database_read(database, get_body, rules);
}

int rules_version_get(struct db_txn *txn, uint32_t version, struct risk_rules *rules)
{
	struct db_key key = db_key_make(version);
	struct record_control_rules row;
	struct db_bytes value;
	int error;

	if (version == 1) {
		risk_rules_default(rules);
		return 0;
	}
	error = db_get(txn, CONTROL_TABLE_RULES, db_key(&key), &value);
	if (error == 0)
		error = record_control_rules_read(value, &row);
	return error != 0 ? error : risk_rules_decode(&row.rules, rules);
}

struct version_context {
	uint32_t version;
	struct risk_rules *rules;
};

static int version_body(struct db_txn *txn, void *argument)
{
	const struct version_context *context = argument;

	return rules_version_get(txn, context->version, context->rules);
}

int rules_get_version(const struct database *database, uint32_t version, struct risk_rules *rules)
{
	struct version_context context = { version, rules };

	return database_read(database, version_body, &context);
}

struct set_context {
	const struct rules_change *change;
	const struct audit_entry *who;
	int dry_run;
	uint64_t sequence;
	struct risk_rules rules; /* as they are then */
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

/* One "key=value". */
static int setting_apply(
    const struct set_context *context, struct risk_rules *rules, const char *setting)
{
	const char *equals = setting != NULL ? strchr(setting, '=') : NULL;
	const struct rule_field *field;
	char *end;
	long long value;

	if (equals == NULL)
		return set_refused(context,
		    "\"%s\" is not KEY=VALUE; write it like stake_single_max=1000000",
		    setting != NULL ? setting : "");
	field = rule_field_find(setting, (size_t)(equals - setting));
	if (field == NULL)
		return set_refused(context, "there is no rule \"%.*s\"; \"rules show\" lists them",
		    (int)(equals - setting), setting);
	errno = 0;
	value = strtoll(equals + 1, &end, 10);
	if (equals[1] == '\0' || *end != '\0' || errno != 0)
		return set_refused(
		    context, "%s: \"%s\" is not a whole number", field->name, equals + 1);
	if (rule_field_set(rules, field, value) != 0)
		return set_refused(context,
		    "%s: %lld is out of range; \"rules show\" tells "
		    "the unit",
		    field->name, value);
	return 0;
}

/* Who set this version, and why. */
static int note_put(
    struct db_txn *txn, const struct set_context *context, const struct risk_rules *rules)
{
	struct record_control_rules_note row = {
		.header = record_control_header(RECORD_CONTROL_RULES_NOTE, sizeof(row)),
		.version = le32_make(rules->version),
		.copied_from = le32_make(context->copied_from),
		.uid = le32_make(context->who->uid),
		.staged = context->change->stage,
	};
	const char *note = context->change->note;
	struct db_key key = db_key_make(rules->version);
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
	row.staged = 0;
	return database_put(
	    txn, CONTROL_TABLE_RULES_NOTE, db_key(&key), (struct db_bytes){ &row, sizeof(row) });
}

static int version_put(
    struct db_txn *txn, const struct set_context *context, const struct risk_rules *rules)
{
	struct record_control_rules row = {
		.header = record_control_header(RECORD_CONTROL_RULES, sizeof(row)),
		.set_ns = le64_make(database_now_ns()),
	};
	struct db_key key = db_key_make(rules->version);
	int error;

	risk_rules_encode(rules, &row.rules);
	error = database_put(
	    txn, CONTROL_TABLE_RULES, db_key(&key), (struct db_bytes){ &row, sizeof(row) });
	return error != 0 ? error : note_put(txn, context, rules);
}

static int set_store(struct db_txn *txn, struct set_context *context,
    const struct risk_rules *before, const struct risk_rules *rules)
{
	int itself = context->change->activate_version == rules->version;
	struct audit_entry entry = *context->who;
	json_t *command =
	    json_pack("{s:s, s:o}", "type", "rules_set", "rules", rules_object(rules));
	int error = command == NULL ? -ENOMEM : 0;

	if (error == 0)
		error =
		    itself ? note_activate(txn, rules->version) : version_put(txn, context, rules);
	if (error == 0 && !context->change->stage)
		error = commands_append(txn, command, &context->sequence);
	entry.object = "rules";
	entry.before = rules_object(before);
	entry.after = rules_object(rules);
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

static int range_refused(const struct set_context *context, const struct risk_rules *before,
    const struct risk_rules *rules, const char *name)
{
	const struct rule_field *field = rule_field_find(name, strlen(name));
	int64_t lowest, highest;

	if (field == NULL)
		return set_refused(
		    context, "%s is out of range; \"rules show\" tells the unit", name);
	rule_field_range(before, field, &lowest, &highest);
	return set_refused(context,
	    "%s is out of range: expected %lld to %lld (%s), found %lld; \"rules show\" tells what "
	    "it "
	    "does",
	    name, (long long)lowest, (long long)highest, field->unit,
	    (long long)rule_field_get(rules, field));
}

/* What the change is made of: the rules in force, or those of a version. */
static int set_source(
    struct db_txn *txn, struct set_context *context, uint64_t in_force, struct risk_rules *rules)
{
	const struct rules_change *change = context->change;
	uint32_t version =
	    change->copy_version != 0 ? change->copy_version : change->activate_version;

	context->copied_from = version;
	return rules_version_get(txn, version != 0 ? version : (uint32_t)in_force, rules);
}

static int set_body(struct db_txn *txn, void *argument)
{
	struct set_context *context = argument;
	const struct rules_change *change = context->change;
	struct risk_rules before, rules;
	const char *field = NULL;
	uint64_t next, newest, in_force;
	int error = versions_last(txn, &newest, &in_force);

	if (error == 0)
		error = rules_version_get(txn, (uint32_t)in_force, &before);
	if (error == 0)
		error = commands_next(txn, &next);
	if (error == 0)
		error = set_source(txn, context, in_force, &rules);
	if (error == 0 && change->activate_version == in_force)
		return -EALREADY;
	if (error == 0 && change->file != NULL)
		error =
		    rules_file_apply(change->file, &rules, context->message, context->message_size);
	for (size_t i = 0; error == 0 && i < json_array_size(change->settings); i++)
		error = setting_apply(
		    context, &rules, json_string_value(json_array_get(change->settings, i)));
	if (error != 0)
		return error;
	/* Unique and rising without another counter; 1 stands for the defaults. Shards take no
	 * version below their own, so an older one that is activated becomes a new one. */
	if (change->activate_version <= in_force)
		rules.version = (uint32_t)(next > newest ? next : newest) + 1;
	if (risk_rules_check(&rules, &field) != 0)
		return range_refused(context, &before, &rules, field);
	context->rules = rules;
	return context->dry_run ? -ECANCELED : set_store(txn, context, &before, &rules);
}

int rules_change(struct database *database, const struct rules_change *change, int dry_run,
    const struct audit_entry *who, uint64_t *sequence, struct risk_rules *rules, char *message,
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
		*rules = context.rules;
	}
	return error;
}

int rules_set(struct database *database, const json_t *settings, int dry_run,
    const struct audit_entry *who, uint64_t *sequence, struct risk_rules *rules, char *message,
    size_t message_size)
{
	const struct rules_change change = { .settings = settings };

	return rules_change(
	    database, &change, dry_run, who, sequence, rules, message, message_size);
}
