/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the wire format: structs in the order of the bytes, and the enumerations their
 * fields hold. No logic. wire/README.md is the normative specification in prose; this header and
 * frame.h (the datagram around the messages) are its C twin.
 *
 * Message = message header (16 B) | block | legs or rows.
 */
#ifndef SLUICE_WIRE_MESSAGES_H
#define SLUICE_WIRE_MESSAGES_H

#include "wire/bytes.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/rights.h"

/* ---- Message header ---- */

#define WIRE_TEMPLATE_REPLY 0x8000u /* bit 15 of a template id */
#define WIRE_TEMPLATE_PUSH  0x4000u /* bit 14 */

enum wire_template {
	WIRE_HELLO = 0x0001,
	WIRE_HEARTBEAT = 0x0002,
	WIRE_KEY_UPDATE = 0x0003,
	WIRE_GOODBYE = 0x0004,
	WIRE_PLACE_BET = 0x0010,
	WIRE_BET_STATUS = 0x0011,
	WIRE_CANCEL_BET = 0x0012,
	WIRE_REDEEM = 0x0013,
	WIRE_REPRINT = 0x0014,
	WIRE_OPEN_ACCOUNT = 0x0020,
	WIRE_BALANCE = 0x0021,
	WIRE_DEPOSIT = 0x0022,
	WIRE_WITHDRAW = 0x0023,
	WIRE_TRANSFER = 0x0024,
	WIRE_STATEMENT = 0x0025,
	WIRE_TX_STATUS = 0x0026,
	WIRE_REVERSE = 0x0027,
	WIRE_FENCE = 0x0028,
	WIRE_PLAY_SET = 0x0029,
	WIRE_EVENT_QUERY = 0x0030,
	WIRE_MARKET_QUERY = 0x0031,
	WIRE_SPRINKLE_CREATE = 0x0040,
	WIRE_CLAIM = 0x0041,
	WIRE_SPRINKLE_STATUS = 0x0042,
	WIRE_ROUND_DEBIT = 0x0050,
	WIRE_ROUND_CREDIT = 0x0051,
	WIRE_ROUND_ROLLBACK = 0x0052,
	WIRE_ROUND_CLOSE = 0x0053,
	WIRE_SHIFT_OPEN = 0x0060,
	WIRE_SHIFT_CLOSE = 0x0061,
};
#define WIRE_TEMPLATE_MAX 0xffu /* of a request: one byte is enough to keep it */

enum message_flag {
	MESSAGE_FLAG_RETRANSMISSION = 1u << 0,
	MESSAGE_FLAG_ANSWER_REPLAYED = 1u << 1, /* replies only: the stored answer again */
	MESSAGE_FLAG_LINKED = 1u << 2, /* linked to the next message: all of them or none */
	MESSAGE_FLAG_NO_REPLY = 1u << 3,
};

struct message_header {
	struct le16 block_length; /* bytes of the fixed block behind this header */
	struct le16 template_id;  /* wire_template, with WIRE_TEMPLATE_REPLY in answers */
	uint8_t schema_version;
	uint8_t flags;
	struct le16 total_length; /* header + block + variable part; a multiple of 8 */
	struct le64 request_id;   /* > 0, strictly increasing per terminal */
};
ASSERT_SIZE(struct message_header, 16);
ASSERT_OFFSET(struct message_header, template_id, 2);
ASSERT_OFFSET(struct message_header, schema_version, 4);
ASSERT_OFFSET(struct message_header, flags, 5);
ASSERT_OFFSET(struct message_header, total_length, 6);
ASSERT_OFFSET(struct message_header, request_id, 8);

