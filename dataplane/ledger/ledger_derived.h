/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ledger derives from its rows and keeps beside them: the bets of each market, payouts at
 * stake, what is due when, the markets of each event. Never hashed, stored or journalled; made
 * again by the same hooks when rows are loaded. Included by ledger_*.c only.
 *
 * The hooks change derived state alone and may be called in any order of rows. Where each is
 * called:
 *
 *   row made or loaded (bet)       ledger_chain_add; OPEN: ledger_exposure_change(+1);
 *                                  else ledger_due_note(LEDGER_BET)
 *   bet changes its state          ledger_exposure_change(-1) while it is still OPEN, or (+1) once
 *                                  it is OPEN again; then ledger_due_note(LEDGER_BET)
 *   bet retires, or is undone      OPEN: ledger_exposure_change(-1); ledger_chain_remove, while the
 *                                  row and its legs are still there
 *   object made, loaded, changed   ledger_due_note(LEDGER_OBJECT) with the row as it is now
 *   object retires, or is undone   ledger_due_forget(LEDGER_OBJECT); put back: ledger_due_note
 *   market made, loaded, changed   ledger_event_index_add, then ledger_due_note(LEDGER_MARKET)
 *                                  (MARKET_SET and MARKET_RESULT alike)
 *
 * All are O(1), or O(legs), or O(log n) for the heap. No bet, object or market is in one of these
 * structures twice, so a follower, which never asks what is due, does not fill them up.
 */
#ifndef SLUICE_LEDGER_DERIVED_H
#define SLUICE_LEDGER_DERIVED_H

#include "dataplane/ledger/ledger_internal.h"

/*
 * Chains: bet -> market, a doubly linked list for each market, newest first, so that a retired bet
 * leaves in O(legs). A link names a bet and its leg: (row << 2 | leg) + 1, where leg 3 stands for 3
 * and above and is found by the market's id; 0: none. So the walk ahead along a chain reads these
 * 32 bytes of a bet and not the bet. Legs above 4 have theirs apart, as the legs themselves.
 */
struct bet_links {
	_Alignas(32) uint32_t next[BET_LEGS_INLINE]; /* older */
	uint32_t prev[BET_LEGS_INLINE];              /* newer */
};
struct bet_links_overflow {
	uint32_t next[LIMIT_BET_LEGS_MAX - BET_LEGS_INLINE];
	uint32_t prev[LIMIT_BET_LEGS_MAX - BET_LEGS_INLINE];
};

/* The queue of bets that can retire at once: cash tickets paid after their markets were final. */
struct bet_queue_links {
	uint32_t next, prev; /* row + 1 */
	uint8_t queued;
	uint8_t reserved[3];
};

/* What is known of a market id, whether or not it has a row (yet: a bet's row may be newer). */
struct derived_market {
	_Alignas(64) uint64_t market_id;
	uint32_t first;     /* link: newest bet */
	uint32_t hash_next; /* record + 1 */
	int64_t exposure;   /* payouts of open bets, wrapping (undone exactly) */
	uint32_t bets;      /* in the chain */
	uint32_t open;      /* of these: OPEN */
	uint8_t known;      /* it has a row */
	uint8_t swept;      /* SWEPT_*: since its present result */
	uint8_t reserved[2];
	int64_t selections[LIMIT_MARKET_SELECTIONS_MAX];
};
enum {
	SWEPT_TICKETS = 1u << 0, /* unclaimed tickets were looked for, after their time */
	SWEPT_CLOSED = 1u << 1,  /* closed bets were retired, after the result was final */
};

/* One event: its markets are linked in no order. */
struct derived_event {
	uint64_t event_id;
	uint32_t hash_next; /* record + 1; of a free record: the next free one */
	uint32_t first;     /* market row + 1 */
	uint32_t newest;    /* market row + 1: highest version, then highest id */
	uint32_t count;
};
struct derived_event_links {
	uint32_t event;      /* record + 1; 0: none yet */
	uint32_t next, prev; /* market row + 1 */
};

/*
 * What is due: a binary heap with each object and each market in it once at most (`at` says where),
 * so changing or removing a key needs no search, and nothing outdated is kept. Items: object row,
 * or objects_max + market row.
 */
struct due_entry {
	uint64_t due_ns;
	uint32_t item;
	uint32_t reserved;
};

/* A pass over the chain of a market in slices: retiring, or expiring tickets. */
struct derived_sweep {
	uint64_t market_id; /* 0: none runs */
	uint32_t market;    /* record */
	uint32_t last;      /* link of the last bet passed; 0: at the begin */
	uint8_t what;       /* SWEPT_* */
	uint8_t reserved[7];
};

/* The walk looks ahead along the chain: rows from 16 bets to 1 bet before their turn. */
#define WALK_AHEAD 16
struct derived_ahead {
	uint64_t market_id;
	uint32_t expected; /* link of the bet whose turn it is */
	uint32_t link;     /* first one not looked at yet */
	uint32_t count;    /* rows in the ring */
	uint32_t begin;
	uint32_t rows[WALK_AHEAD];
};

/* Rows that were fetched for an event that is to be replayed (ledger_ahead.c): found by their tags,
 * so whoever uses one compares its id. ROW_NONE, and 0 for a record: none. */
struct derived_hint {
	uint64_t lsn; /* of the event; 0: none */
	uint32_t account, terminal;
	uint32_t market;        /* of the first leg */
	uint32_t market_record; /* + 1 */
};

