# SPDX-License-Identifier: Apache-2.0
"""The log of tools/fuzz: a line a run, and what they come to together."""

import collections
import os
import re
import subprocess
import time

import sources

LINE = re.compile(
    r"^\S+ (?P<commit>\S+) (?P<target>\S+) wall=(?P<wall>[\d.]+) cpu=(?P<cpu>[\d.]+) "
    r"executions=(?P<executions>\d+) new=(?P<new>\d+) coverage=(?P<coverage>\d+) "
    r"crashes=(?P<crashes>\d+)$")


def last_number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def figures_of(path):
    """What libFuzzer's own output says of a run."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    executions = last_number(r"stat::number_of_executed_units: (\d+)", text)
    return {
        "executions": executions or last_number(r"^#(\d+)\s", text[text.rfind("\n#") + 1:]),
        "new": last_number(r"stat::new_units_added: +(\d+)", text),
        "coverage": last_number(r" cov: (\d+)", text)}


def commit_now():
    """Short name of the commit; "+" behind it where the files differ from it."""
    try:
        ran = subprocess.run(
            ["git", "-c", f"safe.directory={sources.TOP}", "-C", sources.TOP, "describe",
             "--always", "--abbrev=12", "--dirty=+", "--exclude=*"], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no-commit"
    return ran.stdout.strip() or "no-commit"


class FuzzLog:
    def __init__(self, path):
        self.path = path

    def add(self, target, wall, processor, figures, crashes):
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(
                f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} "
                f"{commit_now()} {target} wall={wall:.0f} cpu={processor:.1f} "
                f"executions={figures['executions']} new={figures['new']} "
                f"coverage={figures['coverage']} crashes={crashes}\n")

    def runs(self):
        """Match objects of all lines; one that was cut off by a crash is no run."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as stream:
            found = [LINE.match(line) for line in stream]
        return [match for match in found if match]

    def seconds(self):
        """Of the processor, by target."""
        done = collections.Counter()
        for run in self.runs():
            done[run["target"]] += float(run["cpu"])
        return done

    def text(self):
        """A table by target, a line for all last."""
        lines, total = [], collections.Counter()
        by_target = collections.defaultdict(list)
        for run in self.runs():
            by_target[run["target"]].append(run)
        for target, runs in sorted(by_target.items()):
            sums = collections.Counter()
            for name in ("wall", "cpu", "executions", "new", "crashes"):
                sums[name] = sum(float(run[name]) for run in runs)
            total.update(sums)
            lines.append(f"{target:<16} {sums['cpu']:7.0f} s  {sums['executions']:12.0f} runs  "
                         f"{sums['new']:6.0f} new  cov {runs[-1]['coverage']:>6}  "
                         f"{sums['crashes']:.0f} failures")
        lines.append(f"{len(by_target)} targets: {total['cpu']:.0f} s of the processor, "
                     f"{total['wall']:.0f} s by the clock, {total['executions']:.0f} runs, "
                     f"{total['crashes']:.0f} failures in the log")
        return "\n".join(lines)
