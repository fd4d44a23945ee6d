# SPDX-License-Identifier: Apache-2.0
"""tools/down: ends one instance and gives back what it reserved. Its data stays, unless asked."""

import argparse
import os
import shutil
import sys

import network
from instance import Instance, InstanceError


def main():
    parser = argparse.ArgumentParser(
        prog="tools/down", description="Stops what tools/up started. The journal and the tables "
        "stay; the next tools/up goes on with them.")
    parser.add_argument("--instance", default="sluice", metavar="NAME", help="its name (sluice)")
    parser.add_argument("--root", metavar="DIR",
                        help="where its files are (SLUICE_ROOT, else build/sluice[-NAME])")
    parser.add_argument("--wipe", action="store_true",
                        help="also delete the demo's data: journal, tables, logs")
    options = parser.parse_args()
    try:
        instance = Instance(options.instance, options.root)
        was_running = bool(instance.running_pid())
        instance.close()
    except (InstanceError, network.NetworkError, OSError) as error:
        print(f"tools/down: {error}", file=sys.stderr)
        return getattr(error, "status", 3)
    print(f"Stopped {instance.name}." if was_running else f"{instance.name} was not running.")
    if options.wipe:
        if not os.path.exists(instance.path("var/lib/sluice/demo.json")):
            print(f"tools/down: {instance.root} holds no demo data; nothing deleted.",
                  file=sys.stderr)
            return 1
        for folder in ("var/lib/sluice", "var/lib/sluice-terminal", "var/log/sluice"):
            shutil.rmtree(instance.path(folder), ignore_errors=True)
        print(f"Deleted the data under {instance.root}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
