/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what the journal and the log hold. An event is a decision, not a command: applying it
 * never decides again. Events are 8-byte aligned and at most LIMIT_EVENT_SIZE_MAX long.
 *
 *   event_record (136 B) | fixed body by type | sections (lines and objects), in any number
 *
 * Fixed bodies: PLACE_BET legs; CANCEL_BET, BET_SETTLE, BET_VOID, REDEEM, TICKET_EXPIRE
 * event_bet_change; MARKET_SET event_market; MARKET_RESULT event_result; RULES_SET event_rules;
 * TERMINAL_SET event_terminal; BET_RETIRE a list of le64 bet ids, OBJECT_RETIRE of le64 object ids;
 * SHIFT event_shift; LEASE event_lease; ACCOUNT_FLAGS event_account_flags; FEEDBACK event_feedback;
 * the others none.
 *
 * Double entry. `amount` is the signed change of account_id's balance. Each line section changes
 * one more account. What is still missing to zero goes to the counter account of the type:
 *
 *   counter's change = -(amount + sum of the lines + implied STAKES)
 *
 *   type            account_id  counter account       implied besides
 *   ACCOUNT_OPEN    customer    FUNDING (opening balance of provisioned accounts)
 *   DEPOSIT         customer    CASH of the terminal
 *   WITHDRAW        customer    CASH of the terminal; SUSPENSE with code PENDING
 *   WITHDRAW_CLOSE  customer    (0 if paid) CASH of the terminal that asked; line SUSPENSE
 *   TRANSFER        customer    none: a line for the other customer
 *   TRANSFER_OUT    customer    TRANSIT of the peer; 0 and a line of POTS for a claim
 *   TRANSFER_IN     customer    TRANSIT of the peer
 *   TRANSFER_DONE   customer    TRANSIT of the peer (only when reversed; for a claim line POTS)
 *   ADJUST          customer    ADJUSTMENT
 *   PLACE_BET       customer    STAKES       amount = -stake; account 0 (cash): amount 0 and a
 *                                            line CASH -stake
 *   CANCEL_BET      customer    HOUSE (0)    STAKES by the bet's change of state
 *   BET_SETTLE      customer    HOUSE        STAKES by the bet's change of state
 *   BET_VOID        customer    HOUSE (0)    STAKES by the bet's change of state
 *     of a cash ticket (account 0): a line PAYABLE instead of the customer; cancelled: CASH
 *   REDEEM          0           CASH of the terminal; line PAYABLE
 *   TICKET_EXPIRE   0           HOUSE; line PAYABLE
 *   ROUND_*         customer    PARTNER of the account
 *   SPRINKLE_CREATE customer    POTS
 *   CLAIM           customer    POTS         on the giver's own shard
 *   SPRINKLE_END    customer    POTS         the rest goes back to the giver
 *
 * STAKES by the bet's change of state: +stake when it becomes OPEN, -stake when it stops being so.
 * A credit to a customer who owes (account_row.owed) repays first: `amount` is what is left, and a
 * line RECEIVABLE takes the rest; a debit of more than there is takes the balance, and a line
 * RECEIVABLE of the negative rest. A RECEIVABLE line changes `owed` of the customer of the last
 * line before it, or of account_id, by minus its amount.
 *
 * Only events with code OK or PENDING move money or change objects, but for the objects of a
 * refused TRANSFER_IN, which keep its answer, and of a reversed TRANSFER_DONE.
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

	/* Wallet. */
	EVENT_WITHDRAW = 11,       /* code PENDING: object WITHDRAWAL, waits for approval */
	EVENT_WITHDRAW_CLOSE = 12, /* flags: EVENT_FLAG_PAID, else given back */
	EVENT_TRANSFER = 13,       /* both accounts on this shard */
	EVENT_TRANSFER_OUT = 14,   /* object TRANSFER; code PENDING until TRANSFER_DONE */
	EVENT_TRANSFER_IN = 15,    /* object TRANSFER_IN keeps the answer for the source */
	EVENT_TRANSFER_DONE = 16,  /* the final outcome of request_id; code: refusal = reversed */
	EVENT_ADJUST = 17,         /* object_id: control sequence number */

	/* Betting. */
	EVENT_BET_SETTLE = 18,    /* settled, settled otherwise, or opened again */
	EVENT_BET_VOID = 19,      /* by the operator: the stake goes back */
	EVENT_MARKET_RESULT = 20, /* body: event_result; object_id: market */
	EVENT_REDEEM = 21,        /* a cash ticket is paid */
	EVENT_TICKET_EXPIRE = 22, /* nobody came for it */
	EVENT_BET_RETIRE = 23,    /* closed bets leave memory; body: their ids */
	EVENT_OBJECT_RETIRE = 24, /* closed objects leave memory; body: their ids */

	/* Game rounds, money sprinkling. */
	EVENT_ROUND_DEBIT = 25,
	EVENT_ROUND_CREDIT = 26,
	EVENT_ROUND_ROLLBACK = 27,
	EVENT_ROUND_CLOSE = 28,
	EVENT_SPRINKLE_CREATE = 29,
	EVENT_CLAIM = 30,
	EVENT_SPRINKLE_END = 31,

	/* Outcomes, people, partners. */
	EVENT_FENCE = 32,    /* at home: object_id = the request id that can never be accepted */
	EVENT_REVERSE = 33,  /* refused, or nothing to reverse; a reversal is the opposite event */
	EVENT_PLAY_SET = 34, /* object PLAY_LIMITS */
	EVENT_SHIFT = 35,    /* body: event_shift, at the terminal's home */
	EVENT_REPRINT = 36,  /* object_id: bet; its count of reprints goes up */
	EVENT_PARTNER_SET = 37, /* object PARTNER */
	EVENT_LEASE = 38,       /* body: event_lease */

	/* Risk. */
	EVENT_ACCOUNT_FLAGS = 39, /* body: event_account_flags; all that control knows of it */
	EVENT_FEEDBACK = 40, /* body: event_feedback; account_id, terminal_id, object PARTNER: of it
	                        that have a row here */
};
#define EVENT_TYPE_MAX EVENT_FEEDBACK

