/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision in the making, and the builder of its event. Included by ledger_*.c only.
 *
 * A judge (one per request type, table in ledger_decide.c) reads the state through `decision`, sets
 * what the event says, adds lines and objects, and returns a wire_code. It changes no row. What it
 * added is dropped when the code is a refusal. decision_write makes the event of the rest:
 * chains, balance, sections; ledger_apply carries it out without knowing the type's rules.
 */
#ifndef SLUICE_LEDGER_DECISION_H
#define SLUICE_LEDGER_DECISION_H

#include "dataplane/ledger/ledger_internal.h"
#include "lmdb-schema/event_sections.h"

struct decision_line {
	uint64_t account_id;
	int64_t amount;
	const struct account_row *customer; /* NULL: a system account */
};

struct decision {
	struct ledger *ledger;
	const struct wire_request *request;  /* NULL: not a request */
	const struct ledger_request *asked;  /* NULL: not a request */
	const struct account_row *account;   /* NULL: not on this shard, or none */
	const struct terminal_row *terminal; /* NULL: new here, or none */
	const struct risk_scene *scene;      /* NULL: not judged by the states (yet) */
	uint64_t terminal_id, request_id, time_ns, account_id, object_id, deadline_ns;
	uint64_t body_hash[2];
	int64_t amount; /* signed change of the account; of a refusal: what was asked for */
	int64_t payout;
	uint32_t factor_bits, cashier_id;
	uint16_t type, currency;
	uint8_t score, odds_policy, leg_count, flags;
	uint8_t line_count, object_count;
	uint8_t new_id; /* 1: object_id was made by decision_new_id */
	uint8_t body_size;
	uint8_t has_risk;  /* 1: `risk` goes with the event */
	uint8_t has_limit; /* 1: `limit` goes with the event, when it is refused */
	/* From here on decision_begin sets nothing. */
	uint32_t odds[LIMIT_BET_LEGS_MAX]; /* PLACE_BET: to be written to the legs */
	struct decision_line lines[EVENT_LINES_MAX];
	struct object_row objects[EVENT_OBJECTS_MAX];
	/* Fixed body of every type but PLACE_BET (whose legs come from request and odds). */
	union {
		struct event_bet_change change;
		struct event_result result;
		struct event_shift shift;
		struct event_lease lease;
		struct event_feedback feedback;
		struct le64 ids[EVENT_IDS_MAX];
		uint8_t bytes[8 * EVENT_IDS_MAX];
	} body;
	struct event_risk risk;   /* the numbers its factors saw */
	struct event_limit limit; /* what its refusal compared */
};

/* What is about to refuse it, and what it is compared with; the judge sets the rest of it. Returns
 * where. */
struct event_limit *decision_limit(struct decision *decision, int64_t limit, int64_t counted);

/* An event that no request asked for: time raised to the last event's, everything else zero. */
void decision_begin(
    struct decision *decision, struct ledger *ledger, uint16_t type, uint64_t time_ns);

/* Sets account_id and, when it is a customer of this shard, account. */
void decision_account(struct decision *decision, uint64_t account_id);
/* Sets terminal_id and its row. -EBUSY: a new one does not fit. */
SLUICE_MUST_USE int decision_terminal(struct decision *decision, uint64_t terminal_id);

/* 1: the partner of the decision's account, which must be there, is blocked. */
int decision_partner_blocked(const struct decision *decision);
/* ACCOUNT_UNKNOWN, ACCOUNT_FROZEN, PARTNER_BLOCKED, CURRENCY_MISMATCH, or OK. */
uint16_t decision_account_usable(const struct decision *decision);

/*
 * Credits the decision's account with `credit` > 0 (or 0): sets amount, and adds a RECEIVABLE line
 * for what it owes and this repays; payout is set to the gross credit. BALANCE_LIMIT, or OK.
 */
uint16_t decision_credit(struct decision *decision, int64_t credit);
/*
 * Debits it by `debit` > 0: amount, payout = debit. FUNDS_INSUFFICIENT, or OK. decision_debit_owing
 * takes what there is and the rest becomes a RECEIVABLE (rollbacks of payouts).
 */
uint16_t decision_debit(struct decision *decision, int64_t debit);
void decision_debit_owing(struct decision *decision, int64_t debit);

/* One more posting: on a system account; on a second customer, with what it owes repaid first. */
void decision_line(struct decision *decision, uint64_t system_account, int64_t amount);
uint16_t decision_line_credit(
    struct decision *decision, const struct account_row *customer, int64_t credit);

/* A copy of the object as it shall be; the caller changes it. From an existing row, or a new one of
 * zeros with its id: printed (id = object_id of decision_new_id) or found for its natural key. */
struct object_row *decision_object(struct decision *decision, const struct object_row *from);
struct object_row *decision_object_new(
    struct decision *decision, enum object_kind kind, uint64_t id);
/* A new object under its natural key (the words are not put into its body); the caller has seen
 * that there is none. */
struct object_row *decision_object_key(struct decision *decision, const struct object_key *key);

/* object_id = the next printed id in the bucket of `key` (an account, market or terminal id). */
uint64_t decision_new_id(struct decision *decision, uint64_t key);

/*
 * Length of the event; -EBUSY when a row it makes does not fit, a system account would pass its
 * limit, or the counter is used up: nothing is written. The counter account takes what the lines
 * leave (event.h); SLUICE_REQUIREs that nothing is left for types without one.
 */
