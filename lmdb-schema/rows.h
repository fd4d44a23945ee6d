/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as they lie in LMDB: little-endian, fixed layouts, each with its own kind, version and size
 * in front. Keys are the rows' ids, big-endian (db.h). A row carries the LSN of the last event that
 * changed it, so that replay over a fuzzy checkpoint changes it only by newer events.
 *
 * record_*_read are the only way from bytes to a record: they check size, kind, version, reserved
 * bytes and ranges, and take any bytes whatever (fuzz target). What they accept can be loaded.
 */
#ifndef SLUICE_LMDB_SCHEMA_ROWS_H
#define SLUICE_LMDB_SCHEMA_ROWS_H

#include "lmdb-schema/db.h"
#include "lmdb-schema/event.h"
#include "lmdb-schema/object.h"
#include "wire/bytes.h"
#include "wire/limits.h"

enum record_kind {
	RECORD_ACCOUNT = 1,
	RECORD_BET = 2,
	RECORD_MARKET = 3,
	RECORD_TERMINAL = 4,
	RECORD_IDENTITY = 5,
	RECORD_CHECKPOINT = 6,
	RECORD_STATE = 7,
	RECORD_PAST = 8,
};

/* The newest version of each kind's layout; older ones were in directories of schema version 1,
 * which are refused as a whole (schema.h). */
#define RECORD_VERSION          1
#define RECORD_VERSION_ACCOUNT  2
#define RECORD_VERSION_BET      2
#define RECORD_VERSION_MARKET   2
#define RECORD_VERSION_TERMINAL 3

struct record_header {
	struct le16 size; /* of the whole record */
	uint8_t kind;     /* record_kind */
	uint8_t version;  /* of this kind's layout, from 1 */
	uint8_t reserved[4];
};
ASSERT_SIZE(struct record_header, 8);

struct record_profile {
	struct le64 updated_ns;
	struct le64 amount_mean; /* minor units << 8 */
	struct le64 amount_spread;
	struct le64 amount_max;
	struct le64 count_24h; /* << 16 */
	struct le64 count_7d;
	struct le64 count_30d;
	struct le32 observations;
	struct le32 cancels;
	struct le64 first_ns;
	uint8_t profile_score; /* 0..100 */
	uint8_t reserved0;
	struct le16 country; /* ISO 3166-1 numeric, 0 not known */
	uint8_t reserved[4];
	uint8_t reserved_slots[48];
};
ASSERT_SIZE(struct record_profile, 128);
ASSERT_OFFSET(struct record_profile, count_24h, 32);
ASSERT_OFFSET(struct record_profile, observations, 56);
ASSERT_OFFSET(struct record_profile, profile_score, 72);
ASSERT_OFFSET(struct record_profile, reserved_slots, 80);

struct record_account {
	struct record_header header;
	struct le64 id;
	struct le64 lsn;
	struct le64s balance;
	struct le64s staked_today;
	struct le16 staked_day;
	struct le16 partner_id;
	struct le16 currency;
	struct le16 flags; /* account_flag */
	struct le64s owed;
	struct record_profile profile;
};
ASSERT_SIZE(struct record_account, 184);
ASSERT_OFFSET(struct record_account, balance, 24);
ASSERT_OFFSET(struct record_account, currency, 44);
ASSERT_OFFSET(struct record_account, owed, 48);
ASSERT_OFFSET(struct record_account, profile, 56);

/* Risk states, as in dataplane/risk/risk_state.h. One that never learned is left out of its row. */
struct record_parties {
	struct le64 seen[2];
	struct le16 tags[4];
	struct le32 week;
	struct le16 repeats, again;
};
ASSERT_SIZE(struct record_parties, 32);

struct record_selection_run {
	struct le32 begin_s;
	struct le16 tag;
	uint8_t count, sides;
};
ASSERT_SIZE(struct record_selection_run, 8);

