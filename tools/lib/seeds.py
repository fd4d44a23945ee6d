# SPDX-License-Identifier: Apache-2.0
"""Runs every unit test program that takes a random seed with many seeds, for tools/check --long.

    seeds.py --build DIR [--seeds N]

One program counts as one test: passed when it passed with every seed.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

SEED_LINE = re.compile(r"^seed \d+ \(repeat with SLUICE_TEST_SEED\)$", re.MULTILINE)
SECONDS_MAX = 300  # one program, one seed


def programs(build):
    """Unit test programs of a build folder, by name: (command, folder, environment)."""
    build = os.path.abspath(build)
    listed = subprocess.run(["meson", "introspect", "--tests", build], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, check=True)
    return {test["name"]: (test["cmd"], test["workdir"] or build, test["env"])
            for test in json.loads(listed.stdout)}


def run(program, seed):
    """(succeeded, output) of one program with one seed."""
    command, folder, environment = program
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                             timeout=SECONDS_MAX, cwd=folder,
                             env={**os.environ, **environment, "SLUICE_TEST_SEED": str(seed)})
        return ran.returncode == 0, ran.stdout
    except subprocess.TimeoutExpired:
        return False, f"no end within {SECONDS_MAX} s"


def sweep(programs_found, first, count):
    """Programs side by side, seeds one after another. Returns (random ones, {name: bad seed})."""
    failed = {}
    left = dict(programs_found)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for seed in range(first, first + count):
            names = list(left)
            results = pool.map(lambda name, value=seed: run(left[name], value), names)
            for name, (succeeded, output) in zip(names, list(results)):
                if seed == first and not SEED_LINE.search(output) and succeeded:
                    del left[name]  # nothing random in it: the fast suite is enough
                elif not succeeded:
                    print(f"{name} failed: SLUICE_TEST_SEED={seed} {' '.join(left[name][0])}")
                    last = output.splitlines()[-15:]
                    print("\n".join("    " + line for line in last), flush=True)
                    failed[name] = seed
                    del left[name]
    return sorted([*left, *failed]), failed


def main():
    parser = argparse.ArgumentParser(description="Random tests with many seeds.")
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=500, metavar="N")
    options = parser.parse_args()
    first = int(os.environ.get("SLUICE_TEST_SEED", "0"), 0) or int(time.time())
    print(f"seeds {first} to {first + options.seeds - 1} (SLUICE_TEST_SEED sets the first)",
          flush=True)
    names, failed = sweep(programs(options.build), first, options.seeds)
    print(" ".join(names))
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
