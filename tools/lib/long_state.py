# SPDX-License-Identifier: Apache-2.0
"""What tools/check --long has finished, by commit, so that a run that was stopped can go on."""

import json
import os
import subprocess
import time

import sources

SCHEMA = "sluice-check-long/1"


def commit_of(top=sources.TOP):
    """The commit the files are those of; '' where they differ from it or nobody can tell."""
    # The tree may belong to somebody else than root, who runs the tests.
    git = ["git", "-c", f"safe.directory={top}", "-C", top]
    try:
        status = subprocess.run([*git, "status", "--porcelain"], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, check=True)
        if status.stdout:
            return ""
        head = subprocess.run([*git, "rev-parse", "HEAD"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip()


class LongState:
    """Suites that passed for one commit. Without a commit nothing is kept and nothing skipped."""

    def __init__(self, path, commit, fresh=False):
        self.path = path
        self.commit = commit
        self.suites = {}
        if not commit or fresh:
            return
        try:
            with open(path, encoding="utf-8") as stream:
                saved = json.load(stream)
            if saved["schema"] == SCHEMA and saved["commit"] == commit:
                self.suites = dict(saved["suites"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no state is the state before the first run

    def passed(self, name):
        """What is known of a suite that passed ({passed, skipped, finished, ...}), else None."""
        return self.suites.get(name)

    def record(self, name, count, seconds):
        """Keeps a suite that passed; one that failed runs again next time."""
        if not self.commit:
            return
        self.suites.pop(name, None)
        if not count.failed:
            self.suites[name] = {
                "passed": count.passed, "skipped": count.skipped, "seconds": round(seconds, 1),
                "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        temporary = self.path + ".new"
        with open(temporary, "w", encoding="utf-8") as stream:
            json.dump({"schema": SCHEMA, "commit": self.commit, "suites": self.suites}, stream,
                      indent=1)
            stream.write("\n")
        os.replace(temporary, self.path)
