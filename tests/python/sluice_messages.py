# SPDX-License-Identifier: Apache-2.0
"""The messages of a Sluice terminal, written from wire/README.md 6, 7 and 10 alone: builders of
every request's block, the reader of every answer, the codes. sluice_terminal.py hands all of it on.
"""
import struct
from dataclasses import dataclass, field

# block length, template, schema version, flags, total length, request id
MESSAGE = struct.Struct("<HHBBHQ")
REPLY = struct.Struct("<HHB3xQQQ")  # code, detail, shard, position, switch time, object id

HELLO, HEARTBEAT, KEY_UPDATE, GOODBYE = 0x0001, 0x0002, 0x0003, 0x0004
PLACE_BET, BET_STATUS, CANCEL_BET, REDEEM, REPRINT = 0x0010, 0x0011, 0x0012, 0x0013, 0x0014
OPEN_ACCOUNT, BALANCE, DEPOSIT, WITHDRAW, TRANSFER = 0x0020, 0x0021, 0x0022, 0x0023, 0x0024
STATEMENT, TX_STATUS, REVERSE, FENCE, PLAY_SET = 0x0025, 0x0026, 0x0027, 0x0028, 0x0029
EVENT_QUERY, MARKET_QUERY = 0x0030, 0x0031
SPRINKLE_CREATE, CLAIM, SPRINKLE_STATUS = 0x0040, 0x0041, 0x0042
ROUND_DEBIT, ROUND_CREDIT, ROUND_ROLLBACK, ROUND_CLOSE = 0x0050, 0x0051, 0x0052, 0x0053
SHIFT_OPEN, SHIFT_CLOSE = 0x0060, 0x0061
NAMES = {globals()[name]: name for name in (
    "HELLO HEARTBEAT KEY_UPDATE GOODBYE PLACE_BET BET_STATUS CANCEL_BET REDEEM REPRINT "
    "OPEN_ACCOUNT BALANCE "
    "DEPOSIT WITHDRAW TRANSFER STATEMENT TX_STATUS REVERSE FENCE PLAY_SET EVENT_QUERY "
    "MARKET_QUERY SPRINKLE_CREATE CLAIM SPRINKLE_STATUS ROUND_DEBIT ROUND_CREDIT ROUND_ROLLBACK "
    "ROUND_CLOSE SHIFT_OPEN SHIFT_CLOSE").split()}
READING = (HELLO, HEARTBEAT, KEY_UPDATE, GOODBYE, BET_STATUS, BALANCE, STATEMENT, TX_STATUS,
           EVENT_QUERY, MARKET_QUERY, SPRINKLE_STATUS)
MUTATING = tuple(template for template in NAMES if template not in READING)
# The answer of these has 48 bytes; of all other mutating ones 56.
MONEY = (CANCEL_BET, DEPOSIT)
REPLY_BIT = 0x8000

RETRANSMISSION, ANSWER_REPLAYED, LINKED, NO_REPLY = 1, 2, 4, 8
NO_DEADLINE = 2**64 - 1
FOR_EVER = 2**64 - 1
NO_KEY = bytes(16)

RIGHTS = {"bet": 1, "balance": 2, "deposit": 4, "market": 8, "withdraw": 16, "transfer": 32,
          "account": 64, "cash": 128, "sprinkle": 256, "round": 512}
BET_STATES = {1: "open", 2: "cancelled", 3: "settled", 4: "void", 5: "paid", 6: "expired"}
MARKET_STATES = {1: "before", 2: "open", 3: "suspended", 4: "closed", 5: "settled", 6: "void"}

