/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message codec: framing of a plaintext into messages, the checks of each template, and the
 * builders of requests and replies. Template, exact lengths, reserved bytes and ranges are checked
 * here, in that order, so nothing behind this layer meets a malformed field.
 */
#ifndef SLUICE_WIRE_CODEC_H
#define SLUICE_WIRE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/codes.h"
#include "wire/messages.h"

/* Legs of a bet in host order. The decoder zeroes the padding. */
struct wire_leg {
	uint64_t market_id;
	uint32_t odds;
	uint16_t selection;
};

/* One decoded request in host order. `template_id` tells which member of the union holds. */
struct wire_request {
	uint64_t request_id;
	uint64_t body_hash[2]; /* XXH3-128 (low, high) of the body, wire/README.md 8 */
	uint16_t template_id;
	uint8_t flags;
	union {
		struct {
			uint64_t last_id_sent, last_id_answered;
		} hello;
		struct {
			uint64_t answered_below, local_time_ns;
			uint32_t sequence, firmware;
			uint16_t error_code;
			uint8_t state, battery_percent;
		} heartbeat;
		struct {
			uint64_t account_id;
			int64_t stake;
			uint64_t deadline_ns;
			uint32_t cashier_id;
			uint16_t currency;
			uint8_t odds_policy, leg_count;
			struct wire_leg legs[LIMIT_BET_LEGS_MAX];
		} place_bet;
		struct {
			uint64_t bet_id;
		} bet_status;
		struct {
			uint64_t bet_id, deadline_ns;
			uint16_t reason;
		} cancel_bet;
		struct {
			uint64_t account_id;
		} balance;
		struct {
			uint64_t account_id;
			int64_t amount;
			uint64_t deadline_ns;
			uint64_t partner_key[2];
			uint16_t currency;
		} deposit; /* WITHDRAW too */
		struct {
			uint64_t bet_id, deadline_ns;
			uint8_t ticket[TICKET_SIZE];
		} redeem;
		struct {
			uint64_t bet_id, deadline_ns;
			uint16_t reason;
		} reprint;
		struct {
			uint64_t account_id, deadline_ns;
			uint16_t currency, partner_id;
		} open_account;
		struct {
			uint64_t from_account, to_account;
			int64_t amount;
			uint64_t deadline_ns;
			uint64_t partner_key[2];
			uint16_t currency;
		} transfer;
		struct {
			uint64_t account_id, before_lsn;
			uint8_t count;
		} statement;
		struct {
			uint64_t target_request_id;
		} tx_status;
		struct {
			uint64_t target_request_id, deadline_ns;
			uint16_t reason;
		} reverse;
		struct {
			uint64_t target_request_id, deadline_ns;
		} fence;
		struct {
			uint64_t account_id, deadline_ns;
			int64_t limits[6];
			uint64_t excluded_until_ns, cooloff_until_ns;
		} play_set;
		struct {
			uint64_t account_id;
			int64_t amount;
			uint64_t room, deadline_ns;
			uint32_t window_s, shares;
			uint16_t currency;
			uint8_t equal;
		} sprinkle_create;
		struct {
			uint64_t token, account_id, room, deadline_ns;
		} claim;
		struct {
			uint64_t token;
		} sprinkle_status;
		struct {
			uint64_t account_id;
			int64_t amount;
			uint64_t deadline_ns, round;
			uint64_t transaction[2], target[2];
			uint32_t game;
			uint16_t currency, partner_id;
		} round;
		struct {
			int64_t cash;
			uint64_t deadline_ns;
			uint32_t cashier_id;
			uint16_t currency;
		} shift;
		struct {
			uint64_t since_version, event_id;
		} event_query;
		struct {
			uint64_t since_version, market_id;
		} market_query;
	};
};

/*
 * Checks that `text` is filled exactly by 0..16 messages (header inside, total length >= 16, a
 * multiple of 8, not past the end) and writes each one's offset. Returns the count;
 * -EBADMSG (framing) or -E2BIG (more than 16).
 */
SLUICE_MUST_USE int wire_frame_messages(
    const uint8_t *text, size_t text_size, uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM]);