/* Every answer's block starts with this. */
struct reply_block {
	struct le16 code;   /* wire_code */
	struct le16 detail; /* retry-after in ms where the code is transient */
	uint8_t shard;      /* shard of the LSN */
	uint8_t reserved[3];
	struct le64 lsn; /* position of the event, 0 when none was journalled */
	struct le64 switch_time_ns;
	struct le64 object_id; /* bet, account or market the answer is about; 0 when none */
};
ASSERT_SIZE(struct reply_block, 32);
ASSERT_OFFSET(struct reply_block, detail, 2);
ASSERT_OFFSET(struct reply_block, shard, 4);
ASSERT_OFFSET(struct reply_block, lsn, 8);
ASSERT_OFFSET(struct reply_block, switch_time_ns, 16);
ASSERT_OFFSET(struct reply_block, object_id, 24);

/* ---- Session messages ---- */

struct hello_request {
	struct le64 last_id_sent;     /* highest request id ever used by the terminal, 0 at first */
	struct le64 last_id_answered; /* every id up to here has its answer */
};
ASSERT_SIZE(struct hello_request, 16);

struct hello_reply {
	struct reply_block base;
	struct le64 next_id;       /* lowest id the terminal may use for a new request */
	struct le32 in_flight_max; /* LIMIT_IN_FLIGHT_PER_TERMINAL */
	struct le32 window;        /* LIMIT_REQUEST_WINDOW */
	struct le32 heartbeat_ms;  /* longest silence the switch accepts */
	struct le32 datagram_size_max;
	struct le64 terminal_id;
};
ASSERT_SIZE(struct hello_reply, 64);
ASSERT_OFFSET(struct hello_reply, next_id, 32);
ASSERT_OFFSET(struct hello_reply, terminal_id, 56);

enum heartbeat_state {
	HEARTBEAT_PAPER_LOW = 1u << 0,
	HEARTBEAT_PAPER_OUT = 1u << 1,
	HEARTBEAT_PRINTER_FAULT = 1u << 2,
	HEARTBEAT_DOOR_OPEN = 1u << 3,
	HEARTBEAT_STATE_ALL = 0xf,
};

struct heartbeat_request {
	struct le64 answered_below; /* stored answers below this id are not needed any more */
	struct le64 local_time_ns;
	struct le32 sequence;
	struct le32 firmware;
	struct le16 error_code;
	uint8_t state;           /* heartbeat_state bits */
	uint8_t battery_percent; /* 0..100, 255 unknown */
	uint8_t reserved[4];
};
ASSERT_SIZE(struct heartbeat_request, 32);
ASSERT_OFFSET(struct heartbeat_request, sequence, 16);
ASSERT_OFFSET(struct heartbeat_request, error_code, 24);
ASSERT_OFFSET(struct heartbeat_request, reserved, 28);
/* Its answer is a bare reply_block. */

/* KEY_UPDATE: which epoch the switch seals under. No block; the answer: */
struct key_update_reply {
	struct reply_block base;
	struct le64 boot_id;
	struct le16 epoch; /* the switch's current one for this session */
	uint8_t reserved[6];
};
ASSERT_SIZE(struct key_update_reply, 48);

/* GOODBYE: the session ends once its answer has left. No block; the answer is a bare reply_block.
 */

/* ---- Betting ---- */

enum odds_policy {
	ODDS_EXACT = 0,          /* refuse unless the book's odds equal the claimed odds */
	ODDS_SAME_OR_BETTER = 1, /* accept at the book's odds when they are not lower */
};

struct bet_leg {
	struct le64 market_id;
	struct le16 selection; /* 0-based index in the market */
	uint8_t reserved[2];
	struct le32 odds; /* decimal odds in 1/1000 */
};
ASSERT_SIZE(struct bet_leg, 16);
ASSERT_OFFSET(struct bet_leg, selection, 8);
ASSERT_OFFSET(struct bet_leg, odds, 12);

