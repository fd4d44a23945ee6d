/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bets of each market, and the payouts that open bets put at stake (ledger_derived.h). A market
 * counts by its id, not by its row: while rows of a fuzzy checkpoint are loaded, a bet may come
 * before its market's.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_derived.h"

/* ---- Records of markets ---- */

struct derived_market *derived_market_find(const struct ledger *ledger, uint64_t market_id)
{
	const struct ledger_derived *derived = ledger->derived;
	uint32_t at = ledger->derived->found;

	/* A bet asks several times for the same one; records stay where they are. */
	if (at != 0 && derived->markets[at - 1].market_id == market_id)
		return &derived->markets[at - 1];
	at = derived->market_heads[ledger_mix(market_id) & derived->market_mask];
	while (at != 0 && derived->markets[at - 1].market_id != market_id)
		at = derived->markets[at - 1].hash_next;
	ledger->derived->found = at;
	return at == 0 ? NULL : &derived->markets[at - 1];
}

uint32_t derived_market_prefetch(const struct ledger *ledger, uint64_t hash)
{
	const struct ledger_derived *derived = ledger->derived;
	uint32_t at = derived->market_heads[hash & derived->market_mask];

	if (at != 0)
		__builtin_prefetch(&derived->markets[at - 1], 1);
	return at;
}

/* NULL when there is no room: only for a market without a row. */
static struct derived_market *market_record(struct ledger *ledger, uint64_t market_id)
{
	struct ledger_derived *derived = ledger->derived;
	struct derived_market *market = derived_market_find(ledger, market_id);
	uint32_t *head;

	if (market != NULL)
		return market;
	if (market_find(ledger, market_id) == ROW_NONE) {
		if (derived->unknown_count >= ledger->config.markets_max)
			return NULL;
		derived->unknown_count++;
	}
	SLUICE_REQUIRE(derived->market_count < derived->market_capacity);
	head = &derived->market_heads[ledger_mix(market_id) & derived->market_mask];
	market = &derived->markets[derived->market_count++];
	market->market_id = market_id;
	market->known = market_find(ledger, market_id) != ROW_NONE;
	market->hash_next = *head;
	*head = derived->market_count;
	return market;
}

struct derived_market *derived_market_enter(struct ledger *ledger, uint32_t market_row)
{
	struct derived_market *market = market_record(ledger, ledger->markets[market_row].row.id);

	SLUICE_REQUIRE(market != NULL);
	if (!market->known) {
		market->known = 1;
		ledger->derived->unknown_count--;
	}
	return market;
}

/* ---- Links ---- */

static uint32_t *link_next(const struct ledger *ledger, uint32_t row, unsigned leg)
{
	struct ledger_derived *derived = ledger->derived;

	return leg < BET_LEGS_INLINE ? &derived->links[row].next[leg]
	                             : &derived->links_overflow[ledger->bets[row].overflow - 1]
	                                    .next[leg - BET_LEGS_INLINE];
}

static uint32_t *link_prev(const struct ledger *ledger, uint32_t row, unsigned leg)
{
	struct ledger_derived *derived = ledger->derived;

	return leg < BET_LEGS_INLINE ? &derived->links[row].prev[leg]
	                             : &derived->links_overflow[ledger->bets[row].overflow - 1]
	                                    .prev[leg - BET_LEGS_INLINE];
}

static uint32_t link_make(uint32_t row, unsigned leg)
{
	return (row << 2 | (leg < LINK_LEG_SEARCH ? leg : LINK_LEG_SEARCH)) + 1;
}

/* The leg of a bet on a market, from `first` on; leg_count: none. */
static unsigned leg_find(
    const struct ledger *ledger, uint32_t row, uint64_t market_id, unsigned first)
{
	const struct bet_slot *bet = &ledger->bets[row];
	unsigned leg = first;

	while (leg < bet->leg_count && bet_leg_at(ledger, bet, leg)->market_id != market_id)
		leg++;
	return leg;
}

