/* SPDX-License-Identifier: Apache-2.0 */
/* account adjust, adjustment, withdrawal, partner, report. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/desk/desk.h"
#include "control/markets/markets.h"

/* ---- Adjustments ---- */

/* The currency is the account's; CONTROL_REFUSED when there is no such account. */
static int adjustment_read(struct control *control, const struct ops_request *request,
    struct adjustment *adjustment, json_t **before, char *message, size_t message_size)
{
	int64_t credit = ops_number(request, "credit", 0), debit = ops_number(request, "debit", 0);
	int status;

	if ((credit != 0) == (debit != 0))
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give --credit (to add) or --debit (to take), one of both");
	*adjustment = (struct adjustment){
		.account_id = (uint64_t)ops_number(request, "account", 0),
		.amount = credit != 0 ? credit : -debit,
		.reason = (uint32_t)ops_number(request, "reason", 0),
		.note = ops_text(request, "note", ""),
	};
	status = handle_show(control, handle_account_question(adjustment->account_id), "account",
	    before, message, message_size);
	if (status == CONTROL_DONE)
		adjustment->currency =
		    (uint16_t)json_integer_value(json_object_get(*before, "currency"));
	return status;
}

static int adjustment_propose(struct control *control, struct ops_request *request,
    const struct adjustment *adjustment, json_t **result, char *message, size_t message_size)
{
	struct record_control_adjustment row;
	int error;

	handle_dry_run(request, 1);
	error = adjustments_propose(control->database, adjustment, &request->audit, &row);
	handle_dry_run(request, 0);
	if (error != 0)
		return handle_error(error, "adjustment", message, message_size);
	*result = adjustment_json(&row);
	json_object_set_new(
	    *result, request->dry_run ? "dry_run" : "done", json_boolean(request->dry_run));
	return CONTROL_DONE;
}

int handle_account_adjust(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct control_config config;
	struct adjustment adjustment;
	json_t *account = NULL, *command, *after;
	char object[40];
	int64_t size;
	int status =
	    adjustment_read(control, request, &adjustment, &account, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	command = adjustment_command(&adjustment);
	control_config_get(control, &config);
	size = adjustment.amount < 0 ? -adjustment.amount : adjustment.amount;
	if (size >= (int64_t)config.approval.adjustment_min) {
		/* A proposal nobody could carry out must not wait for approval. */
		status = handle_check(control, command, message, message_size);
		json_decref(command);
		json_decref(account);
		return status != CONTROL_DONE ? status
		                              : adjustment_propose(control, request, &adjustment,
		                                    result, message, message_size);
	}
	snprintf(object, sizeof(object), "account %" PRIu64, adjustment.account_id);
	request->audit.before = json_pack("{s:I, s:O?}", "account",
	    (json_int_t)adjustment.account_id, "balance", json_object_get(account, "balance"));
	json_decref(account);
	after = json_pack("{s:I, s:I, s:i, s:I, s:s}", "account", (json_int_t)adjustment.account_id,
	    "amount", (json_int_t)adjustment.amount, "currency", (int)adjustment.currency, "reason",
	    (json_int_t)adjustment.reason, "note", adjustment.note);
	return handle_command(
	    control, request, command, object, after, result, message, message_size);
}

int handle_adjustment_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *state = ops_text(request, "state", NULL);
	json_t *list = adjustments_list(control->database,
	    (uint64_t)ops_number(request, "before", 0), (unsigned)ops_number(request, "count", 100),
	    state != NULL ? adjustment_state_parse(state) : (enum control_adjustment_state)0);

	if (list == NULL)
		return handle_error(-EIO, "adjustment", message, message_size);
	*result = json_pack("{s:o}", "adjustments", list);
	return CONTROL_DONE;
}

static int adjustment_refused(int error, uint64_t number, char *message, size_t message_size)
{
	if (error == -EALREADY)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "adjustment %" PRIu64 " does not wait any more; see adjustment list", number);
	if (error == -EPERM)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "adjustment %" PRIu64
		    " was proposed by you; another operator must approve it, from an account of "
		    "their own",
		    number);
	return handle_error(error, "adjustment", message, message_size);
}

