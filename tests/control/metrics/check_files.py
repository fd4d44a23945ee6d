#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the files people hand to Prometheus and Grafana.

    check_files.py metrics METRICS-FAKE     promtool check metrics finds nothing to complain about
    check_files.py names METRICS-FAKE       rules, dashboard and their tests name only our metrics,
                                            alerts only verbs of sluicectl
    check_files.py rules                    promtool check rules, check config, test rules

Exit status 0 good, 1 not, 77 promtool is missing.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, "../../.."))
FILES = os.path.join(TOP, "control/metrics")
sys.path.insert(0, os.path.join(TOP, "tools/lib"))
import sources  # noqa: E402

SUFFIX = re.compile(r"_(bucket|sum|count)$")


def fake(program, kind):
    return subprocess.run([program, kind], capture_output=True, text=True, check=True,
                          timeout=30).stdout


def promtool(*arguments, text=None):
    """Its exit status is 0 with lint complaints too, so anything it says counts."""
    ran = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True,
                         check=False, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr


def families(text):
    """name: type, from the TYPE lines."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def check_metrics(program):
    problems = []
    for kind in ("full", "ill", "down"):
        text = fake(program, kind)
        status, said = promtool("check", "metrics", text=text)
        if status != 0 or said.strip():
            problems.append(f"promtool check metrics, {kind}: status {status}\n{said}")
        # A sample belongs to the family above it, no family comes twice, no series twice.
        names = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
        series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line[0] != "#"]
        if len(names) != len(set(names)):
            problems.append(f"{kind}: a family comes twice")
        if len(series) != len(set(series)):
            problems.append(f"{kind}: a series comes twice")
    return problems


def names_of(text):
    return {SUFFIX.sub("", name) if name.startswith("sluice_stage") else name
            for name in re.findall(r"\bsluice_[a-z0-9_]+", text)}


def expressions(node):
    """Every PromQL text of a dashboard."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def check_verbs():
    """What an alert tells a person to type must exist."""
    verbs = set()
    for name in ("verbs.c", "verbs_risk.c"):
        with open(os.path.join(TOP, "control/ops-socket", name), encoding="utf-8") as stream:
            verbs |= set(re.findall(r'^\t\{ "([a-z -]+)", [A-Z]', stream.read(), re.MULTILINE))
    with open(os.path.join(FILES, "alerts.yml"), encoding="utf-8") as stream:
        named = {words.split(" --")[0]
                 for words in re.findall(r"`sluicectl ([a-z -]+)`", stream.read())}
    if len(verbs) < 20 or len(named) < 5:
        return ["the verbs of sluicectl were not found"]
    return [f"alerts.yml: sluicectl has no verb `{name}`" for name in sorted(named - verbs)]


def check_names(program):
    known = set(families(fake(program, "full")))
    # Rule groups are named sluice_ too.
    groups = {"sluice_up", "sluice_service", "sluice_data"}
    problems = check_verbs()
    for path in (os.path.join(FILES, "alerts.yml"), os.path.join(HERE, "alerts_test.yml")):
        with open(path, encoding="utf-8") as stream:
            unknown = names_of(stream.read()) - known - groups
        problems += [f"{path}: nobody makes {name}" for name in sorted(unknown)]
    with open(os.path.join(FILES, "dashboard.json"), encoding="utf-8") as stream:
        dashboard = json.load(stream)
    texts = list(expressions(dashboard))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    if len(texts) < len(panels) or len(panels) < 10:
        problems.append("dashboard.json: panels without an expression")
    for text in texts:
        problems += [f"dashboard.json: nobody makes {name}: {text}"
                     for name in sorted(names_of(text) - known)]
        if text != "prometheus" and not names_of(text):
            problems.append(f"dashboard.json: names no metric: {text}")
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        problems.append("dashboard.json: an id comes twice")
    return problems


def check_rules():
    problems = []
    for arguments in (("check", "rules", "--lint-fatal", os.path.join(FILES, "alerts.yml")),
                      ("check", "config", os.path.join(FILES, "prometheus.yml")),
                      ("test", "rules", os.path.join(HERE, "alerts_test.yml"))):
        status, said = promtool(*arguments)
        if status != 0:
            problems.append(f"promtool {' '.join(arguments)}: status {status}\n{said}")
    return problems


def main():
    parser = argparse.ArgumentParser(
        prog="check_files.py", description="Checks of the files people hand to Prometheus and "
        "Grafana.", epilog="Exit status: 0 good, 1 not, 2 wrong usage, 77 promtool is missing.")
    parser.add_argument("--version", action="version",
                        version="check_files.py " + sources.version())
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="CHECK")
    for name, text in (("metrics", "promtool check metrics finds nothing to complain about"),
                       ("names", "rules, dashboard and their tests name only our metrics, alerts "
                        "only verbs of sluicectl"),
                       ("rules", "promtool check rules, check config, test rules")):
        kind = kinds.add_parser(name, help=text)
        if name != "rules":
            kind.add_argument("program", metavar="METRICS-FAKE", help="prints a metrics file")
    options = parser.parse_args()
    if options.kind != "names" and shutil.which("promtool") is None:
        print("promtool is missing: apt-get install prometheus")
        return 77
    checks = {"metrics": check_metrics, "names": check_names, "rules": check_rules}
    problems = checks[options.kind](*([options.program] if options.kind != "rules" else []))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
