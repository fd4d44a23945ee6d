/* SPDX-License-Identifier: Apache-2.0 */
/* Bets as kept: up to four legs inside the row's two cache lines, further ones in a slab. */
#include <errno.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_internal.h"

static uint32_t bet_insert(struct ledger *ledger, const struct bet_place *place)
{
	struct ledger_table_core *core = &ledger->tables[LEDGER_BET];
	struct index_entry *entry = &core->index[place->at & core->index_mask];
	uint32_t row;

	SLUICE_REQUIRE(entry->row_plus_one == 0 && table_room(ledger, LEDGER_BET, 1));
	row = core->free_count > 0 ? core->free_rows[--core->free_count] : core->count++;
	*entry = (struct index_entry){ .row_plus_one = row + 1, .tag = place->tag };
	ledger->bet_meta[row].listed &= ~(uint32_t)LISTED_GONE;
	return row;
}

uint32_t ledger_bet_begin(struct ledger *ledger, uint64_t id, unsigned leg_count,
    const struct bet_place *place, uint32_t *overflow)
{
	const struct ledger_table_core *core = &ledger->tables[LEDGER_BET];
	uint32_t number =
	    place != NULL ? bet_insert(ledger, place) : ledger_table_insert(ledger, LEDGER_BET, id);

	*overflow = 0;
	/* At most one slab entry per bet, and as many as bets: it cannot run out. */
	if (leg_count > BET_LEGS_INLINE)
		*overflow = ledger->bet_overflow_free_count > 0
		                ? ledger->bet_overflow_free[--ledger->bet_overflow_free_count]
		                : ++ledger->bet_overflow_count;
	/* The index line that bets 32 further will be entered in. */
	if ((id & 7) == 0) {
		uint32_t tag;
		uint64_t ahead = index_start(LEDGER_BET, id + LIMIT_BURST, &tag);

		__builtin_prefetch(&core->index[ahead & core->index_mask], 1);
	}
	return number;
}

uint32_t ledger_bet_create(struct ledger *ledger, const struct bet_row *row)
{
	uint32_t overflow,
	    number = ledger_bet_begin(ledger, row->id, row->leg_count, NULL, &overflow);
	struct bet_slot *bet = &ledger->bets[number];

	*bet = (struct bet_slot){
		.id = row->id,
		.lsn = row->lsn,
		.account_id = row->account_id,
		.terminal_id = row->terminal_id,
		.stake = row->stake,
		.payout = row->payout,
		.placed_at_ns = row->placed_at_ns,
		.currency = row->currency,
		.state = row->state & 15u,
		.leg_count = row->leg_count & 15u,
		.overflow = overflow,
	};
	bet_reprints_set(bet, row->reprints);
	for (unsigned i = 0; i < row->leg_count; i++)
		ledger_bet_leg_set(ledger, number, i,
		    (struct bet_leg_kept){ .market_id = row->legs[i].market_id,
		        .odds = row->legs[i].odds,
		        .selection = row->legs[i].selection });
	return number;
}

int ledger_bet_enter(struct ledger *ledger, uint32_t row)
{
	int error = ledger_chain_add(ledger, row);

	if (error == 0 && ledger->bets[row].state == BET_OPEN) {
		ledger->bets_open++;
		ledger_exposure_change(ledger, row, 1);
	}
	return error;
}

uint64_t ledger_bet_id_at(const struct ledger *ledger, uint32_t row)
{
	return ledger->bets[row].id;
}

void ledger_bet_at(const struct ledger *ledger, uint32_t row, struct bet_row *out)
{
	const struct bet_slot *bet = &ledger->bets[row];

	memset(out, 0, sizeof(*out));
	out->id = bet->id;
	out->lsn = bet->lsn;
	out->account_id = bet->account_id;
	out->terminal_id = bet->terminal_id;
	out->stake = bet->stake;
	out->payout = bet->payout;
	out->placed_at_ns = bet->placed_at_ns;
	out->currency = bet->currency;
	out->state = bet->state;
	out->leg_count = bet->leg_count;
	out->reprints = bet_reprints(bet);
	for (unsigned i = 0; i < bet->leg_count; i++) {
		const struct bet_leg_kept *leg = bet_leg_at(ledger, bet, i);

		out->legs[i].market_id = leg->market_id;
		out->legs[i].odds = leg->odds;
		out->legs[i].selection = leg->selection;
	}
}

int ledger_bet(const struct ledger *ledger, uint64_t bet_id, struct bet_row *out)
{
	uint32_t row = bet_find(ledger, bet_id);

	if (row == ROW_NONE)
		return -ENOENT;
	ledger_bet_at(ledger, row, out);
	return 0;
}

/* XXH3-64 over the 64-byte head, with zero where the slab number is, and the legs in use. */
uint64_t ledger_bet_hash(const struct ledger *ledger, uint32_t row)
{
	const struct bet_slot *bet = &ledger->bets[row];
	const size_t head = offsetof(struct bet_slot, legs);
	uint8_t bytes[64 + LIMIT_BET_LEGS_MAX * sizeof(struct bet_leg_kept)];
	const uint32_t zero = 0;

	if (bet->leg_count <= BET_LEGS_INLINE)
		return XXH3_64bits(bet, head + bet->leg_count * sizeof(bet->legs[0]));
	memcpy(bytes, bet, sizeof(*bet));
	memcpy(bytes + offsetof(struct bet_slot, overflow), &zero, sizeof(zero));
	memcpy(bytes + sizeof(*bet), &ledger->bet_overflow[bet->overflow - 1],
	    sizeof(struct bet_overflow));
	return XXH3_64bits(bytes, head + bet->leg_count * sizeof(bet->legs[0]));
}