SLUICE_MUST_USE int decision_write(
    struct decision *decision, uint16_t code, struct event_buffer *event);

/* ---- Rules that several judges share ---- */

/*
 * The partner's idempotency key of DEPOSIT, WITHDRAW and TRANSFER (ledger_partner.c). Call before
 * the other checks: OK and *repeat 0: go on (the key is put down by partner_key_keep once the judge
 * accepts); *repeat 1: the decision is filled from the first one, return REPEATED; else refuse.
 */
uint16_t partner_key_judge(struct decision *decision, const uint64_t key[2], int *repeat);
/* Returns the key's object id, 0 when the request has none. */
uint64_t partner_key_keep(struct decision *decision, const uint64_t key[2], uint16_t code);
/* The row of a PARTNER_KEY's natural key, also under the id it had before; NULL: none. */
const struct object_row *partner_key_find(
    const struct ledger *ledger, const struct object_key *key);
/* The request behind the key was refused after all: its result was `object_id`. */
void partner_key_free(struct decision *decision, uint64_t key_id, uint64_t object_id);

/* Responsible play (ledger_play.c): SELF_EXCLUDED, COOLING_OFF, LIMIT_*; and the counters' object
 * with the change in it, when the account has limits. A stake is `lost` when it is placed. */
uint16_t play_judge_deposit(struct decision *decision, int64_t amount);
uint16_t play_judge_stake(struct decision *decision, int64_t stake);
void play_count(struct decision *decision, int64_t deposited, int64_t staked, int64_t lost);
/* The same of what comes back of a stake or a deposit of then (negative), or is taken back again:
 * it counts in the day and week of then alone, when they are not over and it was counted. */
void play_count_later(
    struct decision *decision, uint64_t then_ns, int64_t deposited, int64_t staked, int64_t lost);

/* A bet is placed or taken back: the terminal's day counts stakes in the rules' currency only. What
 * the event says of it holds whatever the rules are later (ledger_bet_judge.c). */
void stake_count(struct decision *decision);

/*
 * LIMIT_SINGLE_STAKE, LIMIT_DAILY_STAKE, LIMIT_TERMINAL_DAILY for the stake of a bet or a game
 * round, 1 to LIMIT_BALANCE_MAX; `amounts` are those of its currency (ledger_bet_judge.c).
 */
uint16_t stake_limits_judge(
    struct decision *decision, const struct risk_amounts *amounts, int64_t stake);

/* Exposure (ledger_exposure.c): EXPOSURE_SELECTION, _MARKET, _PARTNER for a bet's payout. Refused
 * for a leg, object_id is its market. */
uint16_t exposure_judge(
    struct decision *decision, const struct wire_leg *legs, unsigned count, int64_t payout);

/* Between shards (ledger_transfer.c): TRANSFER and LINK objects, object_id, code PENDING. */
uint16_t transfer_out(struct decision *decision, enum transfer_purpose purpose, uint32_t peer,
    uint64_t to_account, int64_t amount, uint64_t reference);

/* ---- Judges: one per request type; the table is in ledger_decide.c ---- */

uint16_t bet_judge(struct decision *decision);             /* ledger_bet_judge.c */
uint16_t cancel_judge(struct decision *decision);          /* ledger_bet_judge.c */
uint16_t redeem_judge(struct decision *decision);          /* ledger_ticket.c */
uint16_t reprint_judge(struct decision *decision);         /* ledger_ticket.c */
uint16_t open_account_judge(struct decision *decision);    /* ledger_wallet.c */
uint16_t deposit_judge(struct decision *decision);         /* ledger_wallet.c */
uint16_t withdraw_judge(struct decision *decision);        /* ledger_wallet.c */
uint16_t transfer_judge(struct decision *decision);        /* ledger_transfer.c */
uint16_t reverse_judge(struct decision *decision);         /* ledger_reverse.c */
uint16_t fence_judge(struct decision *decision);           /* ledger_reverse.c */
uint16_t play_set_judge(struct decision *decision);        /* ledger_play.c */
uint16_t sprinkle_create_judge(struct decision *decision); /* ledger_sprinkle.c */
uint16_t claim_judge(struct decision *decision);           /* ledger_sprinkle.c */
uint16_t round_judge(struct decision *decision);           /* ledger_round.c: all four */
uint16_t shift_judge(struct decision *decision);           /* ledger_shift.c: both */

/* ---- Commands of control (table in ledger_command.c): 1 write it, 0 nothing to do, -errno ---- */

int withdraw_close_command(struct decision *decision, const struct ledger_command *command);
int adjust_command(struct decision *decision, const struct ledger_command *command);
int bet_void_command(struct decision *decision, const struct ledger_command *command);
int market_result_command(struct decision *decision, const struct ledger_command *command);
int play_set_command(struct decision *decision, const struct ledger_command *command);
int partner_set_command(struct decision *decision, const struct ledger_command *command);
int feedback_command(struct decision *decision, const struct ledger_command *command);

/* ---- Time: one per thing that can be due (table in ledger_due.c), the same results ---- */

int withdraw_due(struct decision *decision, const struct object_row *withdrawal);
int sprinkle_due(struct decision *decision, const struct object_row *sprinkle);
int play_due(struct decision *decision, const struct object_row *limits);
int round_due(struct decision *decision, const struct object_row *round);
int ticket_due(struct decision *decision, uint32_t bet_row);

#endif
