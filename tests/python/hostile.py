# SPDX-License-Identifier: Apache-2.0
"""Hostile packets: one generator per drop reason (wire/drop.h) and per answer code of class 1.

Each generator takes a Target and yields Case(name, packet, expected):
  FRAMES      packet is a whole Ethernet frame (send it through an AF_PACKET socket)
  DATAGRAMS   packet is a UDP payload; `frame` wraps it for an AF_PACKET socket
  MESSAGES    packet is a UDP payload with a good tag; expected is the code of the answer to the
              request id that `request_ids` finds in it
  FLOODS      packets to send one after the other; the counter `expected` grows before they end

For FRAMES and DATAGRAMS `expected` is the drop reason in the names of the metrics, or None where
the packet is good (the first of a replayed pair). Packets must go out in the order they come,
because the packet numbers only go up. Failed tags are charged to their source address and port:
send each generator's packets from a port of its own.

Nothing here changes state at the switch: no case is a valid mutating request.
"""
import os
import struct
from dataclasses import dataclass
from typing import NamedTuple, Optional

import sluice_terminal as st

# Reasons that no packet can bring about alone: they need a full ring or pool.
NOT_BY_PACKET = ("handover_full", "no_buffer", "session_expired", "tx_full")


class Case(NamedTuple):
    name: str
    packet: bytes
    expected: Optional[str]


@dataclass
class Target:
    """Where packets go. `terminal` has had its HELLO answered: its keys are the switch's."""
    terminal: st.Terminal
    switch_mac: bytes = b"\x02\0\0\0\0\1"
    source_mac: bytes = b"\x02\0\0\0\0\2"
    switch_ip: str = "192.0.2.1"
    source_ip: str = "192.0.2.2"
    switch_port: int = 7001
    source_port: int = 40000
    wrong_port: int = 9  # a port no worker listens on
    wrong_ip: str = "192.0.2.99"  # an address the switch does not own


# ---- Building frames by hand, so that every field can be wrong ----

def ip_bytes(text):
    return bytes(int(part) for part in text.split("."))


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(target, payload, ethertype=0x0800, destination=None):
    head = (destination or target.switch_mac) + target.source_mac + struct.pack("!H", ethertype)
    return (head + payload).ljust(60, b"\0")


def ipv4(target, payload, version=4, ihl=5, total=None, fragment=0x4000, protocol=17,
         destination=None, bad_checksum=False, ttl=64):
    def header(check):
        return struct.pack("!BBHHHBBH4s4s", version << 4 | ihl, 0,
                           20 + len(payload) if total is None else total, 1, fragment, ttl,
                           protocol, check, ip_bytes(target.source_ip),
                           ip_bytes(destination or target.switch_ip))

    check = checksum(header(0))
    return header(check ^ 0x5555 if bad_checksum else check) + payload


def udp(target, payload, length=None, port=None):
    # Checksum 0: none (RFC 768). The switch does not look at it; the tag is stronger.
    return struct.pack("!HHHH", target.source_port, port or target.switch_port,
                       8 + len(payload) if length is None else length, 0) + payload


def frame(target, payload):
    """A UDP payload as a whole, good frame."""
    return ethernet(target, ipv4(target, udp(target, payload)))


def hello(target, **wrong):
    """A good HELLO in a datagram; `wrong` as in Terminal.datagram."""
    return target.terminal.datagram(hello_message(target), **wrong)


def hello_message(target, request_id=None, **wrong):
    if request_id is None:
        request_id = next(target.terminal.query_ids)
    return st.message(st.HELLO, request_id, st.hello_block(0, 0), **wrong)


# ---- FRAMES ----

def not_ipv4(target):
    good = ipv4(target, udp(target, hello(target)))
    for name, ethertype in (("IPv6", 0x86DD), ("VLAN tag", 0x8100), ("LLDP", 0x88CC),
                            ("802.3 length", 0x0040), ("experimental", 0x88B5)):
        yield Case("ethertype of " + name, ethernet(target, good, ethertype), "not_ipv4")


