/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many terminals in one process, for tests: reads requests from standard input, sends them to the
 * switch as enrolled terminals do (TLS for the keys, UDP for the requests, many in flight), writes
 * one line an outcome. The requests of one terminal go out in their order; between terminals there
 * is none.
 *
 *   in   TERMINAL NUMBER bet ACCOUNT STAKE POLICY MARKET:SELECTION:ODDS...
 *        TERMINAL NUMBER deposit|withdraw ACCOUNT AMOUNT
 *        TERMINAL NUMBER status BET
 *        TERMINAL NUMBER balance ACCOUNT
 *   out  NUMBER CODE OBJECT BALANCE PAYOUT STATE      STATE: of the bet, status only
 *
 * NUMBER is the caller's own. Ids and amounts are decimal, odds in 1/1000.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/client/client.h"
#include "wire/client/keying_client.h"
#include "wire/client/udp.h"

#define TERMINALS_MAX 64
#define NONE          UINT32_MAX
#define PATIENCE_NS   60000000000ull /* of a request, and without any answer */
#define IDLE_NS       20000          /* nothing arrived on any socket */

struct item {
	struct wire_request request;
	uint64_t number;
	uint32_t next; /* of the same terminal, NONE */
};

struct terminal {
	struct place *place;
	struct client *client;
	struct client_udp udp;
	uint64_t id;
	uint32_t first, last; /* items that are still to be sent */
	unsigned under_way;
};

struct place {
	const char *control, *deployment, *identities;
	uint64_t terminal_first, terminal_count;
	uint16_t currency;
	uint8_t in_flight, batch;
	struct terminal terminals[TERMINALS_MAX];
	struct item *items;
	uint32_t count, room;
	uint64_t answered, unknown, failed;
};

/* -1. line 0: none. */
static int fail(const char *text, const char *what, size_t line)
{
	if (line > 0)
		fprintf(stderr, "season-place: line %zu: %s%s\n", line, text, what);
	else
		fprintf(stderr, "season-place: %s%s\n", text, what);
	return -1;
}

/* ---- Requests ---- */

static int number_take(char **rest, uint64_t *value)
{
	char *word = strtok_r(NULL, " ", rest), *end = word;

	if (word == NULL || word[0] < '0' || word[0] > '9')
		return -1;
	errno = 0;
	*value = strtoull(word, &end, 10);
	return *end == '\0' && errno == 0 ? 0 : -1;
}

static int legs_take(char **rest, struct wire_request *request)
{
	char *word;

	while ((word = strtok_r(NULL, " ", rest)) != NULL) {
		struct wire_leg *leg = &request->place_bet.legs[request->place_bet.leg_count];
		unsigned selection, odds;
		int used = 0;

		if (request->place_bet.leg_count == LIMIT_BET_LEGS_MAX ||
		    sscanf(word, "%" SCNu64 ":%u:%u%n", &leg->market_id, &selection, &odds,
		        &used) != 3 ||
		    word[used] != '\0')
			return -1;
		leg->selection = (uint16_t)selection;
		leg->odds = odds;
		request->place_bet.leg_count++;
	}
	return request->place_bet.leg_count > 0 ? 0 : -1;
}

static int request_take(
    const struct place *place, const char *verb, char **rest, struct wire_request *request)
{
	uint64_t id, amount = 0, policy = 0;
	int has_amount;

	if (number_take(rest, &id) != 0)
		return -1;
	has_amount = number_take(rest, &amount) == 0;
	if (strcmp(verb, "bet") == 0) {
		if (!has_amount || number_take(rest, &policy) != 0 || policy > 1)
			return -1;
		request->template_id = WIRE_PLACE_BET;
		request->place_bet.account_id = id;
		request->place_bet.stake = (int64_t)amount;
		request->place_bet.odds_policy = (uint8_t)policy;
		request->place_bet.currency = place->currency;
		return legs_take(rest, request);
	}
	if (strcmp(verb, "deposit") == 0 || strcmp(verb, "withdraw") == 0) {
		request->template_id = verb[0] == 'd' ? WIRE_DEPOSIT : WIRE_WITHDRAW;
		request->deposit.account_id = id;
		request->deposit.amount = (int64_t)amount;
		request->deposit.currency = place->currency;
		return has_amount ? 0 : -1;
	}
	if (strcmp(verb, "status") == 0) {
		request->template_id = WIRE_BET_STATUS;
		request->bet_status.bet_id = id;
		return has_amount ? -1 : 0;
	}
	if (strcmp(verb, "balance") != 0 || has_amount)
		return -1;
	request->template_id = WIRE_BALANCE;
	request->balance.account_id = id;
	return 0;
}