static unsigned link_leg(const struct ledger *ledger, uint64_t market_id, uint32_t link)
{
	unsigned leg = (link - 1) & 3;

	return leg == LINK_LEG_SEARCH ? leg_find(ledger, link_row(link), market_id, leg) : leg;
}

/* A leg on the market of an earlier one is in no chain: a judge refuses it, damage may hold it. */
static int leg_counts(const struct ledger *ledger, uint32_t row, unsigned leg)
{
	const struct bet_slot *bet = &ledger->bets[row];

	return leg == 0 || leg_find(ledger, row, bet_leg_at(ledger, bet, leg)->market_id, 0) == leg;
}

uint32_t ledger_chain_next(const struct ledger *ledger, uint64_t market_id, uint32_t link)
{
	return *link_next(ledger, link_row(link), link_leg(ledger, market_id, link));
}

uint32_t ledger_chain_link(const struct ledger *ledger, uint64_t market_id, uint32_t bet_row)
{
	unsigned leg = leg_find(ledger, bet_row, market_id, 0);

	return leg == ledger->bets[bet_row].leg_count ? 0 : link_make(bet_row, leg);
}

static void chain_leave(struct ledger *ledger, uint32_t row, unsigned leg)
{
	uint64_t market_id = bet_leg_at(ledger, &ledger->bets[row], leg)->market_id;
	struct derived_market *market = derived_market_find(ledger, market_id);
	struct ledger_derived *derived = ledger->derived;
	uint32_t *next = link_next(ledger, row, leg), *prev = link_prev(ledger, row, leg);
	uint32_t own = link_make(row, leg);

	SLUICE_REQUIRE(market != NULL && market->bets > 0);
	if (derived->sweep.market_id == market_id && derived->sweep.last == own)
		derived->sweep.last = *prev;
	if (derived->ahead.market_id == market_id)
		derived->ahead.market_id = 0;
	if (*prev != 0)
		*link_next(ledger, link_row(*prev), link_leg(ledger, market_id, *prev)) = *next;
	else
		market->first = *next;
	if (*next != 0)
		*link_prev(ledger, link_row(*next), link_leg(ledger, market_id, *next)) = *prev;
	*next = *prev = 0;
	market->bets--;
}

int ledger_chain_add(struct ledger *ledger, uint32_t bet_row)
{
	const struct bet_slot *bet = &ledger->bets[bet_row];

	for (unsigned leg = 0; leg < bet->leg_count; leg++) {
		struct derived_market *market;
		uint32_t own = link_make(bet_row, leg), old;

		*link_next(ledger, bet_row, leg) = *link_prev(ledger, bet_row, leg) = 0;
		if (!leg_counts(ledger, bet_row, leg))
			continue;
		market = market_record(ledger, bet_leg_at(ledger, bet, leg)->market_id);
		if (market == NULL) {
			while (leg-- > 0)
				if (leg_counts(ledger, bet_row, leg))
					chain_leave(ledger, bet_row, leg);
			return -ENOSPC;
		}
		old = market->first;
		*link_next(ledger, bet_row, leg) = old;
		if (old != 0)
			*link_prev(
			    ledger, link_row(old), link_leg(ledger, market->market_id, old)) = own;
		market->first = own;
		market->bets++;
	}
	return 0;
}

void ledger_chain_remove(struct ledger *ledger, uint32_t bet_row)
{
	const struct bet_slot *bet = &ledger->bets[bet_row];

	ledger_due_unqueue(ledger, bet_row);
	for (unsigned leg = 0; leg < bet->leg_count; leg++)
		if (leg_counts(ledger, bet_row, leg))
			chain_leave(ledger, bet_row, leg);
}

/* ---- Exposure ---- */

static void add_wrapping(int64_t *sum, int64_t amount)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)amount);
}