def bad_ip_header(target):
    inside = udp(target, hello(target))
    for name, packet in (
            ("version 5", ipv4(target, inside, version=5)),
            ("version 6", ipv4(target, inside, version=6)),
            ("version 0", ipv4(target, inside, version=0)),
            ("header of 16 bytes", ipv4(target, inside, ihl=4)),
            ("header of 0 bytes", ipv4(target, inside, ihl=0)),
            ("total length past the frame", ipv4(target, inside, total=1500)),
            ("total length 65535", ipv4(target, inside, total=65535)),
            ("total length below the header", ipv4(target, inside, total=19)),
            ("total length 0", ipv4(target, inside, total=0)),
            ("header longer than the packet", ipv4(target, b"", ihl=15)),
            ("wrong checksum", ipv4(target, inside, bad_checksum=True)),
            ("only zeros", b"\0" * 46)):
        yield Case(name, ethernet(target, packet), "bad_ip_header")


def fragment(target):
    inside = udp(target, hello(target))
    for name, bits in (("first", 0x2000), ("middle", 0x2001), ("last", 0x0010),
                       ("last, offset at its end", 0x1FFF), ("first with DF", 0x6000)):
        yield Case(name + " fragment", ethernet(target, ipv4(target, inside, fragment=bits)),
                   "fragment")
    tiny = ipv4(target, b"\0" * 8, fragment=0x2000)
    yield Case("tiny first fragment", ethernet(target, tiny), "fragment")


def not_our_address(target):
    inside = udp(target, hello(target))
    for address in (target.wrong_ip, "255.255.255.255", "224.0.0.1", "0.0.0.0", "127.0.0.1"):
        yield Case("to " + address, ethernet(target, ipv4(target, inside, destination=address)),
                   "not_our_address")


def not_udp(target):
    inside = udp(target, hello(target))
    for protocol in (0, 6, 41, 47, 50, 132, 255):
        yield Case("protocol %d" % protocol,
                   ethernet(target, ipv4(target, inside, protocol=protocol)), "not_udp")
    body = struct.pack("!BBHI", 13, 0, 0, 0) + b"\0" * 12
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    yield Case("ICMP timestamp", ethernet(target, ipv4(target, body, protocol=1)), "not_udp")


def bad_udp_length(target):
    payload = hello(target)
    for name, length in (("0", 0), ("7", 7), ("one too many", 9 + len(payload)),
                         ("65535", 65535)):
        yield Case("UDP length " + name,
                   ethernet(target, ipv4(target, udp(target, payload, length=length))),
                   "bad_udp_length")
    for size in (0, 1, 7):
        yield Case("%d bytes of UDP header" % size,
                   ethernet(target, ipv4(target, udp(target, b"")[:size])), "bad_udp_length")


def not_our_port(target):
    for port in (target.wrong_port, 1, 65535):
        yield Case("port %d" % port,
                   ethernet(target, ipv4(target, udp(target, hello(target), port=port))),
                   "not_our_port")


# ---- DATAGRAMS ----

def too_short(target):
    good = hello(target)
    for size in (0, 1, 8, 15, 16, 24, 31):
        yield Case("%d bytes" % size, good[:size], "too_short")


def too_long(target):
    text = b"".join(hello_message(target) for _ in range(16))
    for size in (1201, 1204, 1208, 1400, 1472):
        packet = target.terminal.datagram(text)
        yield Case("%d bytes" % size, packet + b"\0" * (size - len(packet)), "too_long")


def not_multiple_of_8(target):
    good = hello(target) + b"\0" * 1200
    for size in (33, 36, 39, 41, 63, 65, 1193, 1199):
        yield Case("%d bytes" % size, good[:size], "not_multiple_of_8")


def wrong_version(target):
    for first in (0x00, 0x01, 0x10, 0x12, 0x13, 0x1F, 0x21, 0x81, 0xFF):
        yield Case("first byte 0x%02x" % first, hello(target, first=first), "wrong_version")
    reset = st.reset_make(target.terminal.reset_key, target.terminal.epoch,
                          target.terminal.session_id, 1, target.terminal.boot_id + 1)
    yield Case("RESET to the switch", reset, "wrong_version")


def bad_flags(target):
    for bits in (0x01, 0x02, 0x03, 0x40, 0x80, 0xFE, 0xFF):
        yield Case("flags 0x%02x" % bits, hello(target, flags=bits), "bad_flags")


def bad_lane(target):
    number = target.terminal.packet_number + 1
    for lane in (1, 2, 63, 64, 128, 255):
        yield Case("lane %d" % lane, hello(target, packet_number=lane << 56 | number), "bad_lane")
    yield Case("packet number 0", hello(target, packet_number=0), "bad_lane")
    yield Case("counter 0 in lane 1", hello(target, packet_number=1 << 56), "bad_lane")


