/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WIRE_RIGHTS_H
#define SLUICE_WIRE_RIGHTS_H

/* Rights of a session, one bit per group of messages. TX_STATUS, REVERSE and FENCE are about the
 * terminal's own requests and need none. */
enum session_right {
	RIGHT_BET = 1u << 0,      /* PLACE_BET, BET_STATUS, CANCEL_BET, REPRINT */
	RIGHT_BALANCE = 1u << 1,  /* BALANCE, STATEMENT */
	RIGHT_DEPOSIT = 1u << 2,  /* DEPOSIT */
	RIGHT_MARKET = 1u << 3,   /* MARKET_QUERY, EVENT_QUERY */
	RIGHT_WITHDRAW = 1u << 4, /* WITHDRAW */
	RIGHT_TRANSFER = 1u << 5, /* TRANSFER */
	RIGHT_ACCOUNT = 1u << 6,  /* OPEN_ACCOUNT, PLAY_SET */
	RIGHT_CASH = 1u << 7, /* PLACE_BET without an account, REDEEM, SHIFT_OPEN, SHIFT_CLOSE */
	RIGHT_SPRINKLE = 1u << 8, /* SPRINKLE_CREATE, CLAIM, SPRINKLE_STATUS */
	RIGHT_ROUND = 1u << 9,    /* ROUND_* */
	RIGHT_ALL = 0x3ff,
};

#endif
