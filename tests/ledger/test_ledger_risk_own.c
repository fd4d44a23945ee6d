/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the states learn where the judge's own look at a bet is used again (ledger_apply_own), and
 * by a follower that has only the event: the same bytes.
 */
#include "dataplane/ledger/ledger_internal.h"
#include "tests/ledger/risk_bed.h"

#define THRESHOLD 10000
#define BETS      200
#define LONG_OPEN 4 /* a market that begins in years */

static void own_request(struct bed *bed, const struct wire_request *wire,
    struct wire_request *request, struct ledger_request *asked)
{
	*request = *wire;
	request->request_id = ++bed->wallet.request_id;
	request->body_hash[0] = request->body_hash[1] = request->request_id;
	*asked = (struct ledger_request){ .wire = request, .terminal_id = bed->wallet.terminal };
}

/* Decided, but not yet applied: its length. */
static int own_decide(struct bed *bed, const struct wire_request *wire)
{
	struct wire_request request;
	struct ledger_request asked;
	int length;

	own_request(bed, wire, &request, &asked);
	length = ledger_decide(bed->wallet.ledger, &asked, bed->wallet.now, &bed->wallet.event);
	assert_true(length > 0);
	bed->wallet.record = fixture_record(&bed->wallet.event);
	return length;
}

static void own_apply(struct bed *bed, int length)
{
	assert_int_equal(
	    ledger_apply_own(bed->wallet.ledger, bed->wallet.event.bytes, (size_t)length), 0);
	follow(bed);
}

/* A threshold that stakes come near to, and a market that stays open. */
static void bed_prepare(struct bed *bed)
{
	struct ledger_command command =
	    fixture_market_command(LONG_OPEN, LONG_OPEN, LONG_OPEN, MARKET_OPEN, NOW + 3000 * DAY);

	assert_int_equal(wallet_command(&bed->wallet, &command), 1);
	follow(bed);
	command = (struct ledger_command){ .type = EVENT_RULES_SET };
	command.rules = ledger_shard(bed->wallet.ledger)->rules;
	command.rules.version++;
	command.extra = ledger_shard(bed->wallet.ledger)->extra;
	command.extra.report_threshold = THRESHOLD;
	assert_int_equal(wallet_command(&bed->wallet, &command), 1);
	follow(bed);
}

static uint64_t below(uint64_t *random, uint64_t bound)
{
	return test_random(random) % bound;
}

/* Seconds and weeks, amounts near the threshold, two currencies, terminals and selections again and
 * again. */
TEST(the_judges_look_teaches_what_the_event_does)
{
	static const uint64_t steps[] = { 1000, SECOND / 2, 40 * SECOND, 3 * HOUR, 9 * 24 * HOUR };
	static const uint32_t odds[] = { 2000, 3500, 25000 };
	uint64_t random = test_seed();
	unsigned accepted = 0;
	struct bed bed;

	bed_make(&bed, 101);
	bed_prepare(&bed);
	for (unsigned i = 0; i < BETS; i++) {
		uint16_t selection = (uint16_t)below(&random, 3);
		int dollars = below(&random, 4) == 0;
		struct wire_request wire = BET(.stake = (int64_t)(1 + below(&random, 5000)),
		    .legs = { { LONG_OPEN, odds[selection], selection } });

		if (dollars) {
			wire.place_bet.account_id = DOLLARS;
			wire.place_bet.currency = USD;
		} else if (below(&random, 8) == 0) {
			wire.place_bet.stake = THRESHOLD - (int64_t)below(&random, 2000);
		}
		bed.wallet.terminal = 1 + below(&random, 6);
		bed.wallet.now += below(&random, steps[below(&random, SLUICE_ARRAY_COUNT(steps))]);
		own_apply(&bed, own_decide(&bed, &wire));
		accepted += le16_get(bed.wallet.record.code) == WIRE_CODE_OK;
	}
	assert_true(accepted > BETS / 4);
	assert_true(ledger_account_risk(bed.wallet.ledger, RICH)->near_s[1] != 0);
	bed_free(&bed);
}

/* By other rules the same bet is near their threshold, at another hour. */
TEST(rules_that_were_only_asked_teach_nothing)
{
	const struct wire_request wire = BET(.stake = 1000);
	struct risk_rules_extra extra;
	struct ledger_request asked;
	struct wire_request request;
	struct event_buffer event;
	struct risk_rules rules;
	struct bed bed;
	int length;

	bed_make(&bed, 101);
	assert_int_equal(ask(&bed, &wire), WIRE_CODE_OK); /* its terminal has a row from now on */
	rules = ledger_shard(bed.wallet.ledger)->rules;
	extra = ledger_shard(bed.wallet.ledger)->extra;
	rules.utc_offset_s += 5 * 3600;
	extra.report_threshold = 1001;
	length = own_decide(&bed, &wire);
	own_request(&bed, &wire, &request, &asked);
	assert_true(ledger_decide_by_rules(
	                bed.wallet.ledger, &asked, &rules, &extra, bed.wallet.now, &event) > 0);
	own_apply(&bed, length);
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, RICH)->near_s[0], 0);
	bed_free(&bed);
}

TEST_MAIN()