CODES = {
    0x0000: "OK", 0x0001: "PENDING", 0x0002: "REPEATED", 0x0003: "FENCED_NOW",
    0x1001: "BAD_LENGTH", 0x1002: "UNKNOWN_TEMPLATE", 0x1003: "BAD_SCHEMA_VERSION",
    0x1004: "RESERVED_NOT_ZERO", 0x1005: "BAD_FIELD", 0x1006: "BAD_REQUEST_ID",
    0x1007: "LINK_INVALID", 0x2001: "NO_RIGHT", 0x2002: "TERMINAL_BLOCKED",
    0x3001: "BUSY", 0x3002: "RATE_LIMITED", 0x3003: "IN_PROGRESS",
    0x3004: "STORAGE_UNAVAILABLE", 0x4001: "MISMATCH", 0x4002: "FENCED",
    0x5001: "ACCOUNT_UNKNOWN", 0x5002: "ACCOUNT_FROZEN", 0x5003: "CURRENCY_MISMATCH",
    0x5004: "FUNDS_INSUFFICIENT", 0x5005: "AMOUNT_INVALID", 0x5006: "BALANCE_LIMIT",
    0x5007: "ACCOUNT_EXISTS", 0x5008: "ACCOUNT_SAME", 0x5009: "PARTNER_UNKNOWN",
    0x500A: "KEY_MISMATCH", 0x500B: "WITHDRAWAL_CLOSED",
    0x5010: "MARKET_UNKNOWN", 0x5011: "MARKET_NOT_OPEN", 0x5012: "SELECTION_UNKNOWN",
    0x5013: "ODDS_CHANGED", 0x5014: "LEGS_DUPLICATE", 0x5015: "PAYOUT_LIMIT",
    0x5016: "BET_UNKNOWN", 0x5017: "BET_NOT_OPEN", 0x5018: "CANCEL_TOO_LATE",
    0x5019: "EVENT_STARTED", 0x5020: "EXPIRED", 0x5021: "NOT_YOUR_BET", 0x5022: "LEGS_RELATED",
    0x5023: "TICKET_INVALID", 0x5024: "TICKET_NOT_PAYABLE", 0x5025: "TICKET_PAID",
    0x5026: "TICKET_EXPIRED", 0x5030: "REQUEST_UNKNOWN", 0x5031: "REQUEST_DONE",
    0x5032: "NOT_REVERSIBLE", 0x5033: "REVERSED_BEFORE", 0x5034: "LINKED_NOT_DONE",
    0x5040: "SPRINKLE_UNKNOWN", 0x5041: "SPRINKLE_ENDED", 0x5042: "SPRINKLE_EMPTY",
    0x5043: "CLAIMED_BEFORE", 0x5044: "CLAIM_OWN", 0x5045: "SHARES_INVALID",
    0x5050: "ROUND_UNKNOWN", 0x5051: "ROUND_CLOSED", 0x5052: "TRANSACTION_REPEATED",
    0x5053: "TRANSACTION_ROLLED_BACK", 0x5060: "SHIFT_OPEN_ALREADY", 0x5061: "SHIFT_NOT_OPEN",
    0x5062: "CASHIER_OTHER",
    0x6001: "LIMIT_SINGLE_STAKE", 0x6002: "LIMIT_DAILY_STAKE", 0x6003: "LIMIT_TERMINAL_DAILY",
    0x6004: "EXPOSURE_SELECTION", 0x6005: "EXPOSURE_MARKET", 0x6006: "EXPOSURE_PARTNER",
    0x6007: "PARTNER_QUOTA", 0x6008: "PARTNER_BLOCKED", 0x6010: "RISK_SCORE",
    0x6020: "SELF_EXCLUDED", 0x6021: "COOLING_OFF", 0x6022: "LIMIT_DEPOSIT",
    0x6023: "LIMIT_STAKE", 0x6024: "LIMIT_LOSS",
    0x7001: "OUTCOME_UNKNOWN", 0xF001: "INVARIANT_BROKEN",
}
NUMBERS = {name: number for number, name in CODES.items()}


# ---- Requests ----

def message(template, request_id, block, variable=b"", flags=0, schema=1, block_length=None,
            total_length=None):
    """One request. The keyword arguments allow wrong headers."""
    body = block + variable
    return MESSAGE.pack(len(block) if block_length is None else block_length, template, schema,
                        flags, 16 + len(body) if total_length is None else total_length,
                        request_id) + body


