/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints ns per bet decided and applied, in bursts of 32 as the worker does it. Not a test: figures
 * depend on the machine. Usage: bench-ledger [accounts] [bets] [populate]
 */
#include <inttypes.h>

#include "dataplane/ledger/ledger.h"
#include "tests/test.h"

#define START   (20000ull * 86400 * 1000000000)
#define MARKETS 1000
#define BURST   LIMIT_BURST

struct test_registry test_registry; /* tests/test.h wants one */

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void apply(struct ledger *ledger, const struct event_buffer *event, int length)
{
	SLUICE_REQUIRE(length > 0 && ledger_apply_own(ledger, event->bytes, (size_t)length) == 0);
}

static void set_up(struct ledger *ledger, uint64_t accounts)
{
	struct event_buffer event;
	struct ledger_command command = { .type = EVENT_RULES_SET };

	risk_rules_default(&command.rules);
	command.rules.version = 2;
	command.rules.stake_daily_max = LIMIT_BALANCE_MAX;
	apply(ledger, &event, ledger_decide_command(ledger, &command, START, &event));
	command = (struct ledger_command){
		.type = EVENT_ACCOUNT_OPEN, .currency = 410, .amount = 1000000000
	};
	for (command.account_id = 1; command.account_id <= accounts; command.account_id++)
		apply(ledger, &event, ledger_decide_command(ledger, &command, START, &event));
	command = (struct ledger_command){ .type = EVENT_MARKET_SET };
	command.market.start_time_ns = le64_make(START * 2);
	command.market.state = MARKET_OPEN;
	command.market.kind = MARKET_KIND_1X2;
	command.market.selection_count = 3;
	for (unsigned i = 0; i < 3; i++)
		command.market.odds[i] = le32_make(2000);
	for (command.market_id = 1; command.market_id <= MARKETS; command.market_id++) {
		command.market.event_id = le64_make(command.market_id);
		command.market.version = le64_make(command.market_id);
		apply(ledger, &event, ledger_decide_command(ledger, &command, START, &event));
	}
}

static void make_burst(
    struct wire_request *wires, uint64_t first, uint64_t accounts, uint64_t *random)
{
	for (unsigned i = 0; i < BURST; i++) {
		uint64_t number = test_random(random);

		wires[i] = (struct wire_request){ .request_id = first + i + 1,
			.template_id = WIRE_PLACE_BET,
			.place_bet = { .account_id = number % accounts + 1,
			    .stake = 1000,
			    .deadline_ns = UINT64_MAX,
			    .currency = 410,
			    .leg_count = 1,
			    .legs = {
			        { .market_id = (number >> 40) % MARKETS + 1, .odds = 2000 } } } };
	}
}

int main(int argc, char **argv)
{
	uint64_t accounts = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	uint64_t bets = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
	struct ledger_config config = { .shard_count = 1,
		.accounts_max = (uint32_t)accounts + 1000,
		.bets_max = (uint32_t)bets + BURST,
		.markets_max = MARKETS,
		.terminals_max = 1000,
		.objects_max = 1000,
		.populate = argc > 3 };
	struct ledger *ledger;
	struct wire_request wires[BURST];
	struct event_buffer event;
	uint64_t random = 1, decide_ns = 0, hash_ns = 0, accepted = 0, begun;

	ids_bucket_map_default(&config.buckets, 1);
	ledger = ledger_create(&config);
	SLUICE_REQUIRE(ledger != NULL);
	set_up(ledger, accounts);
	(void)ledger_state_hash(ledger);
	for (uint64_t done = 0; done < bets; done += BURST) {
		make_burst(wires, done, accounts, &random);
		begun = clock_ns();
		for (unsigned i = 0; i < BURST; i++)
			ledger_prefetch(ledger, &wires[i]);
		for (unsigned i = 0; i < BURST; i++) {
			struct ledger_request request = { .wire = &wires[i], .terminal_id = i + 1 };

			apply(ledger, &event,
			    ledger_decide(ledger, &request, START + done * 1000, &event));
		}
		decide_ns += clock_ns() - begun;
		begun = clock_ns();
		if (done % (BURST * 4) == 0)
			(void)ledger_state_hash(ledger);
		hash_ns += clock_ns() - begun;
	}
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_TERMINAL); i++)
		accepted += (uint64_t)ledger_terminal_at(ledger, i)->staked_today / 1000;
	printf("accounts %" PRIu64 ", bets %" PRIu64 ", accepted %" PRIu64 "\n", accounts, bets,
	    accepted);
	printf("prefetch + decide + apply %.1f ns, state hash %.1f ns per bet\n",
	    (double)decide_ns / (double)bets, (double)hash_ns / (double)bets);
	ledger_free(ledger);
	return 0;
}
