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
	X(0x0001, PENDING,                                                                         \
	    "Accepted; it waits for approval or for the other side. Ask for the status.",          \
	    "접수되었습니다. 승인 또는 완료를 기다리는 중이니 상태를 조회하십시오.")               \
	X(0x0002, REPEATED, "Done before under this partner key.",                                 \
	    "이 파트너 키로 이미 처리되었습니다.")                                                 \
	X(0x0003, FENCED_NOW, "The request was never carried out and never will be.",              \
	    "해당 요청은 처리되지 않았으며 앞으로도 처리되지 않습니다.")                           \
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
	X(0x1007, LINK_INVALID,                                                                    \
	    "Linked messages must be 2 to 8 requests that change something, on one shard.",        \
	    "연결 메시지는 한 샤드의 변경 요청 2~8개여야 합니다.")                                 \
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
	X(0x4002, FENCED, "This request id was fenced: it will never be carried out.",             \
	    "차단된 요청 번호입니다. 처리되지 않습니다.")                                          \
	X(0x5001, ACCOUNT_UNKNOWN, "No such account.", "계정이 없습니다.")                         \
	X(0x5002, ACCOUNT_FROZEN, "The account is frozen.", "정지된 계정입니다.")                  \
	X(0x5003, CURRENCY_MISMATCH, "The account, or cash, is in another currency.",              \
	    "계정 또는 현금의 통화가 다릅니다.")                                                   \
	X(0x5004, FUNDS_INSUFFICIENT, "Not enough money in the account.", "잔액이 부족합니다.")    \
	X(0x5005, AMOUNT_INVALID, "The amount must be above zero and below the maximum.",          \
	    "금액은 0보다 크고 최대 금액보다 작아야 합니다.")                                      \
	X(0x5006, BALANCE_LIMIT, "The balance would pass the maximum.",                            \
	    "잔액이 최대 한도를 초과합니다.")                                                      \
	X(0x5007, ACCOUNT_EXISTS, "The account exists with other data.",                           \
	    "이미 다른 정보로 개설된 계정입니다.")                                                 \
	X(0x5008, ACCOUNT_SAME, "Both accounts are the same.", "두 계정이 같습니다.")              \
	X(0x5009, PARTNER_UNKNOWN, "No such partner.", "파트너가 없습니다.")                       \
	X(0x500a, KEY_MISMATCH, "This partner key was used for another request.",                  \
	    "이미 다른 요청에 사용된 파트너 키입니다.")                                            \
	X(0x500b, WITHDRAWAL_CLOSED, "The withdrawal is not waiting any more.",                    \
	    "더 이상 대기 중인 출금이 아닙니다.")                                                  \
	X(0x5010, MARKET_UNKNOWN, "No such market.", "마켓이 없습니다.")                           \
	X(0x5011, MARKET_NOT_OPEN, "The market is not open for bets.",                             \
	    "베팅할 수 없는 마켓입니다.")                                                          \
	X(0x5012, SELECTION_UNKNOWN, "No such selection in the market.",                           \
	    "마켓에 해당 선택지가 없습니다.")                                                      \
	X(0x5013, ODDS_CHANGED, "The odds have changed. Show the new odds and ask again.",         \
	    "배당률이 변경되었습니다. 새 배당률을 확인하십시오.")                                  \
	X(0x5014, LEGS_DUPLICATE, "Two legs of the bet are on the same market.",                   \
	    "같은 마켓에 두 개의 선택이 있습니다.")                                                \
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
	X(0x5022, LEGS_RELATED, "Two legs of the bet are on the same event.",                      \
	    "같은 경기에 두 개의 선택이 있습니다.")                                                \
	X(0x5023, TICKET_INVALID, "The ticket code is not genuine.", "유효하지 않은 티켓입니다.")  \
	X(0x5024, TICKET_NOT_PAYABLE, "There is nothing to pay on this ticket.",                   \
	    "지급할 금액이 없는 티켓입니다.")                                                      \
	X(0x5025, TICKET_PAID, "The ticket was paid before.", "이미 지급된 티켓입니다.")           \
	X(0x5026, TICKET_EXPIRED, "The ticket's time to collect is over.",                         \
	    "지급 기한이 지난 티켓입니다.")                                                        \
	X(0x5030, REQUEST_UNKNOWN, "No such request was carried out.",                             \
	    "해당 요청이 처리된 기록이 없습니다.")                                                 \
	X(0x5031, REQUEST_DONE, "The request was carried out: see its outcome.",                   \
	    "이미 처리된 요청입니다. 결과를 확인하십시오.")                                        \
	X(0x5032, NOT_REVERSIBLE, "The request cannot be reversed (any more).",                    \
	    "취소할 수 없는 요청입니다.")                                                          \
	X(0x5033, REVERSED_BEFORE, "The request was reversed before.", "이미 취소된 요청입니다.")  \
	X(0x5034, LINKED_NOT_DONE, "Another message of the linked group was refused.",             \
	    "연결된 다른 요청이 거절되어 처리되지 않았습니다.")                                    \
	X(0x5040, SPRINKLE_UNKNOWN, "No such sprinkle in this room.",                              \
	    "이 방에 해당 뿌리기가 없습니다.")                                                     \
	X(0x5041, SPRINKLE_ENDED, "The sprinkle is over.", "종료된 뿌리기입니다.")                 \
	X(0x5042, SPRINKLE_EMPTY, "All shares are taken.", "모두 받아 갔습니다.")                  \
	X(0x5043, CLAIMED_BEFORE, "This account has claimed its share.", "이미 받은 계정입니다.")  \
	X(0x5044, CLAIM_OWN, "The giver cannot claim.", "뿌린 사람은 받을 수 없습니다.")           \
	X(0x5045, SHARES_INVALID, "The number of shares or the window does not fit.",              \
	    "인원 수나 시간이 올바르지 않습니다.")                                                 \
	X(0x5050, ROUND_UNKNOWN, "No such round.", "라운드가 없습니다.")                           \
	X(0x5051, ROUND_CLOSED, "The round is closed.", "종료된 라운드입니다.")                    \
	X(0x5052, TRANSACTION_REPEATED, "The provider's transaction id was used for another one.", \
	    "이미 다른 거래에 사용된 거래 번호입니다.")                                            \
	X(0x5053, TRANSACTION_ROLLED_BACK, "The transaction was rolled back before it came.",      \
	    "먼저 취소된 거래입니다.")                                                             \
	X(0x5060, SHIFT_OPEN_ALREADY, "A shift is open at this terminal. Close it first.",         \
	    "이미 열린 근무가 있습니다. 먼저 마감하십시오.")                                       \
	X(0x5061, SHIFT_NOT_OPEN, "No shift is open at this terminal.", "열린 근무가 없습니다.")   \
	X(0x5062, CASHIER_OTHER, "Another cashier opened this shift.",                             \
	    "다른 담당자가 연 근무입니다.")                                                        \
	X(0x6001, LIMIT_SINGLE_STAKE, "The stake is above the limit for one bet.",                 \
	    "1회 베팅 한도를 초과했습니다.")                                                       \
	X(0x6002, LIMIT_DAILY_STAKE, "The account's limit for today is reached.",                  \
	    "오늘의 베팅 한도를 초과했습니다.")                                                    \
	X(0x6003, LIMIT_TERMINAL_DAILY, "The terminal's limit for today is reached.",              \
	    "단말기의 일일 한도를 초과했습니다.")                                                  \
	X(0x6004, EXPOSURE_SELECTION, "Too much is at stake on this selection.",                   \
	    "이 선택지의 한도를 초과했습니다.")                                                    \
	X(0x6005, EXPOSURE_MARKET, "Too much is at stake on this market.",                         \
	    "이 마켓의 한도를 초과했습니다.")                                                      \
	X(0x6006, EXPOSURE_PARTNER, "The partner's limit is reached.",                             \
	    "파트너 한도를 초과했습니다.")                                                         \
	X(0x6007, PARTNER_QUOTA, "The partner holds too many idempotency keys.",                   \
	    "파트너의 키 한도를 초과했습니다.")                                                    \
	X(0x6008, PARTNER_BLOCKED, "The partner is blocked.", "차단된 파트너입니다.")              \
	X(0x6010, RISK_SCORE, "Refused by the risk rules.",                                        \
	    "위험 관리 규정에 따라 거절되었습니다.")                                               \
	X(0x6020, SELF_EXCLUDED, "The customer has excluded themselves.",                          \
	    "본인이 이용을 제한한 계정입니다.")                                                    \
	X(0x6021, COOLING_OFF, "The customer is taking a break.", "이용 휴식 중인 계정입니다.")    \
	X(0x6022, LIMIT_DEPOSIT, "The customer's own deposit limit is reached.",                   \
	    "고객이 정한 입금 한도를 초과했습니다.")                                               \
	X(0x6023, LIMIT_STAKE, "The customer's own stake limit is reached.",                       \
	    "고객이 정한 베팅 한도를 초과했습니다.")                                               \
	X(0x6024, LIMIT_LOSS, "The customer's own loss limit is reached.",                         \
	    "고객이 정한 손실 한도를 초과했습니다.")                                               \
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
