/* SPDX-License-Identifier: Apache-2.0 */
/* market, odds. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "control/control.h"
#include "control/markets/markets.h"

static uint64_t market_of(const struct ops_request *request)
{
	return (uint64_t)ops_number(request, "market", 0);
}

/* capacity.markets of the data plane's file in its usual place; 0: not known. */
static uint64_t switch_markets_max(const struct control *control)
{
	char path[CONTROL_PATH_SIZE];
	uint64_t most = 0;

	if (control_path(control, "etc/sluice/dataplane.yaml", path, sizeof(path)) != 0 ||
	    config_switch_number(path, "capacity.markets", &most) != 0)
		return 0;
	return most;
}

int handle_market_import(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *text = ops_text(request, "file", "");
	uint64_t start_ns = (uint64_t)ops_number(
	    request, "start", (int64_t)(database_now_ns() + 86400000000000ull));
	struct market_list list = { 0 };
	uint64_t first = 0, last = 0;
	size_t count;
	int error = market_list_read(text, strlen(text), start_ns, &list, message, message_size);

	if (error != 0)
		return error == -EINVAL ? CONTROL_REFUSED
		                        : handle_error(error, "file", message, message_size);
	handle_dry_run(request, 1);
	error = markets_import(control->database, &list, switch_markets_max(control),
	    &request->audit, &first, &last, message, message_size);
	handle_dry_run(request, 0);
	count = list.count;
	market_list_free(&list);
	if (error == -EALREADY || error == -E2BIG)
		return CONTROL_REFUSED; /* message says why */
	if (error != 0)
		return handle_error(error, "market", message, message_size);
	*result = json_pack("{s:I, s:I, s:I}", "markets", (json_int_t)count, "first_command",
	    (json_int_t)first, "last_command", (json_int_t)last);
	return handle_wait(control, request, last, result, message, message_size);
}

int handle_market_list(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const char *state = ops_text(request, "state", NULL);
	json_t *list = markets_list(control->database, (uint64_t)ops_number(request, "from", 0),
	    (unsigned)ops_number(request, "count", 100),
	    state != NULL ? markets_state_parse(state) : 0);

	if (list == NULL)
		return handle_error(-EIO, "market", message, message_size);
	*result = json_pack("{s:o}", "markets", list);
	return CONTROL_DONE;
}

/* As control has it, and below "switch" as the shards have it now. */
int handle_market_show(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	struct record_control_market row;
	char why[256];
	json_t *answer = NULL;
	int error = markets_get(control->database, market_of(request), &row);

	if (error != 0)
		return handle_error(error, "market", message, message_size);
	*result = markets_json(&row);
	if (link_ask(control->link,
	        json_pack("{s:s, s:I}", "cmd", "market_show", "market_id",
	            (json_int_t)market_of(request)),
	        2000, &answer, why, sizeof(why)) == 0) {
		json_object_del(answer, "ok");
		view_market(answer);
		json_object_set_new(*result, "switch", answer);
	}
	return CONTROL_DONE;
}

/* `row`: as it is now, or would be. */
static int market_changed(struct control *control, struct ops_request *request, int error,
    uint64_t sequence, const struct record_control_market *row, json_t **result, char *message,
    size_t message_size)
{
	if (error == -EPERM)
		return handle_refuse(CONTROL_REFUSED, message, message_size,
		    "market %" PRIu64 " is closed for good; import it under a new id",
		    market_of(request));
	if (error != 0)
		return handle_error(error, "market", message, message_size);
	*result = markets_json(row);
	return handle_wait(control, request, sequence, result, message, message_size);
}

static int market_state_change(struct control *control, struct ops_request *request,
    enum market_state state, json_t **result, char *message, size_t message_size)
{
	struct record_control_market row = { 0 };
	uint64_t sequence = 0;
	int error;

	handle_dry_run(request, 1);
	error = markets_state_set(
	    control->database, market_of(request), state, &request->audit, &sequence, &row);
	handle_dry_run(request, 0);
	return market_changed(
	    control, request, error, sequence, &row, result, message, message_size);
}

int handle_market_open(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return market_state_change(context, request, MARKET_OPEN, result, message, message_size);
}

int handle_market_suspend(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return market_state_change(
	    context, request, MARKET_SUSPENDED, result, message, message_size);
}

int handle_market_close(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	return market_state_change(context, request, MARKET_CLOSED, result, message, message_size);
}

int handle_odds_set(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct control *control = context;
	const json_t *given = json_object_get(request->arguments, "odds");
	size_t count = json_array_size(given), wanted = count;
	uint32_t odds[LIMIT_MARKET_SELECTIONS_MAX];
	struct record_control_market row = { 0 };
	uint64_t sequence = 0;
	int error;

	if (count > SLUICE_ARRAY_COUNT(odds))
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "a market has at most %u selections", LIMIT_MARKET_SELECTIONS_MAX);
	for (size_t i = 0; i < count; i++)
		odds[i] = (uint32_t)json_integer_value(json_array_get(given, i));
	handle_dry_run(request, 1);
	error = markets_odds_set(
	    control->database, market_of(request), odds, &wanted, &request->audit, &sequence, &row);
	handle_dry_run(request, 0);
	if (error == -EINVAL)
		return handle_refuse(CONTROL_USAGE, message, message_size,
		    "market %" PRIu64 " has %zu selections, %zu odds were given; give one for each",
		    market_of(request), wanted, count);
	return market_changed(
	    control, request, error, sequence, &row, result, message, message_size);
}
