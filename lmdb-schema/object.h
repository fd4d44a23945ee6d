/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: everything with a life of its own that is neither account, bet, market nor terminal. One
 * table, one fixed size, one body per kind, kept in memory as the same bytes as on disk.
 *
 * Id: of WITHDRAWAL, TRANSFER and SPRINKLE a printed id (bucket, then the shard's counter, shared
 * with bets: ids_make). Of the other kinds the hash of a natural key (object_key_hash); the row
 * holds the whole key, and when another row has the id already the next free one after it is taken,
 * so a look-up goes on from the hash while a row is there and its key differs. No row of a natural
 * key retires while another with the same hash is there (ledger_due.c).
 *
 *   kind          natural key                     states                          due
 *   WITHDRAWAL    -                               OPEN -> DONE | REVERSED         time-out
 *   TRANSFER      -                               OPEN -> DONE | REVERSED         -
 *   TRANSFER_IN   source shard, sequence          DONE | REFUSED                  -
 *   LINK          peer shard                      OPEN                            -
 *   SPRINKLE      -                               OPEN -> DONE                    window, +1 h
 *   CLAIM         token, account                  OPEN -> DONE | REVERSED         -
 *   ROUND         partner, game and round, account   OPEN -> DONE                 30 holds idle
 *   ROUND_TX      partner, transaction, account   DONE | REVERSED                 -
 *   PARTNER_KEY   partner, key, account           DONE -> REVERSED                end of hold; 0
 *   REVERSAL      terminal, target request        DONE                            -
 *   PLAY_LIMITS   account                         OPEN                            raise takes
 * effect PLAY_COUNTERS account                         OPEN                            - PARTNER
 * partner                         OPEN                            -
 *
 * Rows in a final state retire (OBJECT_RETIRE) when nothing in memory needs them: WITHDRAWAL,
 * TRANSFER at once when closed; SPRINKLE with its CLAIMs after its end; TRANSFER_IN below the
 * source's watermark; PARTNER_KEY at its due time; ROUND and its ROUND_TX, REVERSAL after
 * partner_key_hold_s. Retired rows are kept in the rows environment's `closed_object` table.
 */
#ifndef SLUICE_LMDB_SCHEMA_OBJECT_H
#define SLUICE_LMDB_SCHEMA_OBJECT_H

#include <stdint.h>

#include "wire/assert.h"
#include "wire/bytes.h"

#define OBJECT_BODY_SIZE 128

enum object_kind {
	OBJECT_WITHDRAWAL = 1,
	OBJECT_TRANSFER = 2,
	OBJECT_TRANSFER_IN = 3,
	OBJECT_LINK = 4,
	OBJECT_SPRINKLE = 5,
	OBJECT_CLAIM = 6,
	OBJECT_ROUND = 7,
	OBJECT_ROUND_TX = 8,
	OBJECT_PARTNER_KEY = 9,
	OBJECT_REVERSAL = 10,
	OBJECT_PLAY_LIMITS = 11,
	OBJECT_PLAY_COUNTERS = 12,
	OBJECT_PARTNER = 13,
};
#define OBJECT_KIND_MAX OBJECT_PARTNER

enum object_state {
	OBJECT_OPEN = 1,
	OBJECT_DONE = 2,
	OBJECT_REVERSED = 3,
	OBJECT_REFUSED = 4,
};

/* Who asked, so that the final outcome can be given to the request. */
struct object_origin {
	struct le64 terminal_id;
	struct le64 request_id;
	struct le64 body_hash[2];
};
ASSERT_SIZE(struct object_origin, 32);

struct object_withdrawal {
	struct object_origin origin;
	struct le64 account_id;
	struct le64s amount;
	struct le64 created_ns;
	struct le64 closed_ns;
};
ASSERT_SIZE(struct object_withdrawal, 64);

enum transfer_purpose {
	TRANSFER_MONEY = 1,
	TRANSFER_CLAIM = 2, /* a share of a sprinkle: reference = token */
	TRANSFER_LEASE = 3, /* credit of a limit: reference = market or partner */
};

/* The parcel that goes to the peer (ledger_parcel) is made from this alone. */
struct object_transfer {
	struct object_origin origin;
	struct le64 from_account; /* 0 for a claim or lease */
	struct le64 to_account;   /* 0 for a lease */
	struct le64s amount;
	struct le64 reference;
	struct le64 sequence; /* per pair of shards, from 1, gapless */
	struct le64 created_ns;
	struct le16 peer;    /* shard */
	struct le16 code;    /* wire_code of the peer's answer; PENDING until then */
	uint8_t purpose;     /* transfer_purpose */
	uint8_t lease_scope; /* of a lease, otherwise 0 */
	uint8_t lease_selection;
	uint8_t reserved;
	/* The link's out_done when this was journalled: durable with it, so it may go with the
	 * parcel. */
	struct le64 watermark;
	/* The PARTNER_KEY it came under, 0 none: a refusal by the peer sets it free. */
	struct le64 partner_key;
	/* Of a claim, once closed: what the claimer has at the peer, for the answer. */
	struct le64s claimer_balance;
};
ASSERT_SIZE(struct object_transfer, 112);

