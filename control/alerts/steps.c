/* SPDX-License-Identifier: Apache-2.0 */
/* What people do with alerts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/alerts/alerts_internal.h"

/* Row, history and audit entry of one step; `before` NULL: the alert is new. */
static int step_put(struct db_txn *txn, const struct audit_entry *who,
    const struct record_control_alert *before, struct record_control_alert *row,
    const struct record_control_alert_history *step)
{
	struct audit_entry entry = *who;
	char object[32];
	int error = alert_put(txn, before, row, step);

	snprintf(object, sizeof(object), "alert %" PRIu64, le64_get(row->number));
	entry.object = object;
	entry.before = before != NULL ? alert_json(before) : NULL;
	entry.after = alert_json(row);
	if (entry.after != NULL && step->text[0] != '\0')
		json_object_set_new(entry.after, "said", json_string((const char *)step->text));
	if (error == 0)
		error = audit_append(txn, &entry);
	json_decref(entry.before);
	json_decref(entry.after);
	return error;
}

/* ---- By hand ---- */

struct create_context {
	const struct alert_manual *manual;
	const struct audit_entry *who;
	struct record_control_alert row;
};

static int create_body(struct db_txn *txn, void *argument)
{
	struct create_context *context = argument;
	const struct alert_manual *manual = context->manual;
	struct record_control_alert *row = &context->row;
	struct record_control_alert_history step =
	    alert_step_make(CONTROL_ALERT_RAISED, context->who->uid, context->who->user);
	uint32_t partner_id = 0;
	int error = 0;

	*row = alert_make(CONTROL_ALERT_MANUAL, &manual->subject, manual->severity);
	row->terminal_id = le64_make(manual->terminal_id);
	if (manual->subject.kind == CONTROL_SUBJECT_TERMINAL)
		row->terminal_id = row->subject_id;
	if (manual->subject.kind == CONTROL_SUBJECT_PARTNER)
		partner_id = (uint32_t)manual->subject.id;
	if (manual->subject.kind == CONTROL_SUBJECT_ACCOUNT)
		error = profile_partner(txn, manual->subject.id, &partner_id);
	row->partner_id = le32_make(partner_id);
	if (error == 0)
		error = database_text(row->text, sizeof(row->text), manual->text);
	return error != 0 ? error : step_put(txn, context->who, NULL, row, &step);
}

int alerts_create(struct database *database, const struct alert_manual *manual,
    const struct audit_entry *who, struct record_control_alert *row)
{
	static const uint64_t highest[] = { 0, LIMIT_ACCOUNT_ID_MAX, LIMIT_TERMINAL_ID_MAX,
		LIMIT_PARTNER_ID_MAX };
	struct create_context context = { .manual = manual, .who = who };
	int error;

	if (manual->subject.kind > CONTROL_SUBJECT_PARTNER || manual->subject.id == 0 ||
	    manual->subject.id > highest[manual->subject.kind] ||
	    manual->terminal_id > LIMIT_TERMINAL_ID_MAX)
		return -EINVAL;
	error = database_write(database, create_body, &context);
	if (error == 0)
		*row = context.row;
	return error;
}

/* ---- Steps ---- */

/* Whether a verdict on it says of anybody's transactions that they were fraud or were not. A name
 * like one on a list, or a country, says whose the account is: a namesake cleared has not shown
 * its transactions to be clean, and a hit that is true is told to the shards as a flag. A limit is
 * no case against anybody. */
static int verdict_is_label(unsigned reason)
{
	return reason == CONTROL_ALERT_RISK || reason == CONTROL_ALERT_MANUAL;
}

/* What the shards are to know of an account follows from the verdicts on its hits: its name is
 * screened again. */
static int hit_judged(struct db_txn *txn, const struct record_control_alert *row)
{
	const struct subject subject = { (enum control_subject_kind)row->subject_kind,
		le64_get(row->subject_id) };
	int error;

	if ((row->reason != CONTROL_ALERT_WATCH_LIST && row->reason != CONTROL_ALERT_COUNTRY) ||
	    subject.kind != CONTROL_SUBJECT_ACCOUNT)
		return 0;
	error = alert_index_unscreened(txn, &subject);
	return error != 0 ? error : subject_touch(txn, &subject);
}

/* Counts a verdict for whoever the alert is about, or takes it back (sign -1): the command that
 * told the shards of it is known by alert_index. */
static int verdict_count(
    struct db_txn *txn, const struct record_control_alert *row, unsigned verdict, int sign)
{
	uint64_t sequence = 0;
	int error;
	struct feedback_case judged = {
		.account_id =
		    row->subject_kind == CONTROL_SUBJECT_ACCOUNT ? le64_get(row->subject_id) : 0,
		.terminal_id = le64_get(row->terminal_id),
		.partner_id = le32_get(row->partner_id),
		.time_ns = le64_get(row->first_ns),
		.confirmed = verdict == CONTROL_ALERT_CONFIRMED ? sign : 0,
		.dismissed = verdict == CONTROL_ALERT_FALSE ? sign : 0,
		.given_ns = le64_get(row->changed_ns),
	};