static int item_room(struct place *place)
{
	uint32_t room = place->room == 0 ? 4096 : 2 * place->room;
	struct item *grown;

	if (place->count < place->room)
		return 0;
	grown = reallocarray(place->items, room, sizeof(*grown));
	if (grown == NULL)
		return fail("out of memory", "", 0);
	place->items = grown;
	place->room = room;
	return 0;
}

static int item_read(struct place *place, char *line, size_t line_number)
{
	char *rest = NULL, *word = strtok_r(line, " \n", &rest), *verb;
	uint64_t index = word != NULL ? strtoull(word, NULL, 10) : 0;
	struct terminal *terminal;
	struct item *item;

	if (word == NULL)
		return 0;
	if (item_room(place) != 0)
		return -1;
	item = &place->items[place->count];
	*item = (struct item){ .next = NONE };
	rest[strcspn(rest, "\n")] = '\0';
	if (index >= place->terminal_count || number_take(&rest, &item->number) != 0 ||
	    (verb = strtok_r(NULL, " ", &rest)) == NULL ||
	    request_take(place, verb, &rest, &item->request) != 0)
		return fail("not a request: terminal ", word, line_number);
	terminal = &place->terminals[index];
	if (terminal->first == NONE)
		terminal->first = place->count;
	else
		place->items[terminal->last].next = place->count;
	terminal->last = place->count++;
	return 0;
}

static int items_read(struct place *place)
{
	char line[1024];
	size_t number = 0;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strchr(line, '\n') == NULL)
			return fail("too long, or without its end", "", number + 1);
		if (item_read(place, line, ++number) != 0)
			return -1;
	}
	return 0;
}

/* ---- Outcomes ---- */

static void outcome_write(const struct item *item, const struct wire_reply *reply)
{
	unsigned state = reply->template_id == WIRE_BET_STATUS ? reply->bet_status.state : 0;
	const char *name = wire_code_name(reply->code);

	printf("%" PRIu64 " %s %" PRIu64 " %" PRId64 " %" PRId64 " %u\n", item->number,
	    name != NULL ? name : "?", reply->object_id, reply->balance, reply->payout, state);
}

static void event_take(void *context, const struct client_event *event)
{
	struct terminal *terminal = context;
	struct place *place = terminal->place;

	switch (event->kind) {
	case CLIENT_OUTCOME_UNKNOWN:
		place->unknown++; /* and the client goes on asking */
		return;
	case CLIENT_ANSWERED:
		outcome_write(&place->items[event->cookie], event->reply);
		place->answered++;
		break;
	case CLIENT_EXPIRED_UNSENT:
	case CLIENT_GAVE_UP:
		printf("%" PRIu64 " NONE 0 0 0 0\n", place->items[event->cookie].number);
		place->failed++;
		break;
	case CLIENT_READY:
	case CLIENT_REVERSED: /* not asked for */
	case CLIENT_REKEYED:
	case CLIENT_SILENT:
	default:
		return;
	}
	terminal->under_way--;
}

/* ---- Terminals ---- */

static int terminal_open(struct place *place, struct terminal *terminal)
{
	char directory[4096], message[CLIENT_KEYING_MESSAGE_SIZE] = "", address[32];
	struct client_keying_result result = { 0 };
	struct client_config config = {
		.packet_number_first = 1,
		.messages_max = place->batch,
		.in_flight_max = place->in_flight,
		.heartbeat = 1,
		.jitter_seed = terminal->id,
		.request_ids = { .next = 1, .limit = CLIENT_QUERY_ID_FIRST },
		.on_event = event_take,
		.context = terminal,
	};
	int rc;

	snprintf(directory, sizeof(directory), "%s/%" PRIu64, place->identities, terminal->id);
	rc = client_keying_establish(&(struct client_keying_config){ .address = place->control,
	                                 .directory = directory,
	                                 .deployment = place->deployment,
	                                 .terminal_id = terminal->id },
	    &result, message, sizeof(message));
	if (rc != 0)
		return fail("no session: ", message[0] != '\0' ? message : strerror(-rc), 0);
	config.session_id = result.session_id;
	config.boot_id = result.boot_id;
	config.epoch = result.epoch;
	memcpy(config.root, result.root, sizeof(config.root));
	snprintf(address, sizeof(address), "%u.%u.%u.%u:%u", result.address_ipv4 >> 24,
	    result.address_ipv4 >> 16 & 255, result.address_ipv4 >> 8 & 255,
	    result.address_ipv4 & 255, result.udp_port);
	rc = client_create(&config, &terminal->client);
	if (rc == 0)
		rc = client_udp_open(address, &terminal->udp);
	explicit_bzero(&config, sizeof(config));
	explicit_bzero(&result, sizeof(result));
	return rc == 0 ? 0 : fail("cannot start a terminal: ", strerror(-rc), 0);
}