struct ledger_derived {
	struct bet_links *links;
	struct bet_links_overflow *links_overflow;
	struct bet_queue_links *queue;
	struct derived_market *markets;
	uint32_t *market_heads; /* by ledger_mix of the id: record + 1 */
	uint32_t market_mask, market_count, market_capacity, unknown_count;
	uint32_t found; /* record + 1 that was looked for last; 0: none */
	struct derived_event *events;
	struct derived_event_links *event_links; /* by market row */
	uint32_t *event_heads;
	uint32_t event_mask, event_count, event_free;
	uint32_t *at; /* of an item: index in the heap + 1, 0: not in it */
	struct due_entry *heap;
	uint32_t heap_count;
	uint32_t queue_first, queue_last; /* row + 1 */
	uint32_t queue_count;
	int64_t *partners;      /* exposure by partner id, wrapping */
	uint16_t currency;      /* of the exposures */
	uint8_t partners_stale; /* a bet came before its account's row */
	uint8_t turn;           /* of ledger_decide_due: heap, pass, queue */
	struct derived_sweep sweep;
	struct derived_ahead ahead;
	struct derived_hint hints[LEDGER_AHEAD_LINES]; /* by LSN */
};

/*
 * Allocates everything by `map` (zeroed memory of count * size bytes, NULL: none; at most 16 calls)
 * and sets ledger->derived, with that memory the only thing to free. ledger->config holds the
 * capacities. 0, -ENOMEM, or -EINVAL: more than 2^30 - 1 bets.
 */
SLUICE_MUST_USE int ledger_derived_create(
    struct ledger *ledger, void *(*map)(struct ledger *ledger, size_t count, size_t size));

/*
 * The bet enters the chain of each of its legs' markets. -ENOSPC: more markets are named that have
 * no row than there may be markets (loading a damaged store); otherwise it cannot fail.
 */
SLUICE_MUST_USE int ledger_chain_add(struct ledger *ledger, uint32_t bet_row);
/* It leaves them, and every queue it is on. */
void ledger_chain_remove(struct ledger *ledger, uint32_t bet_row);

/*
 * sign +1: the bet has become OPEN, -1: it stops being so. Adds its payout to its selections, their
 * markets and the partner of its account: `payout` must be the potential one, that of OPEN.
 * ledger_market_exposure and ledger_partner_exposure of ledger.h read it (ledger_chain.c). Only
 * bets in the rules' currency count, as limits hold for it alone.
 */
void ledger_exposure_change(struct ledger *ledger, uint32_t bet_row, int sign);

/* Both for a new bet that is OPEN and whose markets and account have rows. Cannot fail. */
void ledger_bet_enter_open(struct ledger *ledger, uint32_t bet_row, uint32_t account_row);

/*
 * A row is as it is now: keys it by when time acts on it, or takes it out. due_ns: of an object,
 * its due_ns; otherwise not used.
 */
void ledger_due_note(struct ledger *ledger, enum ledger_table table, uint32_t row, uint64_t due_ns);
/* The row leaves its table. */
void ledger_due_forget(struct ledger *ledger, enum ledger_table table, uint32_t row);

/* ---- Inside ---- */

#define LINK_LEG_SEARCH 3u

static inline uint32_t link_row(uint32_t link)
{
	return (link - 1) >> 2;
}
/* Record of a market id; NULL. */
struct derived_market *derived_market_find(const struct ledger *ledger, uint64_t market_id);
/* By ledger_mix of its id. The record it fetches, + 1; 0: none. */
uint32_t derived_market_prefetch(const struct ledger *ledger, uint64_t hash);
/* The hint for the event with this LSN; NULL: none. */
static inline const struct derived_hint *derived_hint(const struct ledger *ledger, uint64_t lsn)
{
	const struct derived_hint *hint = &ledger->derived->hints[lsn & (LEDGER_AHEAD_LINES - 1)];

	return hint->lsn == lsn ? hint : NULL;
}
/* The record of a market that has a row; made when there is none. */
struct derived_market *derived_market_enter(struct ledger *ledger, uint32_t market_row);
/* The next (older) bet's link; 0 at the end. */
uint32_t ledger_chain_next(const struct ledger *ledger, uint64_t market_id, uint32_t link);
/* The link of a bet in a market's chain; 0 when it is not in it. */
uint32_t ledger_chain_link(const struct ledger *ledger, uint64_t market_id, uint32_t bet_row);
struct decision;

/* The heap's item of an object or market row; and its key: 0 at once, UINT64_MAX never. */
uint32_t due_item(const struct ledger *ledger, enum ledger_table table, uint32_t row);
void due_set(struct ledger_derived *derived, uint32_t item, uint64_t due_ns);
/* ledger_sweep.c: the row is as it is now; and what is to be done, results as ledger_decide_due. */
void due_bet_note(struct ledger *ledger, uint32_t bet_row);
void due_market_note(struct ledger *ledger, uint32_t market_row);
int due_sweep_decide(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event);
int due_queue_decide(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event);
int due_market_decide(struct ledger *ledger, uint32_t market_row, uint64_t time_ns);
/* BET_RETIRE or OBJECT_RETIRE of the ids in the body. */
int due_retire_write(struct decision *decision, unsigned count, struct event_buffer *event);

/* The bet leaves the queue of those that can retire. */
void ledger_due_unqueue(struct ledger *ledger, uint32_t bet_row);

/* A market's row is as it is now: enters it under its event and the event's newest version. */
void ledger_event_index_add(struct ledger *ledger, uint32_t market_row);

#endif
