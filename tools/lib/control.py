# SPDX-License-Identifier: Apache-2.0
"""The control process of an instance, and what an operator does with it through sluicectl."""

import json
import os
import signal
import socket
import subprocess
import time

import network
from instance import InstanceError, start_time

KEY_SERVER_PORT = 7402
READY_SECONDS = 120
STOP_SECONDS = 120


def ended_by(log, begin):
    """The last error a control process wrote, or ''."""
    with open(log, "rb") as stream:
        stream.seek(begin)
        text = stream.read().decode("utf-8", "replace")
    for line in reversed(text.splitlines()):
        if line.startswith("sluice-control: "):
            return line.removeprefix("sluice-control: ")
    return ""


class Control:
    """Runs in the switch's namespace; terminals reach the key server over the management link."""

    def __init__(self, instance, connection="", epoch_minutes=60, session_hours=24):
        self.instance = instance
        self.connection = connection
        self.epoch_minutes = epoch_minutes
        self.session_hours = session_hours
        self.process = None
        self.log = instance.path("var/log/sluice/control.log")
        self.state_file = instance.path("run/sluice/control.json")
        self.address = f"{network.MANAGEMENT_SWITCH}:{KEY_SERVER_PORT}"
        self.extra = {}

    # ---- the process ----

    def configuration(self):
        use = self.instance.settings
        lines = [
            "# Written by tools/lib/control.py; control/config/README.md explains the keys.",
            f"deployment: {self.instance.name}",
            "keys:",
            f"  address: {network.MANAGEMENT_SWITCH}",
            f"  port: {KEY_SERVER_PORT}",
            f"  switch_address: {network.SWITCH_ADDRESS}",
            f"  epoch_minutes: {self.epoch_minutes}",
            f"  session_hours: {self.session_hours}",
            # A demo's terminals all come from one address.
            "  handshakes_parallel_max: 1024",
            "  address_rate_per_s: 1000",
            "  address_burst: 2000",
            "terminals:",
            "  session_rate_per_s: 200000",
            "  session_burst: 32768",
            f"  sessions_max: {use.sessions}",
        ]
        if self.connection:
            lines += ["replication:", f"  connection: {json.dumps(self.connection)}"]
        for section, keys in self.extra.items():
            if f"{section}:" not in lines:
                lines.append(f"{section}:")
            at = lines.index(f"{section}:") + 1
            for key, value in keys.items():
                lines = [line for line in lines if not line.startswith(f"  {key}: ")]
                lines.insert(at, f"  {key}: {json.dumps(value)}")
        return "\n".join(lines) + "\n"

    def running_pid(self):
        try:
            with open(self.state_file, encoding="ascii") as stream:
                state = json.load(stream)
        except (OSError, ValueError):
            return 0
        pid = state.get("pid", 0)
        return pid if pid and start_time(pid) == state.get("pid_start") else 0

    def pid(self):
        return self.process.pid if self.process is not None else self.running_pid()

    def start(self):
        instance = self.instance
        config = instance.path("etc/sluice/control.yaml")
        with open(config, "w", encoding="utf-8") as stream:
            stream.write(self.configuration())
        command = [instance.binary("control/sluice-control"), "--root", instance.root]
        with open(self.log, "ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                network.inside(network.switch_namespace(instance.name), command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=instance.environment(),
                start_new_session=True)
        with open(self.state_file, "w", encoding="ascii") as stream:
            json.dump({"pid": self.process.pid, "pid_start": start_time(self.process.pid)}, stream)
        until = time.monotonic() + READY_SECONDS
        while not self.answers():
            status = self.process.poll()
            if status is not None:
                self.process = None
                said = ended_by(self.log, begin) or f"control ended with status {status}"
                raise InstanceError(f"{said} (log: {self.log})", 1 if status == 1 else 3)
            if time.monotonic() > until:
                self.kill()
                raise InstanceError(f"Control did not become ready in {READY_SECONDS} s. "
                                    f"Read {self.log}.")
            time.sleep(0.02)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                folder = os.open(self.instance.path("run/sluice"), os.O_PATH)
                try:
                    client.connect(f"/proc/self/fd/{folder}/control.sock")
                finally:
                    os.close(folder)
                return True
            except OSError:
                return False

    def kill(self):
        self._end(signal.SIGKILL)

    def stop(self):
        return self._end(signal.SIGTERM)

    def _end(self, number):
        pid = self.pid()
        if not pid:
            return None
        began = start_time(pid)
        os.kill(pid, number)
        until = time.monotonic() + STOP_SECONDS
        while True:
            if self.process is not None:
                status = self.process.poll()
                if status is not None:
                    self.process = None
                    return status
            elif start_time(pid) != began:
                return None
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                until += STOP_SECONDS
            time.sleep(0.01)

    # ---- what an operator does ----

    def ctl(self, *arguments, **options):
        """sluicectl as a command; raises with its own words unless check=False."""
        return self.instance.tool("tools/sluicectl", "--root", self.instance.root, *arguments,
                                  **options)

    def json(self, *arguments, **options):
        ran = self.ctl("--json", *arguments, **options)
        try:
            return json.loads(ran.stdout)
        except ValueError as error:
            raise InstanceError(f"sluicectl {' '.join(map(str, arguments))}: "
                                f"{ran.stderr.strip() or ran.stdout}", 1) from error

    def status(self):
        return self.json("status")

    def wait_up(self, seconds=READY_SECONDS):
        """Until the data plane is connected, has every command and its ports are open."""
        until = time.monotonic() + seconds
        while True:
            status = self.status()
            if status["dataplane"]["state"] == "up":
                return status
            if status["dataplane"]["state"] == "refused" or time.monotonic() > until:
                raise InstanceError(
                    f"Control does not get the data plane up: {status['dataplane']['message']} "
                    f"(log: {self.log}; tools/down --wipe deletes a demo's data)", 1)
            time.sleep(0.02)

    def authority_make(self):
        """The first time; later ones go on with what is there."""
        if self.json("ca", "show")["state"] == "none":
            self.ctl("ca", "init")

    def identity(self, terminal):
        return self.instance.path(f"var/lib/sluice-terminal/{terminal}")

    def enroll(self, terminal, *settings):
        """Key and request at the terminal, certificate from the operator; kept if it is there."""
        folder = self.identity(terminal)
        certificate = os.path.join(folder, "terminal.crt")
        if os.path.exists(certificate):
            return
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not os.path.exists(os.path.join(folder, "terminal.csr")):
            self.instance.tool("tools/sluice-terminal", "identity", "--terminal", terminal,
                               "--deployment", self.instance.name, "--out", folder)
        self.ctl("terminal", "enroll", terminal, "--csr", os.path.join(folder, "terminal.csr"),
                 "--out", certificate, "--trust-out", os.path.join(folder, "trust.crt"), *settings)

    def terminal(self, number, *arguments, log=None, out=None):
        """Starts an enrolled sluice-terminal in the terminals' namespace; returns the process."""
        instance = self.instance
        folder = self.identity(number)
        command = [instance.binary("tools/sluice-terminal"), "--control", self.address,
                   "--identity", folder, "--deployment", instance.name, "--state-dir", folder,
                   *map(str, arguments)]
        return subprocess.Popen(
            network.inside(network.terminal_namespace(instance.name), command),
            stdin=subprocess.DEVNULL, stdout=out or log or subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL, env=instance.environment())