def hello_block(last_sent, last_answered):
    return struct.pack("<QQ", last_sent, last_answered)


def heartbeat_block(answered_below, local_time_ns, sequence=0, firmware=0, error=0, state=0,
                    battery=255, reserved=0):
    return struct.pack("<QQIIHBBI", answered_below, local_time_ns, sequence, firmware, error,
                       state, battery, reserved)


def id_block(number):
    """BET_STATUS, BALANCE, TX_STATUS, SPRINKLE_STATUS: one id."""
    return struct.pack("<Q", number)


def bet_block(account, stake, deadline, currency=410, policy=1, leg_count=1, reserved0=0,
              cashier=0, reserved1=0):
    return struct.pack("<QqQHBBIII", account, stake, deadline, currency, policy, leg_count,
                       reserved0, cashier, reserved1)


def leg(market, selection, odds, reserved=0):
    return struct.pack("<QHHI", market, selection, reserved, odds)


def reason_block(number, deadline, reason=0, reserved=0):
    """CANCEL_BET and REPRINT: a bet; REVERSE: a request id."""
    return struct.pack("<QQHHI", number, deadline, reason, reserved & 0xFFFF, reserved >> 16)


cancel_block = reprint_block = reverse_block = reason_block


def redeem_block(bet, deadline, ticket, reserved=0):
    return struct.pack("<QQ7sB", bet, deadline, ticket, reserved)


def deposit_block(account, amount, deadline, currency=410, reserved=0, key=NO_KEY):
    return struct.pack("<QqQHHI16s", account, amount, deadline, currency, reserved & 0xFFFF,
                       reserved >> 16, key)


withdraw_block = deposit_block


def transfer_block(source, target, amount, deadline, currency=410, reserved=0, key=NO_KEY):
    return struct.pack("<QQqQHHI16s", source, target, amount, deadline, currency,
                       reserved & 0xFFFF, reserved >> 16, key)


def open_account_block(account, deadline, currency=410, partner=0, reserved=0):
    return struct.pack("<QQHHI", account, deadline, currency, partner, reserved)


def statement_block(account, before=0, count=14, reserved=0):
    return struct.pack("<QQB", account, before, count) + reserved.to_bytes(7, "little")


def fence_block(request_id, deadline):
    return struct.pack("<QQ", request_id, deadline)


def play_set_block(account, deadline, limits=(-1,) * 6, excluded_until_ns=0, cooloff_until_ns=0):
    """limits: deposit day, week; stake day, week; loss day, week; -1 none."""
    return struct.pack("<QQ6qQQ", account, deadline, *limits, excluded_until_ns, cooloff_until_ns)


def since_block(since, only=0):
    """EVENT_QUERY and MARKET_QUERY: a version, and one event or market."""
    return struct.pack("<QQ", since, only)


def sprinkle_block(account, amount, room, deadline, window_s, shares, currency=410, equal=0,
                   reserved=0):
    return struct.pack("<QqQQIIHB", account, amount, room, deadline, window_s, shares, currency,
                       equal) + reserved.to_bytes(5, "little")


def claim_block(token, account, room, deadline):
    return struct.pack("<QQQQ", token, account, room, deadline)


def round_block(account, amount, deadline, number, transaction=NO_KEY, target=NO_KEY, game=1,
                currency=410, partner=1):
    return struct.pack("<QqQQ16s16sIHH", account, amount, deadline, number, transaction, target,
                       game, currency, partner)


def shift_block(cash, deadline, cashier, currency=410, reserved=0):
    return struct.pack("<qQIHH", cash, deadline, cashier, currency, reserved)


def split(text):
    """The messages of a plaintext; raises ValueError when they do not fill it."""
    out, at = [], 0
    while at < len(text):
        if len(text) - at < 16:
            raise ValueError("no room for a header")
        total = MESSAGE.unpack_from(text, at)[4]
        if total < 16 or total % 8 or at + total > len(text):
            raise ValueError("bad total length")
        out.append(text[at:at + total])
        at += total
    if len(out) > 16:
        raise ValueError("more than 16 messages")
    return out


