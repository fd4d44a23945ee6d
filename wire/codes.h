/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of answer codes. One table gives the enum, the names, the texts in English and
 * Korean, and the documentation. Numbers are never reused. The top nibble alone tells a terminal
 * what to do:
 *
 *   0x0 done      0x1 frame or schema error (do not resend)    0x2 session, key, right (re-key)
 *   0x3 transient (wait, same id)   0x4 idempotency (ask status)   0x5 business refusal (final)
 *   0x6 policy refusal (final)   0x7 outcome unknown (status, then reverse)   0xF invariant broken
 *
 * Classes 0, 5 and 6 of mutating requests are journalled and stored; all other codes leave no trace
 * in the request window.
 */
#ifndef SLUICE_WIRE_CODES_H
#define SLUICE_WIRE_CODES_H

#include <stdint.h>

/* X(number, NAME, English, Korean) */
#define WIRE_CODES(X)                                                                              \
	X(0x0000, OK, "Done.", "처리되었습니다.")                                                  \
	X(0x1001, BAD_LENGTH, "The message length does not fit its type.",                         \
	    "메시지 길이가 형식과 맞지 않습니다.")                                                 \
	X(0x1002, UNKNOWN_TEMPLATE, "Unknown message type. Update the terminal.",                  \
	    "알 수 없는 메시지입니다. 단말기를 업데이트하십시오.")                                 \
	X(0x1003, BAD_SCHEMA_VERSION, "Unknown schema version. Update the terminal.",              \
	    "알 수 없는 규격 버전입니다. 단말기를 업데이트하십시오.")                              \
	X(0x1004, RESERVED_NOT_ZERO, "A reserved field is not zero.", "예약 필드가 0이 아닙니다.") \
	X(0x1005, BAD_FIELD, "A field is out of range.", "필드 값이 범위를 벗어났습니다.")         \
	X(0x1006, BAD_REQUEST_ID, "The request id is zero or too far ahead.",                      \
	    "요청 번호가 0이거나 너무 앞서 있습니다.")                                             \
	X(0x1007, LINK_UNSUPPORTED, "Linked messages are not accepted by this version.",           \
	    "이 버전은 연결 메시지를 지원하지 않습니다.")                                          \
	X(0x2001, NO_RIGHT, "This terminal has no right to do that. Ask the operator.",            \
	    "이 단말기에는 권한이 없습니다. 운영자에게 문의하십시오.")                             \
	X(0x2002, TERMINAL_BLOCKED, "This terminal is blocked. Call the operator.",                \
	    "차단된 단말기입니다. 운영자에게 문의하십시오.")                                       \
	X(0x3001, BUSY, "The switch is busy. Wait and send the same request again.",               \
	    "처리량이 많습니다. 잠시 후 같은 요청을 다시 보내십시오.")                             \
	X(0x3002, RATE_LIMITED, "Too many requests. Wait and send the same request again.",        \
	    "요청이 너무 많습니다. 잠시 후 같은 요청을 다시 보내십시오.")                          \
	X(0x3003, IN_PROGRESS, "The request is being worked on. Ask again.",                       \
	    "요청을 처리 중입니다. 다시 확인하십시오.")                                            \
	X(0x3004, STORAGE_UNAVAILABLE, "Storage is unavailable. Send the same request again.",     \
	    "저장 장치를 사용할 수 없습니다. 같은 요청을 다시 보내십시오.")                        \
	X(0x4001, MISMATCH, "This request id was used for another request.",                       \
	    "이미 다른 요청에 사용된 번호입니다.")                                                 \
	X(0x5001, ACCOUNT_UNKNOWN, "No such account.", "계정이 없습니다.")                         \
	X(0x5002, ACCOUNT_FROZEN, "The account is frozen.", "정지된 계정입니다.")                  \
	X(0x5003, CURRENCY_MISMATCH, "The account has another currency.",                          \
	    "계정의 통화가 다릅니다.")                                                             \
	X(0x5004, FUNDS_INSUFFICIENT, "Not enough money in the account.", "잔액이 부족합니다.")    \
	X(0x5005, AMOUNT_INVALID, "The amount must be above zero and below the maximum.",          \
	    "금액은 0보다 크고 최대 금액보다 작아야 합니다.")                                      \
	X(0x5006, BALANCE_LIMIT, "The balance would pass the maximum.",                            \
	    "잔액이 최대 한도를 초과합니다.")                                                      \
	X(0x5010, MARKET_UNKNOWN, "No such market.", "마켓이 없습니다.")                           \
	X(0x5011, MARKET_NOT_OPEN, "The market is not open for bets.",                             \
	    "베팅할 수 없는 마켓입니다.")                                                          \
	X(0x5012, SELECTION_UNKNOWN, "No such selection in the market.",                           \
	    "마켓에 해당 선택지가 없습니다.")                                                      \
	X(0x5013, ODDS_CHANGED, "The odds have changed. Show the new odds and ask again.",         \
	    "배당률이 변경되었습니다. 새 배당률을 확인하십시오.")                                  \
	X(0x5014, LEGS_DUPLICATE, "Two legs of the bet are on the same event.",                    \
	    "같은 경기에 두 개의 선택이 있습니다.")                                                \
	X(0x5015, PAYOUT_LIMIT, "The potential payout is above the maximum.",                      \
	    "예상 당첨금이 최대 한도를 초과합니다.")                                               \
	X(0x5016, BET_UNKNOWN, "No such bet.", "베팅이 없습니다.")                                 \
	X(0x5017, BET_NOT_OPEN, "The bet is not open any more.", "이미 종료된 베팅입니다.")        \
	X(0x5018, CANCEL_TOO_LATE, "The bet can no longer be cancelled.",                          \
	    "베팅을 취소할 수 있는 시간이 지났습니다.")                                            \
	X(0x5019, EVENT_STARTED, "The event has started.", "경기가 시작되었습니다.")               \
	X(0x5020, EXPIRED, "The request came after its deadline and was never carried out.",       \
	    "요청이 마감 시간 이후에 도착하여 처리되지 않았습니다.")                               \
	X(0x5021, NOT_YOUR_BET, "The bet was not placed at this terminal.",                        \
	    "이 단말기에서 접수한 베팅이 아닙니다.")                                               \
	X(0x6001, LIMIT_SINGLE_STAKE, "The stake is above the limit for one bet.",                 \
	    "1회 베팅 한도를 초과했습니다.")                                                       \
	X(0x6002, LIMIT_DAILY_STAKE, "The account's limit for today is reached.",                  \
	    "오늘의 베팅 한도를 초과했습니다.")                                                    \
	X(0x6003, LIMIT_TERMINAL_DAILY, "The terminal's limit for today is reached.",              \
	    "단말기의 일일 한도를 초과했습니다.")                                                  \
	X(0x6010, RISK_SCORE, "Refused by the risk rules.",                                        \
	    "위험 관리 규정에 따라 거절되었습니다.")                                               \
	X(0x7001, OUTCOME_UNKNOWN, "The outcome is unknown. Ask for the status.",                  \
	    "처리 결과를 알 수 없습니다. 상태를 조회하십시오.")                                    \
	X(0xf001, INVARIANT_BROKEN, "The switch stopped on an internal error. Call the operator.", \
	    "내부 오류로 중단되었습니다. 운영자에게 연락하십시오.")

