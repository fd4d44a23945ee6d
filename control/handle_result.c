/* SPDX-License-Identifier: Apache-2.0 */
/* market result, results, rollback, void, final; bet void. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/control.h"
#include "control/markets/markets.h"

#define WALK_LOOK_MS 20

static uint64_t market_of(const struct ops_request *request)
{
	return (uint64_t)ops_number(request, "market", 0);
}

/* Have all shards gone through the market's bets? 1, 0, or -1: they do not say. */
static int market_walked(struct control *control, uint64_t market_id)
{
	json_t *answer = NULL, *walked;
	char why[256];
	int result = -1;

	if (link_ask(control->link,
	        json_pack("{s:s, s:I}", "cmd", "market_show", "market_id", (json_int_t)market_id),
	        2000, &answer, why, sizeof(why)) != 0)
		return -1;
	walked = json_object_get(answer, "walked");
	if (json_is_boolean(walked))
		result = json_is_true(walked);
	json_decref(answer);
	return result;
}

/* The result is on all shards; their walks over its bets go on beside live traffic. Adds "walked".
 */
static void walk_wait(
    struct control *control, const struct ops_request *request, uint64_t market_id, json_t *result)
{
	const struct timespec pause = { .tv_nsec = WALK_LOOK_MS * 1000000l };
	int64_t left_ms = ops_number(request, "wait_ms", CONTROL_WAIT_MS);
	int walked = 0;

	if (request->dry_run || left_ms == 0)
		return;
	for (; left_ms > 0; left_ms -= WALK_LOOK_MS) {
		walked = market_walked(control, market_id);
		if (walked != 0)
			break;
		(void)nanosleep(&pause, NULL);
	}
	json_object_set_new(result, "walked", json_boolean(walked > 0));
}

/* What markets_result says in a sentence of its own, or an error of the database. */
static int result_refused(int error, char *message, size_t message_size)
{
	if (message[0] == '\0')
		return handle_error(error, "market", message, message_size);
	return error == -EINVAL ? CONTROL_USAGE : CONTROL_REFUSED;
}

static int result_do(struct control *control, struct ops_request *request,
    const struct market_result *market_result, json_t **result, char *message, size_t message_size)
{
	struct record_control_market row;
	uint64_t sequence = 0;
	json_t *command;
	int error, status;

	/* What the shards would refuse is not committed: the market's row would not be as theirs.
	 */
	database_dry_run(1);
	error = markets_result(control->database, market_result, &request->audit, &sequence, &row,
	    message, message_size);
	database_dry_run(0);
	if (error != 0)
		return result_refused(error, message, message_size);
	command = markets_result_command(market_result->op, &row);
	status = handle_check(control, command, message, message_size);
	json_decref(command);
	if (status != CONTROL_DONE)
		return status;
	if (!request->dry_run)
		error = markets_result(control->database, market_result, &request->audit, &sequence,
		    &row, message, message_size);
	if (error != 0)
		return result_refused(error, message, message_size);
	*result = markets_json(&row);
	status = handle_wait(control, request, sequence, result, message, message_size);
	if (status == CONTROL_DONE && market_result->op != RESULT_FINAL)
		walk_wait(control, request, market_result->market_id, *result);
	return status;
}

/* "win,lose,lose" in the form of result files, "win;lose;lose". */
static void outcomes_copy(const char *text, char *out, size_t size)
{
	snprintf(out, size, "%s", text);
	for (char *at = out; *at != '\0'; at++)
		if (*at == ',')
			*at = ';';
}

int handle_market_result(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const char *score = ops_text(request, "score", NULL);
	const char *outcomes = ops_text(request, "outcomes", NULL);
	struct market_result market_result = { 0 };
	char text[512];

	if ((score != NULL) == (outcomes != NULL))
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "give --score (2:1) or --outcomes (win,lose,lose), one of both");
	if (score != NULL)
		snprintf(text, sizeof(text), "%s", score);
	else
		outcomes_copy(outcomes, text, sizeof(text));
	if (market_result_parse(text, &market_result, message, message_size) != 0)
		return CONTROL_USAGE;
	/* Both options say how it ended; what takes that back has verbs of its own. */
	if (market_result.op != RESULT_SET || market_result.all_void ||
	    market_result.has_score != (score != NULL))
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "\"%s\" is no %s; see also market void, market rollback and market final", text,
		    score != NULL ? "score like 2:1" : "list of outcomes like win,lose,lose");
	market_result.market_id = market_of(request);
	return result_do(context, request, &market_result, result, message, message_size);
}

int handle_market_rollback(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct market_result back = { .market_id = market_of(request),
		.op = RESULT_ROLLBACK };

	return result_do(context, request, &back, result, message, message_size);
}

int handle_market_void(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct market_result all_void = {
		.market_id = market_of(request), .op = RESULT_SET, .all_void = 1
	};

	return result_do(context, request, &all_void, result, message, message_size);
}

int handle_market_final(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const struct market_result final = { .market_id = market_of(request), .op = RESULT_FINAL };

	return result_do(context, request, &final, result, message, message_size);
}

int handle_market_results(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *text = ops_text(request, "file", "");
	struct market_result_list list = { 0 };
	uint64_t first = 0, last = 0;
	size_t count;
	int error = market_result_list_read(text, strlen(text), &list, message, message_size);

	if (error != 0)
		return error == -EINVAL ? CONTROL_REFUSED
		                        : handle_error(error, "file", message, message_size);
	handle_dry_run(request, 1);
	error = markets_results(
	    control->database, &list, &request->audit, &first, &last, message, message_size);
	handle_dry_run(request, 0);
	count = list.count;
	market_result_list_free(&list);
	if (error != 0)
		return result_refused(error, message, message_size);
	*result = json_pack("{s:I, s:I, s:I}", "results", (json_int_t)count, "first_command",
	    (json_int_t)first, "last_command", (json_int_t)last);
	return handle_wait(control, request, last, result, message, message_size);
}

int handle_bet_void(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	const char *bet = ops_text(request, "bet", "");
	json_int_t reason = ops_number(request, "reason", 0);
	char object[48];

	snprintf(object, sizeof(object), "bet %s", bet);
	return handle_command(context, request,
	    json_pack("{s:s, s:s, s:I}", "type", "bet_void", "bet_id", bet, "reason", reason),
	    object, json_pack("{s:s, s:s, s:I}", "bet", bet, "state", "void", "reason", reason),
	    result, message, message_size);
}
