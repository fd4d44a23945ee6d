# SPDX-License-Identifier: Apache-2.0
"""A real node exporter reads the file control writes, a real Prometheus scrapes it, rules fire."""

import os
import re
import shutil
import subprocess
import threading

import prometheus  # tools/lib, put on the path by conftest.py
import pytest
from instance import TOP
from prometheus import NodeExporter, Prometheus

from switch import BUILD, wait_until

RULES = os.path.join(TOP, "control/metrics/alerts.yml")
FAKE = os.path.join(BUILD, "tests/control/metrics/metrics-fake")

pytestmark = pytest.mark.skipif(bool(prometheus.missing()), reason="prometheus is not installed")


def write(kind, directory):
    """As control does: beside its place, then renamed."""
    subprocess.run([FAKE, kind, directory], check=True, timeout=300)


class Control:
    """Writes the file again and again as control does, since an old one is an alert of its own."""

    def __init__(self, kind, directory):
        self.kind, self.directory = kind, directory
        self.failure = None
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        write(self.kind, self.directory)
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.ended.set()
        self.thread.join()
        assert kind is not None or self.failure is None, self.failure

    def run(self):
        while not self.ended.wait(1):
            try:
                with self.lock:
                    write(self.kind, self.directory)
            except (OSError, subprocess.SubprocessError) as error:
                self.failure = error
                return

    def change(self, kind):
        with self.lock:
            self.kind = kind
            write(kind, self.directory)


def wait_no_alert(server, seconds=60):
    try:
        wait_until(lambda: not server.alerts(), seconds, "no alert of a healthy switch")
    except AssertionError as error:
        raise AssertionError(f"{error}; these stand: {sorted(server.alerts())}") from None


@pytest.fixture(name="textfiles")
def textfiles_fixture(tmp_path):
    path = tmp_path / "node-exporter"
    path.mkdir()
    return str(path)


def hasty_rules(folder):
    """The rules, firing at once: how long they wait is tested by promtool."""
    with open(RULES, encoding="utf-8") as stream:
        text = re.sub(r"^( +for:) \w+$", r"\1 0s", stream.read(), flags=re.MULTILINE)
    path = os.path.join(folder, "alerts.yml")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def samples(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if line.startswith("sluice_")}


def labels_of(series):
    """Labels by name, since the exporter sorts them and writes bounds its own way."""
    name, _, rest = series.partition("{")
    pairs = dict(re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', rest))
    if pairs.get("le", "+Inf") != "+Inf":
        pairs["le"] = float(pairs["le"])
    return name, tuple(sorted(pairs.items()))


def test_the_exporter_serves_every_sample_unchanged(textfiles, tmp_path):
    write("full", textfiles)
    with open(os.path.join(textfiles, "sluice.prom"), encoding="utf-8") as stream:
        written = samples(stream.read())
    with NodeExporter(textfiles, str(tmp_path)) as exporter:
        text = exporter.metrics()
    assert re.search(r"^node_textfile_scrape_error 0$", text, re.MULTILINE)
    served = {labels_of(series): value for series, value in samples(text).items()}
    assert len(written) > 500
    assert served == {labels_of(series): value for series, value in written.items()}


def check_alerts(server, control, textfiles):
    server.wait_for('sluice_up{process="dataplane"} == 1')
    assert [value for _, value in server.wait_for("node_textfile_scrape_error")] == [0]
    # Figures as they were written, labels and histograms understood.
    assert server.wait_for('sluice_answers_total{code="OK"}')[0][1] == 100000
    assert server.wait_for("sluice_replication_lag_seconds")[0][1] == 0.125
    # A scrape that took too long leaves nothing until the next one.
    wait_until(lambda: len(server.query("sluice_durable_lsn")) == 2, 60, "both shards' figures")
    quantile = server.wait_for(
        'histogram_quantile(0.5, sluice_stage_latency_seconds_bucket{stage="total"})')
    assert all(0.000131 < value < 0.000263 for _, value in quantile)
    # Before the first scrape nothing was there, which is an alert of its own.
    wait_no_alert(server)

    control.change("ill")
    for name in ("SluiceFollowerDivergence", "SluiceJournalError", "SluiceLinkRefused",
                 "SluiceReplicationFailed", "SluiceReplicationLag", "SluiceJournalLatency"):
        server.wait_alert(name)
    # Everything that fires says what it is and what to do, with its labels filled in.
    for alert in server.api("alerts")["alerts"]:
        assert alert["labels"]["severity"] in ("critical", "warning")
        for text in (alert["annotations"]["summary"], alert["annotations"]["action"]):
            assert text and "<no value>" not in text

    control.change("down")
    server.wait_alert("SluiceProcessDown")
    # A data plane that is gone leaves no figures that look like one that stands still.
    wait_until(lambda: not server.query("sluice_durable_lsn"), 60, "stale figures gone")

    # A file somebody else put there that is none: the exporter says so, and we alert.
    with open(os.path.join(textfiles, "other.prom"), "w", encoding="utf-8") as stream:
        stream.write("this is no metric\n")
    server.wait_alert("SluiceMetricsUnreadable", "warning")
    os.unlink(os.path.join(textfiles, "other.prom"))


def test_prometheus_scrapes_and_alerts(textfiles, tmp_path):
    with NodeExporter(textfiles, str(tmp_path)) as exporter, \
            Prometheus(str(tmp_path / "prometheus"), [exporter.address],
                       rules=[hasty_rules(str(tmp_path))]) as server:
        with Control("healthy", textfiles) as control:
            check_alerts(server, control, textfiles)
        shutil.rmtree(textfiles)
        server.wait_alert("SluiceMetricsMissing")


def test_each_warning_stands_at_half_its_critical_limit(textfiles, tmp_path):
    """As Prometheus itself reads the rules."""
    with NodeExporter(textfiles, str(tmp_path)) as exporter, \
            Prometheus(str(tmp_path / "prometheus"), [exporter.address], rules=[RULES]) as server:
        groups = server.api("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 31
    limits = {}
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"] and rule["annotations"]["action"]
        # The last number after `>`; commands wait for a time instead.
        found = re.search(r"> ([0-9.]+)$", rule["query"])
        time_found = re.search(r"\[(\d)m\]\) > 0 and", rule["query"])
        limit = float((time_found or found).group(1)) if time_found or found else None
        limits.setdefault(rule["name"], {})[rule["labels"]["severity"]] = limit
    pairs = {name: pair for name, pair in limits.items() if len(pair) == 2}
    assert len(pairs) >= 10
    for name, pair in pairs.items():
        assert pair["warning"] == pytest.approx(pair["critical"] / 2), name


def test_programs_are_gone_afterwards(textfiles, tmp_path):
    with NodeExporter(textfiles, str(tmp_path)) as exporter:
        pid = exporter.process.pid
        assert os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(f"/proc/{pid}")
