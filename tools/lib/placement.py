# SPDX-License-Identifier: Apache-2.0
"""Where threads may run. The rule: a worker never spins on the CPU that takes the journal device's
interrupts, because each synced write completes through a kernel thread there and would wait for the
next timer tick (measured: 129 us becomes 4,000 us).
"""

import dataclasses
import os
import re

BLOCK = "/sys/dev/block"


@dataclasses.dataclass
class Disk:
    """The device under a folder. `name` is empty when there is none (tmpfs, overlay)."""

    name: str = ""
    filesystem: str = ""
    interrupt_cpus: tuple = ()
    write_cache: str = ""
    fua: bool = False


@dataclasses.dataclass
class Placement:
    main: int
    workers: list
    store: int
    polling: str
    warnings: list


def read(path, default=""):
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return default


def cpu_list(text):
    """'0,2-3' -> [0, 2, 3]."""
    cpus = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def mount_of(folder):
    """(file system type, source) of the mount that holds the folder; the deepest, last one wins."""
    best = ("", "", "")
    for line in read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, *right.split()[:2])
    return best[1], best[2]


def whole_disks(number):
    """Paths in /sys of the disks below a device number: partitions and mapped devices followed."""
    found, queue = [], [os.path.realpath(os.path.join(BLOCK, number))]
    while queue:
        path = queue.pop()
        if not os.path.isdir(path):
            continue
        if os.path.exists(os.path.join(path, "partition")):
            path = os.path.dirname(path)
        slaves = os.path.join(path, "slaves")
        below = os.listdir(slaves) if os.path.isdir(slaves) else []
        if below:
            queue.extend(os.path.realpath(os.path.join(slaves, name)) for name in below)
        else:
            found.append(path)
    return found


def interrupts_of(disk):
    """Interrupts of a disk's request queues. Configuration interrupts complete no I/O."""
    path = os.path.realpath(os.path.join(disk, "device"))
    driver_names = {os.path.basename(path)}
    numbers = []
    while path.startswith("/sys/devices/") and not numbers:
        driver_names.add(os.path.basename(path))
        msi = os.path.join(path, "msi_irqs")
        if os.path.isdir(msi):
            numbers = [int(name) for name in os.listdir(msi)]
        elif read(os.path.join(path, "irq")) not in ("", "0"):
            numbers = [int(read(os.path.join(path, "irq")))]
        path = os.path.dirname(path)
    queues = []
    for line in read("/proc/interrupts").splitlines():
        match = re.match(r"\s*(\d+):", line)
        if not match or int(match.group(1)) not in numbers:
            continue
        name = line.split()[-1]
        if re.fullmatch(r"virtio\d+-(config|virtqueues)|nvme\d+q0", name) and \
                not name.endswith("virtqueues"):
            continue
        queues.append(int(match.group(1)))
    return queues or numbers


def disk_of(folder):
    """The disk that will hold the journal. The folder, or a parent of it, must exist."""
    folder = os.path.realpath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    kind, source = mount_of(folder)
    device = os.stat(folder).st_dev
    if os.major(device) == 0 and source.startswith("/dev/") and os.path.exists(source):
        device = os.stat(source).st_rdev  # file systems with numbers of their own: btrfs
    disks = whole_disks(f"{os.major(device)}:{os.minor(device)}") if os.major(device) else []
    if not disks:
        return Disk(filesystem=kind)
    cpus = set()
    for disk in disks:
        for number in interrupts_of(disk):
            cpus.update(cpu_list(read(f"/proc/irq/{number}/effective_affinity_list") or
                                 read(f"/proc/irq/{number}/smp_affinity_list")))
    return Disk(
        name=",".join(os.path.basename(disk) for disk in disks), filesystem=kind,
        interrupt_cpus=tuple(sorted(cpus)),
        write_cache=read(os.path.join(disks[0], "queue/write_cache")),
        fua=read(os.path.join(disks[0], "queue/fua")) == "1")


def flush_note(disk):
    """What each synced write costs beyond itself, or '' where a write alone is durable."""
    if disk.write_cache != "write back" or disk.fua:
        return ""
    return (f"{disk.name}: volatile write cache without FUA; every write is followed by a "
            "flush")


def place(shards, disk, cpus=None):
    """CPUs for the threads of an instance."""
    cpus = sorted(os.sched_getaffinity(0)) if cpus is None else list(cpus)
    warnings = []
    free = [cpu for cpu in cpus if cpu not in disk.interrupt_cpus]
    if not disk.interrupt_cpus:
        warnings.append(
            "The journal device's interrupt CPU is unknown here, so a worker may share it; "
            "polling is adaptive, which gives the CPU back.")
    elif not free:
        warnings.append(
            f"Every CPU takes interrupts of the journal device {disk.name}, so the worker shares "
            "one; polling is adaptive. Latency will be higher than on a machine with a free CPU.")
    rest = [cpu for cpu in cpus if cpu in disk.interrupt_cpus] or cpus
    candidates = free or cpus
    # Main and store belong on the interrupt CPU: they block, so completions are not delayed.
    if len(free) == len(cpus) and len(cpus) > 1:
        candidates, rest = cpus[:-1], cpus[-1:]
    workers = [candidates[index % len(candidates)] for index in range(shards)]
    shared = len(set(workers)) < shards
    busy = not shared and not set(workers) & set(rest) and bool(disk.interrupt_cpus) and bool(free)
    if shared:
        warnings.append(f"{shards} workers share {len(set(workers))} of {len(cpus)} CPUs; polling "
                        "is adaptive.")
    return Placement(rest[0], workers, rest[-1], "busy" if busy else "adaptive", warnings)
