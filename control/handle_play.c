/* SPDX-License-Identifier: Apache-2.0 */
/* account limits, account exclude: responsible play. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "lmdb-schema/object.h"

static const char *const limit_names[PLAY_LIMITS] = {
	[PLAY_DEPOSIT_DAY] = "deposit_day",
	[PLAY_DEPOSIT_WEEK] = "deposit_week",
	[PLAY_STAKE_DAY] = "stake_day",
	[PLAY_STAKE_WEEK] = "stake_week",
	[PLAY_LOSS_DAY] = "loss_day",
	[PLAY_LOSS_WEEK] = "loss_week",
};

const char *play_limit_name(unsigned limit)
{
	return limit < PLAY_LIMITS ? limit_names[limit] : "unknown";
}

/* "none" is -1. 0 or -EINVAL. */
static int limit_parse(const char *text, int64_t *amount)
{
	char *end;
	long long value;

	if (strcmp(text, "none") == 0) {
		*amount = -1;
		return 0;
	}
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || value > LIMIT_BALANCE_MAX)
		return -EINVAL;
	*amount = value;
	return 0;
}

/* What the account wants now: in force, or waiting for its time. All -1 when it has set nothing. */
static int limits_now(struct control *control, uint64_t account_id, int64_t limits[PLAY_LIMITS],
    json_t **before, char *message, size_t message_size)
{
	json_t *account = NULL;
	const json_t *wanted;
	int status = handle_show(control, handle_account_question(account_id), "account", &account,
	    message, message_size);

	if (status != CONTROL_DONE)
		return status;
	wanted = json_object_get(json_object_get(account, "limits"), "wanted");
	for (unsigned i = 0; i < PLAY_LIMITS; i++)
		limits[i] = wanted == NULL ? -1 : json_integer_value(json_array_get(wanted, i));
	*before = json_pack("{s:I, s:O?}", "account", (json_int_t)account_id, "limits",
	    json_object_get(account, "limits"));
	json_decref(account);
	return CONTROL_DONE;
}

/* The command, whole: the shard compares with what the account has. */
static json_t *play_command(uint64_t account_id, const int64_t limits[PLAY_LIMITS],
    uint64_t excluded_until_ns, uint64_t cooloff_until_ns)
{
	char excluded[24], cooloff[24];
	json_t *list = json_array();

	snprintf(excluded, sizeof(excluded), "%" PRIu64, excluded_until_ns);
	snprintf(cooloff, sizeof(cooloff), "%" PRIu64, cooloff_until_ns);
	for (unsigned i = 0; i < PLAY_LIMITS; i++)
		json_array_append_new(list, json_integer(limits[i]));
	return json_pack("{s:s, s:I, s:o, s:s, s:s}", "type", "play_set", "account_id",
	    (json_int_t)account_id, "limits", list, "excluded_until_ns", excluded,
	    "cooloff_until_ns", cooloff);
}

int handle_account_limits(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	uint64_t account_id = (uint64_t)ops_number(request, "account", 0);
	int64_t limits[PLAY_LIMITS];
	json_t *before = NULL, *after, *wanted = json_object();
	unsigned given = 0;
	char object[40];
	int status = limits_now(context, account_id, limits, &before, message, message_size);

	for (unsigned i = 0; status == CONTROL_DONE && i < PLAY_LIMITS; i++) {
		const char *text = ops_text(request, limit_names[i], NULL);

		given += text != NULL;
		if (text != NULL && limit_parse(text, &limits[i]) != 0)
			status = handle_refuse(CONTROL_USAGE, message, message_size,
			    "%s: \"%s\" is neither an amount in minor units nor none",
			    limit_names[i], text);
		json_object_set_new(
		    wanted, limit_names[i], limits[i] < 0 ? json_null() : json_integer(limits[i]));
	}
	if (status == CONTROL_DONE && given == 0)
		status = handle_refuse(CONTROL_USAGE, message, message_size,
		    "give at least one limit, e.g. --deposit-day 100000 or --loss-week none; "
		    "`sluicectl account show` shows them");
	if (status != CONTROL_DONE) {
		json_decref(before);
		json_decref(wanted);
		return status;
	}
	snprintf(object, sizeof(object), "account %" PRIu64, account_id);
	request->audit.before = before;
	after = json_pack("{s:I, s:o}", "account", (json_int_t)account_id, "limits", wanted);
	return handle_command(context, request, play_command(account_id, limits, 0, 0), object,
	    after, result, message, message_size);
}

int handle_account_exclude(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	uint64_t account_id = (uint64_t)ops_number(request, "account", 0), until_ns;
	int forever = ops_switch(request, "forever"), cooloff = ops_switch(request, "cooloff");
	int64_t until = ops_number(request, "until", 0), limits[PLAY_LIMITS];
	json_t *before = NULL, *after;
	char object[40];
	int status;

	if ((until != 0) == (forever != 0) || (forever && cooloff))
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give --until TIME or --forever, one of both; a break (--cooloff) has an end");
	if (!forever && until <= (int64_t)database_now_ns())
		return handle_refuse(
		    CONTROL_USAGE, message, message_size, "--until is in the past");
	status = limits_now(context, account_id, limits, &before, message, message_size);
	if (status != CONTROL_DONE)
		return status;
	until_ns = forever ? UINT64_MAX : (uint64_t)until;
	snprintf(object, sizeof(object), "account %" PRIu64, account_id);
	request->audit.before = before;
	after = json_pack("{s:I, s:s}", "account", (json_int_t)account_id, "kind",
	    cooloff ? "break" : "self-exclusion");
	if (forever)
		json_object_set_new(after, "forever", json_true());
	else
		json_object_set_new(after, "until_ns", json_integer(until));
	return handle_command(context, request,
	    play_command(account_id, limits, cooloff ? 0 : until_ns, cooloff ? until_ns : 0),
	    object, after, result, message, message_size);
}
