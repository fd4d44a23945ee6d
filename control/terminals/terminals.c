/* SPDX-License-Identifier: Apache-2.0 */
#include "control/terminals/terminals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "wire/keying/keying.h"

/* Key of a certificate: all of one terminal lie together. */
struct certificate_key {
	uint8_t bytes[8 + 32];
};

static struct certificate_key certificate_key(uint64_t terminal_id, const uint8_t sha256[32])
{
	struct db_key number = db_key_make(terminal_id);
	struct certificate_key key;

	memcpy(key.bytes, number.bytes, 8);
	memcpy(key.bytes + 8, sha256, 32);
	return key;
}

static struct db_bytes key_bytes(const struct certificate_key *key)
{
	return (struct db_bytes){ key->bytes, sizeof(key->bytes) };
}

/* The terminal's first certificate. 0 with *row; -ENOENT: it has none; -errno. */
int terminals_certificates_first(
    struct db_cursor *cursor, uint64_t terminal_id, struct record_control_certificate *row)
{
	uint8_t highest[32];
	struct certificate_key before;
	int error;

	memset(highest, 0xff, sizeof(highest));
	before = certificate_key(terminal_id - 1, highest);
	error = db_cursor_seek_below(cursor, key_bytes(&before));
	error = error == 0 ? db_cursor_next(cursor) : error;
	if (error == -ENOENT)
		error = db_cursor_first(cursor);
	if (error == 0)
		error = record_control_certificate_read(cursor->value, row);
	if (error == 0 && le64_get(row->terminal_id) < terminal_id)
		return -ENOENT; /* seek found the last of all, and next went nowhere */
	return error != 0 ? error : le64_get(row->terminal_id) == terminal_id ? 0 : -ENOENT;
}

int terminals_certificates_next(
    struct db_cursor *cursor, uint64_t terminal_id, struct record_control_certificate *row)
{
	int error = db_cursor_next(cursor);

	if (error == 0)
		error = record_control_certificate_read(cursor->value, row);
	return error != 0 ? error : le64_get(row->terminal_id) == terminal_id ? 0 : -ENOENT;
}

static int row_get(struct db_txn *txn, uint64_t terminal_id, struct record_control_terminal *row)
{
	struct db_key key = db_key_make(terminal_id);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_TERMINAL, db_key(&key), &value);

	return error != 0 ? error : record_control_terminal_read(value, row);
}

static int row_put(struct db_txn *txn, const struct record_control_terminal *row)
{
	struct db_key key = db_key_make(le64_get(row->id));

	return database_put(
	    txn, CONTROL_TABLE_TERMINAL, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
}

static int certificate_get(struct db_txn *txn, uint64_t terminal_id, const uint8_t sha256[32],
    struct record_control_certificate *certificate)
{
	struct certificate_key key = certificate_key(terminal_id, sha256);
	struct db_bytes value;
	int error = db_get(txn, CONTROL_TABLE_CERTIFICATE, key_bytes(&key), &value);

	return error != 0 ? error : record_control_certificate_read(value, certificate);
}

static int certificate_put(struct db_txn *txn, const struct record_control_certificate *row)
{
	struct certificate_key key = certificate_key(le64_get(row->terminal_id), row->sha256);

	return database_put(txn, CONTROL_TABLE_CERTIFICATE, key_bytes(&key),
	    (struct db_bytes){ row, sizeof(*row) });
}

static int certificate_state_set(struct db_txn *txn, const struct record_control_certificate *old,
    enum control_certificate_state state)
{
	struct record_control_certificate row = *old;

	row.state = (uint8_t)state;
	if (state == CONTROL_CERTIFICATE_REVOKED)
		row.revoked_ns = le64_make(database_now_ns());
	return certificate_put(txn, &row);
}

static int certificate_add(
    struct db_txn *txn, uint64_t terminal_id, const struct terminal_certificate *certificate)
{
	struct record_control_certificate row = {
		.header = record_control_header(RECORD_CONTROL_CERTIFICATE, sizeof(row)),
		.state = CONTROL_CERTIFICATE_VALID,
		.terminal_id = le64_make(terminal_id),
		.not_before_s = le64_make(certificate->not_before_s),
		.not_after_s = le64_make(certificate->not_after_s),
		.issued_ns = le64_make(database_now_ns()),
	};

	memcpy(row.sha256, certificate->sha256, sizeof(row.sha256));
	memcpy(row.serial, certificate->serial, sizeof(row.serial));
	return certificate_put(txn, &row);
}

/*
 * All certificates of a terminal that are not yet in `state` get it, except `keep` (may be NULL).
 * A put moves LMDB's cursor, so each is found anew; a terminal has a handful.
 */
static int certificates_set(struct db_txn *txn, uint64_t terminal_id,
    enum control_certificate_state state, const uint8_t *keep)
{
	for (;;) {
		struct record_control_certificate row;
		struct db_cursor cursor;
		int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_CERTIFICATE);

		if (error != 0)
			return error;
		error = terminals_certificates_first(&cursor, terminal_id, &row);
		while (error == 0 &&
		       (row.state >= state || (keep != NULL && memcmp(row.sha256, keep, 32) == 0)))
			error = terminals_certificates_next(&cursor, terminal_id, &row);
		db_cursor_close(&cursor);
		if (error != 0)
			return error == -ENOENT ? 0 : error;
		error = certificate_state_set(txn, &row, state);
		if (error != 0)
			return error;
	}
}

