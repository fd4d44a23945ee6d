/* SPDX-License-Identifier: Apache-2.0 */
/* account, bet show: questions to the shards, and commands about accounts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/control.h"

#define ASK_MS 5000

static uint64_t account_of(const struct ops_request *request)
{
	return (uint64_t)ops_number(request, "account", 0);
}

json_t *handle_account_question(uint64_t account_id)
{
	return json_pack("{s:s, s:I}", "cmd", "account_show", "account_id", (json_int_t)account_id);
}

int handle_account_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	int status = handle_show(context, handle_account_question(account_of(request)), "account",
	    result, message, message_size);

	if (status == CONTROL_DONE)
		view_account(*result);
	return status;
}

int handle_bet_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	uint64_t bet_id = strtoull(ops_text(request, "bet", "0"), NULL, 10);
	json_t *answer = NULL;
	int error = handle_bet_find(context, bet_id, &answer, message, message_size);

	if (error != 0)
		return handle_ask_error(error, "bet", message, message_size);
	json_object_del(answer, "ok");
	json_object_del(answer, "found");
	view_bet(answer);
	*result = answer;
	return CONTROL_DONE;
}

/* What an account is before a change of it, as far as the data plane tells; NULL. New reference. */
static json_t *account_before(struct control *control, uint64_t account_id)
{
	json_t *answer = NULL, *before = NULL;
	char why[256];

	if (link_ask(control->link, handle_account_question(account_id), ASK_MS, &answer, why,
	        sizeof(why)) != 0)
		return NULL;
	if (json_is_true(json_object_get(answer, "found")))
		before = json_pack("{s:I, s:O?, s:O?, s:O?}", "account", (json_int_t)account_id,
		    "frozen", json_object_get(answer, "frozen"), "currency",
		    json_object_get(answer, "currency"), "balance",
		    json_object_get(answer, "balance"));
	json_decref(answer);
	return before;
}

/* As handle_command, with what the account was before. */
static int command_do(struct control *control, struct ops_request *request, json_t *command,
    json_t *after, uint64_t account_id, const char *object, json_t **result, char *message,
    size_t message_size)
{
	request->audit.before = request->dry_run ? NULL : account_before(control, account_id);
	return handle_command(
	    control, request, command, object, after, result, message, message_size);
}

/*
 * Money an account begins with is money an operator adds: from the amount on that another operator
 * must approve when it is added later, it cannot be added here, or one person could do it alone.
 */
static int opening_check(struct control *control, int64_t first, int64_t count,
    int64_t opening_balance, char *message, size_t message_size)
{
	struct control_config config;
	int64_t sum;

	if (opening_balance == 0)
		return CONTROL_DONE;
	if (__builtin_mul_overflow(opening_balance, count, &sum))
		sum = INT64_MAX;
	control_config_get(control, &config);
	if (sum < (int64_t)config.approval.adjustment_min)
		return CONTROL_DONE;
	return handle_refuse(CONTROL_REFUSED, message, message_size,
	    "opening balances of %" PRId64 " in all are not for one operator alone: from %" PRIu32
	    " minor units on (approval.adjustment_min) another one must approve; open with a "
	    "smaller --opening-balance or none, then `sluicectl account adjust %" PRId64
	    " --credit AMOUNT` for each account, and another operator approves",
	    sum, config.approval.adjustment_min, first);
}

#define OPEN_LOOK_MAX 1000 /* accounts asked about to name the one that stands against it */

/* The first that is open in another currency, out of the begin of the range; 0: none is found. */
static int64_t other_currency_find(struct control *control, int64_t first, int64_t count,
    int64_t currency, int64_t *found_currency)
{
	for (int64_t i = 0; i < count && i < OPEN_LOOK_MAX; i++) {
		json_t *before = account_before(control, (uint64_t)(first + i));
		int64_t has = json_integer_value(json_object_get(before, "currency"));

		json_decref(before);
		if (has != 0 && has != currency) {
			*found_currency = has;
			return first + i;
		}
	}
	return 0;
}

/* The shards are asked before it is committed; of a refusal the account is named. */
static int open_check(struct control *control, const json_t *command, int64_t first, int64_t count,
    int64_t currency, char *message, size_t message_size)
{
	int64_t found, has = 0;
	int status = handle_check(control, command, message, message_size);

	if (status != CONTROL_REFUSED)
		return status;
	found = other_currency_find(control, first, count, currency, &has);
	if (found == 0)
		return status;
	return handle_refuse(CONTROL_REFUSED, message, message_size,
	    "account %" PRId64 " is open already, in currency %" PRId64 ", not %" PRId64
	    ": an account keeps its currency, and nothing was opened; give another number, or "
	    "--currency %" PRId64,
	    found, has, currency, has);
}

int handle_account_open(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	int64_t first = ops_number(request, "first", 0), count = ops_number(request, "count", 1);
	int64_t opening_balance = ops_number(request, "opening_balance", 0);
	int64_t currency = ops_number(request, "currency", 410);
	json_t *command, *after;
	char object[64];
	int status = opening_check(control, first, count, opening_balance, message, message_size);

	if (status != CONTROL_DONE)
		return status;
	command = json_pack("{s:s, s:I, s:I, s:I, s:I}", "type", "accounts_open", "first",
	    (json_int_t)first, "count", (json_int_t)count, "currency", (json_int_t)currency,
	    "opening_balance", (json_int_t)opening_balance);
	status = open_check(control, command, first, count, currency, message, message_size);
	if (status != CONTROL_DONE) {
		json_decref(command);
		return status;
	}
	after = json_deep_copy(command);
	json_object_del(after, "type");
	snprintf(
	    object, sizeof(object), "account %" PRId64 " and %" PRId64 " more", first, count - 1);
	if (count == 1)
		snprintf(object, sizeof(object), "account %" PRId64, first);
	return command_do(control, request, command, after, (uint64_t)first, object, result,
	    message, message_size);
}

static int account_freeze(struct control *control, struct ops_request *request, int frozen,
    json_t **result, char *message, size_t message_size)
{
	json_t *command = json_pack("{s:s, s:I, s:b}", "type", "account_freeze", "account_id",
	    (json_int_t)account_of(request), "frozen", frozen);
	char object[40];

	snprintf(object, sizeof(object), "account %" PRIu64, account_of(request));
	return command_do(control, request, command,
	    json_pack("{s:I, s:b}", "account", (json_int_t)account_of(request), "frozen", frozen),
	    account_of(request), object, result, message, message_size);
}

int handle_account_freeze(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return account_freeze(context, request, 1, result, message, message_size);
}

int handle_account_unfreeze(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return account_freeze(context, request, 0, result, message, message_size);
}
