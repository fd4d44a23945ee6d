/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what the journal and the log hold. An event is a decision, not a command: applying it
 * never decides again. Layout: event_record (136 B), then by type: legs, a market body or a rules
 * body. Events are 8-byte aligned and at most LIMIT_EVENT_SIZE_MAX long.
 *
 * Double entry. `amount` is the signed change of account_id's balance; the counter account named by
 * the type changes by -amount. Only events with code OK move money:
 *
 *   type           account_id    counter account (per shard and currency)
 *   ACCOUNT_OPEN   customer      FUNDING (opening balance of provisioned accounts)
 *   DEPOSIT        customer      CASH of the terminal
 *   PLACE_BET      customer      STAKES       amount = -stake
 *   CANCEL_BET     customer      STAKES       amount = +stake
 */
#ifndef SLUICE_LMDB_SCHEMA_EVENT_H
#define SLUICE_LMDB_SCHEMA_EVENT_H

#include <stdint.h>

#include "wire/bytes.h"
#include "wire/limits.h"
#include "wire/messages.h"

enum event_type {
	EVENT_ACCOUNT_OPEN = 1,
	EVENT_DEPOSIT = 2,
	EVENT_PLACE_BET = 3,
	EVENT_CANCEL_BET = 4,
	EVENT_MARKET_SET = 5,     /* body: event_market; the whole new version of a market */
	EVENT_RULES_SET = 6,      /* body: event_rules */
	EVENT_COMMAND_MARK = 7,   /* control_sequence (in object_id) is done on this shard */
	EVENT_TICK = 8,           /* drives timers; at most one a second */
	EVENT_ACCOUNT_FREEZE = 9, /* flags: EVENT_FLAG_FROZEN = freeze, else unfreeze */
	EVENT_TERMINAL_SET = 10,  /* body: event_terminal; terminal_id names it, at its home */
};

enum event_flag {
	EVENT_FLAG_FROZEN = 1u << 0,
};

struct event_record {
	struct le64 lsn; /* per shard, from 1, gapless */
	struct le64 time_ns;
	struct le16 type;   /* event_type */
	struct le16 length; /* of the whole event, a multiple of 8 */
	struct le16 code;   /* wire_code: OK or the refusal */
	uint8_t leg_count;
	uint8_t score;
	struct le64 terminal_id; /* 0: not from a terminal */
	struct le64 request_id;
	struct le64 body_hash[2];
	struct le64 prev_terminal_lsn; /* this terminal's previous event on this shard, 0 none */
	struct le64 account_id;        /* 0 none */
	struct le64 prev_account_lsn;  /* this account's previous event, 0 none */
	struct le64s amount;   /* signed change of the account; requested change if refused */
	struct le64s balance;  /* of the account after the event */
	struct le64 object_id; /* bet id, market id, control sequence number */
	struct le64s payout;   /* full potential payout of a bet */
	struct le32 factor_bits;
	struct le32 rule_version;
	struct le16 currency;
	uint8_t flags;          /* event_flag */
	uint8_t odds_policy;    /* PLACE_BET */
	struct le32 cashier_id; /* PLACE_BET; CANCEL_BET: the reason */
	struct le64 deadline_ns;
};
ASSERT_SIZE(struct event_record, 136);
ASSERT_OFFSET(struct event_record, type, 16);
ASSERT_OFFSET(struct event_record, terminal_id, 24);
ASSERT_OFFSET(struct event_record, body_hash, 40);
ASSERT_OFFSET(struct event_record, prev_terminal_lsn, 56);
ASSERT_OFFSET(struct event_record, account_id, 64);
ASSERT_OFFSET(struct event_record, amount, 80);
ASSERT_OFFSET(struct event_record, object_id, 96);
ASSERT_OFFSET(struct event_record, factor_bits, 112);
ASSERT_OFFSET(struct event_record, currency, 120);
ASSERT_OFFSET(struct event_record, cashier_id, 124);
ASSERT_OFFSET(struct event_record, deadline_ns, 128);

/* PLACE_BET: leg_count of these follow, with the odds that were accepted (or claimed, if refused).
 */
struct event_leg {
	struct le64 market_id;
	struct le16 selection;
	uint8_t reserved[2];
	struct le32 odds;
};
ASSERT_SIZE(struct event_leg, 16);

struct event_market {
	struct le64 event_id;
	struct le64 version;
	struct le64 start_time_ns;
	uint8_t state; /* market_state */
	uint8_t kind;  /* market_kind */
	uint8_t selection_count;
	uint8_t reserved[5];
	struct le32 odds[LIMIT_MARKET_SELECTIONS_MAX];
};
ASSERT_SIZE(struct event_market, 96);
ASSERT_OFFSET(struct event_market, state, 24);
ASSERT_OFFSET(struct event_market, odds, 32);

/* What control allows one terminal. object_id: the control sequence number. */
struct event_terminal {
	struct le64 version;    /* counts changes of this terminal, by control */
	struct le64s daily_max; /* stakes a day; 0: the rules' terminal_daily_max */
	struct le32 rights;     /* wire right bits; a request needs the session's and these */
	uint8_t blocked;        /* 1: no request of this terminal is taken */
	uint8_t reserved[3];
};
ASSERT_SIZE(struct event_terminal, 24);

/* One rule set, complete. Amounts are in the minor unit of `currency`.
 */
struct event_rules {
	struct le32 version;
	struct le16 currency; /* the currency the amounts are in */
	uint8_t alert_score;
	uint8_t refuse_score;
	struct le64s stake_single_max;
	struct le64s stake_daily_max;
	struct le64s terminal_daily_max;
	struct le64s payout_max;
	struct le64s large_amount;
	struct le64s longshot_liability; /* fires when payout - stake reaches it at longshot odds */
	struct le32 longshot_odds;       /* 1/1000 */
	struct le32 cancel_window_s;
	struct le32 utc_offset_s;           /* day boundary; Asia/Seoul = 32400 */
	struct le16 deviation_z_tenths;     /* 25 = 2.5 standard deviations */
	struct le16 deviation_observations; /* fewer: the factor stays silent */
	struct le16 frequency_count;        /* 24 h count must be above this ... */
	struct le16 frequency_ratio_tenths; /* ... and above this multiple of the daily average */
	uint8_t points_large;
	uint8_t points_behaviour;
	uint8_t points_odds;
	uint8_t reserved[1];
	uint8_t reserved_tail[8];
};
ASSERT_SIZE(struct event_rules, 88);

#define EVENT_SIZE_LARGEST (sizeof(struct event_record) + LIMIT_BET_LEGS_MAX * 16)
_Static_assert(EVENT_SIZE_LARGEST <= LIMIT_EVENT_SIZE_MAX, "the longest event fits");

/* Room for any event. */
struct event_buffer {
	_Alignas(8) uint8_t bytes[LIMIT_EVENT_SIZE_MAX];
};

#endif
