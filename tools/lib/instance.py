# SPDX-License-Identifier: Apache-2.0
"""One instance of the switch on this machine: its network, configuration, processes and files.

tools/up, tools/down and the tests in tests/e2e all drive instances through this class. Processes
are found by process id and start time from a state file, never by name.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import hugepages
import network
import placement
from sources import TOP

UDP_PORT = 7400
CURRENCY = 410  # KRW, no minor unit
READY_SECONDS = 120
STOP_SECONDS = 120
PORT_TROUBLE = re.compile(r"port \d|DPDK did not start")


class InstanceError(Exception):
    """One sentence what is wrong and one what to do."""

    def __init__(self, text, status=3):
        super().__init__(text)
        self.status = status


@dataclasses.dataclass
class Settings:
    """What differs between instances; the defaults suit a demo on a small machine."""

    shards: int = 1
    port: str = "af_xdp"
    hugepages: bool = True
    memory_mib: int = 512
    populate: bool = False  # memory of all rows at the start
    accounts: int = 100_000
    bets: int = 1_000_000
    markets: int = 10_000
    terminals: int = 1_024
    sessions: int = 1_024
    segment_mib: int = 64
    segments_ready: int = 2
    segments_max: int = 64
    depth: int = 2
    log_rotate_mib: int = 256
    log_keep_mib: int = 1_024
    checkpoint_interval_ms: int = 1_000
    disk_quota_mib: int = 0  # 0: none
    disk_free_mib: int = 0  # 0: as the data plane has it
    archive: str = ""  # directory; "": none
    archive_keep_mib: int = 0


def start_time(pid):
    """Start of a process in clock ticks since boot, '' when it does not run (zombies do not)."""
    text = placement.read(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def last_error(text):
    """The last reason in what a data plane wrote: in its log, or in a line before the log began."""
    for line in reversed(text.splitlines()):
        if line.startswith("sluice-dataplane: "):
            return line.removeprefix("sluice-dataplane: ")
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") == "error":
            return entry["message"]
    return ""


def default_root(name):
    if os.environ.get("SLUICE_ROOT"):
        return os.environ["SLUICE_ROOT"]
    return os.path.join(TOP, "build", "sluice" if name == "sluice" else f"sluice-{name}")


class Instance:
    def __init__(self, name="sluice", root=None, settings=None, build=None):
        network.name_check(name)
        self.name = name
        self.root = os.path.abspath(root or default_root(name))
        self.build = build or os.path.join(TOP, "build")
        self.settings = settings or Settings()
        self.process = None
        self.options = []  # more of the data plane's command line
        self.pages = 0
        self.placement = None
        self.disk = None
        self.address = f"{network.SWITCH_ADDRESS}:{UDP_PORT}"
        self.sessions = self.path("run/sluice/sessions")
        self.state_file = self.path("run/sluice/instance.json")
        self.log = self.path("var/log/sluice/dataplane.log")

    def path(self, relative):
        return os.path.join(self.root, relative)

    def binary(self, relative):
        path = os.path.join(self.build, relative)
        if not os.access(path, os.X_OK):
            raise InstanceError(f"{path} is missing. Run: ninja -C {self.build}")
        return path

    def environment(self):
        return {**os.environ, "SLUICE_ROOT": self.root}

    # ---- state between tools/up and tools/down ----

    def save(self):
        """Written before anything is reserved or started, so tools/down always finds it."""
        state = {"name": self.name, "root": self.root, "pages": self.pages}
        if self.process is not None:
            state["pid"] = self.process.pid
            state["pid_start"] = start_time(self.process.pid)
        temporary = self.state_file + ".new"
        with open(temporary, "w", encoding="ascii") as stream:
            json.dump(state, stream)
        os.rename(temporary, self.state_file)

    def saved(self):
        try:
            with open(self.state_file, encoding="ascii") as stream:
                return json.load(stream)
        except (OSError, ValueError):
            return {}

    def running_pid(self):
        """Process id of the data plane that runs under this root, 0 if there is none."""
        state = self.saved()
        pid = state.get("pid", 0)
        return pid if pid and start_time(pid) == state.get("pid_start") else 0

    # ---- preparation ----

    def prepare(self):
        """Folders, network, hugepages. The settings decide; the rest is found out here."""
        for folder in ("etc/sluice", "var/lib/sluice", "var/log/sluice", "run/sluice"):
            os.makedirs(self.path(folder), mode=0o755, exist_ok=True)
        self.release_leftovers()
        self.save()
        network.create(self.name)
        if self.settings.hugepages:
            self.pages = hugepages.reserve(self.settings.memory_mib)
            self.save()

    def release_leftovers(self):
        pages = self.saved().get("pages", 0)
        hugepages.release(pages, self.file_prefix())

    def file_prefix(self):
        return f"sluice-{self.name}"

    def polling(self, place):
        """Terminals here run on the same machine, unpinned: a worker that spins needs a CPU of
        its own beside theirs and the journal's, else it only takes theirs away (measured on two
        CPUs: p99 10 ms spinning, 1.6 ms adaptive)."""
        spare = len(os.sched_getaffinity(0)) >= len(place.workers) + 2
        return place.polling if spare else "adaptive"

    def configuration(self):
        """The text of dataplane.yaml."""
        disk = placement.disk_of(self.root)
        if disk.filesystem in ("tmpfs", "ramfs"):
            raise InstanceError(f"{self.root} is on {disk.filesystem}, which a power failure "
                                "empties. Give a folder on a disk with --root DIR.")
        self.disk = disk
        self.placement = placement.place(self.settings.shards, disk)
        place, use = self.placement, self.settings
        return "\n".join([
            "# Written by tools/lib/instance.py; dataplane/README.md explains the keys.",
            f"deployment: {self.name}",
            f"root: {json.dumps(self.root)}",
            f"shards: {use.shards}",
            f"polling: {self.polling(place)}",
            "lcores:",
            f"  main: {place.main}",
            f"  workers: [{', '.join(map(str, place.workers))}]",
            f"  store: {place.store}",
            "memory:",
            f"  hugepages: {'true' if self.pages else 'false'}",
            f"  megabytes: {use.memory_mib}",
            f"  populate: {'true' if use.populate else 'false'}",
            f"  file_prefix: {self.file_prefix()}",
            "ports:",
            f"  - type: {use.port}",
            f"    interface: {network.INTERFACE}",
            f"    address: {network.SWITCH_ADDRESS}",
            f"    udp_port: {UDP_PORT}",
            "capacity:",
            *(f"  {key}: {getattr(use, key)}"
              for key in ("accounts", "bets", "markets", "terminals", "sessions")),
            "journal:",
            *(f"  {key}: {getattr(use, key)}"
              for key in ("segment_mib", "depth", "segments_ready", "segments_max")),
            "store:",
            *(f"  {key}: {getattr(use, key)}"
              for key in ("log_rotate_mib", "log_keep_mib", "checkpoint_interval_ms")),
            *(f"  {key}: {getattr(use, key)}"
              for key in ("disk_quota_mib", "disk_free_mib") if getattr(use, key)),
            *(["archive:", f"  directory: {use.archive}", f"  keep_mib: {use.archive_keep_mib}"]
              if use.archive else []),
            ""])

    # ---- the data plane process ----

    def start(self):
        """Starts the data plane and waits until its admin socket answers; ports stay closed."""
        config = self.path("etc/sluice/dataplane.yaml")
        with open(config, "w", encoding="utf-8") as stream:
            stream.write(self.configuration())
        command = [self.binary("dataplane/sluice-dataplane"), "--config", config, "--root",
                   self.root, *self.options]
        with open(self.log, "ab") as log:
            log_begin = log.tell()
            self.process = subprocess.Popen(
                network.inside(network.switch_namespace(self.name), command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(),
                start_new_session=True)
        self.save()
        until = time.monotonic() + READY_SECONDS
        while not self.admin_answers():
            status = self.process.poll()
            if status is not None:
                self.process = None
                raise InstanceError(self.why(log_begin, status), 1 if status == 1 else 3)
            if time.monotonic() > until:
                self.kill()
                raise InstanceError(f"The data plane did not become ready in {READY_SECONDS} s. "
                                    f"Read {self.log}.")
            time.sleep(0.02)

    def start_with_fallback(self, notice):
        """AF_XDP if the kernel has it, else AF_PACKET; `notice` is told about the change."""
        try:
            self.start()
        except InstanceError as error:
            # Only where the port is the reason; other troubles would be the same with AF_PACKET.
            if self.settings.port != "af_xdp" or not PORT_TROUBLE.match(str(error)):
                raise
            notice(f"AF_XDP does not work here, using AF_PACKET instead. It said: {error}")
            self.settings.port = "af_packet"
            self.start()

    def admin_answers(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                # Relative to the socket's folder: the name of a UNIX socket has at most 107 bytes.
                folder = os.open(self.path("run/sluice"), os.O_PATH)
                try:
                    client.connect(f"/proc/self/fd/{folder}/admin.sock")
                finally:
                    os.close(folder)
                return True
            except OSError:
                return False

    def why(self, log_begin, status):
        """The data plane's own last words, which name the remedy."""
        with open(self.log, "rb") as log:
            log.seek(log_begin)
            text = log.read().decode("utf-8", "replace")
        said = last_error(text) or f"the data plane ended with status {status} and no reason"
        return f"{said} (log: {self.log})"

    def pid(self):
        return self.process.pid if self.process is not None else self.running_pid()

    def kill(self):
        """kill -9, as a power switch would."""
        pid = self.pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):  # it has died by itself meanwhile
                os.kill(pid, signal.SIGKILL)
            self.reap(pid)

    def stop(self):
        """Orderly stop. Returns the exit status, None when it was not our child."""
        pid = self.pid()
        if not pid:
            return None
        try:
            self.provision("stop", timeout=STOP_SECONDS)
        except InstanceError:
            if start_time(pid):
                os.kill(pid, signal.SIGTERM)
        return self.reap(pid)

    def reap(self, pid):
        began = start_time(pid)
        until = time.monotonic() + STOP_SECONDS
        while True:
            if self.process is not None and self.process.pid == pid:
                status = self.process.poll()
                if status is not None:
                    self.process = None
                    return status
            elif not began or start_time(pid) != began:
                return None
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                until += STOP_SECONDS
            time.sleep(0.01)

    def close(self):
        """Everything but the data: processes, namespaces, hugepages."""
        self.stop()
        network.remove(self.name)
        hugepages.release(self.pages or self.saved().get("pages", 0), self.file_prefix())
        shutil.rmtree(os.path.join("/var/run/dpdk", self.file_prefix()), ignore_errors=True)
        self.pages = 0
        for path in (self.state_file, self.sessions):
            if os.path.exists(path):
                os.unlink(path)

    # ---- the programs around it ----

    def tool(self, *command, timeout=600, check=True):
        """Runs one of our programs to its end; raises with its own words if it fails."""
        try:
            ran = subprocess.run(
                [self.binary(command[0]), *map(str, command[1:])], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, env=self.environment(), timeout=timeout,
                check=False)
        except subprocess.TimeoutExpired as error:
            raise InstanceError(f"{os.path.basename(command[0])} {command[-1]}: no end within "
                                f"{timeout} s. Read {self.log}.") from error
        if check and ran.returncode != 0:
            words = (ran.stderr.strip() or ran.stdout.strip() or f"status {ran.returncode}")
            raise InstanceError(f"{os.path.basename(command[0])} {command[-1]}: {words}",
                                ran.returncode if ran.returncode in (1, 2, 3) else 1)
        return ran

    def provision(self, *arguments, **options):
        return self.tool("tools/sluice-provision", "--root", self.root, *arguments, **options)

    def status(self):
        return json.loads(self.provision("--json", "status").stdout)

    def sessions_make(self, first_terminal, count):
        """New session keys for terminals first..first+count-1; they do not outlive the instance."""
        if os.path.exists(self.sessions):
            os.unlink(self.sessions)
        self.provision("sessions", "make", "--first-terminal", first_terminal, "--count", count,
                       "--out", self.sessions)

    def install_and_open(self):
        """What control does after every start of the data plane: sessions, then the ports."""
        self.provision("install", "--sessions", self.sessions)
        self.provision("open")

    def terminal(self, number, *arguments, log=None):
        """Starts a sluice-terminal in the terminals' namespace; returns the process."""
        state = self.path(f"var/lib/sluice-terminal/{number}")
        os.makedirs(state, mode=0o700, exist_ok=True)
        command = [self.binary("tools/sluice-terminal"), "--switch", self.address,
                   "--session-file", self.sessions, "--terminal", str(number), "--state-dir", state,
                   *map(str, arguments)]
        return subprocess.Popen(
            network.inside(network.terminal_namespace(self.name), command),
            stdin=subprocess.DEVNULL, stdout=log or subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL, env=self.environment())

    def verify(self):
        """What sluice-db finds in the journal and the tables of the stopped or running instance."""
        ran = self.tool("tools/sluice-db", "verify", "--json", check=False, timeout=600)
        try:
            return json.loads(ran.stdout)
        except ValueError as error:
            raise InstanceError(f"sluice-db verify said: {ran.stderr.strip() or ran.stdout}",
                                1) from error

    def events(self):
        """Every event of the log, in order per shard, with the names of the acknowledgement log."""
        dump = json.loads(self.tool("tools/sluice-db", "dump", "--json", timeout=600).stdout)
        if not dump["complete"]:
            raise InstanceError("sluice-db dump could not read the whole log.", 1)
        for event in dump["events"]:
            event["object_id"] = int(event["object"])
            for name in ("terminal", "request", "account"):
                event[f"{name}_id"] = event[name]
        return dump["events"]