/* One open bet more or less; its payout counts when it is in the currency of the exposures. */
static void exposure_add(struct ledger *ledger, uint32_t bet_row, int sign)
{
	const struct bet_slot *bet = &ledger->bets[bet_row];
	uint32_t account = account_decided(ledger, bet->account_id);
	int64_t amount = bet->currency == ledger->derived->currency ? sign * bet->payout : 0;

	for (unsigned leg = 0; leg < bet->leg_count; leg++) {
		const struct bet_leg_kept *kept = bet_leg_at(ledger, bet, leg);
		struct derived_market *market;

		if (!leg_counts(ledger, bet_row, leg))
			continue;
		market = derived_market_find(ledger, kept->market_id);
		SLUICE_REQUIRE(market != NULL);
		market->open += (uint32_t)sign;
		add_wrapping(&market->exposure, amount);
		if (kept->selection < LIMIT_MARKET_SELECTIONS_MAX)
			add_wrapping(&market->selections[kept->selection], amount);
	}
	if (bet->account_id == 0 || amount == 0)
		return;
	if (account == ROW_NONE) /* loaded before it: the first read counts anew */
		ledger->derived->partners_stale = 1;
	else
		add_wrapping(
		    &ledger->derived->partners[ledger->accounts[account].row.partner_id], amount);
}

/* A single bet: chain and exposure at once, its market's record looked for once. */
static void single_enter(struct ledger *ledger, uint32_t bet_row, uint32_t account_row)
{
	const struct bet_slot *bet = &ledger->bets[bet_row];
	struct ledger_derived *derived = ledger->derived;
	struct bet_links *links = &derived->links[bet_row];
	uint64_t market_id = bet->legs[0].market_id;
	struct derived_market *market = market_record(ledger, market_id);
	uint32_t own = link_make(bet_row, 0), old;
	unsigned selection = bet->legs[0].selection;

	SLUICE_REQUIRE(market != NULL); /* it has a row */
	old = market->first;
	links->next[0] = old;
	links->prev[0] = 0;
	if (old != 0)
		*link_prev(ledger, link_row(old), link_leg(ledger, market_id, old)) = own;
	market->first = own;
	market->bets++;
	market->open++;
	ledger->bets_open++;
	if (bet->currency != derived->currency)
		return;
	add_wrapping(&market->exposure, bet->payout);
	if (selection < LIMIT_MARKET_SELECTIONS_MAX)
		add_wrapping(&market->selections[selection], bet->payout);
	add_wrapping(&derived->partners[ledger->accounts[account_row].row.partner_id], bet->payout);
}

/* The rules' currency has changed (or only now been loaded): all anew. Once in years. */
static void exposure_rebuild(struct ledger *ledger)
{
	struct ledger_derived *derived = ledger->derived;

	derived->currency = ledger->shard.rules.currency;
	derived->partners_stale = 0;
	for (uint32_t i = 0; i < derived->market_count; i++) {
		derived->markets[i].exposure = 0;
		derived->markets[i].open = 0;
		memset(derived->markets[i].selections, 0, sizeof(derived->markets[i].selections));
	}
	memset(derived->partners, 0, (LIMIT_PARTNER_ID_MAX + 1) * sizeof(*derived->partners));
	for (uint32_t row = 0; row < ledger->tables[LEDGER_BET].count; row++)
		if (ledger->bets[row].state == BET_OPEN)
			exposure_add(ledger, row, 1);
}

void ledger_exposure_change(struct ledger *ledger, uint32_t bet_row, int sign)
{
	const struct bet_slot *bet = &ledger->bets[bet_row];
	struct ledger_derived *derived = ledger->derived;

	SLUICE_REQUIRE(bet->state == BET_OPEN && (sign == 1 || sign == -1));
	if (SLUICE_UNLIKELY(derived->currency != ledger->shard.rules.currency)) {
		exposure_rebuild(ledger); /* counts this one */
		if (sign > 0)
			return;
	}
	exposure_add(ledger, bet_row, sign);
}

