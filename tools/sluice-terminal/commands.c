/* SPDX-License-Identifier: Apache-2.0 */
/* One-shot commands: one request (for some, several), one result. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-terminal/terminal.h"

/* What a command waits for. */
struct wait {
	int done; /* 1 answered, -1 the client gave up or the outcome is unknown */
	uint8_t reverse;
	enum client_event_kind kind;
	uint64_t request_id;
	struct wire_reply reply;
};

int command_is_offline(const struct options *options)
{
	return strcmp(options->arguments[0], "identity") == 0 ||
	       strcmp(options->arguments[0], "renew") == 0;
}

/* `identity` and `renew` take options only. */
static int identity_check(const struct options *options)
{
	const char *command = options->arguments[0];
	int made = strcmp(command, "identity") == 0;

	if (options->argument_count == 1 && options->deployment != NULL &&
	    (made ? options->out != NULL && options->terminal_id != 0
	          : options->identity != NULL && options->control_address != NULL))
		return EXIT_DONE;
	fprintf(stderr, "sluice-terminal: %s needs %s. See sluice-terminal --help.\n", command,
	    made ? "--terminal ID --deployment NAME --out DIR"
	         : "--control IP:PORT --identity DIR --deployment NAME");
	return EXIT_USAGE;
}

int command_check(const struct options *options)
{
	struct wire_request request;

	if (command_is_offline(options))
		return identity_check(options);

	if (strcmp(options->arguments[0], "demo") == 0) {
		if (options->argument_count == 1 && options->account_count != 0)
			return EXIT_DONE;
		fprintf(stderr,
		    "sluice-terminal: demo needs --accounts FIRST:COUNT and no arguments. See "
		    "sluice-terminal --help.\n");
		return EXIT_USAGE;
	}
	if (request_parse(options, &request) == 0)
		return EXIT_DONE;
	fprintf(stderr,
	    "sluice-terminal: unknown command or wrong arguments: %s. See sluice-terminal "
	    "--help.\n",
	    options->arguments[0]);
	return EXIT_USAGE;
}

static void event_take(void *context, const struct client_event *event)
{
	struct wait *wait = context;

	if (event->request_id != wait->request_id || wait->done != 0)
		return;
	wait->kind = event->kind;
	if (event->kind == CLIENT_ANSWERED || event->kind == CLIENT_REVERSED) {
		wait->reply = *event->reply;
		wait->done = 1;
	} else if (event->kind == CLIENT_OUTCOME_UNKNOWN && wait->reverse) {
		wait->done = 0; /* REVERSE will tell */
	} else if (event->kind == CLIENT_OUTCOME_UNKNOWN || event->kind == CLIENT_EXPIRED_UNSENT ||
	           event->kind == CLIENT_GAVE_UP) {
		wait->done = -1;
	}
}

static int no_answer(const struct wait *wait, const struct wire_request *request)
{
	if (wait->kind == CLIENT_EXPIRED_UNSENT || !wire_template_mutates(request->template_id))
		fprintf(stderr, "sluice-terminal: no answer in time; nothing was changed.\n");
	else
		fprintf(stderr,
		    "sluice-terminal: no answer in time to request %" PRIu64 ". It may or may not "
		    "have been carried out; it will not be later than its deadline. Run: "
		    "sluice-terminal ... tx-status %" PRIu64 ", or reverse %" PRIu64 ".\n",
		    request->request_id, request->request_id, request->request_id);
	return EXIT_UNREACHABLE;
}

/* Sends one request and waits for its outcome. EXIT_DONE with *reply, or EXIT_UNREACHABLE. */
static int request_run(
    struct connection *connection, struct wire_request *request, struct wire_reply *reply)
{
	struct wait wait = { 0 };
	uint64_t now_ns = client_udp_now_ns();
	int rc =
	    client_request(connection->client, request, connection->options->timeout_ns, 0, now_ns);

	if (rc < 0) {
		fprintf(stderr, "sluice-terminal: cannot send: %s.\n", strerror(-rc));
		return EXIT_UNREACHABLE;
	}
	wait.request_id = request->request_id;
	wait.reverse = connection->options->reverse;
	connection->on_event = event_take;
	connection->context = &wait;
	while (wait.done == 0) {
		int status = connection_turn(connection, 1000000000u);

		if (status != EXIT_DONE) {
			connection->on_event = NULL;
			return status;
		}
		if (stop_requested)
			wait.done = -1;
	}
	connection->on_event = NULL;
	if (wait.done < 0)
		return no_answer(&wait, request);
	*reply = wait.reply;
	return EXIT_DONE;
}

