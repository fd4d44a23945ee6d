/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of the past of an account and of a terminal: fixed size, decayed without scanning,
 * integers only, so that worker, follower and recovery hold the same bytes. One transaction is
 * looked at (risk_view_make), judged (risk_factors.h, risk_features.h) and then observed. Pure.
 *
 * Counts and sums fall to 1/e in 1 h, 24 h, 7 d and 30 d (risk_decay.h). Counts are in 1/4,096:
 * rounding loses at most 0.36 of a count, and only where something happens in every step of a
 * window. Times are whole seconds since 1970, good until 2106.
 */
#ifndef SLUICE_RISK_STATE_H
#define SLUICE_RISK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/risk/risk_clock.h"
#include "lmdb-schema/object.h"

#define RISK_COUNT_ONE          4096u /* one transaction in a decayed count */
#define RISK_TAGS               4     /* counterparties remembered by name */
#define RISK_STEP_1H_NS         2436845557ull
#define RISK_LADDER_STEP_LOG    67 /* 256 * log2(1.2) */
#define RISK_SELECTION_WINDOW_S 3600
#define RISK_SLOTS_HOUR         24
#define RISK_SLOTS_DAY          7
#define RISK_SLOTS_OBSERVED_MIN 20 /* before that no habit of hours is known */

enum risk_window {
	RISK_1H,
	RISK_24H,
	RISK_7D,
	RISK_30D,
	RISK_WINDOWS,
};

enum risk_kind {
	RISK_KIND_STAKE,
	RISK_KIND_PAYMENT,
	RISK_KIND_TRANSFER,
	RISK_KIND_WITHDRAWAL,
	RISK_KIND_DEBIT,
	RISK_KIND_DEPOSIT, /* comes in; all others go out */
	RISK_KIND_COUNT,
};

/* What a transaction is, as far as risk looks at it. Amounts in minor units, 0 to 10^15. */
struct risk_transaction {
	uint64_t time_ns;
	int64_t amount;
	uint64_t terminal_id;  /* the terminal, or the other account of a transfer */
	uint64_t selection_id; /* of a single bet; 0: none, or a combination */
	uint8_t kind;          /* risk_kind */
	uint8_t near_report;   /* in [90 %, 100 %) of the report threshold, as the rules say */
	uint8_t has_balances;  /* of the account; the next two are read only then */
	uint8_t has_balances_other;
	uint8_t keeps_moved; /* observe: of what came in, this moved on; 0: as older logs have it */
	uint32_t utc_offset_s;
	uint32_t close_in_s; /* until the market closes; 0: not known, or no bet */
	int64_t balance_before, balance_after;
	int64_t other_before, other_after;
};

/*
 * What a transaction comes to by itself, whatever the past: made once, for judging it and for both
 * states to learn from it.
 */
struct risk_traits {
	uint64_t partner, visitor; /* hashes of terminal_id and of the account's id */
	struct risk_moment moment;
	uint16_t partner_tag, visitor_tag, selection_tag;
	uint16_t amount_log; /* log2(amount + 1), 8.8 */
};
/* `moment`: of its time, in its time zone. */
void risk_traits_make(struct risk_traits *traits, const struct risk_transaction *transaction,
    uint64_t account_id, const struct risk_moment *moment);

/*
 * Closed cases and imported labels, arriving days late. Counts fall from the day a label arrived;
 * first_s and last_s are times of transactions: a run of confirmed ones without a gap of ten days.
 */
struct risk_feedback {
	uint32_t updated_s;
	uint32_t first_s, last_s;                                          /* 0: none confirmed */
	uint32_t confirmed_7d, confirmed_30d, dismissed_7d, dismissed_30d; /* in RISK_COUNT_ONE */
	uint16_t confirmed, dismissed;                                     /* ever, saturating */
	uint8_t clean_run; /* dismissed behind last_s, saturating */
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct risk_feedback) == 36, "part of rows");

/* Counterparties: a set of 64 hash bits for this and the last week, and the last four by tag. */
struct risk_parties {
	uint64_t seen[2];         /* this week, the week before */
	uint16_t tags[RISK_TAGS]; /* most recent first; 0: none */
	uint32_t week;
	uint16_t repeats; /* of tags[0] in a row */
	uint16_t again;   /* of any of the four, halved every four weeks, saturating */
};
_Static_assert(sizeof(struct risk_parties) == 32, "part of rows");