/*
 * Decodes one request of `size` = its total length. WIRE_CODE_OK, or a code of class 1; request id,
 * template id and flags are set in every case (the answer needs them), the rest only on success.
 * Unknown trailing block bytes of a known template (a longer block_length) are ignored, by the rule
 * for later schema versions; a shorter block is BAD_LENGTH.
 */
SLUICE_MUST_USE uint16_t wire_request_decode(
    const uint8_t *message, size_t size, struct wire_request *request);

/*
 * Encodes a request (terminal side). Returns the size, or -ENOSPC, or -EINVAL for a template or leg
 * count outside the catalogue. Ranges are left to the switch, so tests can send bad values.
 */
SLUICE_MUST_USE int wire_request_encode(
    const struct wire_request *request, uint8_t *out, size_t out_size);

/* The right a template needs (session_right), 0 when every session may send it. */
uint32_t wire_template_right(uint16_t template_id);
/* The same for one request: PLACE_BET without an account needs RIGHT_CASH. */
uint32_t wire_request_right(const struct wire_request *request);
/* 1 for templates whose outcome is journalled and stored. */
int wire_template_mutates(uint16_t template_id);
/* The request's deadline; all ones for templates that have none. */
uint64_t wire_request_deadline(const struct wire_request *request);
/* Sets it; 0 when the template has none. */
int wire_request_deadline_set(struct wire_request *request, uint64_t deadline_ns);
/* "PLACE_BET", or NULL. */
const char *wire_template_name(uint16_t template_id);

/* An answer in host order; which members are sent depends on the template. */
struct wire_reply {
	uint64_t request_id;
	uint64_t lsn, switch_time_ns, object_id;
	uint16_t template_id; /* of the request, without WIRE_TEMPLATE_REPLY */
	uint16_t code, detail;
	uint8_t shard, flags; /* flags: message_flag, ANSWER_REPLAYED */
	uint8_t score;
	uint8_t ticket[TICKET_SIZE]; /* PLACE_BET */
	int64_t balance, payout;
	union {
		struct {
			uint64_t next_id, terminal_id;
			uint32_t heartbeat_ms;
		} hello;
		struct {
			uint64_t account_id, placed_at_ns;
			int64_t stake;
			uint16_t currency;
			uint8_t state, leg_count, reprints;
		} bet_status;
		struct {
			int64_t staked_today;
			uint16_t currency;
		} balance_row;
		struct {
			uint64_t boot_id;
			uint16_t epoch;
		} key_update;
		struct {
			uint64_t time_ns;
			uint16_t target_code, target_template;
			uint8_t target_shard;
		} tx_status;
		struct {
			int64_t total, remaining;
			uint64_t ends_ns;
			uint32_t shares, claimed;
			uint16_t currency;
			uint8_t state;
		} sprinkle;
		struct {
			uint64_t next_lsn;
			uint16_t currency;
			uint8_t row_count;
			struct statement_row rows[LIMIT_STATEMENT_ROWS];
		} statement;
		struct {
			uint64_t up_to_version;
			uint8_t more, row_count;
			struct event_row rows[LIMIT_EVENTS_PER_ANSWER];
		} events; /* EVENT_QUERY with event_id 0; otherwise `markets` holds the answer */
		struct {
			uint64_t up_to_version;
			uint8_t more, row_count;
			struct market_row rows[LIMIT_MARKETS_PER_ANSWER];
		} markets;
	};
};

/*
 * EVENT_QUERY is answered with event rows or with market rows. An answer with market rows carries
 * template MARKET_QUERY (0x8031) under the request's id. 1 when `answer` is right for `asked`.
 */
int wire_template_answers(uint16_t asked, uint16_t answer);

/* Size of the encoded answer, by template and row count alone; unknown template: bare. */
size_t wire_reply_size(const struct wire_reply *reply);
/* Encodes (switch side). Returns the size; the caller has checked the room with wire_reply_size. */
size_t wire_reply_encode(const struct wire_reply *reply, uint8_t *out);
/* Decodes (terminal side). 0 or -EBADMSG; outputs untouched on failure. */
SLUICE_MUST_USE int wire_reply_decode(
    const uint8_t *message, size_t size, struct wire_reply *reply);

#endif