enum event_flag {
	EVENT_FLAG_FROZEN = 1u << 0,
	EVENT_FLAG_PAID = 1u << 1,     /* WITHDRAW_CLOSE: approved and paid out */
	EVENT_FLAG_TIMER = 1u << 2,    /* done by time, not by anybody */
	EVENT_FLAG_REVERSAL = 1u << 3, /* done by REVERSE; object REVERSAL names the target */
	EVENT_FLAG_LINKED = 1u << 4,   /* part of a linked group: the next event belongs to it */
	/* PLACE_BET, CANCEL_BET: in another currency than the rules, no part of what the terminal
	 * has staked today. Older logs have no such events: there all currencies count. */
	EVENT_FLAG_UNCOUNTED = 1u << 5,
	EVENT_FLAG_SCORED = 1u << 6, /* judged by the risk states too, which learn from it */
	/* SCORED deposits, withdrawals and transfers: the state keeps what of the deposits has
	 * moved on. Older logs have no such events: there each movement is judged alone. */
	EVENT_FLAG_MOVED = 1u << 7,
};

struct event_record {
	struct le64 lsn; /* per shard, from 1, gapless */
	struct le64 time_ns;
	struct le16 type;   /* event_type */
	struct le16 length; /* of the whole event, a multiple of 8 */
	struct le16 code;   /* wire_code: OK or the refusal */
	uint8_t leg_count;  /* PLACE_BET: legs; BET_RETIRE, OBJECT_RETIRE: ids */
	uint8_t score;
	struct le64 terminal_id; /* 0: not from a terminal */
	struct le64 request_id;
	struct le64 body_hash[2];
	struct le64 prev_terminal_lsn; /* this terminal's previous event on this shard, 0 none */
	struct le64 account_id;        /* 0 none */
	struct le64 prev_account_lsn;  /* this account's previous event, 0 none */
	struct le64s amount;   /* signed change of the account; requested change if refused */
	struct le64s balance;  /* of the account after the event */
	struct le64 object_id; /* bet, market, object, control sequence number: see the type */
	struct le64s payout;   /* PLACE_BET: full potential payout; otherwise the amount the answer
	                          names: paid, shared out, given back; gross of what was owed */
	struct le32 factor_bits;
	struct le32 rule_version;
	struct le16 currency;
	uint8_t flags;          /* event_flag */
	uint8_t odds_policy;    /* PLACE_BET */
	struct le32 cashier_id; /* PLACE_BET; CANCEL_BET, BET_VOID, REPRINT, ADJUST: the reason;
	                           ACCOUNT_OPEN: the partner */
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

/*
 * The change of one bet. `from` and `to` are bet_state. record.payout is what the bet is worth
 * then: settled, what it won; opened again, its potential payout, of which nothing is owed yet.
 */
struct event_bet_change {
	struct le64s stake;
	struct le64 placed_at_ns;
	struct le64s payout_before; /* what it had been settled with, 0 when open */
	struct le64 market_id;      /* BET_SETTLE: whose result it was; otherwise 0 */
	uint8_t from, to;
	uint8_t class; /* BET_SETTLE: settlement_class */
	uint8_t reserved[5];
};
ASSERT_SIZE(struct event_bet_change, 40);
ASSERT_OFFSET(struct event_bet_change, from, 32);

/* What happens to a market's result. */
enum result_op {
	RESULT_SET = 1,      /* outcomes known: settle its bets */
	RESULT_ROLLBACK = 2, /* they were wrong: open its bets again; outcomes all zero */
	RESULT_WALKED = 3,   /* every bet of the market was dealt with on this shard */
	RESULT_FINAL = 4,    /* no rollback any more: its closed bets may retire */
};

struct event_result {
	uint8_t op; /* result_op */
	uint8_t selection_count;
	uint8_t reserved[6];
	struct le64 version;      /* RESULT_SET, RESULT_ROLLBACK: the market's new version */
	uint8_t outcomes[16 * 4]; /* settlement_outcomes_disk; zero but for RESULT_SET */
};
ASSERT_SIZE(struct event_result, 80);
ASSERT_OFFSET(struct event_result, outcomes, 16);

enum shift_op {
	SHIFT_OPEN = 1,
	SHIFT_CLOSE = 2,
};

struct event_shift {
	uint8_t
	    op; /* shift_op, of a refusal too (0 in logs of 0.1.0: not told); the rest is 0 then */
	uint8_t reserved[3];
	struct le32 number;      /* counts the terminal's shifts from 1 */
	struct le64s cash;       /* OPEN: in the drawer; CLOSE: counted */
	struct le64s cash_total; /* of the terminal over all shards, ever: in minus out */
	struct le64s expected;   /* CLOSE: opening cash + what came in meanwhile */
};
ASSERT_SIZE(struct event_shift, 32);

enum lease_scope {
	LEASE_SELECTION = 1, /* id: market */
	LEASE_MARKET = 2,
	LEASE_PARTNER = 3, /* id: partner */
};

/* Credit of a payout limit moves between shards: out of here (amount < 0) or in (> 0). Money does
 * not move. Object TRANSFER (out) or TRANSFER_IN (in) in a section. */
struct event_lease {
	struct le64 id;
	struct le64s amount;
	uint8_t scope; /* lease_scope */
	uint8_t selection;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct event_lease, 24);

/* What control knows of a customer, complete. object_id: the control sequence number. */
struct event_account_flags {
	struct le16 flags;   /* account_flag PEP, SANCTIONED, COUNTRY_RISK of the ledger */
	struct le16 country; /* ISO 3166-1 numeric, 0 not known */
	uint8_t reserved[4];
};
ASSERT_SIZE(struct event_account_flags, 8);

/*
 * One closed case or imported label, of a transaction of then; or, withdrawn, the correction of one
 * that was given before, at learned_s: what is left of it is taken off again. The command goes to
 * all shards; each one learns for what has a row there, and says so by the record's account_id and
 * terminal_id, and by the partner's object. object_id: the control sequence number.
 */
struct event_feedback {
	struct le64 account_id;  /* 0: none */
	struct le64 terminal_id; /* 0: none */
	struct le64 transaction_ns;
	uint8_t confirmed;      /* 1: fraud; 0: dismissed */
	uint8_t withdrawn;      /* 1: such a verdict is taken back */
	struct le16 partner_id; /* 0: none, as in older logs */
	struct le32 learned_s;  /* WITHDRAWN: when it was given, Unix seconds; 0: just before */
};
ASSERT_SIZE(struct event_feedback, 32);
ASSERT_OFFSET(struct event_feedback, learned_s, 28);

struct event_market {
	struct le64 event_id;
	struct le64 version;
	struct le64 start_time_ns;
	uint8_t state; /* market_state */
	uint8_t kind;  /* market_kind */
	uint8_t selection_count;
	uint8_t reserved[1];
	struct le16 line; /* two's complement, quarters: over/under line, or home's handicap */
	uint8_t reserved_tail[2];
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
	uint8_t partner_confirmed_tenths;    /* decayed count of 7 days; 0: none are enough */
	struct le32 partner_key_hold_s;      /* idempotency keys of partners; at least 86,400 */
	struct le32 withdraw_timeout_s;      /* pending withdrawals are given back after it */
	struct le64s withdraw_pending_min;   /* from here on a withdrawal waits; 0: none does */
	struct le64s exposure_selection_max; /* payouts of open bets, all shards; 0: no limit */
	struct le64s exposure_market_max;
	struct le32 ticket_expiry_s;     /* unclaimed winnings of cash tickets */
	struct le32 result_final_s;      /* after a result was done, control makes it final */
	struct le32 limit_raise_delay_s; /* responsible play: higher limits act after it */
	struct le32 sprinkle_window_max_s;
};
ASSERT_SIZE(struct event_rules, 128);

/* ---- Sections, behind the fixed body ---- */

enum event_section_kind {
	SECTION_LINE = 1,
	SECTION_OBJECT = 2,
	SECTION_FACTOR_RULES = 3,   /* RULES_SET, at most one */
	SECTION_RULES_CURRENCY = 4, /* RULES_SET with factor rules */
	SECTION_RISK = 5,           /* scored events, at most one */
	SECTION_LIMIT = 6,          /* refusals by a limit, at most one */
};

struct event_section {
	uint8_t kind; /* event_section_kind */
	uint8_t reserved0;
	struct le16 size; /* of the section with this header, a multiple of 8 */
	uint8_t reserved[4];
};
ASSERT_SIZE(struct event_section, 8);

/* One more account that changes. */
struct event_line {
	struct event_section section;
	struct le64 account_id;
	struct le64s amount;  /* not 0 */
	struct le64s balance; /* of a customer after the event; 0 for system accounts */
	struct le64 prev_lsn; /* of a customer: the account's previous event; 0 otherwise */
};
ASSERT_SIZE(struct event_line, 40);

/* The whole new state of one object (lmdb-schema/object.h); zero bytes at the end of its body are
 * cut off in steps of 8. */
struct event_object {
	struct event_section section;
	struct le64 id;
	struct le64 due_ns; /* when time acts on it, 0 never */
	uint8_t kind;       /* object_kind */
	uint8_t state;      /* object_state */
	struct le16 currency;
	struct le32 partner_id;
	/* body: section.size - 32 bytes, at most OBJECT_BODY_SIZE */
};
ASSERT_SIZE(struct event_object, 32);
ASSERT_OFFSET(struct event_object, kind, 24);

/* Rules of the risk states and of the model. Without this section the states are not learnt and
 * nothing looks at them. Ranges: dataplane/risk/risk_extra.h. */
struct event_factor_rules {
	struct event_section section;
	struct le64s report_threshold; /* in the rules' currency; 0: none */
	struct le32 structuring_window_s;
	struct le16 rapid_window_s;
	uint8_t rapid_window_high;         /* of 65,536 s */
	uint8_t terminal_confirmed_tenths; /* 0, as in older logs: confirmed_tenths */
	struct le32 young_s;
	struct le32 model_version; /* 0: none */
	uint8_t model_state;       /* risk_model_state */
	uint8_t rapid_moved_percent;
	uint8_t rapid_staked_percent;
	uint8_t ladder_steps;
	uint8_t repeated_transfers;
	uint8_t selection_repeats;
	uint8_t selection_terminals;
	uint8_t selection_at_terminal;
	uint8_t late_s;
	uint8_t counterparties;
	uint8_t velocity_count;
	uint8_t velocity_ratio_tenths;
	uint8_t confirmed_percent;
	uint8_t confirmed_tenths;
	uint8_t points[14]; /* by risk_state_factor */
	uint8_t points_country;
	uint8_t points_watch_list;
	uint8_t points_model_max; /* the most the model adds */
	uint8_t points_partner_confirmed;
};
ASSERT_SIZE(struct event_factor_rules, 64);
ASSERT_OFFSET(struct event_factor_rules, model_state, 32);
ASSERT_OFFSET(struct event_factor_rules, points, 46);

/* The amounts of the rules in another currency; 0: no such limit or threshold. */
struct event_rules_currency {
	struct event_section section;
	struct le64s stake_single_max;
	struct le64s stake_daily_max;
	struct le64s payout_max;
	struct le64s large_amount;
	struct le64s longshot_liability;
	struct le64s report_threshold;
	struct le64s withdraw_pending_min;
	struct le16 currency;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct event_rules_currency, 72);

/*
 * The numbers that the factors of a scored event saw: what was before it, with it where a limit
 * counts it in. Only when a factor fired or a model was asked. Saturating.
 */
struct event_risk {
	struct event_section section;
	struct le64s amount_mean;     /* of the profile, minor units */
	struct le64s received_amount; /* deposits of about 24 h */
	struct le64s staked_since;    /* staked since they came */
	struct le32 model_margin;     /* 1/2^24, two's complement */
	struct le32 model_version;    /* 0: no model was asked */
	struct le32 close_in_s;       /* until the first market closes; 0: not known */
	struct le32 account_age_s;
	struct le32 terminal_age_s;
	struct le16 amount_z_tenths; /* distance from the mean in deviations, upwards */
	struct le16 bets_24h_tenths; /* decayed count, with this one */
	struct le16 bets_daily_7d_tenths, bets_daily_30d_tenths; /* daily average of the habit */
	struct le16 account_confirmed_tenths, account_labelled_tenths; /* of 7 days */
	struct le16 terminal_confirmed_tenths, terminal_labelled_tenths;
	struct le16 terminal_1h_tenths;         /* with this one */
	struct le16 terminal_hourly_hundredths; /* average of 7 days */
	struct le16 country;                    /* of the account; 0: not known */
	struct le16 account_flags;              /* account_flag PEP, SANCTIONED, COUNTRY_RISK */
	uint8_t near_report;        /* amounts just below the report threshold, with this one */
	uint8_t ladder;             /* growing amounts in a row, with this one */
	uint8_t transfers_repeated; /* to this account in a row, with this one */
	uint8_t selection_bets;     /* of the account on this selection within an hour */
	uint8_t selection_sides;    /* hash bits of their terminals */
	uint8_t selection_at_terminal;
	uint8_t counterparties; /* hash bits of where money went, two weeks */
	uint8_t hour, day;      /* local; day 0 is Thursday */
	uint8_t time_outside;   /* bit 0: the hour is outside of the habit; bit 1: the day */
	uint8_t points_base, points_state, points_flags, points_model;
	uint8_t model_state;   /* risk_model_state */
	uint8_t moved_percent; /* of received_amount, with this one; 255: that and more */
	struct le16 partner_confirmed_tenths, partner_labelled_tenths; /* of 7 days */
};
ASSERT_SIZE(struct event_risk, 96);
ASSERT_OFFSET(struct event_risk, model_margin, 32);
ASSERT_OFFSET(struct event_risk, amount_z_tenths, 52);
ASSERT_OFFSET(struct event_risk, near_report, 76);
ASSERT_OFFSET(struct event_risk, partner_confirmed_tenths, 92);

/*
 * What a refusal compared, where no row tells it later: LIMIT_DAILY_STAKE, LIMIT_TERMINAL_DAILY,
 * the customer's own limits, EXPOSURE_* (record.object_id: the leg's market), ODDS_CHANGED. Older
 * logs have none.
 */
struct event_limit {
	struct event_section section;
	struct le64s limit;   /* of exposure: over all shards; ODDS_CHANGED: the book's odds */
	struct le64s counted; /* against it, without this one; exposure: on this shard;
	                         ODDS_CHANGED: the odds that were claimed */
	struct le64s credit;  /* exposure: how much of the limit is this shard's; otherwise 0 */
	uint8_t own;          /* of the customer's own limits: play_limit + 1; otherwise 0 */
	uint8_t selection;    /* exposure of a selection, ODDS_CHANGED; otherwise 0 */
	uint8_t reserved[6];
};
ASSERT_SIZE(struct event_limit, 40);
ASSERT_OFFSET(struct event_limit, own, 32);

#define EVENT_LINES_MAX   4
#define EVENT_OBJECTS_MAX 5
#define EVENT_IDS_MAX     64 /* of BET_RETIRE and OBJECT_RETIRE */

#define EVENT_SIZE_LARGEST                                                                         \
	(sizeof(struct event_record) + LIMIT_BET_LEGS_MAX * 16 +                                   \
	    EVENT_LINES_MAX * sizeof(struct event_line) + sizeof(struct event_risk) +              \
	    sizeof(struct event_limit) + EVENT_OBJECTS_MAX * (sizeof(struct event_object) + 128))
_Static_assert(EVENT_SIZE_LARGEST <= LIMIT_EVENT_SIZE_MAX, "the longest event fits");
_Static_assert(sizeof(struct event_record) + 8 * EVENT_IDS_MAX <= LIMIT_EVENT_SIZE_MAX, "ids fit");
_Static_assert(sizeof(struct event_record) + sizeof(struct event_rules) +
                       sizeof(struct event_factor_rules) +
                       LIMIT_RULES_CURRENCIES_MAX * sizeof(struct event_rules_currency) <=
                   LIMIT_EVENT_SIZE_MAX,
    "rules fit");

/* Room for any event. */
struct event_buffer {
	_Alignas(8) uint8_t bytes[LIMIT_EVENT_SIZE_MAX];
};

#endif