/* account_id 0: a cash ticket, paid in at the counter and redeemed by its ticket code. */
struct place_bet_request { /* followed by leg_count bet_leg */
	struct le64 account_id;
	struct le64s stake;
	struct le64 deadline_ns; /* absolute switch time; the bet is never accepted after it */
	struct le16 currency;    /* ISO 4217 number */
	uint8_t odds_policy;
	uint8_t leg_count; /* 1..10 */
	uint8_t reserved0[4];
	struct le32 cashier_id; /* 0 when none */
	uint8_t reserved1[4];
};
ASSERT_SIZE(struct place_bet_request, 40);
ASSERT_OFFSET(struct place_bet_request, stake, 8);
ASSERT_OFFSET(struct place_bet_request, deadline_ns, 16);
ASSERT_OFFSET(struct place_bet_request, currency, 24);
ASSERT_OFFSET(struct place_bet_request, odds_policy, 26);
ASSERT_OFFSET(struct place_bet_request, leg_count, 27);
ASSERT_OFFSET(struct place_bet_request, cashier_id, 32);
_Static_assert(
    sizeof(struct message_header) + sizeof(struct place_bet_request) + sizeof(struct bet_leg) == 72,
    "a single bet is 72 B so that 16 fit a datagram");

#define TICKET_SIZE 7

/*
 * The answer of PLACE_BET and of every mutating message but those of issue 2's money_reply
 * (CANCEL_BET, DEPOSIT). payout: PLACE_BET the full potential payout; otherwise the amount the
 * message was about (paid, claimed, given back, difference of cash at SHIFT_CLOSE).
 */
struct place_bet_reply {
	struct reply_block base; /* object_id = bet id */
	struct le64s balance;    /* account balance right after the event */
	struct le64s payout;
	uint8_t score;               /* risk score 0..100 */
	uint8_t ticket[TICKET_SIZE]; /* PLACE_BET that was accepted, else 0: with the bet id it is
	                                the ticket code (wire/ticket.h) */
};
ASSERT_SIZE(struct place_bet_reply, 56);
ASSERT_OFFSET(struct place_bet_reply, balance, 32);
ASSERT_OFFSET(struct place_bet_reply, payout, 40);
ASSERT_OFFSET(struct place_bet_reply, score, 48);
_Static_assert(sizeof(struct message_header) + sizeof(struct place_bet_reply) == 72,
    "16 bet answers fit a datagram");

/*
 *   OPEN --CANCEL_BET--> CANCELLED        OPEN --operator--> VOID (stake back)
 *   OPEN <--result, rollback--> SETTLED   SETTLED --REDEEM--> PAID (cash tickets)
 *                                         SETTLED --time--> EXPIRED (cash tickets)
 *   VOID --REDEEM--> PAID, VOID --time--> EXPIRED: the stake of a cash ticket
 */
enum bet_state {
	BET_OPEN = 1,
	BET_CANCELLED = 2,
	BET_SETTLED = 3,
	BET_VOID = 4,
	BET_PAID = 5,
	BET_EXPIRED = 6,
};
#define BET_STATE_MAX BET_EXPIRED

/* A ticket's count of reprints stays there. */
#define BET_REPRINTS_MAX 255

struct bet_status_request {
	struct le64 bet_id;
};
ASSERT_SIZE(struct bet_status_request, 8);

struct bet_status_reply {
	struct reply_block base; /* object_id = bet id */
	struct le64 account_id;
	struct le64s stake;
	struct le64s payout; /* open: potential; settled: what it is worth */
	struct le64 placed_at_ns;
	struct le16 currency;
	uint8_t state; /* bet_state, 0 when the code is a refusal */
	uint8_t leg_count;
	uint8_t reprints;
	uint8_t reserved[3];
};
ASSERT_SIZE(struct bet_status_reply, 72);
ASSERT_OFFSET(struct bet_status_reply, placed_at_ns, 56);
ASSERT_OFFSET(struct bet_status_reply, currency, 64);

struct cancel_bet_request {
	struct le64 bet_id;
	struct le64 deadline_ns;
	struct le16 reason; /* the operator's own code, kept in the event; 1: printing failed */
	uint8_t reserved[6];
};
ASSERT_SIZE(struct cancel_bet_request, 24);
#define CANCEL_REASON_PRINT_FAILED 1

