# SPDX-License-Identifier: Apache-2.0
"""tools/down: ends one instance and gives back what it reserved. Its data stays, unless asked."""

import argparse
import json
import os
import shutil
import sys

import network
import sources
from control import Control
from instance import Instance, InstanceError
from postgres import PostgresError, stop_leftover


def wipe(instance):
    """Deletes the demo's data; False, and nothing deleted, where there is none."""
    if not os.path.exists(instance.path("var/lib/sluice/demo.json")):
        return False
    for folder in ("var/lib/sluice", "var/lib/sluice-terminal", "var/log/sluice", "etc/sluice/ca"):
        shutil.rmtree(instance.path(folder), ignore_errors=True)
    return True


def main():
    parser = argparse.ArgumentParser(
        prog="tools/down", description="Stops what tools/up started. The journal and the tables "
        "stay; the next tools/up goes on with them.",
        epilog="Exit status: 0 stopped or not running, 1 --wipe found no demo data, 2 wrong usage, "
        "3 something needed is missing.")
    parser.add_argument("--instance", default="sluice", metavar="NAME", help="its name (sluice)")
    parser.add_argument("--root", metavar="DIR",
                        help="where its files are (SLUICE_ROOT, else build/sluice[-NAME])")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--wipe", action="store_true",
                        help="also delete the demo's data: journal, tables, logs")
    parser.add_argument("--version", action="version", version="tools/down " + sources.version())
    options = parser.parse_args()
    try:
        instance = Instance(options.instance, options.root)
        was_running = bool(instance.running_pid())
        Control(instance).stop()
        instance.close()
        folder = f"/var/tmp/sluice-postgres-{instance.name}"
        stop_leftover(folder)
    except (InstanceError, network.NetworkError, PostgresError, OSError) as error:
        print(f"tools/down: {error}", file=sys.stderr)
        return getattr(error, "status", 3)
    wiped = options.wipe and wipe(instance)
    if wiped:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps({"schema": "sluice-down/1", "instance": instance.name,
                          "root": instance.root, "was_running": was_running, "wiped": wiped}))
    else:
        print(f"Stopped {instance.name}." if was_running else f"{instance.name} was not running.")
        if wiped:
            print(f"Deleted the data under {instance.root}.")
    if options.wipe and not wiped:
        print(f"tools/down: {instance.root} holds no demo data; nothing deleted.",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