	error = hit_judged(txn, row);
	if (error != 0 || (!verdict_is_label(row->reason) && sign > 0))
		return error;
	if (sign < 0)
		error = alert_index_verdict(txn, le64_get(row->number), &judged.given);
	/* One that an older version counted all the same is taken back. */
	if (!verdict_is_label(row->reason) && error == -ENOENT)
		return 0;
	if (error == 0 || error == -ENOENT)
		error = feedback_apply(txn, &judged, &sequence);
	if (error == 0 && sign > 0)
		error = alert_index_verdict_put(txn, le64_get(row->number), sequence);
	return error;
}

static int state_allowed(unsigned from, unsigned to)
{
	switch (to) {
	case CONTROL_ALERT_INVESTIGATING:
		return from == CONTROL_ALERT_NEW || from == CONTROL_ALERT_CLOSED;
	case CONTROL_ALERT_CLOSED:
		return from == CONTROL_ALERT_INVESTIGATING || from == CONTROL_ALERT_REPORTED;
	case CONTROL_ALERT_REPORTED:
		return from == CONTROL_ALERT_INVESTIGATING;
	default:
		return 0;
	}
}

static int state_apply(struct db_txn *txn, const struct alert_step *wanted,
    struct record_control_alert *row, struct record_control_alert_history *step)
{
	unsigned verdict =
	    wanted->state == CONTROL_ALERT_CLOSED ? wanted->verdict : CONTROL_ALERT_OPEN;
	int error = 0;

	if (!state_allowed(row->state, wanted->state))
		return -EPERM;
	if (row->verdict != CONTROL_ALERT_OPEN)
		error = verdict_count(txn, row, row->verdict, -1);
	if (error == 0 && verdict != CONTROL_ALERT_OPEN)
		error = verdict_count(txn, row, verdict, 1);
	if (error == 0 && wanted->report != NULL)
		error = database_text(row->report, sizeof(row->report), wanted->report);
	if (error == 0 && wanted->report != NULL)
		error = database_text(step->text, sizeof(step->text), wanted->report);
	step->action = CONTROL_ALERT_STATE;
	step->from = row->state;
	step->to = (uint8_t)wanted->state;
	step->verdict = (uint8_t)verdict;
	row->state = (uint8_t)wanted->state;
	row->verdict = (uint8_t)verdict;
	return error;
}

struct step_context {
	uint64_t number;
	const struct alert_step *step;
	const struct audit_entry *who;
	struct record_control_alert row;
};

/* What there is to do, one step of history each. */
static int step_body(struct db_txn *txn, void *argument)
{
	struct step_context *context = argument;
	const struct alert_step *wanted = context->step;
	struct record_control_alert before, *row = &context->row;
	struct record_control_alert_history step;
	int error = alert_row(txn, context->number, row);

	if (error == 0 && wanted->assignee != NULL) {
		before = *row;
		step =
		    alert_step_make(CONTROL_ALERT_ASSIGNED, context->who->uid, context->who->user);
		error = database_text(row->assignee, sizeof(row->assignee), wanted->assignee);
		if (error == 0)
			error = database_text(step.text, sizeof(step.text), wanted->assignee);
		if (error == 0)
			error = step_put(txn, context->who, &before, row, &step);
	}
	if (error == 0 && wanted->severity != 0) {
		before = *row;
		step = alert_step_make(CONTROL_ALERT_RATED, context->who->uid, context->who->user);
		step.from = row->severity;
		step.to = row->severity = (uint8_t)wanted->severity;
		error = step_put(txn, context->who, &before, row, &step);
	}
	if (error == 0 && wanted->state != 0) {
		before = *row;
		step = alert_step_make(CONTROL_ALERT_STATE, context->who->uid, context->who->user);
		error = state_apply(txn, wanted, row, &step);
		if (error == 0)
			error = step_put(txn, context->who, &before, row, &step);
	}
	if (error == 0 && wanted->note != NULL) {
		before = *row;
		step = alert_step_make(CONTROL_ALERT_NOTED, context->who->uid, context->who->user);
		error = database_text(step.text, sizeof(step.text), wanted->note);
		if (error == 0)
			error = step_put(txn, context->who, &before, row, &step);
	}
	return error;
}

int alerts_step(struct database *database, uint64_t number, const struct alert_step *step,
    const struct audit_entry *who, struct record_control_alert *row)
{
	struct step_context context = { .number = number, .step = step, .who = who };
	int error = database_write(database, step_body, &context);

	if (error == 0)
		*row = context.row;
	return error;
}