int handle_adjustment_approve(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t number = (uint64_t)ops_number(request, "adjustment", 0), sequence = 0;
	struct record_control_adjustment row;
	struct adjustment adjustment;
	json_t *command;
	int status, error = adjustments_get(control->database, number, &row);

	if (error != 0)
		return adjustment_refused(error, number, message, message_size);
	if (row.state == CONTROL_ADJUSTMENT_WAITING) {
		adjustment = (struct adjustment){
			.account_id = le64_get(row.account_id),
			.amount = le64s_get(row.amount),
			.reason = le32_get(row.reason),
			.currency = le16_get(row.currency),
		};
		command = adjustment_command(&adjustment);
		status = handle_check(control, command, message, message_size);
		json_decref(command);
		if (status != CONTROL_DONE)
			return status;
	}
	handle_dry_run(request, 1);
	error = adjustments_approve(control->database, number, &request->audit, &sequence, &row);
	handle_dry_run(request, 0);
	if (error != 0)
		return adjustment_refused(error, number, message, message_size);
	*result = adjustment_json(&row);
	return handle_wait(control, request, sequence, result, message, message_size);
}

int handle_adjustment_reject(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t number = (uint64_t)ops_number(request, "adjustment", 0);
	struct record_control_adjustment row;
	int error;

	handle_dry_run(request, 1);
	error = adjustments_reject(control->database, number, &request->audit, &row);
	handle_dry_run(request, 0);
	if (error != 0)
		return adjustment_refused(error, number, message, message_size);
	*result = adjustment_json(&row);
	return handle_wait(control, request, 0, result, message, message_size);
}

/* ---- Withdrawals ---- */

/* All pages of one shard, until `count` are in the list. */
static int withdrawals_of(struct control *control, uint32_t shard, size_t count, json_t *list,
    char *message, size_t message_size)
{
	json_int_t row = 0;

	do {
		json_t *answer = NULL, *one;
		size_t index;
		int status = handle_ask(control,
		    json_pack("{s:s, s:i, s:I}", "cmd", "withdrawals", "shard", (int)shard,
		        "from_row", row),
		    &answer, message, message_size);

		if (status != CONTROL_DONE)
			return status;
		row = json_integer_value(json_object_get(answer, "next_row"));
		json_array_foreach(json_object_get(answer, "withdrawals"), index, one)
		{
			if (json_array_size(list) >= count)
				break;
			view_object(one);
			json_object_set(one, "withdrawal", json_object_get(one, "object"));
			json_object_set_new(one, "shard", json_integer(shard));
			json_array_append(list, one);
		}
		json_decref(answer);
	} while (row != 0 && json_array_size(list) < count);
	return CONTROL_DONE;
}

int handle_withdrawal_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *status_now = link_status(control->link), *list = json_array();
	size_t shards = json_array_size(json_object_get(status_now, "shards"));
	int status = CONTROL_DONE;

	json_decref(status_now);
	if (shards == 0)
		status = handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the data plane was not seen yet; see `sluicectl status`");
	for (uint32_t i = 0; status == CONTROL_DONE && i < shards; i++)
		status = withdrawals_of(control, i, (size_t)ops_number(request, "count", 100), list,
		    message, message_size);
	if (status == CONTROL_DONE)
		*result = json_pack("{s:O}", "withdrawals", list);
	json_decref(list);
	return status;
}

/* What it was, for the audit log; NULL. New reference. */
static json_t *withdrawal_before(struct control *control, const char *id)
{
	json_t *answer = NULL, *object = NULL;
	char why[256];

	if (link_ask(control->link, json_pack("{s:s, s:s}", "cmd", "object_show", "object_id", id),
	        2000, &answer, why, sizeof(why)) != 0)
		return NULL;
	object = json_incref(json_array_get(json_object_get(answer, "objects"), 0));
	json_decref(answer);
	if (object != NULL)
		view_object(object);
	return object;
}

static int withdrawal_close(struct control *control, struct ops_request *request, int paid,
    json_t **result, char *message, size_t message_size)
{
	const char *id = ops_text(request, "withdrawal", "");
	json_int_t reason = ops_number(request, "reason", 0);
	json_t *command = json_pack("{s:s, s:s, s:b, s:I}", "type", "withdraw_close",
	    "withdrawal_id", id, "paid", paid, "reason", reason);
	char object[48];

	snprintf(object, sizeof(object), "withdrawal %s", id);
	request->audit.before = request->dry_run ? NULL : withdrawal_before(control, id);
	return handle_command(control, request, command, object,
	    json_pack("{s:s, s:s, s:I}", "withdrawal", id, "state", paid ? "done" : "reversed",
	        "reason", reason),
	    result, message, message_size);
}

