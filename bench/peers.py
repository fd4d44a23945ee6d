# SPDX-License-Identifier: Apache-2.0
"""What Sluice is compared with, each on the same machine and disk: PostgreSQL, Redis, testpmd, fio.
Everything is started here, in folders of its own, on unix sockets, and ended by its process id."""

import csv
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tools/lib"))
import postgres  # noqa: E402
from postgres import Postgres, PostgresError  # noqa: E402

BALANCE = 1_000_000_000
ACCOUNT_DAY_MAX = 10_000_000
MARKETS = 1000
SCRIPT = """\\set terminal random(1, 650)
\\set request random(1, 9000000000000000000)
\\set account random(1, :accounts)
\\set market random(1, 1000)
\\set stake random(100, 1000)
select place_bet(:terminal, :request, :account, :market, 0::smallint, 2000, :stake);
"""
SCRIPT_BATCH = "select place_bets(:batch, :accounts);\n"
RANDOM_MAX = 2_000_000_000  # of redis-benchmark's own numbers: an int
CONNECTS_PER_S = 100  # of PostgreSQL, about
# Generous to the peers: no checkpoint in a short run, caches that hold everything.
POSTGRES_SETTINGS = {
    "max_connections": "720", "shared_buffers": "1GB", "max_wal_size": "16GB",
    "checkpoint_timeout": "30min", "synchronous_commit": "on", "fsync": "on",
    "wal_level": "minimal", "max_wal_senders": "0", "full_page_writes": "on"}
REDIS_SETTINGS = {
    "port": "0", "save": "", "appendonly": "yes", "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no", "auto-aof-rewrite-percentage": "0", "maxclients": "2000",
    "daemonize": "no", "protected-mode": "yes"}


class PeerMissing(Exception):
    """A peer that is not installed, or did not do what was asked: its entry says so."""


def program(name, package):
    found = shutil.which(name)
    if found is None:
        raise PeerMissing(f"{name} is not installed; apt-get install {package}")
    return found


