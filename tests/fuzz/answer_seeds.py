# SPDX-License-Identifier: Apache-2.0
"""Seeds of answers: of the key server to a terminal, of PostgreSQL to a restore."""

import struct

BUCKETS = 1024  # LIMIT_BUCKETS
RAW, BODY, REFUSED, CHANGED = 0, 2, 4, 6
RENEW, PIECES, GOODBYE = 1, 8, 16
RIGHT_SUMS = 1


def established(**changes):
    """Of another deployment: the hash of the right one is the target's."""
    fields = {"session": 7 << 20 | 5, "epoch": 1, "aead": 2, "terminal": 77, "boot": 3, "now": 1,
              "expires": 2, "rights": 15, "address": 0, "port": 7400, "ports": 2, "flags": 1,
              **changes}
    return struct.pack("<IHHQQQQIIHHI32s", *fields.values(), b"")


def keying_answers():
    """First byte as in fuzz_keying_answer.c."""
    def whole(kind, body, version=1, length=None):
        length = len(body) if length is None else length
        return bytes([RAW]) + struct.pack("<HHI", version, kind, length) + body

    def change(offset, turned):
        return struct.pack("<HB", offset, turned)

    texts = struct.pack("<II", 3, 4) + b"onetwo!"
    return {
        "established": bytes([CHANGED]), "renewed": bytes([CHANGED | RENEW]),
        "established-pieces": bytes([CHANGED | PIECES]),
        "renewed-goodbye": bytes([CHANGED | RENEW | GOODBYE]),
        "established-longer": bytes([BODY]) + established() + b"more",
        "other-deployment": bytes([BODY]) + established(), "short": bytes([BODY]) + bytes(87),
        "other-cipher": bytes([CHANGED]) + change(6, 3),
        "no-session": bytes([CHANGED]) + change(0, 5) + change(2, 0x70),
        "other-terminal": bytes([CHANGED]) + change(8, 1),
        "expired": bytes([CHANGED]) + change(32, 3),
        "flags": bytes([CHANGED]) + change(52, 0xff) + change(44, 0x7f),
        "certificate-changed": bytes([CHANGED | RENEW]) + change(200, 1),
        "certificate-longer": bytes([CHANGED | RENEW]) + change(3, 0x80),
        "authorities-longer": bytes([CHANGED | RENEW]) + change(4, 1),
        "renewed-no-pem": bytes([BODY | RENEW]) + texts,
        "renewed-short": bytes([BODY | RENEW]) + bytes(7),
        "refused": bytes([REFUSED]) + struct.pack("<HH4x", 7, 30) + b"busy; try again",
        "refused-no-words": bytes([REFUSED]) + struct.pack("<HH4x", 3, 0),
        "refused-unknown": bytes([REFUSED]) + struct.pack("<HH4x", 999, 0),
        "refused-control": bytes([REFUSED]) + struct.pack("<HH4x", 4, 0) + b"\x1b[2J\x7f" * 60,
        "refused-short": bytes([REFUSED]) + bytes(7),
        "whole": whole(2, established()), "version": whole(2, established(), version=2),
        "other-kind": whole(3, b""), "too-long": whole(2, b"", length=16385),
        "half": bytes([GOODBYE]) + whole(2, established())[1:40],
        "nothing": bytes([GOODBYE]), "silence": bytes([RAW]),
        "header-half": whole(2, b"")[:6],
    }


def value(data):
    return struct.pack("<H", 0xffff) if data is None else struct.pack("<H", len(data)) + data


def rows(*lines):
    return bytes([len(lines)]) + b"".join(value(one) for line in lines for one in line)


def number(n):
    return struct.pack(">Q", n)


def restores(tick, account, control_record):
    """`tick` and `account` give events by LSN; `control_record` rows of control's database."""
    def deployment(shards=1, buckets=bytes(BUCKETS), version=3, name=b"fuzz"):
        return rows((name, struct.pack(">I", shards), buckets, struct.pack(">I", version)))

    def cursor(lsn, incarnation=7):
        return rows((number(incarnation), number(lsn)))

    def block(first, last, *bodies):
        return number(first), number(last), number(0), b"".join(bodies)

    def change(sequence, table, key, row):
        return number(sequence), number(5), struct.pack(">H", table), key, row

    def whole(*answers, flags=RIGHT_SUMS):
        return bytes([flags]) + b"".join(answers)

    one, two = account(1), tick(2)
    terminal = control_record("terminal")
    changes = rows(change(1, 1, number(7), terminal), change(2, 1, number(8), terminal),
                   change(3, 1, number(7), None))
    shard = cursor(2) + rows(block(1, 2, one, two))
    spread = bytes([0, 1]) * (BUCKETS // 2)
    return {
        "whole": whole(deployment(), shard, changes),
        "two-blocks": whole(deployment(), cursor(3), rows(block(1, 2, one, two),
                                                          block(3, 3, tick(3))), changes),
        "two-answers": whole(deployment(), cursor(3), rows(block(1, 2, one, two)),
                             rows(block(3, 3, tick(3))), changes, rows(
                                 change(4, 1, number(8), None))),
        "behind-cursor": whole(deployment(), cursor(1), rows(block(1, 2, one, two))),
        "two-shards": whole(deployment(2, spread), rows(), rows(), changes),
        "never-replicated": whole(rows()), "newer": whole(deployment(version=99)),
        "map-short": whole(deployment(buckets=bytes(5))),
        "map-beyond": whole(deployment(1, spread)), "no-shards": whole(deployment(0)),
        "many-shards": whole(deployment(65)), "nulls": whole(rows((None,) * 4)),
        "name-long": whole(deployment(name=b"n" * 80), shard, changes),
        "bad-sum": whole(deployment(), shard, flags=0),
        "gap": whole(deployment(), cursor(3), rows(block(1, 1, one), block(3, 3, tick(3)))),
        "block-says-more": whole(deployment(), cursor(3), rows(block(1, 3, one, two))),
        "block-says-less": whole(deployment(), cursor(2), rows(block(1, 1, one, two))),
        "block-empty": whole(deployment(), cursor(5), rows(block(1, 5))),
        "block-last": whole(deployment(), cursor(5), rows(block(1, 2**64 - 1, one, two))),
        "block-cut": whole(deployment(), cursor(2), rows(block(1, 2, one, two[:-8]))),
        "log-ends": whole(deployment(), cursor(9), rows(block(1, 2, one, two))),
        "cursor-last": whole(deployment(), cursor(2**64 - 1), rows(block(1, 2, one, two))),
        "change-gap": whole(deployment(), shard, rows(change(2, 1, number(7), terminal))),
        "change-table": whole(deployment(), shard, rows(change(1, 300, number(7), terminal))),
        "change-own": whole(deployment(), shard, rows(change(1, 0, b"identity", b""))),
        "change-no-key": whole(deployment(), shard, rows(change(1, 1, b"", terminal))),
        "change-long-key": whole(deployment(), shard, rows(change(1, 1, b"k" * 600, terminal))),
        "change-gone": whole(deployment(), shard, rows(change(1, 1, number(7), None))),
        "change-empty": whole(deployment(), shard, rows(change(1, 1, number(7), b""))),
    }
