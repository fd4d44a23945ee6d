/* SPDX-License-Identifier: Apache-2.0 */
/* alert, account profile. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "control/alerts/alerts.h"
#include "control/control.h"

static uint64_t alert_of(const struct ops_request *request)
{
	return (uint64_t)ops_number(request, "alert", 0);
}

int handle_alert_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *state = ops_text(request, "state", NULL);
	const char *severity = ops_text(request, "severity", NULL);
	const char *reason = ops_text(request, "reason", NULL);
	uint64_t account_id = (uint64_t)ops_number(request, "account", 0);
	const struct alert_filter filter = {
		.before = (uint64_t)ops_number(request, "before", 0),
		.count = (unsigned)ops_number(request, "count", 100),
		.state = state != NULL ? alert_state_parse(state) : 0,
		.severity = severity != NULL ? alert_severity_parse(severity) : 0,
		.reason = reason != NULL ? alert_reason_parse(reason) : 0,
		.open = ops_switch(request, "open"),
		.subject = { account_id != 0 ? CONTROL_SUBJECT_ACCOUNT : 0, account_id },
		.assignee = ops_text(request, "assignee", NULL),
	};
	json_t *list = alerts_list(control->database, &filter);

	if (list == NULL)
		return handle_error(-EIO, "alert", message, message_size);
	*result = json_pack("{s:o}", "alerts", list);
	return CONTROL_DONE;
}

int handle_alert_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct record_control_alert row;
	int error = alerts_get(control->database, alert_of(request), &row);

	if (error != 0)
		return handle_error(error, "alert", message, message_size);
	*result = alert_json(&row);
	json_object_set_new(*result, "history", alerts_history(control->database, &row));
	return CONTROL_DONE;
}

int handle_alert_create(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const struct alert_manual manual = {
		.subject = { subject_kind_parse(ops_text(request, "kind", "")),
		    (uint64_t)ops_number(request, "id", 0) },
		.terminal_id = (uint64_t)ops_number(request, "terminal", 0),
		.severity = alert_severity_parse(ops_text(request, "severity", "medium")),
		.text = ops_text(request, "text", ""),
	};
	struct record_control_alert row;
	int error;

	handle_dry_run(request, 1);
	error = alerts_create(control->database, &manual, &request->audit, &row);
	handle_dry_run(request, 0);
	if (error != 0)
		return handle_error(error, "subject", message, message_size);
	*result = alert_json(&row);
	return handle_wait(control, request, 0, result, message, message_size);
}

static int step_refused(
    struct control *control, uint64_t number, char *message, size_t message_size)
{
	struct record_control_alert row;
	int error = alerts_get(control->database, number, &row);

	if (error != 0)
		return handle_error(error, "alert", message, message_size);
	return handle_refuse(CONTROL_REFUSED, message, message_size, "alert %" PRIu64 " is %s: %s",
	    number, alert_state_name(row.state),
	    row.state == CONTROL_ALERT_NEW ? "begin with it first, by `sluicectl alert investigate`"
	    : row.state == CONTROL_ALERT_CLOSED ? "take it up again first, by `sluicectl alert "
	                                          "investigate`"
	                                        : "close it, or add a note");
}

/* `error`: of alerts_step. */
static int step_answer(struct control *control, const struct ops_request *request, int error,
    const struct record_control_alert *row, json_t **result, char *message, size_t message_size)
{
	if (error == -EPERM)
		return step_refused(control, alert_of(request), message, message_size);
	if (error != 0)
		return handle_error(error, "alert", message, message_size);
	*result = alert_json(row);
	return handle_wait(control, request, 0, result, message, message_size);
}

static int step_do(struct control *control, struct ops_request *request, struct alert_step step,
    json_t **result, char *message, size_t message_size)
{
	struct record_control_alert row = { 0 };
	int error;

	step.note = ops_text(request, "note", NULL);
	handle_dry_run(request, 1);
	error = alerts_step(control->database, alert_of(request), &step, &request->audit, &row);
	handle_dry_run(request, 0);
	if (error == 0)
		link_wake(control->link); /* a verdict is a command too */
	return step_answer(control, request, error, &row, result, message, message_size);
}

int handle_alert_assign(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return step_do(context, request,
	    (struct alert_step){ .assignee = ops_text(request, "assignee", "") }, result, message,
	    message_size);
}

int handle_alert_note(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return step_do(context, request, (struct alert_step){ 0 }, result, message, message_size);
}

/* Whoever begins with an alert that is nobody's has it. */
int handle_alert_investigate(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct alert_step step = { .state = CONTROL_ALERT_INVESTIGATING };
	struct record_control_alert row;

	if (alerts_get(control->database, alert_of(request), &row) == 0 && row.assignee[0] == '\0')
		step.assignee = request->audit.user;
	return step_do(control, request, step, result, message, message_size);
}

int handle_alert_severity(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return step_do(context, request,
	    (struct alert_step){
	        .severity = alert_severity_parse(ops_text(request, "severity", "")) },
	    result, message, message_size);
}

int handle_alert_close(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const char *verdict = ops_text(request, "verdict", "");

	return step_do(context, request,
	    (struct alert_step){ .state = CONTROL_ALERT_CLOSED,
	        .verdict = strcmp(verdict, "confirmed") == 0 ? CONTROL_ALERT_CONFIRMED
	                                                     : CONTROL_ALERT_FALSE },
	    result, message, message_size);
}

int handle_alert_report(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return step_do(context, request,
	    (struct alert_step){
	        .state = CONTROL_ALERT_REPORTED, .report = ops_text(request, "reference", "") },
	    result, message, message_size);
}

/* As control has it, and below "switch" as the shard has it now. */
int handle_account_profile(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t account_id = (uint64_t)ops_number(request, "account", 0);
	json_t *answer = NULL;
	char why[256];

	*result =
	    profile_json(control->database, account_id, (unsigned)ops_number(request, "count", 20));
	if (*result == NULL)
		return handle_error(-EIO, "profile", message, message_size);
	if (link_ask(control->link, handle_account_question(account_id), 2000, &answer, why,
	        sizeof(why)) == 0 &&
	    json_is_true(json_object_get(answer, "found"))) {
		json_object_del(answer, "ok");
		json_object_del(answer, "found");
		view_account(answer);
		json_object_set(*result, "switch", answer);
	}
	json_decref(answer);
	return CONTROL_DONE;
}