/* Pays a cash ticket, at any terminal. */
struct redeem_request {
	struct le64 bet_id;
	struct le64 deadline_ns;
	uint8_t ticket[TICKET_SIZE];
	uint8_t reserved;
};
ASSERT_SIZE(struct redeem_request, 24);

/* A ticket is printed again: the bet's count of reprints goes up, and the answer's payout is it. */
struct reprint_request {
	struct le64 bet_id;
	struct le64 deadline_ns;
	struct le16 reason;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct reprint_request, 24);

/* The answer of CANCEL_BET and DEPOSIT. */
struct money_reply {
	struct reply_block base;
	struct le64s balance;
	uint8_t score;
	uint8_t reserved[7];
};
ASSERT_SIZE(struct money_reply, 48);
ASSERT_OFFSET(struct money_reply, balance, 32);
ASSERT_OFFSET(struct money_reply, score, 40);

/* ---- Wallet ---- */

struct balance_request {
	struct le64 account_id;
};
ASSERT_SIZE(struct balance_request, 8);

struct balance_reply {
	struct reply_block base; /* object_id = account id */
	struct le64s balance;
	struct le64s staked_today; /* counts against the daily limit */
	struct le16 currency;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct balance_reply, 56);
ASSERT_OFFSET(struct balance_reply, currency, 48);

/* Of DEPOSIT and WITHDRAW. */
struct deposit_request {
	struct le64 account_id;
	struct le64s amount;
	struct le64 deadline_ns;
	struct le16 currency;
	uint8_t reserved[6];
	/* The partner's own idempotency key: a second request with it is answered REPEATED with the
	 * first one's object. All zero: none. */
	struct le64 partner_key[2];
};
ASSERT_SIZE(struct deposit_request, 48);
ASSERT_OFFSET(struct deposit_request, currency, 24);
ASSERT_OFFSET(struct deposit_request, partner_key, 32);

struct open_account_request {
	struct le64 account_id; /* the partner's choice */
	struct le64 deadline_ns;
	struct le16 currency;
	struct le16 partner_id; /* 0: none */
	uint8_t reserved[4];
};
ASSERT_SIZE(struct open_account_request, 24);

struct transfer_request {
	struct le64 from_account;
	struct le64 to_account;
	struct le64s amount;
	struct le64 deadline_ns;
	struct le16 currency;
	uint8_t reserved[6];
	struct le64 partner_key[2];
};
ASSERT_SIZE(struct transfer_request, 56);
ASSERT_OFFSET(struct transfer_request, partner_key, 40);

/* Newest first; before_lsn 0: from the newest on, else continue with next_lsn of the last answer.
 */
struct statement_request {
	struct le64 account_id;
	struct le64 before_lsn;
	uint8_t count; /* 1..LIMIT_STATEMENT_ROWS */
	uint8_t reserved[7];
};
ASSERT_SIZE(struct statement_request, 24);

struct statement_row {
	struct le64 lsn;
	struct le64 time_ns;
	struct le64s amount; /* what changed; the requested amount when the code is a refusal */
	struct le64s balance_before;
	struct le64s balance_after;
	struct le64 object_id;
	struct le16 type; /* event_type: numbers in wire/README.md */
	struct le16 code;
	struct le16 currency;
	uint8_t reserved[2];
	struct le64 terminal_id; /* 0: not by a terminal */
	struct le64 request_id;
};
ASSERT_SIZE(struct statement_row, 72);

struct statement_reply {         /* followed by row_count statement_row */
	struct reply_block base; /* object_id = account id */
	struct le64 next_lsn;    /* 0: no older entries */
	struct le16 currency;
	uint8_t row_count;
	uint8_t reserved[5];
};
ASSERT_SIZE(struct statement_reply, 48);

/* What became of an earlier request of this terminal, at any age. */
struct tx_status_request {
	struct le64 target_request_id;
};
ASSERT_SIZE(struct tx_status_request, 8);

