# SPDX-License-Identifier: Apache-2.0
"""The metrics of a running switch: control's file, a real node exporter, a real Prometheus with the
shipped alert rules, and that figures there are the ones the switch itself tells."""

import os
import subprocess

import demo
from controlled import ControlledSwitch
from instance import TOP
from prometheus import NodeExporter, Prometheus
from switch import wait_until

RULES = os.path.join(TOP, "control/metrics/alerts.yml")



def test_prometheus_sees_the_switch(tmp_path):
    with ControlledSwitch("metrics", shards=2) as switch:
        switch.control.extra = {"metrics": {"interval_ms": 200}}
        switch.begin()
        textfiles = switch.path("var/lib/sluice/node-exporter")
        reports = demo.wait(demo.start_terminals(switch.control, 3, 60, 900, 500))
        accepted = demo.summary(reports)["bets_accepted"]
        wait_until(lambda: os.path.exists(os.path.join(textfiles, "sluice.prom")), 60, "the file")
        with open(os.path.join(textfiles, "sluice.prom"), "rb") as text:
            checked = subprocess.run(["promtool", "check", "metrics"], stdin=text,
                                     capture_output=True, text=True, check=False)
        assert checked.returncode == 0 and not checked.stderr.strip(), checked.stderr
        with NodeExporter(textfiles, str(tmp_path)) as exporter, \
                Prometheus(str(tmp_path / "prometheus"), [exporter.address],
                           rules=[RULES]) as prometheus:
            prometheus.wait_for('sluice_up{process="dataplane"} == 1')
            prometheus.wait_for("node_textfile_scrape_error == 0")
            # Every answer the terminals had is in the counter of codes.
            prometheus.wait_for(f'sum(sluice_answers_total{{code="OK"}}) >= {accepted}')
            prometheus.wait_for("sum(sluice_sessions) >= 3")
            names = set(prometheus.api("label/__name__/values"))
            assert {"sluice_drops_total", "sluice_answers_total"} <= names
            assert any(name.endswith("_bucket") for name in names), "no histogram"
            switch.kill()
            prometheus.wait_for('sluice_up{process="dataplane"} == 0')
            switch.start()
            prometheus.wait_for('sluice_up{process="dataplane"} == 1')
            groups = prometheus.api("rules")["groups"]
            assert groups and all(rule["health"] in ("ok", "unknown")
                                  for group in groups for rule in group["rules"])
