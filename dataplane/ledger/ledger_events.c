/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: the markets with one event_id. Each event has a record with its markets linked in no
 * order and the newest of them; the order of events is that of the markets (ledger_market.c), where
 * a market stands for its event when it is the newest of it.
 */
#include "dataplane/ledger/ledger_derived.h"

static const struct market_row_state *market_at(const struct ledger *ledger, uint32_t row_plus_one)
{
	return &ledger->markets[row_plus_one - 1].row;
}

static int market_newer(const struct market_row_state *a, const struct market_row_state *b)
{
	return a->version != b->version ? a->version > b->version : a->id > b->id;
}

static uint32_t *event_head(const struct ledger *ledger, uint64_t event_id)
{
	struct ledger_derived *derived = ledger->derived;

	return &derived->event_heads[ledger_mix(event_id) & derived->event_mask];
}

/* Record + 1; 0. */
static uint32_t event_find(const struct ledger *ledger, uint64_t event_id)
{
	const struct derived_event *events = ledger->derived->events;
	uint32_t at = *event_head(ledger, event_id);

	while (at != 0 && events[at - 1].event_id != event_id)
		at = events[at - 1].hash_next;
	return at;
}

static uint32_t event_enter(struct ledger *ledger, uint64_t event_id)
{
	struct ledger_derived *derived = ledger->derived;
	uint32_t at = event_find(ledger, event_id);
	uint32_t *head = event_head(ledger, event_id);

	if (at != 0)
		return at;
	if (derived->event_free != 0) {
		at = derived->event_free;
		derived->event_free = derived->events[at - 1].hash_next;
	} else {
		/* One market at least has each event, and one moves at a time. */
		SLUICE_REQUIRE(derived->event_count <= ledger->config.markets_max);
		at = ++derived->event_count;
	}
	derived->events[at - 1] =
	    (struct derived_event){ .event_id = event_id, .hash_next = *head };
	*head = at;
	return at;
}

static void event_free(struct ledger *ledger, uint32_t at)
{
	struct ledger_derived *derived = ledger->derived;
	struct derived_event *event = &derived->events[at - 1];
	uint32_t *link = event_head(ledger, event->event_id);

	while (*link != at)
		link = &derived->events[*link - 1].hash_next;
	*link = event->hash_next;
	event->hash_next = derived->event_free;
	derived->event_free = at;
}

/* The market has moved to another event. */
static void event_leave(struct ledger *ledger, uint32_t market_row)
{
	struct ledger_derived *derived = ledger->derived;
	struct derived_event_links *own = &derived->event_links[market_row];
	struct derived_event *event = &derived->events[own->event - 1];

	if (own->prev != 0)
		derived->event_links[own->prev - 1].next = own->next;
	else
		event->first = own->next;
	if (own->next != 0)
		derived->event_links[own->next - 1].prev = own->prev;
	event->count--;
	if (event->newest == market_row + 1) {
		event->newest = event->first;
		for (uint32_t at = event->first; at != 0; at = derived->event_links[at - 1].next)
			if (market_newer(market_at(ledger, at), market_at(ledger, event->newest)))
				event->newest = at;
	}
	if (event->count == 0)
		event_free(ledger, own->event);
	*own = (struct derived_event_links){ 0 };
}

void ledger_event_index_add(struct ledger *ledger, uint32_t market_row)
{
	struct ledger_derived *derived = ledger->derived;
	struct derived_event_links *own = &derived->event_links[market_row];
	const struct market_row_state *market = &ledger->markets[market_row].row;
	struct derived_event *event;

	(void)derived_market_enter(ledger, market_row);
	if (own->event != 0 && derived->events[own->event - 1].event_id != market->event_id)
		event_leave(ledger, market_row);
	if (own->event == 0) {
		own->event = event_enter(ledger, market->event_id);
		event = &derived->events[own->event - 1];
		own->next = event->first;
		own->prev = 0;
		if (event->first != 0)
			derived->event_links[event->first - 1].prev = market_row + 1;
		event->first = market_row + 1;
		event->count++;
	}
	event = &derived->events[own->event - 1];
	/* Versions only grow, so the newest one stays so until another passes it. */
	if (event->newest == 0 || !market_newer(market_at(ledger, event->newest), market))
		event->newest = market_row + 1;
}