struct object_transfer_in {
	struct le64 source; /* shard */
	struct le64 sequence;
	struct le64 transfer_id;
	struct le64 account_id;
	struct le64s amount;
	struct le16 code; /* OK, or why it was refused */
	uint8_t purpose;
	uint8_t reserved[5];
	struct le64 from_account; /* where the receiver learns who paid; 0: not told */
};
ASSERT_SIZE(struct object_transfer_in, 56);

struct object_link {
	struct le64 peer;     /* shard */
	struct le64 out_last; /* sequence of the last TRANSFER_OUT or LEASE to the peer */
	struct le64 out_done; /* every sequence up to here is closed here: the watermark */
	struct le64 in_last;  /* of the last TRANSFER_IN or LEASE from the peer */
	struct le64 in_kept;  /* the peer's watermark: TRANSFER_IN up to here are needed no more */
};
ASSERT_SIZE(struct object_link, 40);

struct object_sprinkle {
	struct le64 giver;
	struct le64s total;
	struct le64s remaining;
	struct le64 room;
	struct le64 seed; /* of the split, journalled; see ledger_sprinkle.c */
	struct le64 created_ns;
	struct le64 ends_ns;
	struct le64 last_claim; /* id of the newest CLAIM, chained by previous_claim; 0 none */
	struct le32 shares;
	struct le32 claimed;
	uint8_t equal; /* 1: equal shares, 0: random ones */
	uint8_t reserved[7];
};
ASSERT_SIZE(struct object_sprinkle, 80);

struct object_claim {
	struct le64 token;
	struct le64 account_id;
	struct le64s amount;
	struct le64 previous_claim;
	struct le32 share; /* index from 0 */
	uint8_t reserved[4];
};
ASSERT_SIZE(struct object_claim, 40);

struct object_round {
	struct le32 game;
	uint8_t reserved[4];
	struct le64 round;
	struct le64 account_id;
	struct le64s debited;
	struct le64s credited;
	struct le64 opened_ns;
	struct le64 closed_ns;
	struct le64 last_tx; /* id of its newest ROUND_TX, chained by previous_tx */
};
ASSERT_SIZE(struct object_round, 64);

enum round_op {
	ROUND_OP_DEBIT = 1,
	ROUND_OP_CREDIT = 2,
	ROUND_OP_TOMBSTONE = 3, /* rolled back before it came: never carried out */
};

/* In which day's stakes a debit counts, until it is taken back on that day. */
enum round_counted {
	ROUND_COUNTED_ACCOUNT = 1u << 0,
	ROUND_COUNTED_TERMINAL = 1u << 1, /* in the rules' currency */
	ROUND_COUNTED_ALL = 3,
};

struct object_round_tx {
	struct le64 transaction[2];
	struct le64 account_id;
	struct le64 round_id; /* object id of the ROUND */
	struct le64 previous_tx;
	struct le64s amount;
	struct le64 lsn; /* of the event that carried it out */
	uint8_t op;      /* round_op */
	uint8_t counted; /* DEBIT: round_counted, of the day of done_ns; 0 in older logs */
	uint8_t reserved[2];
	struct le32 terminal_id; /* DEBIT that is counted: whose day it counts in */
	struct le64 done_ns;     /* time of that event; 0: kept before it was told */
};
ASSERT_SIZE(struct object_round_tx, 72);

struct object_partner_key {
	struct le64 key[2];
	struct le64 fingerprint[2]; /* of the request without id and deadline */
	struct le64 account_id;
	struct le64 object_id;
	struct le64s payout;
	struct le64 lsn;
	struct le16 code;
	uint8_t reserved[6];
	/* Who asked first, by which the REVERSAL of it is found. 0: kept before it was told, or by
	 * control. */
	struct le64 terminal_id;
	struct le64 request_id;
};
ASSERT_SIZE(struct object_partner_key, 88);

struct object_reversal {
	struct le64 terminal_id;
	struct le64 target_request_id;
	struct le64 lsn; /* of the event that was reversed; of the log of then */
	/* 1 + the bucket of what was reversed (event_bucket), so that it stays with it when the
	 * switch is re-sharded; 0: kept before it was told. */
	struct le32 bucket_plus_one;
	uint8_t reserved[4];
};
ASSERT_SIZE(struct object_reversal, 32);