/* base.code OK: the outcome follows. REQUEST_UNKNOWN: it was never carried out (FENCE makes that
 * final). base.object_id and base.lsn are the target's. */
struct tx_status_reply {
	struct reply_block base;
	struct le64s balance; /* right after it */
	struct le64s payout;
	struct le64 time_ns;     /* of the decision; 0 while it is in the window only */
	struct le16 target_code; /* its outcome as of now: a PENDING one may have become final */
	struct le16 target_template;
	uint8_t target_shard;
	uint8_t score;
	uint8_t reserved[2];
};
ASSERT_SIZE(struct tx_status_reply, 64);

/* Undoes an earlier money request of this terminal; an unknown one is fenced instead (code
 * FENCED_NOW). */
struct reverse_request {
	struct le64 target_request_id;
	struct le64 deadline_ns;
	struct le16 reason;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct reverse_request, 24);

/* The target id can never be accepted from now on; if it was, its outcome comes as REQUEST_DONE. */
struct fence_request {
	struct le64 target_request_id;
	struct le64 deadline_ns;
};
ASSERT_SIZE(struct fence_request, 16);

/* Responsible play. Lower limits act at once, higher ones after the rules' delay. */
struct play_set_request {
	struct le64 account_id;
	struct le64 deadline_ns;
	struct le64s limits[6]; /* deposit day, week; stake day, week; loss day, week; -1: none */
	struct le64 excluded_until_ns; /* self-exclusion; 0: as it is; never shortened */
	struct le64 cooloff_until_ns;
};
ASSERT_SIZE(struct play_set_request, 80);

/* ---- Sprinkle: an amount shared out in a room ---- */

struct sprinkle_create_request { /* the answer's object_id is the token */
	struct le64 account_id;
	struct le64s amount;
	struct le64 room;
	struct le64 deadline_ns;
	struct le32 window_s;
	struct le32 shares; /* 1..LIMIT_SPRINKLE_SHARES_MAX, at most `amount` */
	struct le16 currency;
	uint8_t equal; /* 1: equal shares (the first ones take the remainder); 0: random */
	uint8_t reserved[5];
};
ASSERT_SIZE(struct sprinkle_create_request, 48);

struct claim_request {
	struct le64 token;
	struct le64 account_id;
	struct le64 room;
	struct le64 deadline_ns;
};
ASSERT_SIZE(struct claim_request, 32);

struct sprinkle_status_request {
	struct le64 token;
};
ASSERT_SIZE(struct sprinkle_status_request, 8);

struct sprinkle_status_reply {
	struct reply_block base; /* object_id = token */
	struct le64s total;
	struct le64s remaining;
	struct le64 ends_ns;
	struct le32 shares;
	struct le32 claimed;
	struct le16 currency;
	uint8_t state; /* 1 open, 2 ended */
	uint8_t reserved[5];
};
ASSERT_SIZE(struct sprinkle_status_reply, 72);

/* ---- Game rounds: of ROUND_DEBIT, ROUND_CREDIT, ROUND_ROLLBACK, ROUND_CLOSE ---- */

struct round_request {
	struct le64 account_id;
	struct le64s amount; /* DEBIT, CREDIT; otherwise 0 */
	struct le64 deadline_ns;
	struct le64 round;
	struct le64 transaction[2]; /* the provider's id of this message; CLOSE: 0 */
	struct le64 target[2];      /* ROLLBACK: the transaction to undo; otherwise 0 */
	struct le32 game;
	struct le16 currency;
	struct le16 partner_id; /* the provider */
};
ASSERT_SIZE(struct round_request, 72);
ASSERT_OFFSET(struct round_request, transaction, 32);
ASSERT_OFFSET(struct round_request, game, 64);

/* ---- Counter work ---- */