/* What can be bet on, or soon, before what cannot. */
static unsigned state_rank(uint8_t state)
{
	switch (state) {
	case MARKET_OPEN:
		return 5;
	case MARKET_SUSPENDED:
		return 4;
	case MARKET_BEFORE:
		return 3;
	case MARKET_CLOSED:
		return 2;
	case MARKET_SETTLED:
		return 1;
	default: /* VOID */
		return 0;
	}
}

static void event_row_write(
    const struct ledger *ledger, const struct derived_event *event, struct event_row *row)
{
	const struct market_row_state *newest = market_at(ledger, event->newest);
	uint8_t state = newest->state;

	for (uint32_t at = event->first; at != 0; at = ledger->derived->event_links[at - 1].next)
		if (state_rank(market_at(ledger, at)->state) > state_rank(state))
			state = market_at(ledger, at)->state;
	*row = (struct event_row){
		.event_id = le64_make(event->event_id),
		.version = le64_make(newest->version),
		.start_time_ns = le64_make(newest->start_time_ns),
		.market_count = le32_make(event->count),
		.state = state,
	};
}

#define EVENTS_LOOKED 32 /* markets looked at in one go */

unsigned ledger_events_since(const struct ledger *ledger, uint64_t since_version,
    struct event_row *rows, unsigned max, int *more, uint64_t *up_to)
{
	const struct market_row_state *markets[EVENTS_LOOKED];
	const struct ledger_derived *derived = ledger->derived;
	uint64_t since = since_version;
	unsigned found = 0, whole = 0, count;
	int more_markets;

	*more = 0;
	*up_to = since_version;
	do {
		count = ledger_markets_since(ledger, since, markets, EVENTS_LOOKED, &more_markets);
		for (unsigned i = 0; i < count; i++) {
			uint32_t row = market_find(ledger, markets[i]->id);
			const struct derived_event *event =
			    &derived->events[derived->event_links[row].event - 1];

			since = markets[i]->version;
			if (event->newest != row + 1)
				continue;
			if (found == max) {
				/* Events of one version are not parted, as their markets. */
				if (since == *up_to && whole > 0) {
					found = whole;
					*up_to = le64_get(rows[found - 1].version);
				}
				*more = 1;
				return found;
			}
			if (found > 0 && since != *up_to)
				whole = found;
			event_row_write(ledger, event, &rows[found++]);
			*up_to = since;
		}
	} while (more_markets && count > 0);
	*up_to = since;
	return found;
}

unsigned ledger_event_markets(const struct ledger *ledger, uint64_t event_id,
    uint64_t since_version, const struct market_row_state **rows, unsigned max, int *more)
{
	const struct ledger_derived *derived = ledger->derived;
	uint32_t at = event_find(ledger, event_id);
	uint64_t left_out = UINT64_MAX; /* lowest version */
	unsigned found = 0, whole;

	*more = 0;
	if (at == 0 || max == 0)
		return 0;
	for (at = derived->events[at - 1].first; at != 0; at = derived->event_links[at - 1].next) {
		const struct market_row_state *market = market_at(ledger, at);
		unsigned place;

		if (market->version <= since_version)
			continue;
		/* Insertion into the oldest `max` so far. */
		if (found == max) {
			const struct market_row_state *last =
			    market_newer(market, rows[max - 1]) ? market : rows[max - 1];

			if (last->version < left_out)
				left_out = last->version;
			if (last == market)
				continue;
		}
		place = found < max ? found++ : max - 1;
		while (place > 0 && market_newer(rows[place - 1], market)) {
			rows[place] = rows[place - 1];
			place--;
		}
		rows[place] = market;
	}
	*more = left_out != UINT64_MAX;
	/* Markets of one version are not parted, unless they alone are more than `max`. */
	for (whole = found; *more && whole > 0 && rows[whole - 1]->version == left_out;)
		whole--;
	return whole > 0 ? whole : found;
}