/* Sends what fits. 0, or -1 after a message. */
static int terminal_fill(struct place *place, struct terminal *terminal)
{
	uint64_t now_ns = client_udp_now_ns();

	while (terminal->first != NONE && terminal->under_way < CLIENT_REQUESTS_MAX - 2 &&
	       client_ready(terminal->client)) {
		struct item *item = &place->items[terminal->first];
		int rc = client_request(
		    terminal->client, &item->request, PATIENCE_NS, terminal->first, now_ns);

		if (rc == -EAGAIN)
			return 0;
		if (rc != 0)
			return fail("cannot send: ", strerror(-rc), 0);
		terminal->first = item->next;
		terminal->under_way++;
	}
	return 0;
}

static int place_run(struct place *place)
{
	static const struct timespec idle = { .tv_nsec = IDLE_NS };
	uint64_t heard_ns = client_udp_now_ns();

	while (place->answered + place->failed < place->count) {
		int moved = 0;

		for (uint64_t i = 0; i < place->terminal_count; i++) {
			struct terminal *terminal = &place->terminals[i];
			int rc;

			if (terminal->client == NULL)
				continue;
			if (terminal_fill(place, terminal) != 0)
				return -1;
			rc = client_udp_turn(&terminal->udp, terminal->client, 0);
			if (rc < 0 && rc != -EINTR)
				return fail("cannot go on: ", strerror(-rc), 0);
			moved += rc > 0;
		}
		if (moved > 0)
			heard_ns = client_udp_now_ns();
		else
			(void)nanosleep(&idle, NULL);
		if (client_udp_now_ns() - heard_ns > PATIENCE_NS)
			return fail("the switch does not answer any more", "", 0);
	}
	return 0;
}

/* ---- Command line ---- */

static const char usage[] =
    "Usage: season-place --control ADDRESS --deployment NAME --identities DIR\n"
    "                    --terminals FIRST:COUNT --currency N [--in-flight N] [--batch N]\n"
    "\n"
    "Sends the requests on standard input as the terminals enrolled in DIR/ID, prints an outcome "
    "a\n"
    "line (tests/season/place.c says the format). For tests.\n"
    "\n"
    "Exit status: 0 every request has its outcome, 1 not, 2 usage.\n";

/* 1..highest; 0: not that. */
static uint16_t option_number(const char *text, unsigned long highest)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	return *end == '\0' && value <= highest ? (uint16_t)value : 0;
}

static int options_parse(struct place *place, int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "deployment", required_argument, NULL, 'd' },
		{ "identities", required_argument, NULL, 'i' },
		{ "terminals", required_argument, NULL, 't' },
		{ "currency", required_argument, NULL, 'u' },
		{ "in-flight", required_argument, NULL, 'f' },
		{ "batch", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			place->control = optarg;
			break;
		case 'd':
			place->deployment = optarg;
			break;
		case 'i':
			place->identities = optarg;
			break;
		case 't':
			if (sscanf(optarg, "%" SCNu64 ":%" SCNu64, &place->terminal_first,
			        &place->terminal_count) != 2)
				return -1;
			break;
		case 'u':
			place->currency = option_number(optarg, 999);
			break;
		case 'f':
			place->in_flight = (uint8_t)option_number(optarg, 32);
			break;
		case 'b':
			place->batch = (uint8_t)option_number(optarg, 16);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'v':
			puts("season-place " SLUICE_VERSION);
			exit(0);
		default:
			return -1;
		}
	}
	return place->control != NULL && place->deployment != NULL && place->identities != NULL &&
	               place->terminal_first > 0 && place->terminal_count > 0 &&
	               place->terminal_count <= TERMINALS_MAX && place->currency > 0 &&
	               place->in_flight > 0 && place->batch > 0 && optind == argc
	           ? 0
	           : -1;
}

int main(int argc, char **argv)
{
	static struct place place = { .in_flight = 32, .batch = 8 };
	int rc = 0;

	if (options_parse(&place, argc, argv) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	for (uint64_t i = 0; i < place.terminal_count; i++)
		place.terminals[i] = (struct terminal){ .place = &place,
			.id = place.terminal_first + i,
			.first = NONE,
			.udp = { .fd = -1 } };
	rc = items_read(&place);
	for (uint64_t i = 0; rc == 0 && i < place.terminal_count; i++)
		if (place.terminals[i].first != NONE)
			rc = terminal_open(&place, &place.terminals[i]);
	if (rc == 0)
		rc = place_run(&place);
	for (uint64_t i = 0; i < place.terminal_count; i++) {
		client_free(place.terminals[i].client);
		client_udp_close(&place.terminals[i].udp);
	}
	free(place.items);
	if (fflush(stdout) != 0)
		rc = fail("cannot write the outcomes", "", 0);
	return rc == 0 && place.failed == 0 ? 0 : 1;
}