void ledger_bet_enter_open(struct ledger *ledger, uint32_t bet_row, uint32_t account_row)
{
	if (SLUICE_LIKELY(ledger->bets[bet_row].leg_count == 1 &&
	                  ledger->derived->currency == ledger->shard.rules.currency))
		single_enter(ledger, bet_row, account_row);
	else
		SLUICE_REQUIRE(ledger_bet_enter(ledger, bet_row) == 0); /* its markets are there */
}

/* Reads are of a const ledger; what is derived may still be brought up to date. */
static void exposure_refresh(const struct ledger *ledger)
{
	if (SLUICE_UNLIKELY(ledger->derived->currency != ledger->shard.rules.currency ||
	                    ledger->derived->partners_stale))
		exposure_rebuild((struct ledger *)(uintptr_t)ledger);
}

int64_t ledger_market_exposure(const struct ledger *ledger, uint64_t market_id, int selection)
{
	const struct derived_market *market;

	exposure_refresh(ledger);
	market = derived_market_find(ledger, market_id);
	if (market == NULL || selection >= LIMIT_MARKET_SELECTIONS_MAX)
		return 0;
	return selection < 0 ? market->exposure : market->selections[selection];
}

uint32_t ledger_market_open(const struct ledger *ledger, uint64_t market_id)
{
	const struct derived_market *market = derived_market_find(ledger, market_id);

	return market == NULL ? 0 : market->open;
}

int64_t ledger_partner_exposure(const struct ledger *ledger, uint32_t partner_id)
{
	exposure_refresh(ledger);
	return partner_id > LIMIT_PARTNER_ID_MAX ? 0 : ledger->derived->partners[partner_id];
}

/* ---- Memory ---- */

static uint32_t heads_count(uint32_t records)
{
	uint32_t count = 16;

	while (count < records)
		count *= 2;
	return count;
}

int ledger_derived_create(
    struct ledger *ledger, void *(*map)(struct ledger *ledger, size_t count, size_t size))
{
	const struct ledger_config *config = &ledger->config;
	struct ledger_derived *derived;
	uint32_t events;

	if (config->bets_max >= LEDGER_TABLE_MAX) /* a link has 32 bits */
		return -EINVAL;
	derived = map(ledger, 1, sizeof(*derived));
	if (derived == NULL)
		return -ENOMEM;
	/* As many ids without a row as with one. */
	derived->market_capacity = 2 * config->markets_max;
	derived->market_mask = heads_count(derived->market_capacity) - 1;
	events = heads_count(config->markets_max);
	derived->event_mask = events - 1;
	derived->currency = ledger->shard.rules.currency;
	derived->links = map(ledger, config->bets_max, sizeof(*derived->links));
	derived->links_overflow = map(ledger, config->bets_max, sizeof(*derived->links_overflow));
	derived->queue = map(ledger, config->bets_max, sizeof(*derived->queue));
	derived->markets = map(ledger, derived->market_capacity, sizeof(*derived->markets));
	derived->market_heads =
	    map(ledger, derived->market_mask + 1u, sizeof(*derived->market_heads));
	derived->events = map(ledger, config->markets_max + 1u, sizeof(*derived->events));
	derived->event_links = map(ledger, config->markets_max, sizeof(*derived->event_links));
	derived->event_heads = map(ledger, events, sizeof(*derived->event_heads));
	derived->at =
	    map(ledger, (size_t)config->objects_max + config->markets_max, sizeof(*derived->at));
	derived->heap =
	    map(ledger, (size_t)config->objects_max + config->markets_max, sizeof(*derived->heap));
	derived->partners = map(ledger, LIMIT_PARTNER_ID_MAX + 1u, sizeof(*derived->partners));
	if (derived->links == NULL || derived->links_overflow == NULL || derived->queue == NULL ||
	    derived->markets == NULL || derived->market_heads == NULL || derived->events == NULL ||
	    derived->event_links == NULL || derived->event_heads == NULL || derived->at == NULL ||
	    derived->heap == NULL || derived->partners == NULL)
		return -ENOMEM;
	ledger->derived = derived;
	return 0;
}
