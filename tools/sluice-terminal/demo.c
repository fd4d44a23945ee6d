/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo: markets, deposits, bets, summary. It outlives a restart of the switch, because the
 * client re-keys on RESET and asks for every outcome until it has it.
 */
#include "tools/sluice-terminal/demo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MARKETS_EVERY_NS      5000000000ull
#define ACCUMULATOR_PERCENT   15
#define ACCUMULATOR_LEGS_MAX  4
#define DEMO_CURRENCY_DEFAULT 410

static uint16_t demo_currency(const struct demo *demo)
{
	return demo->options->currency != 0 ? demo->options->currency : DEMO_CURRENCY_DEFAULT;
}

static void latency_keep(struct demo *demo, uint64_t elapsed_ns)
{
	uint64_t us = elapsed_ns / 1000;

	if (demo->latency_count == demo->latency_room) {
		size_t room = demo->latency_room == 0 ? 4096 : demo->latency_room * 2;
		uint32_t *grown = realloc(demo->latency_us, room * sizeof(*grown));

		if (grown == NULL) {
			demo->memory_out = 1;
			return;
		}
		demo->latency_us = grown;
		demo->latency_room = room;
	}
	demo->latency_us[demo->latency_count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void answer_take(
    struct demo *demo, const struct demo_pending *pending, const struct client_event *event)
{
	const struct wire_reply *reply = event->reply;

	if (pending->template_id == WIRE_MARKET_QUERY) {
		demo->markets_pending = 0;
		demo->markets_code = reply->code;
		demo->markets_more = 0;
		if (reply->code == WIRE_CODE_OK) {
			demo->markets_more = reply->markets.more &&
			                     reply->markets.up_to_version > demo->book->version;
			book_update(demo->book, reply);
		}
		return;
	}
	if (reply->flags & MESSAGE_FLAG_ANSWER_REPLAYED)
		demo->replayed++;
	demo_ack_write(demo, pending, reply);
	if (pending->template_id == WIRE_DEPOSIT) {
		demo_outcome_count(&demo->deposits, reply->code);
		if (reply->code == WIRE_CODE_OK)
			demo->deposit_sum += pending->amount;
		return;
	}
	demo_outcome_count(&demo->bets, reply->code);
	latency_keep(demo, event->elapsed_ns);
	if (reply->code == WIRE_CODE_OK)
		demo->stake_sum += pending->amount;
	else if (reply->code == WIRE_CODE_ODDS_CHANGED ||
	         reply->code == WIRE_CODE_MARKET_NOT_OPEN || reply->code == WIRE_CODE_EVENT_STARTED)
		demo->markets_asked_ns = 0; /* our picture is old */
}

static void event_take(void *context, const struct client_event *event)
{
	struct demo *demo = context;
	struct demo_pending *pending = &demo->pending[event->cookie % CLIENT_REQUESTS_MAX];
	struct demo_pending done;

	switch (event->kind) {
	case CLIENT_OUTCOME_UNKNOWN:
		demo->unknown++; /* and the client goes on asking */
		return;
	case CLIENT_ANSWERED:
	case CLIENT_EXPIRED_UNSENT:
	case CLIENT_GAVE_UP:
		break;
	case CLIENT_READY:
	case CLIENT_REVERSED:
	case CLIENT_REKEYED:
	case CLIENT_SILENT:
	default:
		return;
	}
	if (!pending->used)
		return;
	done = *pending;
	pending->used = 0;
	demo->under_way--;
	if (event->kind == CLIENT_ANSWERED)
		answer_take(demo, &done, event);
	else if (event->kind == CLIENT_EXPIRED_UNSENT)
		demo->expired_unsent++;
	else
		demo->markets_pending = 0;
}

/* Queues a request. 1, or 0 when there is no room now; -1 after a message. */
static int request_queue(
    struct demo *demo, struct wire_request *request, uint64_t account_id, int64_t amount)
{
	unsigned index = 0;
	int rc;

	while (index < CLIENT_REQUESTS_MAX && demo->pending[index].used)
		index++;
	if (index == CLIENT_REQUESTS_MAX)
		return 0;
	rc = client_request(demo->connection->client, request, demo->options->timeout_ns, index,
	    client_udp_now_ns());
	if (rc == -EAGAIN)
		return 0;
	if (rc < 0) {
		fprintf(stderr, "sluice-terminal: cannot send: %s.\n", strerror(-rc));
		return -1;
	}
	demo->pending[index] = (struct demo_pending){ account_id, amount, request->template_id, 1 };
	demo->under_way++;
	return 1;
}

static int markets_ask(struct demo *demo)
{
	struct wire_request request = { .template_id = WIRE_MARKET_QUERY };
	int rc;

	if (demo->markets_pending)
		return 0;
	request.market_query.since_version = demo->book->version;
	rc = request_queue(demo, &request, 0, 0);
	if (rc == 1) {
		demo->markets_pending = 1;
		demo->markets_asked_ns = client_udp_now_ns();
	}
	return rc < 0 ? -1 : 0;
}

static int deposit_send(struct demo *demo)
{
	struct wire_request request = { .template_id = WIRE_DEPOSIT };
	uint64_t account_id = demo->options->account_first + demo->deposits_sent;
	int rc;

	request.deposit.account_id = account_id;
	request.deposit.amount = demo->options->deposit;
	request.deposit.currency = demo_currency(demo);
	rc = request_queue(demo, &request, account_id, demo->options->deposit);
	if (rc == 1)
		demo->deposits_sent++;
	return rc;
}

/* 1 sent, 0 nothing to bet on or no room, -1 failed. */
static int bet_send(struct demo *demo)
{
	const struct options *options = demo->options;
	struct wire_request request = { .template_id = WIRE_PLACE_BET };
	uint64_t random = demo->random;
	uint64_t switch_ns = client_switch_time_ns(demo->connection->client, client_udp_now_ns());
	uint64_t span = (uint64_t)(options->stake_max - options->stake_min) / 100 + 1;
	unsigned wanted = 1;
	int rc;

	if (book_random(&random) % 100 < ACCUMULATOR_PERCENT)
		wanted = 2 + (unsigned)(book_random(&random) % (ACCUMULATOR_LEGS_MAX - 1));
	request.place_bet.account_id =
	    options->account_first + book_random(&random) % options->account_count;
	request.place_bet.stake = options->stake_min + (int64_t)(book_random(&random) % span) * 100;
	request.place_bet.currency = demo_currency(demo);
	request.place_bet.odds_policy = options->exact ? ODDS_EXACT : ODDS_SAME_OR_BETTER;
	request.place_bet.leg_count =
	    (uint8_t)book_choose(demo->book, &random, switch_ns, wanted, request.place_bet.legs);
	if (request.place_bet.leg_count == 0)
		return 0;
	rc = request_queue(demo, &request, request.place_bet.account_id, request.place_bet.stake);
	if (rc != 1)
		return rc;
	demo->random = random; /* only a bet that went out uses its numbers up */
	demo->bets_sent++;
	demo->accumulators_sent += request.place_bet.leg_count > 1;
	return 1;
}

/* Turns until nothing is under way. EXIT_DONE, or EXIT_UNREACHABLE after the time is over. */
static int settle(struct demo *demo)
{
	uint64_t end_ns = client_udp_now_ns() + demo->options->timeout_ns;

	while (demo->under_way > 0) {
		uint64_t now_ns = client_udp_now_ns();

		if (now_ns >= end_ns) {
			fprintf(stderr,
			    "sluice-terminal: %u requests have no answer. Check that the switch "
			    "runs.\n",
			    demo->under_way);
			return EXIT_UNREACHABLE;
		}
		if (connection_turn(demo->connection, end_ns - now_ns) != EXIT_DONE)
			return EXIT_UNREACHABLE;
	}
	return EXIT_DONE;
}

static int markets_run(struct demo *demo)
{
	do {
		if (markets_ask(demo) < 0 || settle(demo) != EXIT_DONE)
			return EXIT_UNREACHABLE;
	} while (demo->markets_more && !stop_requested);
	if (demo->markets_code != WIRE_CODE_OK) {
		fprintf(stderr, "sluice-terminal: the switch gives no markets: %s\n",
		    wire_code_text(demo->markets_code, demo->options->language));
		return EXIT_REFUSED;
	}
	if (demo->options->bets != 0 && demo->book->count == 0) {
		fprintf(
		    stderr, "sluice-terminal: the switch has no markets to bet on. Load some.\n");
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int deposits_run(struct demo *demo)
{
	if (demo->options->deposit == 0)
		return EXIT_DONE;
	while (demo->deposits_sent < demo->options->account_count && !stop_requested) {
		int rc = 1;

		while (rc == 1 && demo->under_way < demo->options->in_flight &&
		       demo->deposits_sent < demo->options->account_count)
			rc = deposit_send(demo);
		if (rc < 0 || connection_turn(demo->connection, 1000000000u) != EXIT_DONE)
			return EXIT_UNREACHABLE;
	}
	return settle(demo);
}

/* How many bets may have gone out by now. */
static uint64_t bets_allowed(const struct demo *demo, uint64_t elapsed_ns)
{
	uint64_t rate = demo->options->rate;
	uint64_t allowed = UINT64_MAX;

	if (rate != 0)
		allowed = elapsed_ns / 1000000000u * rate +
		          elapsed_ns % 1000000000u * rate / 1000000000u + 1;
	if (demo->options->duration_ns == 0 && demo->options->bets < allowed)
		allowed = demo->options->bets;
	return allowed;
}

static int bets_over(const struct demo *demo, uint64_t elapsed_ns)
{
	if (stop_requested)
		return 1;
	return demo->options->duration_ns != 0 ? elapsed_ns >= demo->options->duration_ns
	                                       : demo->bets_sent >= demo->options->bets;
}

static int bets_run(struct demo *demo)
{
	const struct options *options = demo->options;
	uint64_t now_ns = demo->bets_started_ns = client_udp_now_ns();

	while (!bets_over(demo, now_ns - demo->bets_started_ns)) {
		uint64_t allowed = bets_allowed(demo, now_ns - demo->bets_started_ns);
		uint64_t wait_ns = options->rate != 0 ? 1000000000u / options->rate : 100000000u;
		int rc = 1;

		if ((now_ns - demo->markets_asked_ns >= MARKETS_EVERY_NS || demo->markets_more) &&
		    markets_ask(demo) < 0)
			return EXIT_UNREACHABLE;
		while (rc == 1 && demo->bets_sent < allowed && demo->under_way < options->in_flight)
			rc = bet_send(demo);
		if (wait_ns > 100000000u)
			wait_ns = 100000000u;
		if (rc < 0 || connection_turn(demo->connection, wait_ns) != EXIT_DONE)
			return EXIT_UNREACHABLE;
		now_ns = client_udp_now_ns();
	}
	return settle(demo);
}

int demo_run(struct connection *connection, const struct options *options)
{
	struct demo demo = { .connection = connection, .options = options };
	int status = EXIT_UNREACHABLE, reported;

	demo.random = options->seed;
	demo.book = calloc(1, sizeof(*demo.book));
	if (demo.book == NULL)
		return EXIT_UNREACHABLE;
	if (options->ack_log != NULL) {
		demo.ack_log = fopen(options->ack_log, "ae");
		if (demo.ack_log == NULL) {
			fprintf(stderr, "sluice-terminal: cannot write %s: %s.\n", options->ack_log,
			    strerror(errno));
			goto out;
		}
	}
	connection->on_event = event_take;
	connection->context = &demo;
	demo.started_ns = client_udp_now_ns();
	status = markets_run(&demo);
	if (status == EXIT_DONE)
		status = deposits_run(&demo);
	if (status == EXIT_DONE)
		status = bets_run(&demo);
	if (connection->ended != EXIT_DONE)
		status = (int)connection->ended;
	demo.ended_ns = client_udp_now_ns();
	reported = demo_report(&demo);
	if (status == EXIT_DONE)
		status = reported;
	connection->on_event = NULL;
out:
	if (demo.ack_log != NULL && fclose(demo.ack_log) != 0)
		status = EXIT_UNREACHABLE;
	free(demo.latency_us);
	free(demo.book);
	return status;
}