/*
 * Bets on one selection within an hour. Another selection takes one off (a majority vote), so that
 * a few bets in between do not hide a run.
 */
struct risk_selection_run {
	uint32_t begin_s;
	uint16_t tag;  /* 0: none */
	uint8_t count; /* saturating */
	uint8_t sides; /* 8 hash bits: terminals of an account's run, accounts of a terminal's */
};
_Static_assert(sizeof(struct risk_selection_run) == 8, "part of rows");

/*
 * Budget, account row + profile + index <= 400 B. In memory: 192 (slot with a profile of 128) - 48
 * (spare bytes of the profile, not needed any more) + 232 + 16 (index) = 392. On disk 184 - 48 +
 * 232.
 */
struct risk_account_state {
	uint64_t sum_24h, sum_7d, sum_30d;      /* of amounts that went out, minor units, decayed */
	uint64_t amount_mean, amount_spread;    /* minor units << 8; an outlier counts as 4 means */
	uint64_t received_amount, staked_since; /* of a span: what came in; staked since it began */
	struct risk_parties parties;            /* terminals, accounts paid */
	uint64_t sources;                       /* hash bits of who paid, four weeks */
	uint16_t source_tags[3];                /* the last who paid, most recent first; 0: none */
	uint8_t source_again; /* one of them paid again; halved every four weeks */
	uint8_t moved_high; /* with moved_low: risk_account_moved, in 1/65,536 of received_amount */
	uint32_t updated_s, first_s;
	uint32_t observations; /* saturating */
	uint32_t counts[RISK_WINDOWS];
	uint32_t high_7d; /* amounts above 2.5 means */
	uint32_t in_updated_s, in_24h, in_7d, in_30d;
	uint32_t near_s[2]; /* the last two just below the report threshold */
	struct risk_feedback feedback;
	struct risk_selection_run selection;
	uint16_t amount_last; /* log2, 8.8 */
	uint8_t ladder;       /* amounts in a row, each at least 1.2 times the one before */
	uint8_t moved_low;
	uint8_t hours[RISK_SLOTS_HOUR], days[RISK_SLOTS_DAY]; /* halved when one is full */
	uint8_t span_hour; /* in which the span of received_amount began, of 256 hours */
};

struct risk_terminal_state {
	uint64_t amount_mean, amount_spread;
	struct risk_parties parties; /* accounts */
	uint32_t updated_s, first_s;
	uint32_t observations;
	uint32_t counts[RISK_WINDOWS];
	struct risk_feedback feedback;
	struct risk_selection_run selection;
};
_Static_assert(sizeof(struct risk_account_state) == 240, "part of the account's row");
_Static_assert(sizeof(struct risk_terminal_state) == 120, "part of the terminal's row");

void risk_account_init(struct risk_account_state *account, uint64_t time_ns);
void risk_terminal_init(struct risk_terminal_state *terminal, uint64_t time_ns);
/* The first time of a state that may have labels already: they stay. */
void risk_account_begin(struct risk_account_state *account, uint64_t time_ns);
void risk_terminal_begin(struct risk_terminal_state *terminal, uint64_t time_ns);
/* Money came in just below the report threshold (of money that goes out, observe sees to it). */
void risk_account_near(struct risk_account_state *account, uint64_t time_ns);
/* Folds a transaction that was accepted into the state; a clock that steps back decays nothing. */
void risk_account_observe(
    struct risk_account_state *account, const struct risk_transaction *transaction);
void risk_terminal_observe(struct risk_terminal_state *terminal,
    const struct risk_transaction *transaction, uint64_t account_id);
/* The same with the transaction's own traits, for who has them. */
void risk_account_observe_traits(struct risk_account_state *account,
    const struct risk_transaction *transaction, const struct risk_traits *traits);
void risk_terminal_observe_traits(struct risk_terminal_state *terminal,
    const struct risk_transaction *transaction, const struct risk_traits *traits);
/*
 * Money came in: a deposit or a transfer from source_id. What came in is counted together in a span
 * that begins anew when all of it was staked, or when nothing came for more than 24 h. Of a span of
 * more than 24 h half is forgotten, of what came in, was staked and moved on alike, and it goes on
 * as one of 12.
 */