struct record_account_state {
	struct le64 sum_24h, sum_7d, sum_30d;
	struct le64 amount_mean, amount_spread; /* minor units << 8 */
	struct le64 received_amount, staked_since;
	struct record_parties parties;
	struct le64 sources;
	struct le16 source_tags[3];
	uint8_t source_again;
	uint8_t moved_high; /* with moved_low 1/65,536 of received_amount */
	struct le32 updated_s, first_s;
	struct le32 observations;
	struct le32 counts[4];
	struct le32 high_7d;
	struct le32 in_updated_s, in_24h, in_7d, in_30d;
	struct le32 near_s[2];
	struct record_feedback feedback;
	struct record_selection_run selection;
	struct le16 amount_last;
	uint8_t ladder;
	uint8_t moved_low;
	uint8_t hours[24], days[7];
	uint8_t span_hour;
};
ASSERT_SIZE(struct record_account_state, 240);
ASSERT_OFFSET(struct record_account_state, updated_s, 104);
ASSERT_OFFSET(struct record_account_state, feedback, 160);
ASSERT_OFFSET(struct record_account_state, hours, 208);

struct record_terminal_state {
	struct le64 amount_mean, amount_spread;
	struct record_parties parties;
	struct le32 updated_s, first_s;
	struct le32 observations;
	struct le32 counts[4];
	struct record_feedback feedback;
	struct record_selection_run selection;
};
ASSERT_SIZE(struct record_terminal_state, 120);
ASSERT_OFFSET(struct record_terminal_state, feedback, 76);

/* The record ends with `account` when its state never learned. */
struct record_account_full {
	struct record_account account;
	struct record_account_state state;
};
ASSERT_SIZE(struct record_account_full, 424);

struct record_bet { /* followed by leg_count event_leg */
	struct record_header header;
	struct le64 id;
	struct le64 lsn;
	struct le64 account_id; /* 0: a cash ticket */
	struct le64 terminal_id;
	struct le64s stake;
	struct le64s payout;
	struct le64 placed_at_ns;
	struct le16 currency;
	uint8_t state; /* bet_state */
	uint8_t leg_count;
	uint8_t reprints;
	uint8_t reserved[3];
};
ASSERT_SIZE(struct record_bet, 72);
ASSERT_OFFSET(struct record_bet, stake, 40);
ASSERT_OFFSET(struct record_bet, currency, 64);

struct record_bet_full {
	struct record_bet bet;
	struct event_leg legs[LIMIT_BET_LEGS_MAX];
};
ASSERT_SIZE(struct record_bet_full, 232);

struct record_market {
	struct record_header header;
	struct le64 id;
	struct le64 lsn;
	struct event_market market;
	uint8_t walked;
	uint8_t final;
	uint8_t reserved[6];
	struct le64 walked_ns;
	uint8_t outcomes[LIMIT_MARKET_SELECTIONS_MAX * 4]; /* as in event_result; zero: no result */
	struct le64s credit_moved[LIMIT_MARKET_SELECTIONS_MAX];
	struct le64s credit_moved_market;
};
ASSERT_SIZE(struct record_market, 336);
ASSERT_OFFSET(struct record_market, market, 24);
ASSERT_OFFSET(struct record_market, walked, 120);
ASSERT_OFFSET(struct record_market, outcomes, 136);
ASSERT_OFFSET(struct record_market, credit_moved, 200);

struct record_terminal {
	struct record_header header;
	struct le64 id;
	struct le64 lsn;
	struct le64 highest_request_id;
	struct le64s staked_today;
	struct le32 staked_day;
	struct le32 rights;
	struct le64s daily_max;
	struct le64 version;
	uint8_t blocked;
	uint8_t shift_open;
	struct le16 shift_currency; /* 0: opened before it was kept, in the rules' currency */
	struct le32
	    cashier_id; /* from here: of the open shift; zero but for the number without one */
	struct le32 shift_number;
	uint8_t reserved[4];
	struct le64s shift_cash;
	struct le64s shift_cash_total;
	struct le64 shift_opened_ns;
};
ASSERT_SIZE(struct record_terminal, 104);
ASSERT_OFFSET(struct record_terminal, staked_today, 32);
ASSERT_OFFSET(struct record_terminal, rights, 44);
ASSERT_OFFSET(struct record_terminal, version, 56);
ASSERT_OFFSET(struct record_terminal, shift_currency, 66);
ASSERT_OFFSET(struct record_terminal, cashier_id, 68);
ASSERT_OFFSET(struct record_terminal, shift_cash, 80);

struct record_terminal_full {
	struct record_terminal terminal;
	struct record_terminal_state state;
};
ASSERT_SIZE(struct record_terminal_full, 224);

