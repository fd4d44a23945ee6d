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
	enum client_event_kind kind;
	uint64_t request_id;
	struct wire_reply reply;
};

static int leg_parse(const char *text, struct wire_leg *leg)
{
	const char *first = strchr(text, ':');
	const char *second = first == NULL ? NULL : strchr(first + 1, ':');
	char market[24], selection[8];
	uint64_t number;

	if (second == NULL || (size_t)(first - text) >= sizeof(market) ||
	    (size_t)(second - first - 1) >= sizeof(selection))
		return -1;
	memcpy(market, text, (size_t)(first - text));
	market[first - text] = '\0';
	memcpy(selection, first + 1, (size_t)(second - first - 1));
	selection[second - first - 1] = '\0';
	if (parse_u64(market, UINT64_MAX, &leg->market_id) < 0 ||
	    parse_u64(selection, UINT16_MAX, &number) < 0)
		return -1;
	leg->selection = (uint16_t)number;
	return parse_odds(second + 1, &leg->odds);
}

/* The request of a command's arguments. 0, or -1 when they do not fit the command. */
static int request_parse(const struct options *options, struct wire_request *request)
{
	char **words = options->arguments;
	int count = options->argument_count;
	uint64_t amount = 0;

	memset(request, 0, sizeof(*request));
	if (strcmp(words[0], "hello") == 0) {
		request->template_id = WIRE_HELLO;
		return count == 1 ? 0 : -1;
	}
	if (strcmp(words[0], "balance") == 0) {
		request->template_id = WIRE_BALANCE;
		return count == 2 ? parse_u64(words[1], UINT64_MAX, &request->balance.account_id)
		                  : -1;
	}
	if (strcmp(words[0], "deposit") == 0) {
		request->template_id = WIRE_DEPOSIT;
		if (count != 4 ||
		    parse_u64(words[1], UINT64_MAX, &request->deposit.account_id) < 0 ||
		    parse_u64(words[2], INT64_MAX, &amount) < 0)
			return -1;
		request->deposit.amount = (int64_t)amount;
		return parse_currency(words[3], &request->deposit.currency);
	}
	if (strcmp(words[0], "bet") == 0) {
		request->template_id = WIRE_PLACE_BET;
		if (count < 4 || count > 3 + LIMIT_BET_LEGS_MAX ||
		    parse_u64(words[1], UINT64_MAX, &request->place_bet.account_id) < 0 ||
		    parse_u64(words[2], INT64_MAX, &amount) < 0)
			return -1;
		request->place_bet.stake = (int64_t)amount;
		request->place_bet.currency = options->currency;
		request->place_bet.odds_policy = options->exact ? ODDS_EXACT : ODDS_SAME_OR_BETTER;
		request->place_bet.leg_count = (uint8_t)(count - 3);
		for (int i = 3; i < count; i++) {
			if (leg_parse(words[i], &request->place_bet.legs[i - 3]) < 0)
				return -1;
		}
		return 0;
	}
	if (strcmp(words[0], "status") == 0) {
		request->template_id = WIRE_BET_STATUS;
		return count == 2 ? parse_u64(words[1], UINT64_MAX, &request->bet_status.bet_id)
		                  : -1;
	}
	if (strcmp(words[0], "cancel") == 0) {
		request->template_id = WIRE_CANCEL_BET;
		return count == 2 ? parse_u64(words[1], UINT64_MAX, &request->cancel_bet.bet_id)
		                  : -1;
	}
	if (strcmp(words[0], "markets") == 0) {
		request->template_id = WIRE_MARKET_QUERY;
		if (count == 1)
			return 0;
		return count == 2
		           ? parse_u64(words[1], UINT64_MAX, &request->market_query.since_version)
		           : -1;
	}
	return -1;
}

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
	if (event->kind == CLIENT_ANSWERED) {
		wait->reply = *event->reply;
		wait->done = 1;
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
		    "have been carried out; it will not be later than its deadline. Look at the "
		    "balance before you try again.\n",
		    request->request_id);
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

static void print_reply(const struct connection *connection, uint16_t template_id,
    const struct wire_reply *reply, json_t *rows)
{
	const struct options *options = connection->options;
	json_t *object;

	if (!options->json) {
		report_text(template_id, reply, options->language);
		return;
	}
	object = json_object();
	json_object_set_new(object, "schema", json_string("sluice-terminal/1"));
	json_object_set_new(object, "command", json_string(options->arguments[0]));
	report_reply(object, template_id, reply, options->language);
	report_counts(object, &connection->counts);
	if (rows != NULL)
		json_object_set(object, "markets", rows);
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

/* Asks until there are no more rows; JSON collects them in one array. */
static int markets_run(struct connection *connection, struct wire_request *request)
{
	const struct options *options = connection->options;
	json_t *rows = json_array();
	struct wire_reply reply;
	int status;

	for (;;) {
		status = request_run(connection, request, &reply);
		if (status != EXIT_DONE)
			break;
		if (options->json) {
			json_t *page = json_object();

			report_reply(page, WIRE_MARKET_QUERY, &reply, options->language);
			json_array_extend(rows, json_object_get(page, "markets"));
			json_decref(page);
		}
		if (reply.code != WIRE_CODE_OK || !reply.markets.more ||
		    reply.markets.up_to_version <= request->market_query.since_version) {
			print_reply(connection, WIRE_MARKET_QUERY, &reply, rows);
			break;
		}
		if (!options->json)
			report_text(WIRE_MARKET_QUERY, &reply, options->language);
		request->market_query.since_version = reply.markets.up_to_version;
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
	if (request.template_id == WIRE_MARKET_QUERY)
		return markets_run(connection, &request);
	if (request.template_id == WIRE_HELLO) {
		print_reply(connection, WIRE_HELLO, &connection->hello, NULL);
		return EXIT_DONE;
	}
	if (request.template_id == WIRE_PLACE_BET && request.place_bet.currency == 0)
		status = bet_currency_find(connection, &request);
	if (status == EXIT_DONE)
		status = request_run(connection, &request, &reply);
	if (status != EXIT_DONE)
		return status;
	print_reply(connection, request.template_id, &reply, NULL);
	return reply.code == WIRE_CODE_OK ? EXIT_DONE : EXIT_REFUSED;
}
