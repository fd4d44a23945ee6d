# SPDX-License-Identifier: Apache-2.0
"""Seeds of fuzz_event: short lives of everything an event can be about (lmdb-schema/event.h)."""

import struct


def event(lsn, kind, account=0, amount=0, balance=0, object_id=0, body=b"", terminal=0, request=0,
          legs=0, payout=0, currency=410, flags=0, code=0, before=(0, 0), hashes=(1, 2), extra=0,
          rules=1):
    return struct.pack(
        "<QQHHHBBQQQQQQQqqQqIIHBBIQ", lsn, 1_700_000_000_000_000_000 + lsn, kind, 136 + len(body),
        code, legs, 0, terminal, request, *(hashes if terminal else (0, 0)), before[0], account,
        before[1], amount, balance, object_id, payout,
        0, rules, currency, flags, 0, extra, 0) + body


def market_body():
    return struct.pack("<QQQBBB5x16I", 1, 2, 1 << 62, 2, 1, 3, 1850, 3500, 4200, *[0] * 13)


NOW = 1_700_000_000_000_000_000  # event lsn is at NOW + lsn
CASH, STAKES, HOUSE, PAYABLE, SUSPENSE, POTS = 2, 3, 4, 6, 8, 10
OPEN, DONE, REVERSED, REFUSED = 1, 2, 3, 4
PENDING = 0x0001
ORIGIN = struct.pack("<4Q", 9, 1, 1, 2)


def system(kind, part=0):
    return 1 << 63 | kind << 56 | 410 << 40 | part


def line(account, amount, balance=0, previous=0):
    return struct.pack("<BBH4xQqqQ", 1, 0, 40, account, amount, balance, previous)


def thing(kind, ident, state, body, due=0, partner=0):
    """One object section; zeros at the end of its body are cut off."""
    while body[-8:] == b"\0" * 8:
        body = body[:-8]
    return struct.pack("<BBH4xQQBBHI", 2, 0, 32 + len(body), ident, due, kind, state, 410,
                       partner) + body


def bet_change(payout_before, before, after, market=0, kind=0):
    return struct.pack("<qQqQBBB5x", 500, NOW + 3, payout_before, market, before, after, kind)


def result(op, version=0, outcomes=b""):
    return struct.pack("<BB6xQ64s", op, 3, version, outcomes)


