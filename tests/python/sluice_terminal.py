# SPDX-License-Identifier: Apache-2.0
"""A Sluice terminal in Python, written from wire/README.md alone.

It shares no code with the C terminal, so where the two disagree with the switch or with each other,
the specification or one of them is wrong. Section numbers in comments are those of wire/README.md.
"""
import hmac
import itertools
import random
import select
import socket
import struct
import time
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

DATA, RESET = 0x11, 0x12
FROM_SWITCH = 1
HEADER = struct.Struct("<BBHIQ")  # version and kind, flags, epoch, session id, packet number
# block length, template, schema version, flags, total length, request id
MESSAGE = struct.Struct("<HHBBHQ")
REPLY = struct.Struct("<HHB3xQQQ")  # code, detail, shard, position, switch time, object id

TO_SWITCH, TO_TERMINAL = 0, 1
LABELS = (b"to switch", b"to terminal")

HELLO, HEARTBEAT = 0x0001, 0x0002
PLACE_BET, BET_STATUS, CANCEL_BET = 0x0010, 0x0011, 0x0012
BALANCE, DEPOSIT = 0x0021, 0x0022
MARKET_QUERY = 0x0031
MUTATING = (PLACE_BET, CANCEL_BET, DEPOSIT)
NAMES = {HELLO: "HELLO", HEARTBEAT: "HEARTBEAT", PLACE_BET: "PLACE_BET", BET_STATUS: "BET_STATUS",
         CANCEL_BET: "CANCEL_BET", BALANCE: "BALANCE", DEPOSIT: "DEPOSIT",
         MARKET_QUERY: "MARKET_QUERY"}
REPLY_BIT = 0x8000

RETRANSMISSION, ANSWER_REPLAYED, LINKED, NO_REPLY = 1, 2, 4, 8
NO_DEADLINE = 2**64 - 1
QUERY_IDS = 2**63 + 1
RESENDS_TO_SILENT = 3

CODES = {
    0x0000: "OK", 0x1001: "BAD_LENGTH", 0x1002: "UNKNOWN_TEMPLATE", 0x1003: "BAD_SCHEMA_VERSION",
    0x1004: "RESERVED_NOT_ZERO", 0x1005: "BAD_FIELD", 0x1006: "BAD_REQUEST_ID",
    0x1007: "LINK_UNSUPPORTED", 0x2001: "NO_RIGHT", 0x2002: "TERMINAL_BLOCKED",
    0x3001: "BUSY", 0x3002: "RATE_LIMITED", 0x3003: "IN_PROGRESS",
    0x3004: "STORAGE_UNAVAILABLE", 0x4001: "MISMATCH",
    0x5001: "ACCOUNT_UNKNOWN", 0x5002: "ACCOUNT_FROZEN", 0x5003: "CURRENCY_MISMATCH",
    0x5004: "FUNDS_INSUFFICIENT", 0x5005: "AMOUNT_INVALID", 0x5006: "BALANCE_LIMIT",
    0x5010: "MARKET_UNKNOWN", 0x5011: "MARKET_NOT_OPEN", 0x5012: "SELECTION_UNKNOWN",
    0x5013: "ODDS_CHANGED", 0x5014: "LEGS_DUPLICATE", 0x5015: "PAYOUT_LIMIT",
    0x5016: "BET_UNKNOWN", 0x5017: "BET_NOT_OPEN", 0x5018: "CANCEL_TOO_LATE",
    0x5019: "EVENT_STARTED", 0x5020: "EXPIRED", 0x5021: "NOT_YOUR_BET",
    0x6001: "LIMIT_SINGLE_STAKE", 0x6002: "LIMIT_DAILY_STAKE", 0x6003: "LIMIT_TERMINAL_DAILY",
    0x6010: "RISK_SCORE", 0x7001: "OUTCOME_UNKNOWN", 0xF001: "INVARIANT_BROKEN",
}
NUMBERS = {name: number for number, name in CODES.items()}


# ---- Section 3: keys ----

def expand(root, info, length):
    """HKDF-Expand with SHA-384 (RFC 5869 2.3)."""
    return HKDFExpand(algorithm=hashes.SHA384(), length=length, info=info).derive(root)


