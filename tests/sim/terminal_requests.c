/* SPDX-License-Identifier: Apache-2.0 */
/* Random requests of every message of the catalogue: small numbers, so that everything collides. */
#include "tests/sim/world.h"

void kept_add(struct kept_ids *ids, uint64_t id)
{
	ids->ids[ids->count++ % WORLD_KEPT] = id;
}

uint64_t kept_pick(const struct kept_ids *ids)
{
	uint32_t known = ids->count < WORLD_KEPT ? ids->count : WORLD_KEPT;

	if (known == 0 || sim_below(40) == 0)
		return 1 + sim_below(UINT64_MAX - 1);
	return ids->ids[sim_below(known)];
}

static uint64_t account_pick(void)
{
	return 1 + sim_below(WORLD_ACCOUNTS + (sim_below(20) == 0));
}

static int64_t amount_pick(void)
{
	switch (sim_below(40)) {
	case 0:
		return 0;
	case 1:
		return sim_below(4) ? 1 : LIMIT_BALANCE_MAX + 1;
	case 2:
		return -(int64_t)sim_below(100);
	default:
		return (int64_t)(1 + sim_below(20000));
	}
}

static uint16_t currency_pick(uint64_t account_id)
{
	return sim_below(50) == 0 ? 392 : world_currency(account_id);
}

static uint64_t deadline_pick(void)
{
	switch (sim_below(40)) {
	case 0:
		return world_now() - 1;
	case 1:
		return world_now() + sim_below(200 * MILLISECOND_NS);
	default:
		return NO_DEADLINE;
	}
}

static void key_pick(uint64_t key[2])
{
	if (sim_below(8) == 0)
		key[0] = 1 + sim_below(60);
}

static void bet_make(struct world *world, struct wire_request *wire)
{
	static const uint32_t odds[WORLD_SELECTIONS] = { 2000, 3500, 9000 };
	unsigned legs = sim_below(3) ? 1 : 1 + (unsigned)sim_below(5);
	uint64_t markets = world->control.market_last - world->control.market_first + 1;
	uint64_t first = sim_below(markets);

	wire->template_id = WIRE_PLACE_BET;
	wire->place_bet.account_id = sim_below(4) ? account_pick() : 0;
	wire->place_bet.stake = sim_below(30) ? (int64_t)(1 + sim_below(5000)) : amount_pick();
	wire->place_bet.deadline_ns = deadline_pick();
	wire->place_bet.currency = wire->place_bet.account_id == 0 && sim_below(3)
	                               ? CURRENCY_MAIN
	                               : currency_pick(wire->place_bet.account_id);
	wire->place_bet.odds_policy = (uint8_t)sim_below(2);
	wire->place_bet.leg_count = (uint8_t)legs;
	for (unsigned i = 0; i < legs; i++) {
		struct wire_leg *leg = &wire->place_bet.legs[i];

		leg->market_id = world->control.market_first +
		                 (sim_below(25) ? (first + i) % markets : sim_below(markets));
		leg->selection = (uint16_t)(sim_below(3) ? 0 : sim_below(WORLD_SELECTIONS));
		leg->odds = odds[leg->selection];
	}
}

static void wallet_make(struct wire_request *wire)
{
	uint64_t account_id = account_pick();

	if (sim_below(2)) {
		wire->template_id = WIRE_TRANSFER;
		wire->transfer.from_account = account_id;
		wire->transfer.to_account = account_pick();
		/* Of the same currency, mostly. */
		if (sim_below(4) &&
		    world_currency(wire->transfer.to_account) != world_currency(account_id))
			wire->transfer.to_account = 1 + (account_id + 4) % WORLD_ACCOUNTS;
		wire->transfer.amount = amount_pick();
		wire->transfer.currency = currency_pick(account_id);
		wire->transfer.deadline_ns = deadline_pick();
		key_pick(wire->transfer.partner_key);
		return;
	}
	wire->template_id = sim_below(2) ? WIRE_WITHDRAW : WIRE_DEPOSIT;
	wire->deposit.account_id = account_id;
	wire->deposit.amount = amount_pick();
	wire->deposit.currency = currency_pick(account_id);
	wire->deposit.deadline_ns = deadline_pick();
	key_pick(wire->deposit.partner_key);
}

