/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a shard derived from its events alone, by code that shares nothing with the ledger:
 * balances from record, lines and counter rules (postings.h); bets and objects from what events say
 * of them. What a system account holds is then derived twice, from the postings and from the bets
 * and objects behind it, and compared at every event that touches either.
 */
#ifndef SLUICE_TOOLS_DERIVE_H
#define SLUICE_TOOLS_DERIVE_H

#include "lmdb-schema/event_sections.h"
#include "lmdb-schema/db.h"
#include "tools/sluice-db/damage.h"
#include "tools/sluice-db/postings.h"
#include "tools/sluice-db/table.h"

struct events;
struct ledger;

struct derived_account {
	uint64_t id, lsn;
	int64_t balance;
	int64_t owed;     /* of a customer */
	int64_t expected; /* of a system account: what bets and objects come to */
	uint32_t partner_id;
	uint16_t currency;
};

struct derived_bet {
	uint64_t id, lsn, account_id, placed_at_ns;
	int64_t stake;
	int64_t reserved; /* the payout it was accepted with: what it can come to at most */
	int64_t payout;   /* as it stands; of an open bet `reserved` */
	uint64_t retired_lsn;
	uint64_t leg_first; /* in the list of all legs */
	uint16_t currency;
	uint8_t leg_count;
	uint8_t state;  /* bet_state */
	uint8_t closed; /* seen in the closed table */
};

struct derived_leg {
	uint64_t market_id;
	uint32_t odds;
	uint16_t selection;
};

/* An object as of its newest image. */
struct derived_object {
	uint64_t id, lsn;
	uint64_t hash;        /* of the image */
	uint64_t account_id;  /* the system account it stands behind, 0 none ... */
	int64_t amount;       /* ... and with how much */
	uint64_t asker;       /* of a withdrawal: the terminal */
	uint64_t retired_lsn; /* 0: there */
	uint8_t kind, state;
	uint8_t closed;
};

/* A transfer that left. Never forgotten, whatever retires. */
struct derived_transfer {
	uint64_t id, sequence, to_account, reference;
	uint64_t open_ns, open_lsn; /* open_lsn 0: before the log kept */
	uint64_t done_lsn;          /* 0: open */
	int64_t amount;
	uint16_t currency, peer, code;
	uint8_t purpose;
};

/* One that came. */
struct derived_arrival {
	uint64_t key; /* derived_arrival_key */
	uint64_t lsn, transfer_id, account_id;
	int64_t amount;
	uint16_t currency, code;
	uint8_t purpose;
};
static inline uint64_t derived_arrival_key(uint64_t source, uint64_t sequence)
{
	return source << 56 | (sequence & 0xffffffffffffffull);
}

struct derived_sum {
	uint64_t currency; /* key */
	int64_t balances;  /* of all accounts */
};

#define DERIVE_TOUCHED_MAX 32

struct derive {
	uint32_t shard;
	struct table accounts, terminals, bets, objects, transfers, arrivals;
	struct table markets; /* results (derive_settle.c) */
	struct derived_leg *legs;
	uint64_t leg_count, leg_room;
	struct table sums;
	uint64_t out_last[LIMIT_SHARDS], in_last[LIMIT_SHARDS]; /* sequences */
	/* The last ones before the first event kept; all 0 of a complete log (derive_floors). */
	uint64_t out_floor[LIMIT_SHARDS], in_floor[LIMIT_SHARDS];
	uint64_t next_lsn, time_ns, events, customers;
	uint64_t rows_bets_open;              /* replay_sums: counted in the rows */
	uint64_t touched[DERIVE_TOUCHED_MAX]; /* system accounts of the present event */
	uint32_t touched_count;
	uint32_t transfers_open;
	uint8_t complete; /* the log begins at LSN 1 */
	struct damage *damage;
};
void derive_init(struct derive *derive, uint32_t shard, uint64_t first_lsn, struct damage *damage);
/* 0 or -EBADMSG with the damage noted. */
int derive_event(struct derive *derive, struct db_bytes event);
/* At the end: nothing is open for too long. 0 or -EBADMSG. */
int derive_end(struct derive *derive, uint64_t transit_max_s);
void derive_free(struct derive *derive);

/* ---- Between its parts ---- */

