# SPDX-License-Identifier: Apache-2.0
"""Hugepages for an instance: reserved if the machine has them to give, returned by tools/down."""

import contextlib
import fcntl
import glob
import os
import subprocess

PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/"
LOCK = "/run/lock/sluice-hugepages"
PAGE_MIB = 2


def number(name):
    with open(PAGES + name, encoding="ascii") as stream:
        return int(stream.read())


def reserved():
    """Pages that stay: those a dead process's io_uring still holds may be surplus, and go."""
    return number("nr_hugepages") - number("surplus_hugepages")


def mount_point():
    """Where 2 MiB pages are mounted, or None."""
    with open("/proc/mounts", encoding="utf-8") as stream:
        for line in stream:
            fields = line.split()
            if fields[2] == "hugetlbfs" and "pagesize=1024M" not in fields[3]:
                return fields[1]
    return None


def locked():
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)
    stream = open(LOCK, "w", encoding="ascii")
    fcntl.flock(stream, fcntl.LOCK_EX)
    return stream


def reserve(megabytes):
    """Adds pages for one instance. Returns the number added, or 0 and nothing changed."""
    wanted = -(-megabytes // PAGE_MIB)
    try:
        with locked():
            before = reserved()
            with open(PAGES + "nr_hugepages", "w", encoding="ascii") as stream:
                stream.write(str(before + wanted))
            got = reserved() - before
            if got == wanted and mount_point() is None:
                os.makedirs("/dev/hugepages", exist_ok=True)
                subprocess.run(
                    ["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", "/dev/hugepages"],
                    check=True, capture_output=True, stdin=subprocess.DEVNULL)
            if got == wanted:
                return wanted
            with open(PAGES + "nr_hugepages", "w", encoding="ascii") as stream:
                stream.write(str(before))
    except (OSError, subprocess.CalledProcessError):
        pass  # no permission or no such kernel feature: the caller goes on without
    return 0


def release(pages, file_prefix):
    """Removes an instance's page files and returns its pages to the system."""
    point = mount_point()
    if point is not None:
        for path in glob.glob(os.path.join(glob.escape(point), glob.escape(file_prefix) + "map_*")):
            # DPDK of another instance that starts removes what nobody holds any more, too.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    if pages == 0:
        return
    try:
        with locked():
            left = max(0, reserved() - pages)
            with open(PAGES + "nr_hugepages", "w", encoding="ascii") as stream:
                stream.write(str(left))
    except OSError:
        pass