struct shift_request {     /* of SHIFT_OPEN and SHIFT_CLOSE */
	struct le64s cash; /* in the drawer; counted */
	struct le64 deadline_ns;
	struct le32 cashier_id;
	struct le16 currency;
	uint8_t reserved[2];
};
ASSERT_SIZE(struct shift_request, 24);

/* ---- Markets ---- */

enum market_state {
	MARKET_BEFORE = 1, /* known, not yet open for bets */
	MARKET_OPEN = 2,
	MARKET_SUSPENDED = 3,
	MARKET_CLOSED = 4,
	MARKET_SETTLED = 5, /* by MARKET_RESULT only */
	MARKET_VOID = 6,    /* the same, every selection void */
};

struct market_query_request {
	struct le64 since_version; /* only markets changed after this control sequence number */
	struct le64 market_id;     /* 0: all markets, in the order of their versions */
};
ASSERT_SIZE(struct market_query_request, 16);

/* One row of the answer. Unused odds are 0. Large markets (over 4 selections) send several rows. */
struct market_row {
	struct le64 market_id;
	struct le64 event_id;
	struct le64 version; /* control sequence number of the last change */
	struct le64 start_time_ns;
	uint8_t state; /* market_state */
	uint8_t kind;  /* market_kind */
	uint8_t selection_count;
	uint8_t selection_first; /* index of odds[0] */
	struct le16 line;        /* two's complement, quarters */
	uint8_t reserved[6];
	uint8_t result[4]; /* of these selections: settlement_kind, 0 while not settled */
	struct le32 odds[4];
};
ASSERT_SIZE(struct market_row, 64);
ASSERT_OFFSET(struct market_row, state, 32);
ASSERT_OFFSET(struct market_row, odds, 48);

enum market_kind {
	MARKET_KIND_1X2 = 1,
	MARKET_KIND_OVER_UNDER = 2, /* over, under `line` */
	MARKET_KIND_HANDICAP = 3,   /* Asian: home with `line` added, away */
	MARKET_KIND_OTHER = 255,
};

struct market_query_reply { /* followed by row_count market_row */
	struct reply_block base;
	struct le64 up_to_version; /* ask again from here */
	uint8_t more;              /* 1: there are more rows after up_to_version */
	uint8_t row_count;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct market_query_reply, 48);
ASSERT_OFFSET(struct market_query_reply, up_to_version, 32);
ASSERT_OFFSET(struct market_query_reply, row_count, 41);

/* event_id 0: events changed since; otherwise the markets of one event, as MARKET_QUERY. */
struct event_query_request {
	struct le64 since_version;
	struct le64 event_id;
};
ASSERT_SIZE(struct event_query_request, 16);

struct event_row {
	struct le64 event_id;
	struct le64 version; /* the newest of its markets */
	struct le64 start_time_ns;
	struct le32 market_count;
	uint8_t state; /* the most open market_state of its markets */
	uint8_t reserved[3];
};
ASSERT_SIZE(struct event_row, 32);

struct event_query_reply { /* followed by row_count event_row */
	struct reply_block base;
	struct le64 up_to_version;
	uint8_t more;
	uint8_t row_count;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct event_query_reply, 48);

/* Largest answer of any template: STATEMENT with all its rows. */
#define WIRE_REPLY_SIZE_MAX                                                                        \
	(16 + sizeof(struct statement_reply) + LIMIT_STATEMENT_ROWS * sizeof(struct statement_row))
_Static_assert(WIRE_REPLY_SIZE_MAX <= LIMIT_PAYLOAD_SIZE_MAX, "any answer fits a datagram");
_Static_assert(
    16 + sizeof(struct market_query_reply) + LIMIT_MARKETS_PER_ANSWER * sizeof(struct market_row) <=
        WIRE_REPLY_SIZE_MAX,
    "the largest is the largest");
_Static_assert(
    16 + sizeof(struct event_query_reply) + LIMIT_EVENTS_PER_ANSWER * sizeof(struct event_row) <=
        WIRE_REPLY_SIZE_MAX,
    "the largest is the largest");

#endif
