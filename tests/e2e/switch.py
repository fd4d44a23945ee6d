# SPDX-License-Identifier: Apache-2.0
"""An isolated switch for one test: own root, own namespaces, own name; gone when the test ends."""

import contextlib
import ctypes
import os
import shutil
import time

import demo  # tools/lib, put on the path by conftest.py
import network
from instance import TOP, Instance, Settings

ROOTS = os.path.join(TOP, "build/e2e")
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(TOP, "build"))
PREFIX = os.environ.get("SLUICE_E2E_PREFIX", f"e2e{os.getpid()}-")
CLONE_NEWNET = 0x40000000
ACCOUNTS = 60
# Small, so that a start takes well under a second and segments are changed during the test.
SMALL = {"memory_mib": 256, "accounts": 20_000, "bets": 200_000, "segment_mib": 4,
         "segments_max": 64, "log_rotate_mib": 16, "checkpoint_interval_ms": 200}


class Switch(Instance):
    """An Instance with a fresh root under build/e2e, made and removed by `with`.

    The root is kept when the test fails: the logs and the journal are the evidence.
    """

    def __init__(self, name, **settings):
        name = PREFIX + name
        root = os.path.join(ROOTS, name)
        super().__init__(name, root, Settings(**{**SMALL, **settings}), build=BUILD)
        self.notes = []

    def __enter__(self):
        self.close()
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)
        try:
            self.prepare()
        except Exception:
            self.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.close()
        if kind is None:
            shutil.rmtree(self.root)

    def begin(self, terminals=3, accounts=ACCOUNTS):
        """Data plane up, season and accounts loaded, sessions installed, port open."""
        self.start_with_fallback(self.notes.append)
        self.sessions_make(demo.FIRST_TERMINAL, terminals)
        demo.load(self, accounts)
        self.install_and_open()

    def restart(self):
        """After a kill: what an operator's supervisor and control do."""
        self.start()
        self.install_and_open()

    @contextlib.contextmanager
    def terminal_network(self):
        """Sockets made inside this block belong to the terminals' namespace, also afterwards."""
        with namespace(network.terminal_namespace(self.name)):
            yield

    def shards_sum(self, counter):
        return sum(shard[counter] for shard in self.status()["shards"])


@contextlib.contextmanager
def namespace(name):
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor):
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    other = os.open(os.path.join(network.RUN, name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(other)
        try:
            yield
        finally:
            enter(own)
    finally:
        os.close(own)
        os.close(other)


def wait_until(condition, seconds, what):
    """Polls; fails with a sentence. Returns the condition's value."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def balance_sum(verified):
    """Sum of the absolute balance sums of all currencies: 0 only if each of them is 0."""
    sums = verified["balance_sum"]
    return sum(map(abs, sums.values())) if isinstance(sums, dict) else abs(sums)