# ---- Answers ----

OUTCOME = ("<qqB7s", "balance payout score ticket")
SHAPES = {
    HELLO: ("<QIIIIQ", "next_id in_flight window heartbeat_ms datagram_size terminal"),
    KEY_UPDATE: ("<QH", "boot_id epoch"),
    BET_STATUS: ("<QqqQHBBB", "account stake payout placed_at_ns currency state legs reprints"),
    BALANCE: ("<qqH", "balance staked_today currency"),
    TX_STATUS: ("<qqQHHBB",
                "balance payout time_ns target_code target_template target_shard score"),
    SPRINKLE_STATUS: ("<qqQIIHB", "total remaining ends_ns shares claimed currency state"),
    STATEMENT: ("<QHB", "next_position currency row_count"),
    EVENT_QUERY: ("<QBB", "up_to_version more row_count"),
    MARKET_QUERY: ("<QBB", "up_to_version more row_count"),
}
SHAPES.update({template: OUTCOME for template in MUTATING if template not in MONEY})
SHAPES.update({template: ("<qB", "balance score") for template in MONEY})

STATEMENT_ROW = ("<QQqqqQHHHxxQQ", "position time_ns amount before after object_id type code "
                 "currency terminal request_id")
EVENT_ROW = ("<QQQIBxxx", "event version start_time_ns markets state")
MARKET_ROW = ("<QQQQBBBBh6x4s4I", "market event version start_time_ns state kind selections first "
              "line result")
ROWS = {STATEMENT: STATEMENT_ROW, EVENT_QUERY: EVENT_ROW, MARKET_QUERY: MARKET_ROW}
assert [struct.calcsize(row[0]) for row in ROWS.values()] == [72, 32, 64]


@dataclass
class Answer:
    request_id: int
    template: int  # of the request; of EVENT_QUERY for one event: MARKET_QUERY
    flags: int
    code: int
    detail: int
    shard: int
    position: int
    switch_time_ns: int
    object_id: int
    fields: dict = field(default_factory=dict)

    @property
    def name(self):
        return CODES.get(self.code, hex(self.code))

    @property
    def ok(self):
        return self.code == 0

    @property
    def replayed(self):
        return bool(self.flags & ANSWER_REPLAYED)

    def __getattr__(self, name):
        if name != "fields" and name in self.fields:
            return self.fields[name]
        raise AttributeError(name)


def decode_rows(template, text, at, count):
    shape, names = ROWS[template]
    rows = []
    for start in range(at, at + count * struct.calcsize(shape), struct.calcsize(shape)):
        values = struct.unpack_from(shape, text, start)
        row = dict(zip(names.split(), values))
        if template == MARKET_QUERY:
            row["odds"], row["result"] = values[10:], tuple(row["result"])
        rows.append(row)
    return rows


def decode_answer(text):
    """An Answer, or None for a message a terminal ignores (section 11)."""
    block_length, template, _, flags, _, request_id = MESSAGE.unpack_from(text)
    if not template & REPLY_BIT or block_length < 32 or len(text) < 16 + block_length:
        return None
    block = text[16:16 + block_length]
    answer = Answer(request_id, template & ~REPLY_BIT, flags, *REPLY.unpack_from(block))
    if answer.template in SHAPES:
        shape, names = SHAPES[answer.template]
        if block_length < 32 + struct.calcsize(shape):
            return None
        answer.fields = dict(zip(names.split(), struct.unpack_from(shape, block, 32)))
    if answer.template in ROWS:
        answer.fields["rows"] = decode_rows(answer.template, text, 16 + block_length,
                                            answer.fields["row_count"])
    return answer


def answers(asked, answer):
    """Whether an answer's template is right for a request's (section 8)."""
    return asked == answer or (asked == EVENT_QUERY and answer == MARKET_QUERY)