/* ---- Changes: row, command and audit entry in one transaction ---- */

struct change_context {
	uint64_t terminal_id;
	const struct terminal_settings *settings;       /* NULL: none */
	const struct terminal_certificate *certificate; /* NULL: none */
	enum control_terminal_state state;              /* 0: keep */
	const uint8_t *presented; /* the certificate that asks for a renewal */
	int may_create;
	const struct audit_entry *who;
	struct terminal_change *change;
};

static int settings_apply(
    struct record_control_terminal *row, const struct terminal_settings *settings)
{
	int error = 0;

	if (settings->name != NULL)
		error = database_text(row->name, sizeof(row->name), settings->name);
	if (error == 0 && settings->location != NULL)
		error = database_text(row->location, sizeof(row->location), settings->location);
	if (error != 0)
		return error;
	if (settings->daily_max > LIMIT_BALANCE_MAX || settings->rights > RIGHT_ALL ||
	    settings->rate_per_s > UINT32_MAX || settings->rate_burst > UINT32_MAX)
		return -EINVAL;
	if (settings->daily_max >= 0)
		row->daily_max = le64s_make(settings->daily_max);
	if (settings->rights >= 0)
		row->rights = le32_make((uint32_t)settings->rights);
	if (settings->rate_per_s >= 0)
		row->rate_per_s = le32_make((uint32_t)settings->rate_per_s);
	if (settings->rate_burst >= 0)
		row->rate_burst = le32_make((uint32_t)settings->rate_burst);
	return 0;
}

static struct record_control_terminal row_new(uint64_t terminal_id)
{
	return (struct record_control_terminal){
		.header = record_control_header(
		    RECORD_CONTROL_TERMINAL, sizeof(struct record_control_terminal)),
		.id = le64_make(terminal_id),
		.created_ns = le64_make(database_now_ns()),
		.rights = le32_make(RIGHT_ALL),
		.state = CONTROL_TERMINAL_ACTIVE,
	};
}

/* What the shards must know of a terminal: they recover it without control. */
static int command_make(
    struct db_txn *txn, const struct record_control_terminal *row, uint64_t *sequence)
{
	json_t *command = json_pack("{s:s, s:I, s:I, s:I, s:b, s:I}", "type", "terminal_set",
	    "terminal_id", (json_int_t)le64_get(row->id), "version",
	    (json_int_t)le64_get(row->version), "rights", (json_int_t)le32_get(row->rights),
	    "blocked", row->state != CONTROL_TERMINAL_ACTIVE, "daily_max",
	    (json_int_t)le64s_get(row->daily_max));
	int error = command == NULL ? -ENOMEM : commands_append(txn, command, sequence);

	json_decref(command);
	return error;
}

