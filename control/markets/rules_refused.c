/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of rules that the shards refused: control stays at the one that is in force there. A
 * refusal is noted with the mark of its command; one whose answer was lost is found by the version
 * the shards have.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/markets/markets_internal.h"
#include "lmdb-schema/control_alerts.h"

/* Cut to its field, and to what any text may hold. */
static void refusal_text(uint8_t *out, size_t size, const char *why)
{
	for (size_t i = 0; i + 1 < size && why[i] != '\0'; i++)
		out[i] = why[i] >= ' ' && why[i] <= '~' ? (uint8_t)why[i] : '?';
}

/* Versions of before there were notes get one here. */
static int note_refuse(struct db_txn *txn, uint32_t version, const char *why)
{
	struct record_control_rules_note row;
	struct db_key key = db_key_make(version);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_RULES_NOTE, db_key(&key), &value);

	if (error == 0)
		error = record_control_rules_note_read(value, &row);
	else if (error == -ENOENT) {
		row = (struct record_control_rules_note){ .version = le32_make(version) };
		error = 0;
	}
	if (error != 0)
		return error;
	row.header = record_control_header(RECORD_CONTROL_RULES_NOTE, sizeof(row));
	row.state = CONTROL_RULES_REFUSED;
	memset(row.refusal, 0, sizeof(row.refusal));
	refusal_text(row.refusal, sizeof(row.refusal), why);
	return database_put(
	    txn, CONTROL_TABLE_RULES_NOTE, db_key(&key), (struct db_bytes){ &row, sizeof(row) });
}

static int version_refuse(
    struct db_txn *txn, uint32_t version, const char *why, const struct audit_entry *who)
{
	struct audit_entry entry = *who;
	struct rule_set set;
	int error = rules_version_get(txn, version, &set);

	if (error == 0)
		error = note_refuse(txn, version, why);
	if (error == 0)
		error = rules_in_force_get(txn, &set);
	if (error != 0)
		return error == -ENOENT ? 0 : error; /* none of this database */
	entry.object = "rules";
	entry.before = json_pack("{s:I}", "version", (json_int_t)version);
	entry.after = json_pack("{s:I, s:I, s:s}", "version", (json_int_t)set.rules.version,
	    "refused", (json_int_t)version, "why", why);
	error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

int rules_refused(
    struct db_txn *txn, const json_t *command, const char *why, const struct audit_entry *who)
{
	const char *type = json_string_value(json_object_get(command, "type"));
	const json_t *rules = json_object_get(command, "rules");
	json_int_t version = json_integer_value(json_object_get(rules, "version"));

	if (type == NULL || strcmp(type, "rules_set") != 0 || version <= 1 || version > UINT32_MAX)
		return 0;
	return version_refuse(txn, (uint32_t)version, why, who);
}

struct lost_context {
	uint32_t wanted, shards;
	const struct audit_entry *who;
};

static int lost_body(struct db_txn *txn, void *argument)
{
	const struct lost_context *context = argument;
	struct rule_set set;
	char why[160];
	int error = rules_in_force_get(txn, &set);

	if (error == 0 && set.rules.version != context->wanted)
		error = -EALREADY;
	if (error != 0)
		return error;
	snprintf(why, sizeof(why),
	    "the shards have version %" PRIu32 ": they refused this one, and their answer was "
	    "lost; set or activate it again to be told "
	    "why",
	    context->shards);
	return version_refuse(txn, context->wanted, why, context->who);
}

int rules_lost(
    struct database *database, uint32_t wanted, uint32_t shards, const struct audit_entry *who)
{
	struct lost_context context = { wanted, shards, who };

	if (wanted <= shards)
		return -EINVAL;
	return database_write(database, lost_body, &context);
}
