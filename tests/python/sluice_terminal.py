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

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sluice_messages import *  # noqa: F401,F403
from sluice_ticket import siphash, ticket_code, ticket_mac, ticket_parse  # noqa: F401

DATA, RESET = 0x11, 0x12
FROM_SWITCH = 1
HEADER = struct.Struct("<BBHIQ")  # version and kind, flags, epoch, session id, packet number
TO_SWITCH, TO_TERMINAL = 0, 1
LABELS = (b"to switch", b"to terminal")

QUERY_IDS = 2**63 + 1
RESENDS_TO_SILENT = 3
UNTOLD_MAX = 3


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
        self.groups = {}  # request id -> ids of its linked group
        self.group_texts = {}  # first request id of a group -> all its messages
        self.answers = {}  # request id -> Answer, not fetched yet
        self.untold = {}  # question's id -> answers in a row that nobody can tell
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
        for request_id in list(self.requests):
            if self.groups.get(request_id, [request_id])[0] == request_id:
                self.resends += 1
                self.send(*map(self.marked, self.texts(request_id)))

    def texts(self, request_id):
        """What goes into one datagram for a request: itself, or its whole group."""
        if request_id in self.groups:
            return self.group_texts[self.groups[request_id][0]]
        return [self.requests[request_id]]

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
        if text is None or not answers(MESSAGE.unpack_from(text)[1], answer.template):
            self.drop("answer unmatched")
            return
        if not self.asked_again(answer):
            del self.requests[answer.request_id]
            self.untold.pop(answer.request_id, None)
        self.answers[answer.request_id] = answer

    def asked_again(self, answer):
        """Section 8: what is transient or unknown; a question nobody can tell only a few times."""
        if answer.code >> 12 not in (3, 7):
            return False
        if answer.request_id < QUERY_IDS:
            return True
        untold = answer.code >> 12 == 7 or answer.name == "STORAGE_UNAVAILABLE"
        self.untold[answer.request_id] = self.untold.get(answer.request_id, 0) + 1 if untold else 0
        return self.untold[answer.request_id] < UNTOLD_MAX

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

    def request(self, template, block, variable=b"", timeout=60.0, request_id=None, flags=0):
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

    def resume(self, request_id, timeout=60.0):
        """Goes on asking for a request: section 8, retransmission."""
        end = time.monotonic() + timeout
        wait, sends, sent_at, moves = self.first_timeout(), 0, 0.0, self.resets + self.replaced
        due = time.monotonic()
        while request_id in self.requests:
            now = time.monotonic()
            if now >= end:
                raise NoAnswer(request_id)
            if now >= due:
                texts = self.texts(request_id)
                self.send(*(texts if sends == 0 else map(self.marked, texts)))
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

    def hello(self, timeout=60.0):
        last = self.next_id - 1
        answer = self.request(HELLO, hello_block(last, last), timeout=timeout)
        if answer.ok:
            self.next_id = max(self.next_id, answer.next_id)
        return answer

    def heartbeat(self, timeout=60.0, **values):
        block = heartbeat_block(values.pop("answered_below", self.next_id),
                                values.pop("local_time_ns", time.time_ns()), **values)
        return self.request(HEARTBEAT, block, timeout=timeout)

    def linked(self, requests, timeout=60.0):
        """A linked group: (template, block) or (template, block, variable) each; all or none. Their
        answers in order. It is always sent whole, until each member has its answer (section 8)."""
        ids, texts = [self.take_id(one[0]) for one in requests], []
        for index, (request_id, one) in enumerate(zip(ids, requests)):
            flags = LINKED if index + 1 < len(ids) else 0
            texts.append(message(one[0], request_id, *one[1:], flags=flags))
        self.requests.update(zip(ids, texts))
        self.groups.update({request_id: ids for request_id in ids})
        self.group_texts[ids[0]] = texts
        try:
            return [self.resume(request_id, timeout) for request_id in ids]
        finally:
            for request_id in ids:
                del self.groups[request_id]
            del self.group_texts[ids[0]]

    # -- one method for each message of the catalogue --

    def key_update(self, timeout=60.0):
        return self.request(KEY_UPDATE, b"", timeout=timeout)

    def goodbye(self, timeout=60.0):
        return self.request(GOODBYE, b"", timeout=timeout)

    def open_account(self, account, currency=410, partner=0, seconds=60.0, **more):
        block = open_account_block(account, self.deadline(seconds), currency, partner)
        return self.request(OPEN_ACCOUNT, block, **more)

    def balance(self, account, timeout=60.0):
        return self.request(BALANCE, id_block(account), timeout=timeout)

    def deposit(self, account, amount, currency=410, key=NO_KEY, seconds=60.0, **more):
        block = deposit_block(account, amount, self.deadline(seconds), currency, key=key)
        return self.request(DEPOSIT, block, **more)

    def withdraw(self, account, amount, currency=410, key=NO_KEY, seconds=60.0, **more):
        block = withdraw_block(account, amount, self.deadline(seconds), currency, key=key)
        return self.request(WITHDRAW, block, **more)

    def transfer(self, source, target, amount, currency=410, key=NO_KEY, seconds=60.0, **more):
        block = transfer_block(source, target, amount, self.deadline(seconds), currency, key=key)
        return self.request(TRANSFER, block, **more)

    def statement(self, account, before=0, count=14, **more):
        return self.request(STATEMENT, statement_block(account, before, count), **more)

    def statement_all(self, account):
        """Every row of an account, newest first."""
        rows, before = [], 0
        while True:
            answer = self.statement(account, before)
            if not answer.ok:
                raise RuntimeError("STATEMENT: " + answer.name)
            rows += answer.rows
            before = answer.next_position
            if before == 0:
                return rows

    def tx_status(self, request_id, **more):
        return self.request(TX_STATUS, id_block(request_id), **more)

    def reverse(self, target, reason=0, seconds=60.0, **more):
        return self.request(REVERSE, reverse_block(target, self.deadline(seconds), reason), **more)

    def fence(self, target, seconds=60.0, **more):
        return self.request(FENCE, fence_block(target, self.deadline(seconds)), **more)

    def play_set(self, account, limits=(-1,) * 6, excluded_until_ns=0, cooloff_until_ns=0,
                 seconds=60.0, **more):
        block = play_set_block(account, self.deadline(seconds), limits, excluded_until_ns,
                               cooloff_until_ns)
        return self.request(PLAY_SET, block, **more)

    def place_bet(self, account, stake, legs, currency=410, policy=1, cashier=0, seconds=60.0,
                  **more):
        """legs: (market, selection, odds in 1/1000) each. Account 0: a cash ticket."""
        block = bet_block(account, stake, self.deadline(seconds), currency, policy, len(legs),
                          cashier=cashier)
        variable = b"".join(leg(*one) for one in legs)
        return self.request(PLACE_BET, block, variable, **more)

    def bet_status(self, bet, timeout=60.0):
        return self.request(BET_STATUS, id_block(bet), timeout=timeout)

    def cancel_bet(self, bet, reason=0, seconds=60.0, **more):
        return self.request(CANCEL_BET, cancel_block(bet, self.deadline(seconds), reason), **more)

    def redeem(self, code, seconds=60.0, **more):
        """code: as printed, or (bet, ticket)."""
        bet, ticket = ticket_parse(code) if isinstance(code, str) else code
        return self.request(REDEEM, redeem_block(bet, self.deadline(seconds), ticket), **more)

    def reprint(self, bet, reason=0, seconds=60.0, **more):
        return self.request(REPRINT, reprint_block(bet, self.deadline(seconds), reason), **more)

    def shift_open(self, cashier, cash, currency=410, seconds=60.0, **more):
        block = shift_block(cash, self.deadline(seconds), cashier, currency)
        return self.request(SHIFT_OPEN, block, **more)

    def shift_close(self, cashier, cash, currency=410, seconds=60.0, **more):
        block = shift_block(cash, self.deadline(seconds), cashier, currency)
        return self.request(SHIFT_CLOSE, block, **more)

    def sprinkle(self, account, amount, shares, room=1, window_s=60, currency=410, equal=0,
                 seconds=60.0, **more):
        """The answer's object_id is the token."""
        block = sprinkle_block(account, amount, room, self.deadline(seconds), window_s, shares,
                               currency, equal)
        return self.request(SPRINKLE_CREATE, block, **more)

    def claim(self, token, account, room=1, seconds=60.0, **more):
        return self.request(CLAIM, claim_block(token, account, room, self.deadline(seconds)),
                            **more)

    def sprinkle_status(self, token, timeout=60.0):
        return self.request(SPRINKLE_STATUS, id_block(token), timeout=timeout)

    def round_request(self, template, account, number, amount=0, transaction=NO_KEY, target=NO_KEY,
                      game=1, partner=1, currency=410, seconds=60.0, **more):
        block = round_block(account, amount, self.deadline(seconds), number, transaction, target,
                            game, currency, partner)
        return self.request(template, block, **more)

    def round_debit(self, account, number, amount, transaction, **more):
        """transaction: the provider's 16 bytes."""
        return self.round_request(ROUND_DEBIT, account, number, amount, transaction, **more)

    def round_credit(self, account, number, amount, transaction, **more):
        return self.round_request(ROUND_CREDIT, account, number, amount, transaction, **more)

    def round_rollback(self, account, number, transaction, target, **more):
        return self.round_request(ROUND_ROLLBACK, account, number, transaction=transaction,
                                  target=target, **more)

    def round_close(self, account, number, **more):
        return self.round_request(ROUND_CLOSE, account, number, **more)

    def event_query(self, since=0, event=0, timeout=60.0):
        """Rows of events; of one event its markets."""
        return self.request(EVENT_QUERY, since_block(since, event), timeout=timeout)

    def market_query(self, since=0, market=0, timeout=60.0):
        return self.request(MARKET_QUERY, since_block(since, market), timeout=timeout)

    def rows_since(self, query, since, **more):
        rows = []
        while True:
            answer = query(since, **more)
            if not answer.ok:
                raise RuntimeError(NAMES[answer.template] + ": " + answer.name)
            rows += answer.rows
            if not answer.more:
                return rows
            since = answer.up_to_version

    def markets(self, since=0, timeout=60.0):
        """All rows after version `since`."""
        return self.rows_since(self.market_query, since, timeout=timeout)

    def events(self, since=0, timeout=60.0):
        return self.rows_since(self.event_query, since, timeout=timeout)