/* What stands behind a system account has changed by `amount`. */
void derive_expect(struct derive *derive, uint64_t account_id, uint16_t currency, int64_t amount);
int derive_bet(struct derive *derive, const struct event_view *view);
void derive_results_init(struct derive *derive);
/* The legs of a bet that is placed; the payout it is accepted with comes of them. */
int derive_legs(struct derive *derive, struct derived_bet *bet, const struct event_view *view);
/* A market's result, or that it has none any more. */
int derive_result(struct derive *derive, const struct event_view *view);
/* A bet is settled, or opened again: its state and payout are what its results give. */
int derive_settled(
    struct derive *derive, const struct derived_bet *bet, uint8_t to, int64_t payout);
int derive_objects(struct derive *derive, const struct event_view *view);
int derive_retired(struct derive *derive, const struct event_view *view);

#define WRONG(derive, ...)                                                                         \
	do {                                                                                       \
		damage_note((derive)->damage, (derive)->next_lsn, __VA_ARGS__);                    \
		return -EBADMSG;                                                                   \
	} while (0)

/* ---- Several shards: what left one arrived at the other (transit.c) ---- */

/*
 * After the last event, with the links of the rows behind it (LIMIT_SHARDS of them): to and from a
 * peer of which the log kept has nothing, the floors are what its link says. Without links (no
 * rows) nothing can be said of such a peer, and everything counts as older than the log.
 */
void derive_floors(struct derive *derive, const struct object_link *links);

struct transit_shard {
	struct derive *derive;
	const struct object_link *links; /* LIMIT_SHARDS of them, as derived last; NULL: no rows */
	uint64_t strict_lsn; /* everything up to here was durable before any shard was read */
	uint8_t ok;          /* its own check found nothing wrong */
};
/* 1: what arrived is what left. */
int transit_same(const struct derived_transfer *out, const struct derived_arrival *in);
/* 0, or -EBADMSG with the damage (and its shard) noted. */
int transit_check(const struct transit_shard *shards, uint32_t count, uint32_t shard_count,
    struct damage *damage);

/* ---- Rows of the checkpoint, brought up to date by the ledger's own code ---- */

/* Upper bounds of what the events make, for the size of the tables. */
struct scan {
	uint8_t log_only;             /* asked: without the journal */
	uint64_t from_ns;             /* asked: from_lsn is the first event not before it, 0 none */
	uint64_t first_lsn, from_lsn; /* first_lsn: of the log */
	uint64_t first_ns, last_ns;   /* times of the first and the last event; 0: none */
	uint64_t last_lsn, accounts, bets, markets, terminals, objects;
	uint64_t partners, currencies;
};

int scan_events(struct scan *scan, const char *path, uint32_t shard, struct damage *damage);

struct replay {
	struct ledger *ledger; /* NULL: no rows environment */
	uint64_t checkpoint_lsn, rows_lsn_max;
	uint64_t log_lsn; /* the log held this much at the checkpoint */
	uint32_t shard_count;
	uint32_t version; /* of the rows' schema */
	uint8_t loaded;   /* with the rows of the checkpoint */
	uint8_t differs;  /* these are not the state that was written down with them */
};
int replay_open(
    struct replay *replay, const char *path, const struct scan *scan, struct damage *damage);
/* The same; without its rows, as before its first event, when its checkpoint is not before `lsn`.
 */
int replay_open_before(struct replay *replay, const char *path, const struct scan *scan,
    uint64_t lsn, struct damage *damage);
int replay_event(struct replay *replay, struct db_bytes event, struct damage *damage);
/* Compares with what was derived; sets *hash. 0 or -EBADMSG. */
int replay_compare(struct replay *replay, struct derive *derive, const struct events *events,
    uint64_t *hash, struct damage *damage);
/* The log reaches as far as the rows do, which follow it: a start needs that, whatever the journal
 * has. 0 or -EBADMSG. */
int replay_log_end(const struct replay *replay, const struct events *events, struct damage *damage);
/*
 * Where the log does not go back to the first event, what can be said without it: the rows come to
 * zero in each currency, STAKES is what their open bets hold. Accounts, open bets and sums are then
 * those of the rows. Of a complete log nothing is done. 0 or -EBADMSG with the damage noted.
 */
int replay_sums(const struct replay *replay, struct derive *derive, struct damage *damage);
/* The closed tables hold what retired, as it was derived. 0 or -EBADMSG. */
int replay_closed(
    const struct replay *replay, const char *path, struct derive *derive, struct damage *damage);
void replay_close(struct replay *replay);

#endif
