/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole wire format: structs in the order of the bytes, and the enumerations their fields hold.
 * No logic. wire/README.md is the normative specification in prose; this header is its C twin.
 *
 * Datagram = frame header (16 B, additional data of the AEAD) | ciphertext | tag (16 B).
 * Plaintext = 0..16 messages. Message = message header (16 B) | block | legs or rows.
 */
#ifndef SLUICE_WIRE_MESSAGES_H
#define SLUICE_WIRE_MESSAGES_H

#include "wire/bytes.h"
#include "wire/limits.h"

enum wire_version {
	WIRE_VERSION = 1,
	WIRE_SCHEMA_VERSION = 1,
};

enum frame_kind {
	FRAME_KIND_DATA = 1,
	FRAME_KIND_RESET = 2,
};

enum frame_flag {
	FRAME_FLAG_FROM_SWITCH = 1u << 0,
};

struct frame_header {
	uint8_t version_kind; /* high nibble WIRE_VERSION, low nibble frame_kind */
	uint8_t flags;        /* frame_flag; other bits zero */
	struct le16 epoch;
	struct le32 session_id;    /* slot | generation << 20 */
	struct le64 packet_number; /* lane << 56 | counter, counter from 1 */
};
ASSERT_SIZE(struct frame_header, 16);
ASSERT_OFFSET(struct frame_header, flags, 1);
ASSERT_OFFSET(struct frame_header, epoch, 2);
ASSERT_OFFSET(struct frame_header, session_id, 4);
ASSERT_OFFSET(struct frame_header, packet_number, 8);

/*
 * RESET, switch to terminal only: "your session lives under this boot id; send under this epoch".
 * Authenticated by HMAC-SHA-256 under the session's reset key, cut to 16 bytes, over bytes 0..23.
 */
struct frame_reset {
	struct frame_header header; /* kind RESET, flags FROM_SWITCH, epoch = the epoch to send
	                               under, packet number of the datagram that triggered it */
	struct le64 boot_id;
	uint8_t mac[16];
};
ASSERT_SIZE(struct frame_reset, 40);
ASSERT_OFFSET(struct frame_reset, boot_id, 16);
ASSERT_OFFSET(struct frame_reset, mac, 24);

/* ---- Message header ---- */

#define WIRE_TEMPLATE_REPLY 0x8000u /* bit 15 of a template id */
#define WIRE_TEMPLATE_PUSH  0x4000u /* bit 14 */

enum wire_template {
	WIRE_HELLO = 0x0001,
	WIRE_HEARTBEAT = 0x0002,
	WIRE_PLACE_BET = 0x0010,
	WIRE_BET_STATUS = 0x0011,
	WIRE_CANCEL_BET = 0x0012,
	WIRE_BALANCE = 0x0021,
	WIRE_DEPOSIT = 0x0022,
	WIRE_MARKET_QUERY = 0x0031,
};

enum message_flag {
	MESSAGE_FLAG_RETRANSMISSION = 1u << 0,
	MESSAGE_FLAG_ANSWER_REPLAYED = 1u << 1, /* replies only: the stored answer again */
	MESSAGE_FLAG_LINKED = 1u << 2, /* linked to the next message; refused in schema 1 */
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

struct place_bet_reply {
	struct reply_block base; /* object_id = bet id */
	struct le64s balance;    /* account balance right after the event */
	struct le64s payout;     /* full potential payout at the accepted odds */
	uint8_t score;           /* risk score 0..100 */
	uint8_t reserved[7];
};
ASSERT_SIZE(struct place_bet_reply, 56);
ASSERT_OFFSET(struct place_bet_reply, balance, 32);
ASSERT_OFFSET(struct place_bet_reply, payout, 40);
ASSERT_OFFSET(struct place_bet_reply, score, 48);
_Static_assert(sizeof(struct message_header) + sizeof(struct place_bet_reply) == 72,
    "16 bet answers fit a datagram");

enum bet_state {
	BET_OPEN = 1,
	BET_CANCELLED = 2,
};

struct bet_status_request {
	struct le64 bet_id;
};
ASSERT_SIZE(struct bet_status_request, 8);

struct bet_status_reply {
	struct reply_block base; /* object_id = bet id */
	struct le64 account_id;
	struct le64s stake;
	struct le64s payout;
	struct le64 placed_at_ns;
	struct le16 currency;
	uint8_t state; /* bet_state, 0 when the code is a refusal */
	uint8_t leg_count;
	uint8_t reserved[4];
};
ASSERT_SIZE(struct bet_status_reply, 72);
ASSERT_OFFSET(struct bet_status_reply, placed_at_ns, 56);
ASSERT_OFFSET(struct bet_status_reply, currency, 64);

struct cancel_bet_request {
	struct le64 bet_id;
	struct le64 deadline_ns;
	struct le16 reason; /* the operator's own code, kept in the event */
	uint8_t reserved[6];
};
ASSERT_SIZE(struct cancel_bet_request, 24);
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

struct deposit_request {
	struct le64 account_id;
	struct le64s amount;
	struct le64 deadline_ns;
	struct le16 currency;
	uint8_t reserved[6];
};
ASSERT_SIZE(struct deposit_request, 32);
ASSERT_OFFSET(struct deposit_request, currency, 24);

/* ---- Markets ---- */

enum market_state {
	MARKET_BEFORE = 1, /* known, not yet open for bets */
	MARKET_OPEN = 2,
	MARKET_SUSPENDED = 3,
	MARKET_CLOSED = 4,
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
	uint8_t reserved[12];
	struct le32 odds[4];
};
ASSERT_SIZE(struct market_row, 64);
ASSERT_OFFSET(struct market_row, state, 32);
ASSERT_OFFSET(struct market_row, odds, 48);

enum market_kind {
	MARKET_KIND_1X2 = 1,
	MARKET_KIND_OVER_UNDER = 2,
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

/* Largest answer of any template: MARKET_QUERY with all its rows. */
#define WIRE_REPLY_SIZE_MAX                                                                        \
	(16 + sizeof(struct market_query_reply) +                                                  \
	    LIMIT_MARKETS_PER_ANSWER * sizeof(struct market_row))
_Static_assert(WIRE_REPLY_SIZE_MAX <= LIMIT_PAYLOAD_SIZE_MAX, "any answer fits a datagram");

/* Rights of a session, one bit per group of messages. */
enum session_right {
	RIGHT_BET = 1u << 0,     /* PLACE_BET, BET_STATUS, CANCEL_BET */
	RIGHT_BALANCE = 1u << 1, /* BALANCE */
	RIGHT_DEPOSIT = 1u << 2, /* DEPOSIT */
	RIGHT_MARKET = 1u << 3,  /* MARKET_QUERY */
	RIGHT_ALL = 0xf,
};

#endif