static void print_reply(
    const struct connection *connection, const struct wire_reply *reply, json_t *rows)
{
	const struct options *options = connection->options;
	const char *rows_name = report_rows_name(reply->template_id);
	json_t *object;

	if (!options->json) {
		report_text(reply, options->language);
		return;
	}
	object = json_object();
	json_object_set_new(object, "schema", json_string("sluice-terminal/1"));
	json_object_set_new(object, "command", json_string(options->arguments[0]));
	report_reply(object, reply, options->language);
	report_counts(object, &connection->counts);
	if (rows != NULL && rows_name != NULL)
		json_object_set(object, rows_name, rows);
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

/* Sets what the next page is asked with. 0 when there is none. */
static int page_next(const struct options *options, const struct wire_reply *reply,
    struct wire_request *request, size_t rows)
{
	switch (reply->template_id) {
	case WIRE_STATEMENT:
		if (reply->statement.next_lsn == 0 || rows >= options->rows)
			return 0;
		request->statement.before_lsn = reply->statement.next_lsn;
		if (options->rows - rows < request->statement.count)
			request->statement.count = (uint8_t)(options->rows - rows);
		return 1;
	case WIRE_EVENT_QUERY:
		if (!reply->events.more ||
		    reply->events.up_to_version <= request->event_query.since_version)
			return 0;
		request->event_query.since_version = reply->events.up_to_version;
		return 1;
	case WIRE_MARKET_QUERY: {
		uint64_t *since = request->template_id == WIRE_EVENT_QUERY
		                      ? &request->event_query.since_version
		                      : &request->market_query.since_version;

		if (!reply->markets.more || reply->markets.up_to_version <= *since)
			return 0;
		*since = reply->markets.up_to_version;
		return 1;
	}
	default:
		return 0;
	}
}

/* Asks until there are no more rows; JSON collects them in one array. */
static int rows_run(struct connection *connection, struct wire_request *request)
{
	const struct options *options = connection->options;
	json_t *rows = json_array();
	struct wire_reply reply;
	size_t count = 0;
	int status;

	if (request->template_id == WIRE_STATEMENT)
		request->statement.count = options->rows < LIMIT_STATEMENT_ROWS
		                               ? (uint8_t)options->rows
		                               : LIMIT_STATEMENT_ROWS;
	for (;;) {
		json_t *page;

		status = request_run(connection, request, &reply);
		if (status != EXIT_DONE)
			break;
		if (reply.code == WIRE_CODE_OK) {
			page = report_rows(&reply);
			count += json_array_size(page);
			json_array_extend(rows, page);
			json_decref(page);
			if (!options->json)
				report_rows_text(&reply);
		}
		if (reply.code != WIRE_CODE_OK || !page_next(options, &reply, request, count)) {
			if (options->json || reply.code != WIRE_CODE_OK)
				print_reply(connection, &reply, rows);
			break;
		}
	}
	json_decref(rows);
	return status == EXIT_DONE && reply.code != WIRE_CODE_OK ? EXIT_REFUSED : status;
}

/* The currency of a bet's account, where the user gave none: one more question. */
static int bet_currency_find(struct connection *connection, struct wire_request *bet)
{
	struct wire_request balance = { .template_id = WIRE_BALANCE };
	struct wire_reply reply;
	int status;

	balance.balance.account_id = bet->place_bet.account_id;
	status = request_run(connection, &balance, &reply);
	if (status == EXIT_DONE && reply.code == WIRE_CODE_OK)
		bet->place_bet.currency = reply.balance_row.currency;
	else
		bet->place_bet.currency =
		    410; /* let the switch refuse the bet for its own reason */
	return status;
}

int command_run(struct connection *connection, const struct options *options)
{
	struct wire_request request;
	struct wire_reply reply;
	int status = EXIT_DONE;

	if (request_parse(options, &request) < 0)
		return EXIT_USAGE;
	if (report_rows_name(request.template_id) != NULL)
		return rows_run(connection, &request);
	if (request.template_id == WIRE_HELLO) {
		print_reply(connection, &connection->hello, NULL);
		return EXIT_DONE;
	}
	if (request.template_id == WIRE_PLACE_BET && request.place_bet.currency == 0)
		status = bet_currency_find(connection, &request);
	if (status == EXIT_DONE)
		status = request_run(connection, &request, &reply);
	if (status != EXIT_DONE)
		return status;
	print_reply(connection, &reply, NULL);
	/* What --reverse undid or fenced was not done, whatever REVERSE itself answers. */
	if (reply.template_id == WIRE_REVERSE && request.template_id != WIRE_REVERSE)
		return EXIT_REFUSED;
	return wire_code_class(reply.code) == WIRE_CLASS_DONE ? EXIT_DONE : EXIT_REFUSED;
}
