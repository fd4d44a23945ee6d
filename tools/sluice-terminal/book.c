/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/sluice-terminal/book.h"

uint64_t book_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* The market's place, a new one when needed, or NULL when the table is full. */
static struct book_market *market_place(struct book *book, uint64_t market_id)
{
	struct book_market *market;

	for (unsigned i = 0; i < book->count; i++) {
		if (book->markets[i].market_id == market_id)
			return &book->markets[i];
	}
	if (book->count == BOOK_MARKETS_MAX)
		return NULL;
	market = &book->markets[book->count++];
	*market = (struct book_market){ .market_id = market_id };
	return market;
}

void book_update(struct book *book, const struct wire_reply *reply)
{
	for (unsigned i = 0; i < reply->markets.row_count; i++) {
		const struct market_row *row = &reply->markets.rows[i];
		struct book_market *market = market_place(book, le64_get(row->market_id));

		if (market == NULL)
			continue;
		market->event_id = le64_get(row->event_id);
		market->start_time_ns = le64_get(row->start_time_ns);
		market->state = row->state;
		market->selection_count = row->selection_count;
		for (unsigned k = 0; k < 4; k++) {
			unsigned selection = row->selection_first + k;

			if (selection < LIMIT_MARKET_SELECTIONS_MAX)
				market->odds[selection] = le32_get(row->odds[k]);
		}
	}
	if (reply->markets.up_to_version > book->version)
		book->version = reply->markets.up_to_version;
}

static int event_used(const uint64_t events[LIMIT_BET_LEGS_MAX], unsigned count, uint64_t event_id)
{
	for (unsigned i = 0; i < count; i++) {
		if (events[i] == event_id)
			return 1;
	}
	return 0;
}

unsigned book_choose(const struct book *book, uint64_t *random, uint64_t switch_time_ns,
    unsigned wanted, struct wire_leg legs[LIMIT_BET_LEGS_MAX])
{
	uint64_t events[LIMIT_BET_LEGS_MAX];
	unsigned start, found = 0;

	if (book->count == 0)
		return 0;
	/* From a random place on, so that a book with few open markets still gives one. */
	start = (unsigned)(book_random(random) % book->count);
	for (unsigned i = 0; i < book->count && found < wanted; i++) {
		const struct book_market *market = &book->markets[(start + i) % book->count];
		unsigned selection;

		if (market->state != MARKET_OPEN || market->start_time_ns <= switch_time_ns ||
		    market->selection_count == 0 ||
		    market->selection_count > LIMIT_MARKET_SELECTIONS_MAX ||
		    event_used(events, found, market->event_id))
			continue;
		selection = (unsigned)(book_random(random) % market->selection_count);
		if (market->odds[selection] < LIMIT_ODDS_MIN)
			continue;
		events[found] = market->event_id;
		legs[found++] = (struct wire_leg){ .market_id = market->market_id,
			.odds = market->odds[selection],
			.selection = (uint16_t)selection };
	}
	return found;
}
