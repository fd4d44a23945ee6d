/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts and their history as people and programs see them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/alerts/alerts_internal.h"
#include "dataplane/risk/risk_extra.h"
#include "wire/codes.h"

static void number_set(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *factors_json(uint32_t bits)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < RISK_BITS_COUNT; i++)
		if ((bits & 1u << i) != 0)
			json_array_append_new(list, json_string(risk_bit_name(i)));
	return list;
}

static void event_add(const struct record_control_alert *row, json_t *object)
{
	char text[24];

	number_set(object, "score", row->score);
	json_object_set_new(object, "factors", factors_json(le32_get(row->factor_bits)));
	number_set(object, "rule_version", le32_get(row->rule_version));
	json_object_set_new(object, "code", json_string(wire_code_name(le16_get(row->code))));
	number_set(object, "amount", (uint64_t)le64s_get(row->amount));
	number_set(object, "currency", le16_get(row->currency));
	snprintf(text, sizeof(text), "%" PRIu64, le64_get(row->object_id));
	json_object_set_new(object, "bet", json_string(text));
	number_set(object, "shard", le16_get(row->source_shard));
	number_set(object, "lsn", le64_get(row->source_lsn));
	number_set(object, "last_lsn", le64_get(row->last_lsn));
}

json_t *alert_json(const struct record_control_alert *row)
{
	const struct subject subject = { (enum control_subject_kind)row->subject_kind,
		le64_get(row->subject_id) };
	char about[SUBJECT_TEXT_SIZE];
	json_t *object;

	subject_text(&subject, about);
	object = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "alert",
	    (json_int_t)le64_get(row->number), "state", alert_state_name(row->state), "severity",
	    alert_severity_name(row->severity), "reason", alert_reason_name(row->reason), "about",
	    about, "count", (json_int_t)le32_get(row->count), "text", (const char *)row->text,
	    "assignee", (const char *)row->assignee, "verdict", alert_verdict_name(row->verdict));
	if (object == NULL)
		return NULL;
	json_object_set_new(object, "kind", json_string(subject_kind_name(row->subject_kind)));
	number_set(object, "id", subject.id);
	number_set(object, "terminal", le64_get(row->terminal_id));
	number_set(object, "partner", le32_get(row->partner_id));
	json_object_set_new(object, "report", json_string((const char *)row->report));
	number_set(object, "raised_ns", le64_get(row->raised_ns));
	number_set(object, "first_ns", le64_get(row->first_ns));
	number_set(object, "last_ns", le64_get(row->last_ns));
	number_set(object, "changed_ns", le64_get(row->changed_ns));
	if (row->reason == CONTROL_ALERT_RISK)
		event_add(row, object);
	if (row->reason == CONTROL_ALERT_WATCH_LIST) {
		number_set(object, "list", le32_get(row->list));
		number_set(object, "entry", le64_get(row->entry));
		number_set(object, "similarity_permille", le16_get(row->similarity));
	}
	return object;
}

struct get_context {
	uint64_t number;
	struct record_control_alert row;
};

static int get_body(struct db_txn *txn, void *argument)
{
	struct get_context *context = argument;

	return alert_row(txn, context->number, &context->row);
}

int alerts_get(const struct database *database, uint64_t number, struct record_control_alert *row)
{
	struct get_context context = { .number = number };
	int error = database_read(database, get_body, &context);

	if (error == 0)
		*row = context.row;
	return error;
}

static int passes(const struct record_control_alert *row, const struct alert_filter *filter)
{
	return (filter->state == 0 || row->state == filter->state) &&
	       (filter->severity == 0 || row->severity == filter->severity) &&
	       (filter->reason == 0 || row->reason == filter->reason) &&
	       (!filter->open || alert_is_open(row)) &&
	       (filter->subject.kind == 0 ||
	           (row->subject_kind == filter->subject.kind &&
	               le64_get(row->subject_id) == filter->subject.id)) &&
	       (filter->assignee == NULL ||
	           strcmp((const char *)row->assignee, filter->assignee) == 0);
}

struct list_context {
	const struct alert_filter *filter;
	json_t *list;
};

static int list_body(struct db_txn *txn, void *argument)
{
	struct list_context *context = argument;
	const struct alert_filter *filter = context->filter;
	uint64_t number;
	int error = database_last(txn, CONTROL_TABLE_ALERT, &number);

	if (filter->before != 0 && filter->before <= number)
		number = filter->before - 1;
	for (; error == 0 && number > 0 && json_array_size(context->list) < filter->count;
	     number--) {
		struct record_control_alert row;

		error = alert_row(txn, number, &row);
		if (error == 0 && passes(&row, filter))
			json_array_append_new(context->list, alert_json(&row));
	}
	return error;
}

json_t *alerts_list(const struct database *database, const struct alert_filter *filter)
{
	struct list_context context = { filter, json_array() };

	if (context.list != NULL && database_read(database, list_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}

/* ---- History ---- */

static json_t *step_json(const struct record_control_alert_history *step)
{
	static const char *const actions[] = {
		[CONTROL_ALERT_RAISED] = "raised",
		[CONTROL_ALERT_STATE] = "state",
		[CONTROL_ALERT_ASSIGNED] = "assigned",
		[CONTROL_ALERT_NOTED] = "note",
		[CONTROL_ALERT_RATED] = "severity",
	};
	json_t *object = json_pack("{s:I, s:s, s:s, s:s}", "time_ns",
	    (json_int_t)le64_get(step->time_ns), "user", (const char *)step->user, "action",
	    actions[step->action], "text", (const char *)step->text);
	int is_state = step->action == CONTROL_ALERT_STATE;

	if (is_state || step->action == CONTROL_ALERT_RATED) {
		json_object_set_new(object, "from",
		    json_string(
		        is_state ? alert_state_name(step->from) : alert_severity_name(step->from)));
		json_object_set_new(object, "to",
		    json_string(
		        is_state ? alert_state_name(step->to) : alert_severity_name(step->to)));
	}
	if (step->verdict != CONTROL_ALERT_OPEN)
		json_object_set_new(
		    object, "verdict", json_string(alert_verdict_name(step->verdict)));
	return object;
}

struct history_context {
	uint64_t last;
	json_t *list;
};

static int history_body(struct db_txn *txn, void *argument)
{
	struct history_context *context = argument;
	uint64_t number = context->last;

	while (number != 0) {
		struct record_control_alert_history step;
		struct db_key key = db_key_make(number);
		struct db_bytes value;
		int error = db_get(txn, CONTROL_TABLE_ALERT_HISTORY, db_key(&key), &value);

		if (error == 0)
			error = record_control_alert_history_read(value, &step);
		if (error != 0)
			return error;
		json_array_insert_new(context->list, 0, step_json(&step));
		number = le64_get(step.previous);
	}
	return 0;
}

json_t *alerts_history(const struct database *database, const struct record_control_alert *row)
{
	struct history_context context = { le64_get(row->history_last), json_array() };

	if (context.list != NULL && database_read(database, history_body, &context) != 0) {
		json_decref(context.list);
		return NULL;
	}
	return context.list;
}