def unknown_session(target):
    good = target.terminal.session_id
    slot, generation = good & 0xFFFFF, good >> 20
    sessions = {
        "empty slot": generation << 20 | slot ^ 0x80000,
        "last slot": generation << 20 | 0xFFFFF,
        "generation after": ((generation + 1) & 0xFFF) << 20 | slot,
        "generation before": ((generation - 1) & 0xFFF) << 20 | slot,
        "generation 0": slot if generation else 0xFFF << 20 | slot,
        "all ones": 0xFFFFFFFF,
    }
    for name, session in sessions.items():
        if session != good:
            yield Case(name, hello(target, session=session), "unknown_session")


def unknown_epoch(target):
    terminal = target.terminal
    for name, epoch in (("two ahead", terminal.epoch + 2), ("far ahead", terminal.epoch + 1000),
                        ("two behind", terminal.epoch - 2), ("last", 0xFFFF)):
        epoch &= 0xFFFF
        key = st.derive(terminal.root, st.TO_SWITCH, epoch, terminal.boot_id)
        yield Case("epoch " + name, hello(target, epoch=epoch, key=key), "unknown_epoch")


def replayed(target):
    first = hello(target)
    number = target.terminal.packet_number
    yield Case("the original", first, None)
    yield Case("the original again", first, "replayed")
    yield Case("the original a third time", first, "replayed")
    yield Case("its number with another text",
               target.terminal.datagram(packet_number=number), "replayed")
    for back in (256, 257, 1000, number - 1):
        yield Case("%d below the highest" % back,
                   hello(target, packet_number=number - back), "replayed")


def bad_tag(target):
    terminal = target.terminal
    good = hello(target)
    for name, at in (("packet number", 8), ("packet number, 5th byte", 12), ("ciphertext", 16),
                     ("last byte of the ciphertext", len(good) - 17), ("tag", len(good) - 16),
                     ("last byte of the tag", len(good) - 1)):
        for bit in (0, 7):
            good = hello(target)
            if at < 16:
                # Upwards, so that the number is new and the replay check is passed.
                header = list(st.HEADER.unpack(good[:16]))
                header[4] += 1 << (bit if at == 8 else 32)
                yield Case("%s changed (%d)" % (name, bit), st.HEADER.pack(*header) + good[16:],
                           "bad_tag")
                continue
            changed = bytearray(good)
            changed[at] ^= 1 << bit
            yield Case("%s, bit %d flipped" % (name, bit), bytes(changed), "bad_tag")
    good = hello(target)
    yield Case("cut by 8 bytes", good[:-8], "bad_tag")
    good = hello(target)
    yield Case("8 bytes longer", good + b"\0" * 8, "bad_tag")
    good = hello(target)
    yield Case("tag of zeros", good[:-16] + b"\0" * 16, "bad_tag")
    good = hello(target)
    yield Case("random behind the header", good[:16] + os.urandom(len(good) - 16), "bad_tag")
    keys = {
        "key of the other direction": st.derive(terminal.root, st.TO_TERMINAL, terminal.epoch,
                                                terminal.boot_id),
        "key of another boot id": st.derive(terminal.root, st.TO_SWITCH, terminal.epoch,
                                            terminal.boot_id + 1),
        "key of boot id 0": st.derive(terminal.root, st.TO_SWITCH, terminal.epoch, 0),
        "key of another root": st.derive(b"\x5a" * 48, st.TO_SWITCH, terminal.epoch,
                                         terminal.boot_id),
        "key of zeros": (b"\0" * 32, b"\0" * 12),
    }
    for name, key in keys.items():
        yield Case(name, hello(target, key=key), "bad_tag")


def bad_framing(target):
    def sealed(text):
        return target.terminal.datagram(text)

    one = hello_message(target)
    for name, text in (
            ("8 bytes of text", b"\0" * 8),
            ("16 zeros", b"\0" * 16),
            ("total length 0", hello_message(target, total_length=0)),
            ("total length 8", hello_message(target, total_length=8)),
            ("total length 15", hello_message(target, total_length=15)),
            ("total length 20", hello_message(target, total_length=20)),
            ("total length 8 past the end", hello_message(target, total_length=40)),
            ("total length 65535", hello_message(target, total_length=0xFFFF)),
            ("total length 65528", hello_message(target, total_length=0xFFF8)),
            ("8 bytes behind the last message", one + b"\0" * 8),
            ("second message cut", one + hello_message(target)[:16]),
            ("second message's length 0", one + hello_message(target, total_length=0))):
        yield Case(name, sealed(text), "bad_framing")