def wallet_events(account, second):
    def withdrawal(state, closed=0):
        return thing(1, 1, state, ORIGIN + struct.pack("<QqQQ", 1000, 4000, NOW + 2, closed),
                     due=NOW * 2 if state == OPEN else 0)

    def transfer(state, code):
        return thing(2, 1, state, ORIGIN + struct.pack(
            "<QQqQQQHHBBBxQ", 1000, 5, 300, 0, 1, NOW + 2, 3, code, 1, 0, 0, 0))

    def link(out_last, out_done, in_last):
        return thing(4, 1 << 53 | 4, OPEN, struct.pack("<5Q", 3, out_last, out_done, in_last, 0))

    def arrival(state, code, to):
        return thing(3, 1 << 53 | 3, state, struct.pack("<QQQQqHB5x", 3, 1, 77, to, 500, code, 1))

    asked = {"account": 1000, "terminal": 9, "request": 1, "before": (0, 1)}
    out = event(2, 14, amount=-300, balance=9700, object_id=1, payout=300, code=PENDING,
                body=transfer(OPEN, PENDING) + link(1, 0, 0), **asked)
    waits = event(2, 11, amount=-4000, balance=6000, object_id=1, payout=4000, code=PENDING,
                  body=withdrawal(OPEN), **asked)
    suspense = line(system(SUSPENSE), -4000)
    compared = struct.pack("<BBH4xqqqBB6x", 6, 0, 40, 1000, 700, 0, 1, 0)
    done = {"account": 1000, "terminal": 9, "request": 1, "object_id": 1, "payout": 300,
            "before": (2, 2)}
    return {
        "withdraw": account + event(2, 11, amount=-4000, balance=6000, payout=4000, **asked),
        "withdraw-paid": account + waits + event(
            3, 12, account=1000, balance=6000, object_id=1, payout=4000, flags=2, before=(0, 2),
            body=suspense + withdrawal(DONE, NOW + 3)),
        "withdraw-back": account + waits + event(
            3, 12, account=1000, amount=4000, balance=10000, object_id=1, payout=4000, flags=4,
            before=(0, 2), body=suspense + withdrawal(REVERSED, NOW + 3)),
        "deposit-limit": account + event(2, 2, amount=500, balance=10000, code=0x6022,
                                         body=compared, **asked),
        "transfer": account + second + event(
            3, 13, account=1000, amount=-300, balance=9700, object_id=1001, payout=300, terminal=9,
            request=1, before=(0, 1), body=line(1001, 300, 10300, 2)),
        "transfer-done": account + out + event(
            3, 16, balance=9700, body=transfer(DONE, 0) + link(1, 1, 0), **done),
        "transfer-reversed": account + out + event(
            3, 16, amount=300, balance=10000, code=0x5001,
            body=transfer(REVERSED, 0x5001) + link(1, 1, 0), **done),
        "transfer-in": account + event(
            2, 15, account=1000, amount=500, balance=10500, object_id=77, payout=500,
            before=(0, 1), body=arrival(DONE, 0, 1000) + link(0, 0, 1)),
        "transfer-in-refused": event(
            1, 15, account=5, amount=500, object_id=77, code=0x5001,
            body=arrival(REFUSED, 0x5001, 5) + link(0, 0, 1)),
        "adjust": account + event(2, 17, account=1000, amount=-70, balance=9930, object_id=5,
                                  payout=70, before=(0, 1), extra=3),
        "lease": account + event(2, 38, object_id=1, body=struct.pack("<QqBB6x", 7, -300, 3, 0)
                                 + thing(2, 1, OPEN, struct.pack(
                                     "<4QQQqQQQHHBBBxQ", 0, 0, 0, 0, 0, 0, 300, 7, 1, NOW + 2, 3,
                                     PENDING, 3, 3, 0, 0)) + link(1, 0, 0)),
    }


def betting_events(account, market, placed):
    begun = account + market + placed
    won = event(4, 20, object_id=11, body=result(1, 3, bytes([1, 0, 0, 0, 2, 0, 0, 0, 6, 1, 2, 0])))
    settled = event(5, 18, account=1000, amount=925, balance=10425, object_id=1, payout=925,
                    before=(0, 3), body=bet_change(0, 1, 3, 11, 3))
    walked = event(6, 20, object_id=11, body=result(3))
    back = event(7, 20, object_id=11, body=result(2, 4))
    ticket = account + market + event(
        3, 3, object_id=1, legs=1, payout=925, terminal=9, request=1,
        body=struct.pack("<QH2xI", 11, 0, 1850) + line(system(CASH, 9), -500))
    payable = event(5, 18, object_id=1, payout=925,
                    body=bet_change(0, 1, 3, 11, 3) + line(system(PAYABLE), 925))
    paid = line(system(PAYABLE), -925)
    return {
        "settled": begun + won + settled + walked,
        "rolled-back": begun + won + settled + walked + back + event(
            8, 18, account=1000, amount=-925, balance=9500, object_id=1, payout=925,
            before=(0, 5), body=bet_change(925, 3, 1, 11, 0)),
        "rolled-back-owing": begun + won + settled + walked + event(
            7, 17, account=1000, amount=-10000, balance=425, object_id=5, payout=10000,
            before=(0, 5)) + event(8, 20, object_id=11, body=result(2, 4)) + event(
                9, 18, account=1000, amount=-425, object_id=1, payout=925, before=(0, 7),
                body=bet_change(925, 3, 1, 11, 0) + line(system(7), -500)),
        "retired": begun + won + settled + walked + event(
            7, 20, object_id=11, body=result(4)) + event(
                8, 23, legs=1, flags=4, body=struct.pack("<Q", 1)),
        "void": begun + event(4, 19, account=1000, amount=500, balance=10000, object_id=1,
                              payout=500, before=(0, 3), body=bet_change(0, 1, 4), extra=2),
        "redeemed": ticket + won + payable + event(
            6, 21, object_id=1, payout=925, terminal=8, request=1,
            body=bet_change(925, 3, 5) + paid),
        "expired": ticket + won + payable + event(
            6, 22, object_id=1, payout=925, flags=4, body=bet_change(925, 3, 6) + paid),
        "reprint": begun + event(4, 36, object_id=1, payout=1, terminal=9, request=2,
                                 before=(3, 0)),
    }


