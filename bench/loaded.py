# SPDX-License-Identifier: Apache-2.0
"""A data plane of its own on a memif port with accounts and markets in it, and runs of sluice-bench
against it. For the scripts of this folder and the tests of them."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tools/lib"))
import instance  # noqa: E402
from instance import CURRENCY, Instance, InstanceError, Settings  # noqa: E402

SEASON = os.path.join(TOP, "tests/data/season/premier-league-2021-22.csv")
BALANCE = 1_000_000_000
SESSIONS = 650  # of one run, as the terminals of the requirements


def choices(first=1, count=3, selections=3):
    """--markets of sluice-bench: 1X2 markets of some matches at the odds they were opened at."""
    found = []
    with open(SEASON, encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.reader(stream)):
            if first <= number < first + count:
                found += [f"{10 * number + 1}:{selection}:{round(float(row[5 + selection]) * 1000)}"
                          for selection in range(selections)]
    return ",".join(found)


def tables_fit(accounts, bets):
    """Whether the tables, in both copies (dataplane/README.md), are at most three quarters of what
    is free."""
    with open("/proc/meminfo", encoding="ascii") as stream:
        free = next(int(line.split()[1]) for line in stream if line.startswith("MemAvailable:"))
    return accounts * 960 + bets * 980 <= free * 1024 * 3 // 4


class Loaded(Instance):
    """On the disk that holds `root`, else the build folder. `with` removes it at the end.
    `factors`: rules with all risk factors at their defaults, model off. `populate`: memory of the
    tables at the start; None: if they fit."""

    def __init__(self, name, root=None, build=None, budget=0, polling=None, factors=False,
                 populate=None, **settings):
        build = os.path.abspath(build or os.path.join(TOP, "build"))
        self.own_root = root is None
        self.budget = budget
        self.factors = factors
        self.polling_asked = polling
        self.sessions_used = 0
        self.accounts = 0
        if populate is None:
            populate = tables_fit(settings["accounts"], settings["bets"])
        super().__init__(name, root or tempfile.mkdtemp(prefix="bench-", dir=build),
                         Settings(port="memif", hugepages=False, populate=populate, **settings),
                         build)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.remove()

    def remove(self):
        """Ends what it started; its folder goes unless it was given."""
        self.close()
        if self.own_root:
            shutil.rmtree(self.root)

    def begin(self, accounts, sessions):
        """Prepares and starts it and fills it; removes it when that fails."""
        try:
            self.prepare()
            self.start()
            self.fill(accounts, sessions)
        except BaseException:
            self.remove()
            raise
        return self

    def polling(self, place):
        return self.polling_asked or place.polling

    def memif(self):
        return self.path("run/sluice/memif.sock")

    def configuration(self):
        lines = super().configuration().splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("    interface:"))
        lines[at] = f"    socket: {json.dumps(self.memif())}"
        if self.budget:
            lines.append(f"worker_budget_percent: {self.budget}")
        return "\n".join(lines) + "\n"

    def start(self):
        if os.path.exists(self.memif()):
            os.unlink(self.memif())
        super().start()

    def fill(self, accounts, sessions):
        """Markets, accounts, sessions; ports open. The session rates limit one terminal; the few
        of a benchmark stand for many."""
        self.accounts = accounts
        self.sessions_make(1, sessions)
        self.provision("markets", "--file", SEASON)
        self.provision("accounts", "--first", 1, "--count", accounts, "--currency", CURRENCY,
                       "--opening-balance", BALANCE, timeout=600)
        if self.factors:
            self.provision("rules", "--factors")
        self.open()

    def open(self):
        self.provision("install", "--sessions", self.sessions, "--rate", 1_000_000, "--burst",
                       1_000_000)
        self.provision("open")

    def admin(self, request):
        """One request on the admin socket, as control would send it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            folder = os.open(self.path("run/sluice"), os.O_PATH)
            try:
                client.connect(f"/proc/self/fd/{folder}/admin.sock")
            finally:
                os.close(folder)
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as answers:
                return json.loads(answers.readline())

    def shards_sum(self, counter):
        return sum(shard[counter] for shard in self.status()["shards"])

    def sessions_take(self, count):
        """A file with sessions no run has used: packet numbers go on only within one process."""
        with open(self.sessions, encoding="ascii") as stream:
            lines = [line for line in stream if not line.startswith("#")]
        taken = lines[self.sessions_used:self.sessions_used + count]
        if len(taken) < count:
            raise InstanceError("More runs than there are sessions for.")
        self.sessions_used += count
        path = f"{self.sessions}.{self.sessions_used}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="ascii") as stream:
            stream.writelines(taken)
        return path

    def bench_command(self, *options, sessions=SESSIONS):
        return [self.binary("bench/sluice-bench"), "--port", f"memif:{self.memif()}", "--switch",
                self.address, "--admin", self.path("run/sluice/admin.sock"), "--sessions",
                self.sessions_take(sessions), "--accounts", f"1:{self.accounts}", "--disk",
                self.path("var/lib/sluice"), "--cpu", str(self.placement.main), "--json",
                *map(str, options)]

    def bench(self, *options, sessions=SESSIONS, timeout=3600):
        """The report of one run."""
        ran = subprocess.run(self.bench_command(*options, sessions=sessions), capture_output=True,
                             stdin=subprocess.DEVNULL, text=True, timeout=timeout, check=False)
        try:
            return json.loads(ran.stdout)
        except ValueError as error:
            raise InstanceError(f"sluice-bench: {ran.stderr.strip() or ran.stdout}") from error