def derive(root, direction, epoch, boot_id):
    """Key and iv of one direction."""
    info = b"sluice v1 " + LABELS[direction] + b"\0" + struct.pack("<HQ", epoch, boot_id)
    out = expand(root, info, 44)
    return out[:32], out[32:]


def derive_reset(root):
    return expand(root, b"sluice v1 reset", 32)


# ---- Section 2: datagram ----

def nonce(iv, packet_number):
    pad = b"\0" * 4 + struct.pack("<Q", packet_number)
    return bytes(a ^ b for a, b in zip(iv, pad))


def seal(key, iv, header, text):
    """header: the 16 bytes as sent; they are the additional data."""
    packet_number = HEADER.unpack(header)[4]
    return header + AESGCM(key).encrypt(nonce(iv, packet_number), text, header)


def open_datagram(key, iv, datagram):
    """The plaintext; raises InvalidTag."""
    header = datagram[:16]
    packet_number = HEADER.unpack(header)[4]
    return AESGCM(key).decrypt(nonce(iv, packet_number), datagram[16:], header)


# ---- Section 4: RESET ----

def reset_mac(reset_key, first_24):
    return hmac.digest(reset_key, first_24, "sha256")[:16]


def reset_make(reset_key, epoch, session_id, packet_number, boot_id):
    head = HEADER.pack(RESET, FROM_SWITCH, epoch, session_id, packet_number)
    head += struct.pack("<Q", boot_id)
    return head + reset_mac(reset_key, head)


# ---- Section 6 and 7: messages ----

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


def bet_block(account, stake, deadline, currency=410, policy=1, leg_count=1, reserved0=0,
              cashier=0, reserved1=0):
    return struct.pack("<QqQHBBIII", account, stake, deadline, currency, policy, leg_count,
                       reserved0, cashier, reserved1)


def leg(market, selection, odds, reserved=0):
    return struct.pack("<QHHI", market, selection, reserved, odds)


def deposit_block(account, amount, deadline, currency=410, reserved=0):
    return struct.pack("<QqQHHI", account, amount, deadline, currency, reserved & 0xFFFF,
                       reserved >> 16)


def cancel_block(bet, deadline, reason=0, reserved=0):
    return struct.pack("<QQHHI", bet, deadline, reason, reserved & 0xFFFF, reserved >> 16)


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


@dataclass
class Answer:
    request_id: int
    template: int  # of the request
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


def decode_markets(text, block_length, block):
    up_to, more, count = struct.unpack_from("<QBB", block, 32)
    rows = []
    for at in range(16 + block_length, 16 + block_length + 64 * count, 64):
        row = struct.unpack_from("<QQQQBBBB12x4I", text, at)
        rows.append(dict(market=row[0], event=row[1], version=row[2], start_time_ns=row[3],
                         state=row[4], kind=row[5], selections=row[6], first=row[7],
                         odds=row[8:12]))
    return dict(up_to_version=up_to, more=more, rows=rows)


def decode_answer(text):
    """An Answer, or None for a message a terminal ignores (section 11)."""
    block_length, template, _, flags, _, request_id = MESSAGE.unpack_from(text)
    if not template & REPLY_BIT or block_length < 32 or len(text) < 16 + block_length:
        return None
    block = text[16:16 + block_length]
    answer = Answer(request_id, template & ~REPLY_BIT, flags, *REPLY.unpack_from(block))
    shapes = {
        HELLO: ("<QIIIIQ", "next_id in_flight window heartbeat_ms datagram_size terminal"),
        PLACE_BET: ("<qqB", "balance payout score"),
        BET_STATUS: ("<QqqQHBB", "account stake payout placed_at_ns currency state legs"),
        CANCEL_BET: ("<qB", "balance score"),
        DEPOSIT: ("<qB", "balance score"),
        BALANCE: ("<qqH", "balance staked_today currency"),
    }
    if answer.template in shapes:
        shape, names = shapes[answer.template]
        if block_length < 32 + struct.calcsize(shape):
            return None
        answer.fields = dict(zip(names.split(), struct.unpack_from(shape, block, 32)))
    elif answer.template == MARKET_QUERY:
        answer.fields = decode_markets(text, block_length, block)
    return answer


