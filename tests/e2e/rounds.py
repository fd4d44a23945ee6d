# SPDX-License-Identifier: Apache-2.0
"""Long forms in rounds: what is done is kept by the hash of the program tested, so a run that was
stopped goes on, and one of another program begins anew."""

import hashlib
import json
import os
import time

from switch import BUILD, TOP


def program_hash():
    with open(os.path.join(BUILD, "dataplane/sluice-dataplane"), "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()[:16]


class Rounds:
    """The rounds done, in build/check/NAME.json; build/check/NAME.log has a line for each.

    counted: the field of a round that is added up towards the goal; it names the total in the log
    as `called`.
    """

    def __init__(self, name, counted, called):
        self.state = os.path.join(TOP, f"build/check/{name}.json")
        self.log = os.path.join(TOP, f"build/check/{name}.log")
        self.counted, self.called = counted, called
        self.program = program_hash()
        self.done = self.load()

    def load(self):
        try:
            with open(self.state, encoding="ascii") as stream:
                state = json.load(stream)
        except (OSError, ValueError):
            return []
        return state["rounds"] if state["program"] == self.program else []

    def total(self):
        return sum(part[self.counted] for part in self.done)

    def add(self, part):
        """Keeps one more round (a dictionary) before it returns."""
        self.done.append(part)
        os.makedirs(os.path.dirname(self.state), exist_ok=True)
        with open(self.state + ".new", "w", encoding="ascii") as stream:
            json.dump({"program": self.program, "rounds": self.done}, stream)
        os.rename(self.state + ".new", self.state)
        with open(self.log, "a", encoding="ascii") as stream:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            stream.write(f"{now} {self.program} {json.dumps(part)}; "
                         f"{self.total()} {self.called} in all\n")