/* Which part of which deployment this is. Written once; re-sharding writes another. */
struct record_identity {
	struct record_header header;
	struct le16 shard;
	struct le16 shard_count;
	uint8_t reserved[4];
	uint8_t bucket_shard[LIMIT_BUCKETS];
};
ASSERT_SIZE(struct record_identity, 16 + LIMIT_BUCKETS);
ASSERT_OFFSET(struct record_identity, bucket_shard, 16);

/*
 * The checkpoint: all events up to begin_lsn are in the rows wholly; rows may hold newer ones in
 * part. shard_* and rules are the shard row as of begin_lsn.
 */
struct record_checkpoint {
	struct record_header header;
	struct le64 begin_lsn;
	struct le64 log_lsn; /* the log held this much when the checkpoint was written */
	struct le64 incarnation;
	struct le64 boot_counter;
	struct le64 time_ns;
	struct le64 bet_counter;
	struct le64 control_sequence;
	uint8_t clean;     /* 1: written by an orderly stop, nothing came after it */
	uint8_t has_rules; /* 0: no rules yet, all of `rules` zero */
	uint8_t reserved[6];
	struct event_rules rules;
	/* A record may end here (RECORD_CHECKPOINT_SIZE_SHORT): no factor rules. */
	uint8_t currency_count;
	uint8_t reserved_extra[7];
	struct event_factor_rules factor_rules;
	struct event_rules_currency currencies[LIMIT_RULES_CURRENCIES_MAX]; /* not used: zero */
};
#define RECORD_CHECKPOINT_SIZE_SHORT 200u
ASSERT_OFFSET(struct record_checkpoint, currency_count, RECORD_CHECKPOINT_SIZE_SHORT);
ASSERT_SIZE(struct record_checkpoint, 848);
ASSERT_OFFSET(struct record_checkpoint, begin_lsn, 8);
ASSERT_OFFSET(struct record_checkpoint, clean, 64);
ASSERT_OFFSET(struct record_checkpoint, rules, 72);

/*
 * The hash of the whole state, when the rows held exactly the events up to `lsn`: after an orderly
 * stop, a restore, a re-sharding. Of no meaning once rows are newer (checkpoint or horizon above
 * it).
 */
struct record_state {
	struct record_header header;
	struct le64 lsn;
	struct le64 state_hash;
};
ASSERT_SIZE(struct record_state, 24);

/*
 * Rows that came out of a re-sharding say what was left behind it (past.h): the number of that
 * generation, counted from 1, and where the log of each of its shards begins and ends. Of shards
 * that there were not all is zero. What lies before it the rows of that generation say.
 */
struct record_past {
	struct record_header header;
	struct le16 generation;
	struct le16 shard_count;
	uint8_t reserved[4];
	struct record_past_log {
		struct le64 first_lsn; /* never 0 */
		struct le64 last_lsn;  /* first_lsn - 1: no event */
	} logs[LIMIT_SHARDS];
};
ASSERT_SIZE(struct record_past, 16 + 16 * LIMIT_SHARDS);
ASSERT_OFFSET(struct record_past, logs, 16);

/*
 * A row of `object` or `closed_object` is struct object_bytes as it is (object.h), without a
 * header: its kind is its layout, and what a kind gains later goes into bytes that were zero.
 */

/* Factor rules absent: the short form, as directories always had it. */
size_t record_checkpoint_size(const struct record_checkpoint *record);

struct record_header record_header_make(enum record_kind kind, size_t size);

/* 0, or -EBADMSG with nothing written. */
SLUICE_MUST_USE int record_account_read(struct db_bytes bytes, struct record_account_full *out);
SLUICE_MUST_USE int record_bet_read(struct db_bytes bytes, struct record_bet_full *out);
SLUICE_MUST_USE int record_market_read(struct db_bytes bytes, struct record_market *out);
SLUICE_MUST_USE int record_terminal_read(struct db_bytes bytes, struct record_terminal_full *out);
SLUICE_MUST_USE int record_identity_read(struct db_bytes bytes, struct record_identity *out);
SLUICE_MUST_USE int record_checkpoint_read(struct db_bytes bytes, struct record_checkpoint *out);
SLUICE_MUST_USE int record_state_read(struct db_bytes bytes, struct record_state *out);
SLUICE_MUST_USE int record_past_read(struct db_bytes bytes, struct record_past *out);
SLUICE_MUST_USE int record_object_read(struct db_bytes bytes, struct object_bytes *out);

#endif
