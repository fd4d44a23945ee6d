# SPDX-License-Identifier: Apache-2.0
"""A real node exporter and a real Prometheus for tests, on ports and folders of their own.

    with NodeExporter(textfiles) as exporter:
        with Prometheus(folder, [exporter.address], rules=[...]) as prometheus:
            prometheus.wait_for('sluice_up{process="dataplane"} == 1')

Debian's packages start services on the usual ports; these here have nothing to do with them and are
stopped by process id, also when the test dies.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

READY_SECONDS = 120
STOP_SECONDS = 60
TRIES = 3  # a port that was free may be taken before the program binds it
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
# No proxy of the environment between us and 127.0.0.1.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PrometheusError(Exception):
    """One sentence what is wrong and one what to do."""


def missing():
    """Names of programs that are not installed."""
    return [name for name in ("prometheus", "prometheus-node-exporter", "promtool")
            if shutil.which(name) is None]


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, seconds=60):
    """Body of a page. Raises OSError (also for statuses other than 200)."""
    with OPENER.open(url, timeout=seconds) as answer:
        return answer.read().decode()


class Program:
    """A program with an HTTP address on 127.0.0.1, started and stopped by `with`."""

    name = ""
    ready_page = "/"

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.address = ""
        self.log_path = os.path.join(folder, self.name + ".log")

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        if shutil.which(self.name) is None:
            raise PrometheusError(f"{self.name} is missing. Run: apt-get install {self.name}")
        os.makedirs(self.folder, exist_ok=True)
        for _ in range(TRIES):
            if self._start():
                return self
        raise PrometheusError(f"{self.name} did not start; see {self.log_path}: "
                              f"{self.log_tail()}")

    def _start(self):
        self.address = f"127.0.0.1:{free_port()}"
        parent = os.getpid()

        def die_with_parent():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "GOMAXPROCS": "1"}, preexec_fn=die_with_parent)
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                get(self.url(self.ready_page))
                return True
            except OSError:
                time.sleep(0.05)
        self.stop()
        return False

    def __exit__(self, kind, value, trace):
        self.stop()

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def url(self, page):
        return f"http://{self.address}{page}"

    def log_tail(self):
        with contextlib.suppress(OSError), open(self.log_path, encoding="utf-8",
                                                errors="replace") as log:
            return " ".join(log.read().splitlines()[-3:])
        return "no log"


class NodeExporter(Program):
    """Serves the *.prom files of `textfiles` and nothing of the machine."""

    name = "prometheus-node-exporter"
    ready_page = "/metrics"

    def __init__(self, textfiles, folder=None):
        super().__init__(folder or textfiles)
        self.textfiles = textfiles

    def command(self):
        return [self.name, f"--web.listen-address={self.address}", "--web.disable-exporter-metrics",
                "--collector.disable-defaults", "--collector.textfile",
                f"--collector.textfile.directory={self.textfiles}"]

    def metrics(self):
        """What it serves now."""
        return get(self.url("/metrics"))


class Prometheus(Program):
    """Scrapes `targets` every `interval`; `rules` are paths of rule files."""

    name = "prometheus"
    ready_page = "/-/ready"

    def __init__(self, folder, targets, rules=(), interval="250ms"):
        super().__init__(folder)
        self.targets, self.rules, self.interval = list(targets), list(rules), interval

    def command(self):
        path = os.path.join(self.folder, "prometheus.yml")
        # JSON is YAML.
        with open(path, "w", encoding="utf-8") as stream:
            json.dump({
                "global": {"scrape_interval": self.interval, "scrape_timeout": self.interval,
                           "evaluation_interval": self.interval},
                "rule_files": [os.path.abspath(rule) for rule in self.rules],
                "scrape_configs": [{"job_name": "sluice",
                                    "static_configs": [{"targets": self.targets}]}],
            }, stream, indent=1)
        return [self.name, f"--config.file={path}", f"--web.listen-address={self.address}",
                f"--storage.tsdb.path={os.path.join(self.folder, 'data')}", "--log.level=warn"]

    def api(self, page, **parameters):
        """The `data` of an answer of /api/v1."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        try:
            answer = json.loads(get(self.url(f"/api/v1/{page}{query}")))
        except urllib.error.HTTPError as error:
            raise PrometheusError(f"{page}{query}: {error.read().decode()}") from error
        return answer["data"]

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        return [(sample["metric"], float(sample["value"][1]))
                for sample in self.api("query", query=expression)["result"]]

    def wait_for(self, expression, seconds=60):
        """Polls until the query has a result, and returns it."""
        until = time.monotonic() + seconds
        while True:
            found = self.query(expression)
            if found:
                return found
            if time.monotonic() > until:
                raise PrometheusError(f"{expression}: nothing within {seconds} s; targets: "
                                      f"{self.api('targets')['activeTargets']}")
            time.sleep(0.1)

    def alerts(self):
        """{(name, severity, state)} of what is pending or firing."""
        return {(alert["labels"]["alertname"], alert["labels"].get("severity", ""), alert["state"])
                for alert in self.api("alerts")["alerts"]}

    def wait_alert(self, name, severity="critical", seconds=60):
        self.wait_for(f'ALERTS{{alertname="{name}",severity="{severity}",alertstate="firing"}}',
                      seconds)