# ---- Section 5: replay window ----

class Window:
    """256 numbers wide. A set of the numbers seen: plain, slow, and easy to check."""

    def __init__(self):
        self.highest, self.seen = 0, set()

    def fresh(self, number):
        return number != 0 and number not in self.seen and number > self.highest - 256

    def add(self, number):
        self.highest = max(self.highest, number)
        self.seen = {n for n in self.seen if n > self.highest - 256} | {number}


# ---- The terminal ----

class NoAnswer(Exception):
    """No definite answer in time. `request_id` may be asked for again with resume()."""

    def __init__(self, request_id):
        super().__init__("no answer to request %d" % request_id)
        self.request_id = request_id


def load_sessions(path):
    """The sessions of a session file: dicts of session, terminal, rights, root."""
    out = []
    with open(path, encoding="ascii") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words:
                out.append(dict(session=int(words[0]), terminal=int(words[1]),
                                rights=int(words[2], 16), root=bytes.fromhex(words[3])))
    return out


class Terminal:
    """One session, one socket. Ids of mutating requests start where HELLO says; they are not kept
    on disk, so this terminal is for tests."""

    def __init__(self, address, session_id, root, boot_id=0, epoch=1, sock=None, next_id=1,
                 from_one=False):
        self.address, self.session_id, self.root = address, session_id, root
        self.sock = sock or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.next_id = next_id
        self.query_ids = itertools.count(QUERY_IDS + int(time.time() * 1e6))
        self.srtt = None
        self.switch_offset_ns = None  # switch time - monotonic time
        self.requests = {}  # request id -> message bytes without an answer
        self.answers = {}  # request id -> Answer, not fetched yet
        self.resets = self.resends = self.replaced = 0
        self.unheard = 0  # resends since something authentic was heard
        self.dropped = {}  # what was ignored, by reason
        # Section 2: a root that outlives us (from a file) never meets 1 again; one that dies with
        # us, from key establishment, starts there.
        self.from_one = from_one
        self.packet_number = 0 if from_one else int(time.time() * 1e6)
        self.reset_key = derive_reset(root)
        self.rekey(boot_id, epoch)

    def close(self):
        self.sock.close()

    # -- keys --

    def rekey(self, boot_id, epoch):
        self.boot_id, self.epoch = boot_id, epoch
        self.send_key = derive(self.root, TO_SWITCH, epoch, boot_id)
        self.receive_keys = {e: derive(self.root, TO_TERMINAL, e, boot_id)
                             for e in (epoch - 1, epoch, epoch + 1) if 0 <= e <= 0xFFFF}
        self.windows = {}

    def move_to_epoch(self, epoch):
        """Section 4, last paragraph: rotation without RESET keeps windows and the previous key."""
        self.epoch = epoch
        self.send_key = derive(self.root, TO_SWITCH, epoch, self.boot_id)
        self.receive_keys = {e: derive(self.root, TO_TERMINAL, e, self.boot_id)
                             for e in (epoch - 1, epoch, epoch + 1) if 0 <= e <= 0xFFFF}

    def replace(self, session_id, root, boot_id=0, epoch=1):
        """Goes on under a new session: new keys and windows, packet numbers from 1, all that has no
        answer again with its old id."""
        self.session_id, self.root, self.from_one, self.packet_number = session_id, root, True, 0
        self.reset_key = derive_reset(root)
        self.rekey(boot_id, epoch)
        self.replaced += 1
        self.unheard = 0
        self.resend_all()

    def resend_all(self):
        for text in self.requests.values():
            self.resends += 1
            self.send(self.marked(text))

    # -- datagrams --

    def datagram(self, *messages, **wrong):
        """A sealed datagram of these messages. `wrong` overrides header fields: first, flags,
        epoch, session, packet_number, key (key, iv)."""
        self.packet_number += 1
        if not self.from_one:
            self.packet_number = max(self.packet_number, int(time.time() * 1e6))
        header = HEADER.pack(wrong.get("first", DATA), wrong.get("flags", 0),
                             wrong.get("epoch", self.epoch), wrong.get("session", self.session_id),
                             wrong.get("packet_number", self.packet_number))
        key, iv = wrong.get("key", self.send_key)
        return seal(key, iv, header, b"".join(messages))

    def send_raw(self, datagram):
        self.sock.sendto(datagram, self.address)

    def send(self, *messages):
        self.send_raw(self.datagram(*messages))

    def drop(self, reason):
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def take_reset(self, datagram):
        """Section 4. True when it was accepted."""
        _, flags, epoch, session_id, _ = HEADER.unpack_from(datagram)
        boot_id = struct.unpack_from("<Q", datagram, 16)[0]
        if len(datagram) != 40 or flags != FROM_SWITCH or session_id != self.session_id:
            self.drop("reset malformed")
            return False
        if not hmac.compare_digest(reset_mac(self.reset_key, datagram[:24]), datagram[24:]):
            self.drop("reset mac")
            return False
        if not (boot_id > self.boot_id or (boot_id == self.boot_id and epoch > self.epoch)):
            self.drop("reset not forward")
            return False
        self.resets += 1
        self.unheard = 0
        self.rekey(boot_id, epoch)
        self.resend_all()
        return True

    @staticmethod
    def marked(text):
        """The same message with the RETRANSMISSION flag."""
        return text[:5] + bytes([text[5] | RETRANSMISSION]) + text[6:]

    def take(self, datagram):
        """Takes one datagram; the answers in it are also kept for fetch()."""
        size = len(datagram)
        if size < 32 or size > 1200 or size % 8:
            self.drop("length")
            return []
        first, flags, epoch, session_id, packet_number = HEADER.unpack_from(datagram)
        if first == RESET:
            self.take_reset(datagram)
            return []
        if first != DATA or flags != FROM_SWITCH or session_id != self.session_id:
            self.drop("header")
            return []
        if epoch not in self.receive_keys:
            self.drop("epoch")
            return []
        lane, number = packet_number >> 56, packet_number & (2**56 - 1)
        window = self.windows.setdefault((epoch, lane), Window())
        if not window.fresh(number):
            self.drop("replayed")
            return []
        try:
            text = open_datagram(*self.receive_keys[epoch], datagram)
        except InvalidTag:
            self.drop("tag")
            return []
        window.add(number)
        self.unheard = 0
        if epoch > self.epoch:
            self.move_to_epoch(epoch)
        out = []
        for part in split(text):
            answer = decode_answer(part)
            if answer is None:
                self.drop("answer unknown")
                continue
            self.switch_offset_ns = answer.switch_time_ns - time.monotonic_ns()
            out.append(answer)
            self.take_answer(answer)
        return out

    def take_answer(self, answer):
        text = self.requests.get(answer.request_id)
        if text is None or MESSAGE.unpack_from(text)[1] != answer.template:
            self.drop("answer unmatched")
            return
        if answer.code >> 12 not in (3, 7):  # those are asked again
            del self.requests[answer.request_id]
        self.answers[answer.request_id] = answer

    def receive(self, seconds):
        """Waits up to `seconds` for one datagram and takes it. Its answers, or None after that."""
        ready, _, _ = select.select([self.sock], [], [], max(0.0, seconds))
        if not ready:
            return None
        try:
            datagram, _ = self.sock.recvfrom(2048)
        except ConnectionError:  # an ICMP error: the switch is down
            return []
        return self.take(datagram)

    # -- requests --

    def switch_time_ns(self):
        return time.monotonic_ns() + self.switch_offset_ns

    def deadline(self, seconds):
        if seconds is None or self.switch_offset_ns is None:
            return NO_DEADLINE
        return self.switch_time_ns() + int(seconds * 1e9)

    def take_id(self, template):
        if template not in MUTATING:
            return next(self.query_ids)
        self.next_id += 1
        return self.next_id - 1

    def request(self, template, block, variable=b"", timeout=10.0, request_id=None, flags=0):
        """Sends one request until it has its definite answer. NoAnswer after `timeout` seconds."""
        if request_id is None:
            request_id = self.take_id(template)
        self.requests[request_id] = message(template, request_id, block, variable, flags)
        return self.resume(request_id, timeout)

    def first_timeout(self):
        return 0.2 if self.srtt is None else min(2.0, max(0.02, 3 * self.srtt))

    def silent(self):
        """Called after a third resend in a row without an answer, and after each further one. Key
        establishment is in keying.py."""

    def resume(self, request_id, timeout=10.0):
        """Goes on asking for a request: section 8, retransmission."""
        end = time.monotonic() + timeout
        wait, sends, sent_at, moves = self.first_timeout(), 0, 0.0, self.resets + self.replaced
        due = time.monotonic()
        while request_id in self.requests:
            now = time.monotonic()
            if now >= end:
                raise NoAnswer(request_id)
            if now >= due:
                text = self.requests[request_id]
                self.send(text if sends == 0 else self.marked(text))
                if sends > 0:
                    self.resends += 1
                    self.unheard += 1
                    wait = min(2.0, 2 * wait * random.uniform(0.75, 1.25))
                sends, sent_at, due = sends + 1, now, now + wait
            answers = self.receive(min(due, end) - now)
            if self.unheard >= RESENDS_TO_SILENT:
                self.silent()
            if self.resets + self.replaced != moves:  # it was sent again
                moves, sends = self.resets + self.replaced, sends + 1
                wait = self.first_timeout()
                due = time.monotonic() + wait
            for answer in answers or []:
                if answer.request_id == request_id and answer.code >> 12 in (3, 7):
                    due = time.monotonic() + max(answer.detail / 1000, wait)
        answer = self.answers.pop(request_id)
        if sends == 1:
            sample = time.monotonic() - sent_at
            self.srtt = sample if self.srtt is None else self.srtt * 7 / 8 + sample / 8
        return answer

    def hello(self, timeout=10.0):
        last = self.next_id - 1
        answer = self.request(HELLO, hello_block(last, last), timeout=timeout)
        if answer.ok:
            self.next_id = max(self.next_id, answer.next_id)
        return answer

    def heartbeat(self, timeout=10.0, **values):
        block = heartbeat_block(values.pop("answered_below", self.next_id),
                                values.pop("local_time_ns", time.time_ns()), **values)
        return self.request(HEARTBEAT, block, timeout=timeout)

    def balance(self, account, timeout=10.0):
        return self.request(BALANCE, struct.pack("<Q", account), timeout=timeout)

    def deposit(self, account, amount, currency=410, seconds=60.0, timeout=10.0, **more):
        block = deposit_block(account, amount, self.deadline(seconds), currency)
        return self.request(DEPOSIT, block, timeout=timeout, **more)

    def place_bet(self, account, stake, legs, currency=410, policy=1, cashier=0, seconds=60.0,
                  timeout=10.0, **more):
        """legs: (market, selection, odds in 1/1000) each."""
        block = bet_block(account, stake, self.deadline(seconds), currency, policy, len(legs),
                          cashier=cashier)
        variable = b"".join(leg(*one) for one in legs)
        return self.request(PLACE_BET, block, variable, timeout=timeout, **more)

    def bet_status(self, bet, timeout=10.0):
        return self.request(BET_STATUS, struct.pack("<Q", bet), timeout=timeout)

    def cancel_bet(self, bet, reason=0, seconds=60.0, timeout=10.0, **more):
        block = cancel_block(bet, self.deadline(seconds), reason)
        return self.request(CANCEL_BET, block, timeout=timeout, **more)

    def market_query(self, since=0, market=0, timeout=10.0):
        return self.request(MARKET_QUERY, struct.pack("<QQ", since, market), timeout=timeout)

    def markets(self, since=0, timeout=10.0):
        """All rows after version `since`."""
        rows = []
        while True:
            answer = self.market_query(since, timeout=timeout)
            if not answer.ok:
                raise RuntimeError("MARKET_QUERY: " + answer.name)
            rows += answer.rows
            if not answer.more:
                return rows
            since = answer.up_to_version