static void sprinkle_make(struct world *world, struct wire_request *wire)
{
	if (world->tokens.count == 0 || sim_below(6) == 0) {
		uint64_t account_id = account_pick();

		wire->template_id = WIRE_SPRINKLE_CREATE;
		wire->sprinkle_create.account_id = account_id;
		wire->sprinkle_create.amount = amount_pick();
		wire->sprinkle_create.room = 1 + (sim_below(20) == 0);
		wire->sprinkle_create.shares = 1 + (uint32_t)sim_below(12);
		wire->sprinkle_create.window_s = (uint32_t)sim_below(4000);
		wire->sprinkle_create.equal = (uint8_t)sim_below(2);
		wire->sprinkle_create.currency = currency_pick(account_id);
		wire->sprinkle_create.deadline_ns = deadline_pick();
		return;
	}
	wire->template_id = WIRE_CLAIM;
	wire->claim.token = sim_below(4) ? world->tokens.ids[(world->tokens.count - 1) % WORLD_KEPT]
	                                 : kept_pick(&world->tokens);
	wire->claim.account_id = account_pick();
	wire->claim.room = 1 + (sim_below(30) == 0);
	wire->claim.deadline_ns = deadline_pick();
}

static void round_make(struct world *world, struct wire_request *wire)
{
	static const uint16_t templates[] = { WIRE_ROUND_DEBIT, WIRE_ROUND_DEBIT, WIRE_ROUND_CREDIT,
		WIRE_ROUND_ROLLBACK, WIRE_ROUND_CLOSE };
	uint64_t account_id = account_pick();

	wire->template_id = templates[sim_below(SLUICE_ARRAY_COUNT(templates))];
	wire->round.account_id = account_id;
	wire->round.deadline_ns = deadline_pick();
	wire->round.currency = currency_pick(account_id);
	wire->round.partner_id = world_partner(account_id);
	wire->round.game = (uint32_t)sim_below(2);
	wire->round.round = 1 + world->transactions / 60;
	if (wire->template_id == WIRE_ROUND_DEBIT || wire->template_id == WIRE_ROUND_CREDIT)
		wire->round.amount = amount_pick();
	if (wire->template_id != WIRE_ROUND_CLOSE)
		wire->round.transaction[0] =
		    sim_below(10) ? ++world->transactions : 1 + sim_below(world->transactions + 5);
	if (wire->template_id == WIRE_ROUND_ROLLBACK)
		wire->round.target[0] = world->transactions < 30
		                            ? 1 + sim_below(40)
		                            : world->transactions + 3 - sim_below(30);
}

static void play_make(struct wire_request *wire)
{
	wire->template_id = WIRE_PLAY_SET;
	wire->play_set.account_id = account_pick();
	wire->play_set.deadline_ns = deadline_pick();
	for (unsigned i = 0; i < 6; i++)
		wire->play_set.limits[i] = sim_below(3) ? -1 : (int64_t)sim_below(200000);
	if (sim_below(10) == 0)
		wire->play_set.cooloff_until_ns = world_now() + sim_below(4 * 3600 * SECOND_NS);
	if (sim_below(40) == 0)
		wire->play_set.excluded_until_ns = world_now() + sim_below(86400 * SECOND_NS);
}

static void counter_make(struct wire_request *wire)
{
	if (sim_below(2)) {
		wire->template_id = sim_below(2) ? WIRE_SHIFT_OPEN : WIRE_SHIFT_CLOSE;
		wire->shift.cash = (int64_t)sim_below(100000);
		wire->shift.cashier_id = 1 + (uint32_t)(sim_below(20) == 0);
		wire->shift.currency = CURRENCY_MAIN;
		wire->shift.deadline_ns = deadline_pick();
		return;
	}
	wire->template_id = WIRE_OPEN_ACCOUNT;
	wire->open_account.account_id = 1 + sim_below(WORLD_ACCOUNTS);
	wire->open_account.currency = currency_pick(wire->open_account.account_id);
	wire->open_account.partner_id = world_partner(wire->open_account.account_id);
	wire->open_account.deadline_ns = deadline_pick();
}