enum wire_code {
#define WIRE_CODE_ENUM(number, name, english, korean) WIRE_CODE_##name = (number),
	WIRE_CODES(WIRE_CODE_ENUM)
#undef WIRE_CODE_ENUM
};

enum wire_code_class {
	WIRE_CLASS_DONE = 0x0,
	WIRE_CLASS_FRAME = 0x1,
	WIRE_CLASS_SESSION = 0x2,
	WIRE_CLASS_TRANSIENT = 0x3,
	WIRE_CLASS_IDEMPOTENCY = 0x4,
	WIRE_CLASS_BUSINESS = 0x5,
	WIRE_CLASS_POLICY = 0x6,
	WIRE_CLASS_UNKNOWN = 0x7,
	WIRE_CLASS_INVARIANT = 0xf,
};

/* The code's class: its top nibble. */
static inline unsigned wire_code_class(uint16_t code)
{
	return code >> 12;
}

/* 1 when the outcome is final: stored under the request id, the same at any age. */
static inline int wire_code_is_final(uint16_t code)
{
	unsigned class = wire_code_class(code);

	return class == WIRE_CLASS_DONE || class == WIRE_CLASS_BUSINESS ||
	       class == WIRE_CLASS_POLICY;
}

enum wire_language {
	WIRE_ENGLISH,
	WIRE_KOREAN,
};

/* "FUNDS_INSUFFICIENT" for 0x5004; "UNREGISTERED" for a number outside the registry. */
const char *wire_code_name(uint16_t code);
/* The text for a person, never NULL. */
const char *wire_code_text(uint16_t code, enum wire_language language);
/* Number of registered codes, and the code at an index in ascending order (0 <= index < count). */
unsigned wire_code_count(void);
uint16_t wire_code_at(unsigned index);
/* The index of a code, or -1 for a number outside the registry. For counters by code. */
int wire_code_index(uint16_t code);

#endif