def run(command, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise PeerMissing(f"{os.path.basename(str(command[0]))} ended with {done.returncode}: "
                          f"{(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def quantile(ordered, share):
    """Of values in order, as sluice-bench has it: the least value that this share is not above."""
    index = max(0, -(-len(ordered) * share // 1) - 1)
    return ordered[min(len(ordered) - 1, int(index))]


def machine_busy():
    """CPU time used by all of the machine, in seconds."""
    with open("/proc/stat", encoding="ascii") as stream:
        numbers = [int(word) for word in stream.readline().split()[1:9]]
    user, nice, system, _, _, interrupt, soft, _ = numbers
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")


class Busy:
    """Cores busy between begin and end, all processes of the machine together."""

    def __enter__(self):
        self.began, self.used = time.monotonic(), machine_busy()
        self.cores = {}
        return self

    def __exit__(self, kind, value, trace):
        seconds = max(1e-9, time.monotonic() - self.began)
        self.cores = {"machine": os.cpu_count(),
                      "all_busy": round((machine_busy() - self.used) / seconds, 3)}


def entry(name, peer, clients, batch, seconds, **figures):
    """In the names of sluice-bench; what a peer cannot say is null."""
    empty = dict.fromkeys(("p50_us", "p90_us", "p99_us", "p999_us", "max_us"))
    return {"name": name, "peer": peer, "in_flight": clients * batch,
            "clients": clients, "messages_per_datagram": batch, "port": "unix socket",
            "durable": True, "worker_busy_ns_per_message": None, "lost": 0, "duplicated": 0,
            "seconds": seconds, **empty, **figures}


# ---- PostgreSQL ----

class PostgresBets:
    """A cluster below `folder`, filled."""

    def __init__(self, folder, accounts):
        try:
            self.pgbench = os.path.join(postgres.binaries(), "pgbench")
        except PostgresError as error:
            raise PeerMissing(str(error)) from error
        if not os.path.exists(self.pgbench):
            raise PeerMissing("pgbench is not installed; apt-get install postgresql")
        self.accounts = accounts
        self.top = tempfile.mkdtemp(prefix="bench-pg-", dir=folder)
        os.chmod(self.top, 0o755)
        try:
            self.server = Postgres(os.path.join(self.top, "pg"), settings=POSTGRES_SETTINGS)
        except PostgresError as error:
            os.rmdir(self.top)
            raise PeerMissing(str(error)) from error

    def __enter__(self):
        try:
            self.server.create()
            self.server.start()
            with open(os.path.join(TOP, "bench/peer_postgres.sql"), encoding="utf-8") as stream:
                self.server.sql(stream.read())
            self.server.sql(
                f"insert into account select id, {BALANCE}, 0, {ACCOUNT_DAY_MAX} from "
                f"generate_series(1, {self.accounts}) as id; insert into market select id, true, "
                f"array[2000, 2000, 2000] from generate_series(1, {MARKETS}) as id")
            self.server.sql("vacuum analyze")
            self.server.sql("checkpoint")
        except PostgresError as error:
            self.close()
            raise PeerMissing(str(error)) from error
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        self.server.remove()
        shutil.rmtree(self.top, ignore_errors=True)

    def version(self):
        return self.server.sql("show server_version")

    def run(self, clients, batch, seconds):
        """pgbench with so many connections; a batch is one transaction of many bets."""
        script = os.path.join(self.top, "bet.sql")
        with open(script, "w", encoding="ascii") as stream:
            stream.write(SCRIPT if batch == 1 else SCRIPT_BATCH)
        for old in glob.glob(os.path.join(self.top, "latency*")):
            os.unlink(old)
        before = int(self.server.sql("select count(*) from bet"))
        with Busy() as busy:
            run([self.pgbench, "-n", "-M", "prepared", "-f", script, "-c", clients, "-j",
                 min(clients, os.cpu_count()), "-T", seconds + clients // CONNECTS_PER_S, "-D",
                 f"accounts={self.accounts}", "-D", f"batch={batch}", "--log", "--log-prefix",
                 os.path.join(self.top, "latency"), "-h", self.server.run, "-U",
                 self.server.user, self.server.database])
        latencies, took = self.latencies()
        rate = len(latencies) / took
        accepted = int(self.server.sql("select count(*) from bet")) - before
        if self.server.sql("select coalesce(sum(amount), 0) from line") != "0":
            raise PeerMissing("the lines of PostgreSQL do not add up to zero")
        batched = f", {batch} a transaction" if batch > 1 else ""
        return entry(
            f"postgres {clients}{batched}", "postgres", clients, batch, round(took, 2),
            acked_per_s=round(rate * batch), offered_per_s=round(rate * batch), cores=busy.cores,
            accepted_share=round(accepted / max(1, len(latencies) * batch), 4),
            max_us=latencies[-1], data={"bets": before + accepted, "accounts": self.accounts},
            **{name: quantile(latencies, share) for name, share in (
                ("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999))})

    def latencies(self):
        """Of every transaction, in us, in order; and the seconds from the first that ended to the
        last: connecting is not in it."""
        found, ends = [], []
        for path in glob.glob(os.path.join(self.top, "latency*")):
            with open(path, encoding="ascii") as stream:
                for line in stream:
                    words = line.split()
                    found.append(int(words[2]))
                    ends.append(int(words[4]) + int(words[5]) / 1e6)
        if len(found) < 2 or max(ends) <= min(ends):
            raise PeerMissing("pgbench finished hardly any transaction")
        return sorted(found), max(ends) - min(ends)


# ---- Redis ----

class RedisBets:
    """A server below `folder` with AOF always, filled."""

    def __init__(self, folder, accounts):
        self.server = program("redis-server", "redis-server")
        self.benchmark = program("redis-benchmark", "redis-tools")
        self.client = program("redis-cli", "redis-tools")
        self.accounts = accounts
        self.process = None
        self.sha = ""
        self.top = tempfile.mkdtemp(prefix="bench-redis-", dir=folder)
        self.socket = os.path.join(self.top, "socket")

    def cli(self, *words):
        return run([self.client, "-s", self.socket, *words]).strip()

    def __enter__(self):
        settings = [word for name, value in REDIS_SETTINGS.items() for word in (f"--{name}", value)]
        with open(os.path.join(self.top, "log"), "wb") as log:
            # pylint: disable=consider-using-with  (it lives until close)
            self.process = subprocess.Popen(
                [self.server, *settings, "--unixsocket", self.socket, "--dir", self.top],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.wait()
            fill = ("for i = 1, ARGV[1] do redis.call('HSET', 'a:' .. i, 'balance', ARGV[2], "
                    "'staked', 0, 'max', ARGV[3]) end for i = 1, ARGV[4] do redis.call('HSET', "
                    "'m:' .. i, 'open', 1, 'odds', 2000) end")
            self.cli("eval", fill, 0, self.accounts, BALANCE, ACCOUNT_DAY_MAX, MARKETS)
            with open(os.path.join(TOP, "bench/peer_redis.lua"), encoding="utf-8") as stream:
                self.sha = self.cli("script", "load", stream.read())
        except PeerMissing:
            self.close()
            raise
        return self

    def wait(self):
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            if os.path.exists(self.socket):
                return
            time.sleep(0.02)
        with open(os.path.join(self.top, "log"), encoding="utf-8", errors="replace") as log:
            raise PeerMissing("redis-server does not start: " + log.read()[-400:])

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.top, ignore_errors=True)

    def version(self):
        return run([self.server, "--version"]).split("v=")[1].split()[0]

    def requests(self, clients, batch, count):
        """One run of redis-benchmark: its own figures."""
        random = ["__rand_int__"] * 5
        out = run([self.benchmark, "-s", self.socket, "-c", clients, "-n", count, "-P", batch, "-r",
                   RANDOM_MAX, "--precision", 3, "--csv", "EVALSHA", self.sha, 0, *random,
                   self.accounts])
        return list(csv.DictReader(line for line in out.splitlines() if line.startswith('"')))[-1]

    def run(self, clients, batch, seconds):
        """So many requests as take about `seconds`: redis-benchmark knows numbers only."""
        probe = max(2 * clients * batch, 500)
        rate = float(self.requests(clients, batch, probe)["rps"])
        count = max(probe, int(rate * seconds))
        before, began = int(self.cli("get", "bet") or 0), time.monotonic()
        with Busy() as busy:
            figures = self.requests(clients, batch, count)
        took = time.monotonic() - began
        after = int(self.cli("get", "bet") or 0)
        batched = f", {batch} in a pipeline" if batch > 1 else ""
        rate = float(figures["rps"])
        return entry(
            f"redis {clients}{batched}", "redis", clients, batch, round(took, 2),
            acked_per_s=round(rate), offered_per_s=round(rate), cores=busy.cores,
            accepted_share=round((after - before) / count, 4),
            data={"bets": after, "accounts": self.accounts},
            **{name: float(figures[column]) * 1000 for name, column in (
                ("p50_us", "p50_latency_ms"), ("p99_us", "p99_latency_ms"),
                ("max_us", "max_latency_ms"))})


# ---- testpmd: the limit of the packets ----

def testpmd_prefix(role):
    return f"bench-{role}-{os.getpid()}"


class Memif:
    """Two ends on one socket."""

    name = "memif"

    def __init__(self, folder):
        self.socket = os.path.join(folder, "memif.sock")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        pass

    def inside(self, _role):
        return []

    def device(self, role):
        return f"net_memif0,role={role},socket={self.socket},socket-abstract=no,bsize=2048,rsize=10"


class AfXdp:
    """The two ends of a veth link, each in a network namespace of its own: what `bench/run af_xdp`
    gives the switch and its generator."""

    name = "af_xdp"

    def __init__(self, _folder):
        self.spaces = {role: f"sluice-{testpmd_prefix(role)}" for role in ("server", "client")}

    def __enter__(self):
        ip = program("ip", "iproute2")
        try:
            for space in self.spaces.values():
                run([ip, "netns", "add", space])
            run([*self.inside("server"), ip, "link", "add", "data0", "type", "veth", "peer", "name",
                 "data0", "netns", self.spaces["client"]])
            for role in self.spaces:
                run([*self.inside(role), program("ethtool", "ethtool"), "-K", "data0", "tx", "off",
                     "gso", "off", "tso", "off", "gro", "off"])
                run([*self.inside(role), ip, "link", "set", "data0", "up"])
        except PeerMissing:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "delete", space], stdin=subprocess.DEVNULL,
                           capture_output=True, check=False)

    def inside(self, role):
        return ["nsenter", f"--net=/run/netns/{self.spaces[role]}"]

    def device(self, _role):
        return "net_af_xdp0,iface=data0,start_queue=0,queue_count=1"


def testpmd_command(link, role, main, worker, forward, size):
    """Without huge pages, as bench/run has it. The forwarding core is `worker`."""
    return [*link.inside(role), program("dpdk-testpmd", "dpdk-dev"), "--lcores",
            f"0@{main},1@{worker}", "--no-huge", "-m", "256", "--no-pci", "--file-prefix",
            testpmd_prefix(role), "--vdev", link.device(role), "--log-level", "error", "--",
            "--total-num-mbufs=16384", f"--forward-mode={forward}", f"--txpkts={size}",
            "--stats-period=1", "--no-lsc-interrupt"]


def testpmd_rates(text):
    """Packets a second received and sent, of each second."""
    received = [int(line.split("Rx-pps:")[1].split()[0]) for line in text.splitlines()
                if "Rx-pps:" in line]
    sent = [int(line.split("Tx-pps:")[1].split()[0]) for line in text.splitlines()
            if "Tx-pps:" in line]
    return received, sent


def testpmd(folder, placement, size, seconds, port=Memif):
    """One process sends and takes, the other turns every packet round: as many as come back."""
    program("dpdk-testpmd", "dpdk-dev")  # not there: said at once
    for _ in range(2):
        try:
            return testpmd_once(folder, placement, size, seconds, port)
        except PeerMissing:
            seconds += 5  # a busy machine: two processes did not come up in time
    return testpmd_once(folder, placement, size, seconds, port)


def testpmd_once(folder, placement, size, seconds, port):
    top = tempfile.mkdtemp(prefix="bench-pmd-", dir=folder)
    try:
        with port(top) as link:
            return testpmd_measure(top, link, placement, size, seconds)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def testpmd_measure(top, link, placement, size, seconds):
    worker, other = placement.workers[0], placement.main
    commands = (testpmd_command(link, "server", other, worker, "macswap", size),
                testpmd_command(link, "client", worker, other, "flowgen", size))
    processes, logs = [], []
    try:
        with Busy() as busy:
            for command, name in zip(commands, ("server", "client")):
                path = os.path.join(top, name)
                logs.append(path)
                with open(path, "wb") as log:
                    # pylint: disable=consider-using-with
                    processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log,
                                                      stderr=log))
                time.sleep(2)
            time.sleep(seconds + 1)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for role in ("server", "client"):
            shutil.rmtree(f"/var/run/dpdk/{testpmd_prefix(role)}", ignore_errors=True)
    with open(logs[0], encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    received, sent = testpmd_rates(text)
    steady = [rate for rate in sent[1:] if rate > 0]
    if not steady:
        raise PeerMissing(f"testpmd moved nothing: {text.strip()[-300:]}")
    return {"name": "testpmd", "peer": "testpmd", "port": link.name, "packet_size": size,
            "seconds": len(steady), "packets_per_s": round(statistics.median(steady)),
            "packets_in_per_s": round(statistics.median([rate for rate in received if rate > 0])),
            "cores": busy.cores}


# ---- fio: the limit of the disk ----

def fio(folder, depth, seconds):
    """Synced 16 KiB writes one behind the other into a file written before, as the journal's."""
    top = tempfile.mkdtemp(prefix="bench-fio-", dir=folder)
    engine = ["--ioengine=psync"] if depth == 1 else ["--ioengine=io_uring", f"--iodepth={depth}"]
    try:
        with Busy() as busy:
            out = run([program("fio", "fio"), "--name=w", f"--directory={top}", "--size=64m",
                       "--rw=write", "--bs=16k", "--direct=1", "--sync=dsync", "--overwrite=1",
                       "--time_based", f"--runtime={seconds}", "--output-format=json", *engine])
    finally:
        shutil.rmtree(top, ignore_errors=True)
    write = json.loads(out[out.index("{"):])["jobs"][0]["write"]
    waits = write["clat_ns"]
    return {"name": f"fio, depth {depth}", "peer": "fio", "in_flight": depth, "durable": True,
            "seconds": seconds, "writes_per_s": round(write["iops"]),
            "p50_us": waits["percentile"]["50.000000"] / 1000,
            "p99_us": waits["percentile"]["99.000000"] / 1000,
            "p999_us": waits["percentile"]["99.900000"] / 1000, "max_us": waits["max"] / 1000,
            "cores": busy.cores}
