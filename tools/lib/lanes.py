# SPDX-License-Identifier: Apache-2.0
"""Runs the test files of a folder side by side, each in a pytest of its own, for tools/check.

    lanes.py --junit FILE [--lanes N] [--alone FILE.py]... FOLDER|FILE.py...

Most of these tests wait: for a process to start, a peer to miss an answer, a disk. The files that
took longest last time begin; those named by --alone run after the others, one at a time. All
results are one JUnit file. Exit status: 0 all passed, 1 not, 2 wrong usage.
"""

import argparse
import concurrent.futures
import glob
import os
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

PYTHON = "/usr/bin/python3"  # the one Debian's python3-* packages belong to


def files_of(paths):
    found = []
    for path in paths:
        inside = sorted(glob.glob(os.path.join(path, "test_*.py")))
        found += inside if os.path.isdir(path) else [path]
    return found


def seconds_by_file(junit):
    """How long each file took, by its name, from the results of an earlier run."""
    took = {}
    try:
        root = xml.etree.ElementTree.parse(junit).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return took
    for case in root.iter("testcase"):
        name = case.get("classname", "").rsplit(".", 1)[-1] + ".py"
        took[name] = took.get(name, 0.0) + float(case.get("time", 0))
    return took


class Lanes:
    def __init__(self, junit):
        self.junit = junit
        self.results = xml.etree.ElementTree.Element("testsuites")
        self.printing = threading.Lock()
        self.failed = 0

    def run(self, number, path):
        """One file. Its results join those of the others, its output is printed in one piece."""
        part = f"{self.junit}.{number}"
        began = time.monotonic()
        ran = subprocess.run(
            [PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", part,
             path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False)
        with self.printing:
            print(f"{os.path.basename(path)} ({time.monotonic() - began:.1f} s)\n{ran.stdout}",
                  flush=True)
            self.join(path, part, ran.returncode)

    def join(self, path, part, status):
        # 5: no test in it, which is no failure (a file whose tests need --long).
        self.failed += status not in (0, 5)
        try:
            self.results.extend(xml.etree.ElementTree.parse(part).getroot().iter("testsuite"))
            os.unlink(part)
        except (OSError, xml.etree.ElementTree.ParseError):
            # pytest died: one test that failed stands for the file.
            suite = xml.etree.ElementTree.SubElement(
                self.results, "testsuite", name=path, tests="1", failures="1")
            xml.etree.ElementTree.SubElement(suite, "testcase", classname=path, name="pytest")
        # After each: what was done stays known when the suite is out of time.
        xml.etree.ElementTree.ElementTree(self.results).write(self.junit, encoding="unicode")


def main():
    parser = argparse.ArgumentParser(description="Test files side by side.")
    parser.add_argument("--junit", required=True, metavar="FILE")
    parser.add_argument("--earlier", metavar="FILE", help="results to take durations from")
    parser.add_argument("--lanes", type=int, default=2, metavar="N")
    parser.add_argument("--alone", action="append", default=[], metavar="FILE.py")
    parser.add_argument("paths", nargs="+", metavar="FOLDER|FILE.py")
    options = parser.parse_args()
    took = seconds_by_file(options.earlier or options.junit)
    # One that is not known yet may be long.
    order = sorted(files_of(options.paths), reverse=True,
                   key=lambda path: took.get(os.path.basename(path), 1000.0))
    alone = [path for path in order if os.path.basename(path) in options.alone]
    beside = [path for path in order if path not in alone]
    lanes = Lanes(options.junit)
    with concurrent.futures.ThreadPoolExecutor(options.lanes) as pool:
        for future in [pool.submit(lanes.run, i, path) for i, path in enumerate(beside)]:
            future.result()
    for number, path in enumerate(alone, len(beside)):
        lanes.run(number, path)
    return 1 if lanes.failed or not order else 0


if __name__ == "__main__":
    sys.exit(main())