def too_many_messages(target):
    for count in (17, 18, 36):
        text = b"".join(hello_message(target) for _ in range(count))
        yield Case("%d messages" % count, target.terminal.datagram(text), "too_many_messages")


# ---- MESSAGES: a good tag, a bad message ----

def sealed_message(target, template, block, variable=b"", request_id=None, **wrong):
    if request_id is None:
        request_id = target.terminal.take_id(template)
    return target.terminal.datagram(st.message(template, request_id, block, variable, **wrong))


def good_bet(leg_count=1, legs=1, **wrong):
    block = st.bet_block(wrong.pop("account", 42), 1000, 1, leg_count=leg_count, **wrong)
    return block, st.leg(1001, 0, 2000) * legs


def bad_length(target):
    cases = (
        ("HELLO, block 8", st.HELLO, b"\0" * 8, b"", {}),
        ("HELLO, no block", st.HELLO, b"", b"", {}),
        ("HELLO, 8 bytes behind the block", st.HELLO, b"\0" * 16, b"\0" * 8, {"block_length": 16}),
        ("HELLO, block length past the message", st.HELLO, b"\0" * 16, b"", {"block_length": 24}),
        ("HELLO, block length 65535", st.HELLO, b"\0" * 16, b"", {"block_length": 0xFFFF}),
        ("DEPOSIT, block 24", st.DEPOSIT, b"\0" * 24, b"", {}),
        ("PLACE_BET, block 32", st.PLACE_BET, b"\0" * 32, b"", {}),
        ("PLACE_BET, 2 legs promised, 1 sent", st.PLACE_BET, *good_bet(2, 1), {}),
        ("PLACE_BET, 1 leg promised, 2 sent", st.PLACE_BET, *good_bet(1, 2),
         {"block_length": 40}),
        ("PLACE_BET, 255 legs promised, 1 sent", st.PLACE_BET, *good_bet(255, 1),
         {"block_length": 40}),
        ("PLACE_BET, no leg promised, 1 sent", st.PLACE_BET, *good_bet(0, 1),
         {"block_length": 40}),
        ("PLACE_BET, 10 legs promised, none sent", st.PLACE_BET, good_bet(10)[0], b"", {}),
        ("BALANCE, no block", st.BALANCE, b"", b"", {}),
        ("MARKET_QUERY, block 8", st.MARKET_QUERY, b"\0" * 8, b"", {}),
    )
    for name, template, block, variable, wrong in cases:
        wrong.setdefault("block_length", len(block))
        yield Case(name, sealed_message(target, template, block, variable, **wrong), "BAD_LENGTH")


def unknown_template(target):
    for template in (0x0000, 0x0005, 0x000F, 0x0015, 0x002A, 0x0032, 0x0043, 0x0054, 0x00FF, 0x0110,
                     0x3FFF):
        yield Case("template 0x%04x" % template,
                   sealed_message(target, template, b"\0" * 16), "UNKNOWN_TEMPLATE")


def bad_schema_version(target):
    for schema in (0, 2, 255):
        yield Case("schema version %d" % schema,
                   sealed_message(target, st.HELLO, st.hello_block(0, 0), schema=schema),
                   "BAD_SCHEMA_VERSION")