def other_events(account, second):
    def game(state, debited, credited, closed, tx):
        return thing(7, 1 << 53 | 7, state, struct.pack(
            "<I4xQQqqQQQ", 2, 3, 1000, debited, credited, NOW + 2, closed, tx))

    def game_tx(number, state, op, amount, lsn):
        return thing(8, 1 << 53 | 80 + number, state, struct.pack(
            "<QQQQQqQB7x", number, 0, 1000, 1 << 53 | 7, 0, amount, lsn, op), due=NOW * 2)

    def pot(state, remaining, claimed, last):
        return thing(5, 1, state, struct.pack(
            "<QqqQQQQQIIB7x", 1000, 600, remaining, 4, 5, NOW + 2, NOW + 9, last, 3, claimed, 1),
            due=NOW + 9 if state == OPEN else 0)

    claim = thing(6, 1 << 53 | 6, DONE, struct.pack("<QQqQI4x", 1, 1001, 200, 0, 0))
    sprinkle = account + second + event(
        3, 29, account=1000, amount=-600, balance=9400, object_id=1, terminal=9, request=1,
        payout=600, before=(0, 1), body=pot(OPEN, 600, 0, 0)) + event(
            4, 30, account=1001, amount=200, balance=10200, object_id=1, terminal=8, request=1,
            payout=200, before=(0, 2), body=pot(OPEN, 400, 1, 1 << 53 | 6) + claim) + event(
                5, 31, account=1000, amount=400, balance=9800, object_id=1, payout=400, flags=4,
                before=(0, 3), body=pot(DONE, 0, 1, 1 << 53 | 6))
    debit = event(2, 25, account=1000, amount=-50, balance=9950, object_id=1 << 53 | 7, payout=50,
                  terminal=9, request=1, before=(0, 1),
                  body=game(OPEN, 50, 0, 0, 1 << 53 | 81) + game_tx(1, DONE, 1, 50, 2))
    credit = event(3, 26, account=1000, amount=80, balance=10030, object_id=1 << 53 | 7, payout=80,
                   terminal=9, request=2, before=(2, 2),
                   body=game(OPEN, 50, 80, 0, 1 << 53 | 82) + game_tx(2, DONE, 2, 80, 3))
    limits = struct.pack("<Q6q6qQQ", 1000, 500, *[-1] * 5, 500, *[-1] * 5, NOW * 2, 0)
    shift = struct.pack("<BxxxIqqq", 1, 1, 1000, 50, 0)
    rules = struct.pack(
        "<IHBB6qIIIHHHHBBBxIIqqqIIII", 2, 410, 60, 90, 100000, 500000, 10**9, 10**8, 10**7, 10**6,
        20000, 600, 32400, 25, 10, 20, 30, 20, 20, 20, 86400, 3600, 10**6, 10**9, 10**9, 86400,
        3600, 86400, 86400)
    return {
        "round": account + debit + credit + event(
            4, 27, account=1000, amount=-80, balance=9950, object_id=1 << 53 | 7, payout=80,
            terminal=9, request=3, before=(3, 3),
            body=game(OPEN, 50, 0, 0, 1 << 53 | 82) + game_tx(2, REVERSED, 2, 80, 3)) + event(
                5, 28, account=1000, balance=9950, object_id=1 << 53 | 7, terminal=9, request=4,
                before=(4, 4), body=game(DONE, 50, 0, NOW + 5, 1 << 53 | 82)),
        "sprinkle": sprinkle,
        "sprinkle-retired": sprinkle + event(
            6, 24, legs=2, flags=4, body=struct.pack("<QQ", 1 << 53 | 6, 1)),
        "fence": event(1, 32, object_id=5, terminal=9, request=1, code=0x0003, currency=0),
        "reverse-refused": event(1, 33, object_id=5, terminal=9, request=1, code=0x5030,
                                 currency=0),
        "play-set": account + event(2, 34, account=1000, balance=10000, terminal=9, request=1,
                                    before=(0, 1), body=thing(11, 1 << 53 | 11, OPEN, limits)),
        "shift": event(1, 35, terminal=9, request=1, extra=4, body=shift) + event(
            2, 35, terminal=9, request=2, extra=4, before=(1, 0), payout=0,
            body=struct.pack("<BxxxIqqq", 2, 1, 1000, 50, 1000)),
        "partner-set": event(1, 37, object_id=3, body=thing(
            13, 1 << 53 | 13, OPEN, struct.pack("<QqqIHBx", 1, 5000, 0, 10, 410, 0), partner=3)),
        "rules-set": event(1, 6, rules=2, body=rules),
        "rules-factors": event(1, 6, rules=2, body=rules + struct.pack(
            "<BxH4xqIIIIB13B14B3Bx", 3, 64, 10**7, 172800, 86400, 604800, 3, 1, 80, 20, 4, 3, 6, 3,
            100, 5, 24, 5, 30, 20, 3, 8, 30, 30, 20, 20, 20, 20, 10, 10, 20, 15, 30, 40, 40, 20,
            100, 40) + struct.pack("<BxH4x7qH6x", 4, 72, 0, 0, 0, 5000, 0, 10**6, 0, 840)),
        "account-flags": account + event(
            2, 39, account=1000, balance=10000, object_id=5, before=(0, 1),
            body=struct.pack("<HH4x", 8 | 32, 408)),
        "feedback": account + event(
            2, 40, account=1000, balance=10000, object_id=6, before=(0, 1),
            body=struct.pack("<QQQB7x", 1000, 9, NOW, 1)),
        "feedback-withdrawn": account + event(
            2, 40, account=1000, balance=10000, object_id=6, before=(0, 1),
            body=struct.pack("<QQQBB2xI", 1000, 9, NOW, 1, 1, NOW // 10 ** 9)),
    }


def events():
    leg = struct.pack("<QH2xI", 11, 0, 1850)
    account = event(1, 1, account=1000, amount=10000, balance=10000, object_id=1)
    market = event(2, 5, object_id=11, body=market_body())
    placed = event(3, 3, account=1000, amount=-500, balance=9500, object_id=1, body=leg,
                   terminal=9, request=1, legs=1, payout=925, before=(0, 1))
    cancelled = event(4, 4, account=1000, amount=500, balance=10000, object_id=1, terminal=9,
                      request=2, payout=500, before=(3, 3), body=bet_change(0, 1, 2))
    second = event(2, 1, account=1001, amount=10000, balance=10000, object_id=1)
    return {
        **wallet_events(account, second),
        **betting_events(account, market, placed),
        **other_events(account, second),
        "account": account,
        "market": event(1, 5, object_id=11, body=market_body()),
        "life-of-a-bet": account + market + placed + cancelled,
        "deposit": account + event(2, 2, account=1000, amount=700, balance=10700, payout=700,
                                   terminal=9, request=1, before=(0, 1)),
        "refused": account + event(2, 3, account=1000, amount=-99999, balance=10000, body=leg,
                                   terminal=9, request=1, legs=1, code=0x5004, before=(0, 1)),
        "tick": event(1, 8),
        "mark": event(1, 7, object_id=1),
        "terminal-set": event(1, 10, object_id=4, terminal=9, hashes=(0, 0), currency=0,
                              body=struct.pack("<QqIB3x", 4, 5000, 7, 1)),
        "freeze": account + event(2, 9, account=1000, flags=1, balance=10000, object_id=2,
                                  before=(0, 1)),
    }