static int change_audit(struct db_txn *txn, const struct audit_entry *who,
    const struct record_control_terminal *before, const struct record_control_terminal *after)
{
	struct audit_entry entry = *who;
	char object[40];
	int error;

	snprintf(object, sizeof(object), "terminal %llu", (unsigned long long)le64_get(after->id));
	entry.object = object;
	entry.before = before != NULL ? terminals_json(before) : NULL;
	entry.after = terminals_json(after);
	error = entry.after == NULL ? -ENOMEM : audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

static int shards_must_know(
    const struct record_control_terminal *before, const struct record_control_terminal *after)
{
	return before == NULL || le32_get(before->rights) != le32_get(after->rights) ||
	       le64s_get(before->daily_max) != le64s_get(after->daily_max) ||
	       (before->state == CONTROL_TERMINAL_ACTIVE) !=
	           (after->state == CONTROL_TERMINAL_ACTIVE);
}

static int change_body(struct db_txn *txn, void *argument)
{
	struct change_context *context = argument;
	struct record_control_terminal before, row;
	uint64_t sequence = 0;
	int error = row_get(txn, context->terminal_id, &before);
	int known = error == 0;

	if (!known && (error != -ENOENT || !context->may_create))
		return error;
	error = 0;
	row = known ? before : row_new(context->terminal_id);
	if (context->state != 0) {
		if (known && before.state == CONTROL_TERMINAL_REVOKED)
			return -EPERM; /* only an enrolment brings it back */
		row.state = (uint8_t)context->state;
	}
	if (context->settings != NULL)
		error = settings_apply(&row, context->settings);
	if (error == 0 && context->certificate != NULL) {
		/* A new enrolment: what was issued before is worth nothing. */
		row.state = CONTROL_TERMINAL_ACTIVE;
		memcpy(row.certificate, context->certificate->sha256, sizeof(row.certificate));
		error =
		    certificates_set(txn, context->terminal_id, CONTROL_CERTIFICATE_REVOKED, NULL);
		if (error == 0)
			error = certificate_add(txn, context->terminal_id, context->certificate);
	}
	if (error == 0 && context->state == CONTROL_TERMINAL_REVOKED)
		error =
		    certificates_set(txn, context->terminal_id, CONTROL_CERTIFICATE_REVOKED, NULL);
	row.version = le64_make(le64_get(row.version) + 1);
	row.changed_ns = le64_make(database_now_ns());
	/* Durable here, so that no crash before the data plane was told keeps a session alive. */
	if (context->certificate != NULL || row.state != CONTROL_TERMINAL_ACTIVE)
		row.sessions_void_version = row.version;
	if (error == 0)
		error = row_put(txn, &row);
	if (error == 0 && shards_must_know(known ? &before : NULL, &row))
		error = command_make(txn, &row, &sequence);
	if (error == 0)
		error = change_audit(txn, context->who, known ? &before : NULL, &row);
	if (error == 0 && context->change != NULL)
		*context->change = (struct terminal_change){ row, sequence };
	return error;
}

int terminals_enroll(struct database *database, uint64_t terminal_id,
    const struct terminal_settings *settings, const struct terminal_certificate *certificate,
    const struct audit_entry *who, struct terminal_change *change)
{
	struct change_context context = {
		.terminal_id = terminal_id,
		.settings = settings,
		.certificate = certificate,
		.may_create = 1,
		.who = who,
		.change = change,
	};

	if (terminal_id == 0 || terminal_id > LIMIT_TERMINAL_ID_MAX)
		return -EINVAL;
	return database_write(database, change_body, &context);
}

int terminals_set(struct database *database, uint64_t terminal_id,
    const struct terminal_settings *settings, const struct audit_entry *who,
    struct terminal_change *change)
{
	struct change_context context = {
		.terminal_id = terminal_id,
		.settings = settings,
		.who = who,
		.change = change,
	};

	return database_write(database, change_body, &context);
}

int terminals_state_set(struct database *database, uint64_t terminal_id,
    enum control_terminal_state state, const struct audit_entry *who,
    struct terminal_change *change)
{
	struct change_context context = {
		.terminal_id = terminal_id,
		.state = state,
		.who = who,
		.change = change,
	};

	return database_write(database, change_body, &context);
}

/* ---- Renewal and admission ---- */

static int renew_body(struct db_txn *txn, void *argument)
{
	const struct change_context *context = argument;
	struct record_control_certificate presented;
	struct record_control_terminal before, row;
	int error = row_get(txn, context->terminal_id, &before);

	if (error != 0)
		return error;
	if (before.state != CONTROL_TERMINAL_ACTIVE)
		return -EPERM;
	/* An enrolment may have come since it was admitted: it must not be undone by this. */
	error = certificate_get(txn, context->terminal_id, context->presented, &presented);
	if (error == -ENOENT || (error == 0 && presented.state == CONTROL_CERTIFICATE_REVOKED))
		return -EPERM;
	if (error != 0)
		return error;
	row = before;
	memcpy(row.certificate, context->certificate->sha256, sizeof(row.certificate));
	row.version = le64_make(le64_get(row.version) + 1);
	row.changed_ns = le64_make(database_now_ns());
	error = certificates_set(txn, context->terminal_id, CONTROL_CERTIFICATE_REPLACED, NULL);
	if (error == 0)
		error = certificate_add(txn, context->terminal_id, context->certificate);
	if (error == 0)
		error = row_put(txn, &row);
	if (error == 0)
		error = change_audit(txn, context->who, &before, &row);
	return error;
}

int terminals_renew(struct database *database, uint64_t terminal_id, const uint8_t presented[32],
    const struct terminal_certificate *certificate, const struct audit_entry *who)
{
	struct change_context context = {
		.terminal_id = terminal_id,
		.certificate = certificate,
		.presented = presented,
		.who = who,
	};

	return database_write(database, renew_body, &context);
}

struct admit_context {
	uint64_t terminal_id;
	const uint8_t *sha256;
	struct record_control_terminal row;
	struct record_control_certificate certificate;
	int refusal;
	int first_use; /* of a renewed certificate: its predecessors end */
};

static int admit_judge(const struct admit_context *context, int known, int certificate_known)
{
	if (!known)
		return KEYING_REFUSAL_TERMINAL_UNKNOWN;
	if (context->row.state == CONTROL_TERMINAL_BLOCKED)
		return KEYING_REFUSAL_TERMINAL_BLOCKED;
	if (context->row.state == CONTROL_TERMINAL_REVOKED || !certificate_known ||
	    le64_get(context->certificate.terminal_id) != context->terminal_id ||
	    context->certificate.state == CONTROL_CERTIFICATE_REVOKED)
		return KEYING_REFUSAL_CERTIFICATE_REVOKED;
	return 0;
}

/* Terminal, certificate and what they come to, as this transaction sees them. */
static int admit_read(struct db_txn *txn, struct admit_context *context)
{
	int known = row_get(txn, context->terminal_id, &context->row);
	int certificate =
	    certificate_get(txn, context->terminal_id, context->sha256, &context->certificate);

	if ((known != 0 && known != -ENOENT) || (certificate != 0 && certificate != -ENOENT))
		return known != 0 && known != -ENOENT ? known : certificate;
	context->refusal = admit_judge(context, known == 0, certificate == 0);
	return 0;
}

static int admit_body(struct db_txn *txn, void *argument)
{
	struct admit_context *context = argument;
	struct record_control_certificate row;
	struct db_cursor cursor;
	int error = admit_read(txn, context);

	context->first_use = 0;
	if (error != 0)
		return error;
	if (context->refusal != 0 || context->certificate.state != CONTROL_CERTIFICATE_VALID)
		return 0;
	error = db_cursor_open(&cursor, txn, CONTROL_TABLE_CERTIFICATE);
	if (error != 0)
		return error;
	for (error = terminals_certificates_first(&cursor, context->terminal_id, &row); error == 0;
	     error = terminals_certificates_next(&cursor, context->terminal_id, &row))
		context->first_use |= row.state == CONTROL_CERTIFICATE_REPLACED;
	db_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

static int first_use_body(struct db_txn *txn, void *argument)
{
	struct admit_context *context = argument;
	int error = admit_read(txn, context);

	/* Still the newest one: then all others are older, and none is an operator's. Else it was
	 * revoked or replaced since it was read, and has nothing to end. */
	if (error != 0 || context->refusal != 0 ||
	    context->certificate.state != CONTROL_CERTIFICATE_VALID)
		return error;
	return certificates_set(
	    txn, context->terminal_id, CONTROL_CERTIFICATE_REVOKED, context->sha256);
}

/* What is told of it; the row only when it is admitted. */
static int admit_result(
    int error, const struct admit_context *context, struct record_control_terminal *row)
{
	if (error != 0)
		return KEYING_REFUSAL_BUSY; /* the database is in trouble: try again later */
	if (context->refusal == 0)
		*row = context->row;
	return context->refusal;
}

int terminals_first_use(struct database *database, uint64_t terminal_id,
    const uint8_t certificate_sha256[32], struct record_control_terminal *row)
{
	struct admit_context context = { .terminal_id = terminal_id, .sha256 = certificate_sha256 };
	int error = database_write(database, first_use_body, &context);

	return admit_result(error, &context, row);
}

int terminals_admit(struct database *database, uint64_t terminal_id,
    const uint8_t certificate_sha256[32], struct record_control_terminal *row)
{
	struct admit_context context = { .terminal_id = terminal_id, .sha256 = certificate_sha256 };
	int error = database_read(database, admit_body, &context);

	if (error == 0 && context.first_use)
		return terminals_first_use(database, terminal_id, certificate_sha256, row);
	return admit_result(error, &context, row);
}

/* ---- Reading ---- */

struct get_context {
	uint64_t terminal_id;
	struct record_control_terminal *row;
};

static int get_body(struct db_txn *txn, void *argument)
{
	const struct get_context *context = argument;

	return row_get(txn, context->terminal_id, context->row);
}

int terminals_get(
    const struct database *database, uint64_t terminal_id, struct record_control_terminal *row)
{
	struct get_context context = { terminal_id, row };

	return database_read(database, get_body, &context);
}