def reserved_not_zero(target):
    now = target.terminal.switch_time_ns()
    cases = [
        ("HEARTBEAT", st.HEARTBEAT, st.heartbeat_block(1, now, reserved=1), b""),
        ("PLACE_BET, first", st.PLACE_BET, st.bet_block(42, 1000, 1, reserved0=1 << 31),
         st.leg(1001, 0, 2000)),
        ("PLACE_BET, second", st.PLACE_BET, st.bet_block(42, 1000, 1, reserved1=1),
         st.leg(1001, 0, 2000)),
        ("leg", st.PLACE_BET, st.bet_block(42, 1000, 1), st.leg(1001, 0, 2000, reserved=1)),
        ("second leg", st.PLACE_BET, st.bet_block(42, 1000, 1, leg_count=2),
         st.leg(1001, 0, 2000) + st.leg(1002, 0, 2000, reserved=0x8000)),
        ("CANCEL_BET", st.CANCEL_BET, st.cancel_block(1, 1, reserved=1), b""),
        ("DEPOSIT", st.DEPOSIT, st.deposit_block(42, 1, 1, reserved=1 << 40), b""),
        ("WITHDRAW", st.WITHDRAW, st.withdraw_block(42, 1, 1, reserved=1), b""),
        ("TRANSFER", st.TRANSFER, st.transfer_block(42, 43, 1, 1, reserved=1 << 16), b""),
        ("OPEN_ACCOUNT", st.OPEN_ACCOUNT, st.open_account_block(42, 1, reserved=1), b""),
        ("REDEEM", st.REDEEM, st.redeem_block(1, 1, bytes(7), reserved=1), b""),
        ("REPRINT", st.REPRINT, st.reprint_block(1, 1, reserved=1 << 47), b""),
        ("STATEMENT", st.STATEMENT, st.statement_block(42, reserved=1 << 48), b""),
        ("REVERSE", st.REVERSE, st.reverse_block(1, 1, reserved=1), b""),
        ("SPRINKLE_CREATE", st.SPRINKLE_CREATE,
         st.sprinkle_block(42, 1, 1, 1, 60, 1, reserved=1 << 32), b""),
        ("SHIFT_OPEN", st.SHIFT_OPEN, st.shift_block(0, 1, 7, reserved=1), b""),
        ("SHIFT_CLOSE", st.SHIFT_CLOSE, st.shift_block(0, 1, 7, reserved=0x8000), b""),
    ]
    for name, template, block, variable in cases:
        yield Case("reserved bytes of " + name,
                   sealed_message(target, template, block, variable), "RESERVED_NOT_ZERO")
    for bit in (1, 4, 5, 6, 7):
        yield Case("flag bit %d" % bit,
                   sealed_message(target, st.HELLO, st.hello_block(0, 0), flags=1 << bit),
                   "RESERVED_NOT_ZERO")


def bad_field(target):
    now = target.terminal.switch_time_ns()
    cases = [
        ("HEARTBEAT, state bit 4", st.HEARTBEAT, st.heartbeat_block(1, now, state=0x10), b""),
        ("HEARTBEAT, battery 101", st.HEARTBEAT, st.heartbeat_block(1, now, battery=101), b""),
        ("PLACE_BET, account 2^63", st.PLACE_BET, *good_bet(account=2**63)),
        ("PLACE_BET, odds policy 2", st.PLACE_BET, *good_bet(policy=2)),
        ("PLACE_BET, no leg", st.PLACE_BET, good_bet(0)[0], b""),
        ("PLACE_BET, 11 legs", st.PLACE_BET, *good_bet(11, 11)),
        ("BALANCE, account 0", st.BALANCE, struct.pack("<Q", 0), b""),
        ("BALANCE, account 2^64 - 1", st.BALANCE, struct.pack("<Q", 2**64 - 1), b""),
        ("DEPOSIT, account 0", st.DEPOSIT, st.deposit_block(0, 1, 1), b""),
        ("PLACE_BET in cash, currency 5000", st.PLACE_BET, *good_bet(account=0, currency=5000)),
        ("PLACE_BET, currency 0", st.PLACE_BET, *good_bet(currency=0)),
        ("DEPOSIT, currency 1000", st.DEPOSIT, st.deposit_block(42, 1, 1, 1000), b""),
        ("WITHDRAW, account 0", st.WITHDRAW, st.withdraw_block(0, 1, 1), b""),
        ("TRANSFER, from 0", st.TRANSFER, st.transfer_block(0, 42, 1, 1), b""),
        ("TRANSFER, to 2^63", st.TRANSFER, st.transfer_block(42, 2**63, 1, 1), b""),
        ("OPEN_ACCOUNT, account 0", st.OPEN_ACCOUNT, st.open_account_block(0, 1), b""),
        ("OPEN_ACCOUNT, currency 1000", st.OPEN_ACCOUNT, st.open_account_block(42, 1, 1000), b""),
        ("STATEMENT, no row", st.STATEMENT, st.statement_block(42, count=0), b""),
        ("STATEMENT, 15 rows", st.STATEMENT, st.statement_block(42, count=15), b""),
        ("TX_STATUS of 0", st.TX_STATUS, st.id_block(0), b""),
        ("REVERSE of 0", st.REVERSE, st.reverse_block(0, 1), b""),
        ("REVERSE of what is to come", st.REVERSE, st.reverse_block(2**62, 1), b""),
        ("FENCE of 0", st.FENCE, st.fence_block(0, 1), b""),
        ("FENCE of what is to come", st.FENCE, st.fence_block(2**62, 1), b""),
        ("PLAY_SET, limit -2", st.PLAY_SET, st.play_set_block(42, 1, (-1, -1, -2, -1, -1, -1)),
         b""),
        ("SPRINKLE_CREATE, equal 2", st.SPRINKLE_CREATE,
         st.sprinkle_block(42, 1, 1, 1, 60, 1, equal=2), b""),
        ("CLAIM, account 0", st.CLAIM, st.claim_block(1, 0, 1, 1), b""),
        ("ROUND_DEBIT, no transaction", st.ROUND_DEBIT, st.round_block(42, 1, 1, 1), b""),
        ("ROUND_CREDIT, a target", st.ROUND_CREDIT,
         st.round_block(42, 1, 1, 1, b"t" * 16, b"u" * 16), b""),
        ("ROUND_ROLLBACK, no target", st.ROUND_ROLLBACK,
         st.round_block(42, 0, 1, 1, b"t" * 16), b""),
        ("ROUND_ROLLBACK, an amount", st.ROUND_ROLLBACK,
         st.round_block(42, 1, 1, 1, b"t" * 16, b"u" * 16), b""),
        ("ROUND_CLOSE, a transaction", st.ROUND_CLOSE, st.round_block(42, 0, 1, 1, b"t" * 16), b""),
        ("SHIFT_OPEN, cash below 0", st.SHIFT_OPEN, st.shift_block(-1, 1, 7), b""),
        ("SHIFT_CLOSE, no cashier", st.SHIFT_CLOSE, st.shift_block(0, 1, 0), b""),
    ]
    for name, template, block, variable in cases:
        yield Case(name, sealed_message(target, template, block, variable), "BAD_FIELD")