enum play_limit {
	PLAY_DEPOSIT_DAY,
	PLAY_DEPOSIT_WEEK,
	PLAY_STAKE_DAY,
	PLAY_STAKE_WEEK,
	PLAY_LOSS_DAY,
	PLAY_LOSS_WEEK,
	PLAY_LIMITS,
};

struct object_play_limits { /* an amount of -1 (all ones): no limit */
	struct le64 account_id;
	struct le64s active[PLAY_LIMITS];
	struct le64s
	    wanted[PLAY_LIMITS]; /* takes effect at the row's due time; equal: nothing waits */
	struct le64 excluded_until_ns; /* self-exclusion; all ones: for ever */
	struct le64 cooloff_until_ns;
};
ASSERT_SIZE(struct object_play_limits, 120);

struct object_play_counters {
	struct le64 account_id;
	struct le64s deposited[2]; /* day, week */
	struct le64s staked[2];
	struct le64s lost[2]; /* stakes, open ones too, minus what came back of them */
	struct le32 day;      /* risk_day */
	struct le32 week;     /* (risk_day + 3) / 7: weeks begin on Monday */
	struct le64 since_ns; /* stakes placed before it are no part of `lost` */
};
ASSERT_SIZE(struct object_play_counters, 72);

/* Judged cases, as struct risk_feedback (dataplane/risk/risk_state.h): of an account, a terminal
 * (rows.h), a partner. */
struct record_feedback {
	struct le32 updated_s;
	struct le32 first_s, last_s;
	struct le32 confirmed_7d, confirmed_30d, dismissed_7d, dismissed_30d;
	struct le16 confirmed, dismissed;
	uint8_t clean_run;
	uint8_t reserved[3];
};
ASSERT_SIZE(struct record_feedback, 36);

struct object_partner {
	struct le64 version;
	struct le64s exposure_max; /* payouts of its customers' open bets, all shards; 0 none */
	struct le64s credit_moved; /* leases in minus out on this shard */
	struct le32 keys_max;      /* idempotency keys held at a time, all shards together */
	struct le16 currency;      /* of its limits */
	uint8_t blocked;           /* 1: no mutating request of its accounts */
	uint8_t reserved[1];
	struct record_feedback feedback; /* the same on every shard; none: zero, as in older logs */
	uint8_t reserved_tail[4];
};
ASSERT_SIZE(struct object_partner, 72);
#define OBJECT_PARTNER_SIZE_FIRST 32u /* before it had judged cases */
ASSERT_OFFSET(struct object_partner, feedback, 32);

/* The row as it lies in LMDB (table `object`, `closed_object`; key = id). */
struct object_bytes {
	struct le64 id;
	struct le64 lsn;
	struct le64 due_ns;
	uint8_t kind;
	uint8_t state;
	struct le16 currency;
	struct le32 partner_id;
	uint8_t body[OBJECT_BODY_SIZE];
};
ASSERT_SIZE(struct object_bytes, 160);

/* Natural keys. Words by kind (0 where not named):
 *   TRANSFER_IN source, sequence · LINK peer · CLAIM token, account · ROUND partner, game, round,
 *   account · ROUND_TX transaction 0, 1, account, partner · PARTNER_KEY key 0, 1, partner,
 *   account (its id was hashed without the account before: partner_key_find) ·
 * REVERSAL terminal, request · PLAY_LIMITS, PLAY_COUNTERS account · PARTNER partner */
struct object_key {
	uint64_t words[4];
	uint8_t kind; /* object_kind */
};
/* Where a look-up begins: XXH3-64 of kind and words, with bit 53 set (no printed id has it). */
uint64_t object_key_hash(const struct object_key *key);
/* The natural key a row holds. 0; -ENOENT for a kind with printed ids. */
SLUICE_MUST_USE int object_key_of(unsigned kind, uint32_t partner_id,
    const uint8_t body[OBJECT_BODY_SIZE], struct object_key *key);

/* Bytes of a kind's body; 0 for an unknown kind. */
uint32_t object_body_size(unsigned kind);
/* Of them, those that others are told: without what the kind gained later while that is zero, so
 * that copies from before compare equal. */
uint32_t object_body_told(const struct object_bytes *object);
/* "withdrawal"; NULL for an unknown kind. */
const char *object_kind_name(unsigned kind);
/*
 * Any bytes whatever: kind, state, due time, currency, reserved bytes, ranges, and zeros behind the
 * kind's body. 0 or -EBADMSG.
 */
SLUICE_MUST_USE int object_check(const struct object_bytes *object);

#endif