int handle_withdrawal_approve(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return withdrawal_close(context, request, 1, result, message, message_size);
}

int handle_withdrawal_reject(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return withdrawal_close(context, request, 0, result, message, message_size);
}

/* ---- Partners ---- */

static int currency_stays(struct control *control, uint64_t partner_id, int64_t wanted,
    char *message, size_t message_size)
{
	struct record_control_partner row;
	int error = partners_get(control->database, partner_id, &row);

	if (error != 0)
		return handle_error(error, "partner", message, message_size);
	return handle_refuse(CONTROL_REFUSED, message, message_size,
	    "partner %" PRIu64 " is in currency %d, which cannot change; make another partner for "
	    "currency %" PRId64,
	    partner_id, (int)le16_get(row.currency), wanted);
}

int handle_partner_set(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const json_t *blocked = json_object_get(request->arguments, "blocked");
	const struct partner_settings settings = {
		.name = ops_text(request, "name", NULL),
		.exposure_max = ops_number(request, "exposure_max", -1),
		.keys_max = ops_number(request, "keys_max", -1),
		.currency = ops_number(request, "currency", -1),
		.blocked = blocked == NULL ? -1 : json_is_true(blocked),
	};
	uint64_t partner_id = (uint64_t)ops_number(request, "partner", 0), sequence = 0;
	struct record_control_partner row;
	struct rule_set set;
	int error = rules_get(control->database, &set);

	if (error != 0)
		return handle_error(error, "rules", message, message_size);
	handle_dry_run(request, 1);
	error = partners_set(control->database, partner_id, &settings, set.rules.currency,
	    &request->audit, &sequence, &row);
	handle_dry_run(request, 0);
	if (error == -EDOM)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "a payout limit holds for bets in the rules' currency (%d) only, and partner "
		    "%" PRIu64 " is in another: it would never act; set it without --exposure-max "
		    "(0: no limit), or make a partner in currency %d",
		    (int)set.rules.currency, partner_id, (int)set.rules.currency);
	if (error == -EPERM)
		return currency_stays(
		    control, partner_id, settings.currency, message, message_size);
	if (error != 0)
		return handle_error(error, "partner", message, message_size);
	*result = partner_json(&row);
	return handle_wait(control, request, sequence, result, message, message_size);
}

int handle_partner_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	json_t *list = partners_list(control->database, (uint64_t)ops_number(request, "from", 0),
	    (unsigned)ops_number(request, "count", 100));

	if (list == NULL)
		return handle_error(-EIO, "partner", message, message_size);
	*result = json_pack("{s:o}", "partners", list);
	return CONTROL_DONE;
}

/* As control has it, and below "switch" as the shards have it: each its part of the credit. */
int handle_partner_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	uint64_t partner_id = (uint64_t)ops_number(request, "partner", 0);
	struct record_control_partner row;
	json_t *answer = NULL, *object;
	char why[256];
	size_t index;
	int error = partners_get(control->database, partner_id, &row);

	if (error != 0)
		return handle_error(error, "partner", message, message_size);
	*result = partner_json(&row);
	if (link_ask(control->link,
	        json_pack("{s:s, s:s, s:[I]}", "cmd", "object_show", "kind", "partner", "words",
	            (json_int_t)partner_id),
	        2000, &answer, why, sizeof(why)) != 0)
		return CONTROL_DONE;
	json_array_foreach(json_object_get(answer, "objects"), index, object) view_object(object);
	json_object_set(*result, "switch", json_object_get(answer, "objects"));
	json_decref(answer);
	return CONTROL_DONE;
}

int handle_report_partners(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int64_t from_ns = ops_number(request, "from", 0), to_ns = ops_number(request, "to", 0);
	int error;

	if (from_ns >= to_ns)
		return handle_refuse(
		    CONTROL_USAGE, message, message_size, "--to must be after --from");
	error = replication_report_partners(control->replication, (uint64_t)from_ns,
	    (uint64_t)to_ns, result, message, message_size);
	if (error == -EPERM)
		return CONTROL_REFUSED;
	return error == 0 ? CONTROL_DONE : CONTROL_UNREACHABLE;
}

int handle_report_receivables(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int error = replication_report_receivables(control->replication,
	    ops_number(request, "partner", -1), result, message, message_size);

	if (error == -EPERM)
		return CONTROL_REFUSED;
	return error == 0 ? CONTROL_DONE : CONTROL_UNREACHABLE;
}