def bad_request_id(target):
    yield Case("HELLO, id 0",
               sealed_message(target, st.HELLO, st.hello_block(0, 0), request_id=0),
               "BAD_REQUEST_ID")
    # Far above what this terminal has used; with a deadline long past in case it is let through.
    for ahead in (70000, 2**40, 2**63 - 1 - target.terminal.next_id):
        yield Case("DEPOSIT, id %d ahead" % ahead,
                   sealed_message(target, st.DEPOSIT, st.deposit_block(42, 1, 1),
                                  request_id=target.terminal.next_id + ahead), "BAD_REQUEST_ID")


def link_invalid(target):
    yield Case("linked HELLO",
               sealed_message(target, st.HELLO, st.hello_block(0, 0), flags=st.LINKED),
               "LINK_INVALID")
    block, legs = good_bet()
    yield Case("linked PLACE_BET without a next message",
               sealed_message(target, st.PLACE_BET, block, legs, flags=st.LINKED), "LINK_INVALID")


# ---- FLOODS ----

def source_rate(target, count=5000):
    """Forged tags from one source until it is not listened to any more."""
    for _ in range(count):
        good = hello(target)
        yield Case("forged tag", good[:-16] + b"\0" * 16, "source_rate")


def session_rate(target, count=200000):
    """Good datagrams full of questions, faster than any terminal may."""
    while count > 0:
        text = b"".join(hello_message(target) for _ in range(16))
        count -= 16
        yield Case("16 HELLO", target.terminal.datagram(text), "session_rate")


FRAMES = (not_ipv4, bad_ip_header, fragment, not_our_address, not_udp, bad_udp_length,
          not_our_port)
DATAGRAMS = (too_short, too_long, not_multiple_of_8, wrong_version, bad_flags, bad_lane,
             unknown_session, unknown_epoch, replayed, bad_tag, bad_framing, too_many_messages)
MESSAGES = (bad_length, unknown_template, bad_schema_version, reserved_not_zero, bad_field,
            bad_request_id, link_invalid)
FLOODS = (source_rate, session_rate)


def request_ids(target, datagram):
    """The request ids in a datagram of ours."""
    text = st.open_datagram(*target.terminal.send_key, datagram)
    return [st.MESSAGE.unpack_from(part)[5] for part in st.split(text)]


def everything(target):
    """(layer, case) of all packets but the floods; layer is "frame", "datagram" or "message"."""
    for layer, generators in (("frame", FRAMES), ("datagram", DATAGRAMS), ("message", MESSAGES)):
        for generator in generators:
            for case in generator(target):
                yield layer, case