void risk_account_receive(
    struct risk_account_state *account, uint64_t time_ns, int64_t amount, uint64_t source_id);
/* The same as it was before spans (events without EVENT_FLAG_MOVED): deposits are counted together
 * for as long as no two are more than 24 h apart. */
void risk_account_receive_before(
    struct risk_account_state *account, uint64_t time_ns, int64_t amount, uint64_t source_id);
/* Of received_amount, minor units that withdrawals and transfers since have taken out; each counts
 * for at most 1/65,536 of received_amount too much. Not more than all of it. */
uint64_t risk_account_moved(const struct risk_account_state *account);
/* A label of a transaction of transaction_ns, known now. */
void risk_feedback_label(
    struct risk_feedback *feedback, uint64_t now_ns, uint64_t transaction_ns, bool confirmed);
/* Such a label, known since learned_s (0: just now), was wrong: takes off what is left of it. */
void risk_feedback_withdraw(struct risk_feedback *feedback, uint64_t now_ns,
    uint64_t transaction_ns, uint32_t learned_s, bool confirmed);

/* As records have it, and back; the record's reserved bytes are zero. */
void risk_feedback_encode(const struct risk_feedback *feedback, struct record_feedback *out);
void risk_feedback_decode(const struct record_feedback *record, struct risk_feedback *out);

/* Feedback as of now: counts in RISK_COUNT_ONE. */
struct risk_feedback_view {
	uint32_t confirmed_7d, confirmed_30d, labelled_7d, labelled_30d;
	uint32_t since_last_s, since_first_s; /* UINT32_MAX: none confirmed */
	uint16_t confirmed, dismissed;
	uint8_t clean_run;
};

/* Writes *view always; none: counts of 0, never. */
void risk_feedback_look(
    const struct risk_feedback *feedback, uint32_t now_s, struct risk_feedback_view *view);

/* What a decision looks at: both states as of the transaction, itself not included. */
struct risk_view {
	const struct risk_account_state *account;
	const struct risk_terminal_state *terminal;
	const struct risk_transaction *transaction;
	uint64_t visitor; /* hash of the account's id */
	uint64_t sum_24h, sum_7d, sum_30d;
	uint32_t time_s;
	uint32_t account_counts[RISK_WINDOWS], terminal_counts[RISK_WINDOWS];
	uint32_t high_7d, in_24h, in_7d, in_30d;
	uint32_t account_idle_s, terminal_idle_s, received_idle_s; /* UINT32_MAX: never before */
	uint32_t account_age_s, terminal_age_s;
	struct risk_feedback_view account_feedback, terminal_feedback;
	/* Of whose customer the account is; NULL: nobody's, or one without cases. Set by the caller
	 * behind risk_view_begin, which makes it NULL, and kept by it. */
	const struct risk_feedback_view *partner_feedback;
	uint16_t amount_log;                 /* log2(amount + 1), 8.8 */
	uint8_t hour, day;                   /* local; day 0 is Thursday, as 1970 began */
	uint16_t hour_total, day_total;      /* of all slots; 0 without a habit */
	uint8_t hour_share, day_share;       /* of it in this slot, in 1/255; 255 without a habit */
	uint8_t partners, sources, visitors; /* hash bits set, 0 to 64 */
	uint8_t partner_rank, visitor_rank;  /* 1 the last one .. 4; 5 older or never */
	/* Bets on the same selection in the hour, and hash bits of their other sides, this one
	 * included. */
	uint8_t account_selections, account_selection_sides, terminal_selections;
	bool hour_outside,
	    day_outside; /* the busier slots hold 90 % of the past, or this one is empty */
	bool partner_seen, visitor_seen; /* by hash bits: this or the last week */
	bool partner_paid;               /* the counterparty is among the last who paid */
};
void risk_view_make(struct risk_view *view, const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction,
    uint64_t account_id);

/* Hours of a steady rate that the terminal's 7 day count stands for, 1 to 168. */
uint32_t risk_terminal_hours(const struct risk_view *view);

/* log2(value + 1) in 1/256, by table: the same on every machine; error below 1/256. */
uint32_t risk_log2(uint64_t value);

#endif