static void counter_ticket_make(struct world *world, struct wire_request *wire)
{
	uint32_t known = world->ticket_count < WORLD_KEPT ? world->ticket_count : WORLD_KEPT;

	switch (sim_below(4)) {
	case 0:
		wire->template_id = WIRE_CANCEL_BET;
		wire->cancel_bet.bet_id = kept_pick(&world->bets);
		wire->cancel_bet.deadline_ns = deadline_pick();
		return;
	case 1:
		wire->template_id = WIRE_REPRINT;
		wire->reprint.bet_id = kept_pick(&world->bets);
		wire->reprint.deadline_ns = deadline_pick();
		return;
	default:
		wire->template_id = WIRE_REDEEM;
		wire->redeem.bet_id = kept_pick(&world->bets);
		wire->redeem.deadline_ns = deadline_pick();
		if (known > 0) {
			const struct kept_ticket *ticket = &world->tickets[sim_below(known)];

			wire->redeem.bet_id = ticket->bet_id;
			memcpy(wire->redeem.ticket, ticket->ticket, TICKET_SIZE);
			if (sim_below(30) == 0)
				wire->redeem.ticket[0] ^= 1;
		}
		return;
	}
}

/* An id of this terminal: mostly one of the newest. */
static uint64_t target_pick(const struct terminal *terminal)
{
	uint64_t used = terminal->next_id - 1, near = used < 40 ? used : 40;

	if (used <= 1)
		return 1;
	return sim_below(4) ? used - sim_below(near) : 1 + sim_below(used);
}

static void target_make(const struct terminal *terminal, struct wire_request *wire)
{
	switch (sim_below(3)) {
	case 0:
		wire->template_id = WIRE_FENCE;
		wire->fence.target_request_id = target_pick(terminal);
		wire->fence.deadline_ns = deadline_pick();
		return;
	case 1:
		wire->template_id = WIRE_REVERSE;
		wire->reverse.target_request_id = target_pick(terminal);
		wire->reverse.deadline_ns = deadline_pick();
		wire->reverse.reason = 1;
		return;
	default:
		wire->template_id = WIRE_TX_STATUS;
		wire->tx_status.target_request_id = target_pick(terminal);
		return;
	}
}

static void read_make(struct world *world, struct terminal *terminal, struct wire_request *wire)
{
	switch (sim_below(12)) {
	case 0:
		wire->template_id = WIRE_BET_STATUS;
		wire->bet_status.bet_id = kept_pick(&world->bets);
		return;
	case 1:
	case 2:
		wire->template_id = WIRE_STATEMENT;
		wire->statement.account_id = account_pick();
		wire->statement.count = (uint8_t)(1 + sim_below(LIMIT_STATEMENT_ROWS));
		return;
	case 3:
		wire->template_id = WIRE_SPRINKLE_STATUS;
		wire->sprinkle_status.token = kept_pick(&world->tokens);
		return;
	case 4:
		wire->template_id = WIRE_MARKET_QUERY;
		wire->market_query.since_version = sim_below(2) ? 0 : world->control.version / 2;
		wire->market_query.market_id = sim_below(3) ? 0 : 1 + sim_below(WORLD_MARKETS);
		return;
	case 5:
		wire->template_id = WIRE_EVENT_QUERY;
		wire->event_query.event_id = sim_below(2) ? 0 : 100 + sim_below(WORLD_MARKETS / 2);
		return;
	case 6:
		wire->template_id = WIRE_HELLO;
		wire->hello.last_id_sent = terminal->next_id - 1;
		return;
	case 7:
		wire->template_id = WIRE_HEARTBEAT;
		wire->heartbeat.battery_percent = 80;
		wire->heartbeat.answered_below = 1;
		return;
	case 8:
		wire->template_id = WIRE_KEY_UPDATE;
		return;
	default:
		wire->template_id = WIRE_BALANCE;
		wire->balance.account_id = account_pick();
		return;
	}
}

void request_make(struct world *world, struct terminal *terminal, struct wire_request *request)
{
	memset(request, 0, sizeof(*request));
	switch (sim_below(20)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		wallet_make(request);
		break;
	case 5:
	case 6:
		sprinkle_make(world, request);
		break;
	case 7:
		round_make(world, request);
		break;
	case 8:
		counter_make(request);
		break;
	case 9:
	case 10:
		counter_ticket_make(world, request);
		break;
	case 11:
		target_make(terminal, request);
		break;
	case 12:
	case 13:
		read_make(world, terminal, request);
		break;
	case 14:
		if (sim_below(8) == 0) {
			play_make(request);
			break;
		}
		/* fall through */
	default:
		bet_make(world, request);
		break;
	}
}
