# SPDX-License-Identifier: Apache-2.0
"""A switch of one session on a UDP socket, from wire/README.md: enough to try terminals against it,
the one in Python and the one in C. It knows no money, only outcomes: each mutating request is
executed once and its answer stored. It loses what `lose` says and can start anew under a new boot
id.
"""
import random
import socket
import struct
import threading
import time

from cryptography.exceptions import InvalidTag

import sluice_terminal as st

MARKETS = [dict(market=1000 + i, event=i // 2, version=10 + i, state=2 if i != 3 else 3, kind=1,
                odds=(1500 + i, 3200, 4100, 0), selections=3) for i in range(20)]


TICKET = bytes(range(1, 8))


def wait_until(condition, what, seconds=60):
    """Polls. For what must come first: a time would be another one on another machine."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "%s: not within %s s" % (what, seconds)
        time.sleep(0.005)


class MiniSwitch:
    def __init__(self, root=bytes(range(48)), session_id=7 << 20 | 5, boot_id=1000, epoch=3,
                 lose=0.0, seed=1):
        # What the test changes, between datagrams and not in the middle of one.
        self.lock = threading.RLock()
        self.root, self.session_id = root, session_id
        self.boot_id, self.epoch, self.lose = boot_id, epoch, lose
        self.random = random.Random(seed)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(0.05)
        self.address = self.sock.getsockname()
        self.outcomes = {}  # request id -> (body, answer parts)
        self.executed = self.mismatches = self.resets = self.reused_numbers = 0
        self.busy = 0  # answer BUSY to so many mutating requests
        self.untold = []  # names of the codes of the next TX_STATUS
        self.balance = 0
        self.received = []  # (template, request id, flags)
        self.down = False  # hears nothing
        self.deaf = None  # does not hear this template
        self.epoch_seen = None  # of the last datagram that opened
        self.unknown_sessions = 0  # datagrams of a session that is not installed
        self.restart(boot_id, epoch)
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        self.sock.close()

    def restart(self, boot_id, epoch):
        """Outcomes stay, as the journal does."""
        with self.lock:
            self.boot_id, self.sent = boot_id, 0
            self.held = {}  # epoch -> key to open, window
            self.epoch_set(epoch)

    def epoch_set(self, epoch):
        self.epoch = epoch
        self.held[epoch] = st.derive(self.root, st.TO_SWITCH, epoch, self.boot_id), st.Window()
        self.seal_key = st.derive(self.root, st.TO_TERMINAL, epoch, self.boot_id)

    def rotate(self):
        """The next epoch, without a RESET: the one before is held on."""
        with self.lock:
            self.held = {self.epoch: self.held[self.epoch]}
            self.epoch_set(self.epoch + 1)

    def install(self, session_id, root):
        """Another session in place of the one it has, as control would install it."""
        with self.lock:
            self.session_id, self.root = session_id, root
            self.restart(self.boot_id, self.epoch)

    def forget(self):
        """Starts anew while nobody installs its session."""
        with self.lock:
            self.session_id = None
            self.restart(self.boot_id + 1, 1)

    def run(self):
        while not self.stopping:
            try:
                datagram, peer = self.sock.recvfrom(2048)
            except socket.timeout:
                continue
            if self.down or self.random.random() < self.lose:
                continue
            with self.lock:
                answer = self.take(datagram)
            if answer and self.random.random() >= self.lose:
                self.sock.sendto(answer, peer)

    def take(self, datagram):
        first, flags, epoch, session_id, number = st.HEADER.unpack_from(datagram)
        if session_id != self.session_id:
            self.unknown_sessions += 1
            return None
        if (first, flags) != (st.DATA, 0) or len(datagram) % 8:
            return None
        key, window = self.held.get(epoch, (None, None))
        if key is not None and not window.fresh(number):
            self.reused_numbers += 1
            return None
        try:
            if key is None:
                raise InvalidTag
            text = st.open_datagram(*key, datagram)
        except InvalidTag:
            if len(datagram) < 40:
                return None
            self.resets += 1
            return st.reset_make(st.derive_reset(self.root), self.epoch, session_id, number,
                                 self.boot_id)
        window.add(number)
        self.epoch_seen = epoch
        out = b"".join(self.answer(part) for part in st.split(text))
        if not out:
            return None
        self.sent += 1
        # The session asked in: another thread may have made the switch forget it meanwhile.
        header = st.HEADER.pack(st.DATA, st.FROM_SWITCH, self.epoch, session_id,
                                2 << 56 | self.sent)
        return st.seal(*self.seal_key, header, out)

    def answer(self, text):
        _, template, _, flags, total, request_id = st.MESSAGE.unpack_from(text)
        assert total == len(text) and request_id != 0
        self.received.append((template, request_id, flags))
        if template == self.deaf:
            return b""
        code, replayed, position = 0, 0, 0
        if template == st.TX_STATUS and self.untold:
            code = st.NUMBERS[self.untold.pop(0)]
        if template in st.MUTATING:
            code, replayed, position = self.execute(template, request_id, text[16:])
        block = st.REPLY.pack(code, 0, 1, position, time.time_ns(), 4711)
        block += self.tail(template, text[16:])
        if flags & st.NO_REPLY:
            return b""
        if template == st.EVENT_QUERY and struct.unpack_from("<Q", text, 24)[0] != 0:
            return self.event_markets(request_id, block[:32], text)
        return st.message(template | st.REPLY_BIT, request_id, block, *self.rows(template, text),
                          flags=replayed)

    def execute(self, template, request_id, body):
        if request_id in self.outcomes:
            stored, code, position = self.outcomes[request_id]
            if stored != body:
                self.mismatches += 1
                return st.NUMBERS["MISMATCH"], 0, 0
            return code, st.ANSWER_REPLAYED, position
        if self.busy > 0:
            self.busy -= 1
            return st.NUMBERS["BUSY"], 0, 0
        self.executed += 1
        code = 0 if self.executed % 7 else st.NUMBERS["FUNDS_INSUFFICIENT"]
        if template == st.DEPOSIT and code == 0:
            self.balance += struct.unpack_from("<q", body, 8)[0]
        self.outcomes[request_id] = (body, code, self.executed)
        return code, 0, self.executed

    def tail(self, template, body):
        if template == st.HELLO:
            return struct.pack("<QIIIIQ", max(self.outcomes, default=0) + 1, 32, 64, 25000, 1200,
                               77)
        if template in st.MONEY:
            return struct.pack("<qB7x", self.balance, 0)
        if template in st.MUTATING:
            ticket = TICKET if template == st.PLACE_BET else bytes(7)
            return struct.pack("<qqB7s", self.balance, 2150, 3, ticket)
        if template == st.BALANCE:
            return struct.pack("<qqH6x", self.balance, 0, 410)
        if template == st.BET_STATUS:
            return struct.pack("<QqqQHBBB3x", 42, 1000, 2150, 1, 410, 1, 1, 0)
        if template == st.KEY_UPDATE:
            return struct.pack("<QH6x", self.boot_id, self.epoch)
        if template == st.TX_STATUS:
            target = struct.unpack("<Q", body)[0]
            return struct.pack("<qqQHHBB2x", self.balance, 0, 0,
                               self.outcomes[target][1] if target in self.outcomes else 0, 0, 0, 0)
        if template == st.SPRINKLE_STATUS:
            return struct.pack("<qqQIIHB5x", 1000, 400, 1, 5, 3, 410, 1)
        if template == st.STATEMENT:
            return struct.pack("<QHB5x", 3 if struct.unpack_from("<Q", body, 8)[0] == 0 else 0, 410,
                               2)
        if template == st.EVENT_QUERY:
            return struct.pack("<QBB6x", 7, 0, 1)
        if template == st.MARKET_QUERY:
            rows = self.after(body)
            return struct.pack("<QBB6x", rows[-1]["version"] if rows else
                               struct.unpack_from("<Q", body)[0],
                               bool(rows) and rows[-1] is not MARKETS[-1], len(rows))
        return b""

    def event_markets(self, request_id, base, text):
        """The markets of one event come as MARKET_QUERY's answer."""
        only = struct.unpack_from("<Q", text, 24)[0]
        asked = text[:2] + struct.pack("<H", st.MARKET_QUERY) + text[4:]
        rows = [row for row, market in zip(
            struct.iter_unpack("64s", self.rows(st.MARKET_QUERY, asked)[0]), self.after(text[16:]))
            if market["event"] == only]
        return st.message(st.MARKET_QUERY | st.REPLY_BIT, request_id,
                          base + struct.pack("<QBB6x", 99, 0, len(rows)),
                          b"".join(row[0] for row in rows))

    @staticmethod
    def after(body):
        since = struct.unpack_from("<Q", body)[0]
        return [m for m in MARKETS if m["version"] > since][:8]

    def rows(self, template, text):
        start = time.time_ns() + 86400 * 10**9
        if template == st.EVENT_QUERY:
            return (struct.pack("<QQQIB3x", 500, 7, start, 2, 2),)
        if template == st.STATEMENT:
            first = 5 if struct.unpack_from("<Q", text, 24)[0] == 0 else 2
            return (b"".join(
                struct.pack("<QQqqqQHHHxxQQ", position, start, -10, 100, 90, 4711, 3, 0, 410, 77, 9)
                for position in (first, first - 1)),)
        if template != st.MARKET_QUERY:
            return ()
        return (b"".join(struct.pack("<QQQQBBBBh6x4s4I", m["market"], m["event"], m["version"],
                                     start, m["state"], m["kind"], m["selections"], 0, -3, bytes(4),
                                     *m["odds"])
                         for m in self.after(text[16:])),)
