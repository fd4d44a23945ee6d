# SPDX-License-Identifier: Apache-2.0
"""The network of an instance: two namespaces, a data link and a management link between them.

    sluice-switch-NAME                        sluice-terminal-NAME
      data0   (198.18.0.1, the data plane's) --- data0  198.18.0.2/24
      mgmt0   198.18.1.1/30                  --- mgmt0  198.18.1.2/30

198.18.0.0/15 is the benchmarking range of RFC 2544 section C.2.2 and exists only inside the
namespaces. The kernel does not know the switch's data address: it would answer port-unreachable.
"""

import os
import re
import signal
import subprocess
import time

SWITCH_ADDRESS = "198.18.0.1"
TERMINAL_ADDRESS = "198.18.0.2"
PREFIX_LENGTH = 24
MANAGEMENT_SWITCH = "198.18.1.1"
MANAGEMENT_TERMINAL = "198.18.1.2"
INTERFACE = "data0"
RUN = "/run/netns"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class NetworkError(Exception):
    """One sentence what is wrong and one what to do; `status` is the exit status it asks for."""

    def __init__(self, message, status=3):
        super().__init__(message)
        self.status = status


def name_check(name):
    if not NAME.fullmatch(name):
        raise NetworkError(f"Instance name {name!r}: use 1 to 40 of a-z, 0-9 and '-'.", 2)


def switch_namespace(name):
    return f"sluice-switch-{name}"


def terminal_namespace(name):
    return f"sluice-terminal-{name}"


def inside(namespace, command):
    """The command line that runs `command` there; nsenter execs, so the process id stays."""
    return ["nsenter", f"--net={RUN}/{namespace}", "--", *command]


def ip(*arguments, namespace=None):
    command = ["ip", *arguments]
    if namespace is not None:
        # Not `ip -n`: it remounts /, which fails where / is not a mount point (chroot).
        command = inside(namespace, command)
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         check=False)
    if ran.returncode != 0:
        raise NetworkError(
            f"`{' '.join(command)}` failed: {ran.stderr.strip() or ran.stdout.strip()}. "
            "Network namespaces and veth links need root (CAP_SYS_ADMIN, CAP_NET_ADMIN) and the "
            "veth kernel module.")


def exists(namespace):
    return os.path.exists(os.path.join(RUN, namespace))


def processes(namespace):
    ran = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, check=False)
    return [int(word) for word in ran.stdout.split()] if ran.returncode == 0 else []


def offloads_off(namespace):
    # veth hands partial checksums over; the data plane does not finish the peer's work.
    for feature in ("tx", "gso", "tso", "gro"):
        subprocess.run(inside(namespace, ["ethtool", "-K", INTERFACE, feature, "off"]),
                       capture_output=True, stdin=subprocess.DEVNULL, check=False)


def create(name):
    """Makes both namespaces and links. What an earlier run of the same name left is removed."""
    name_check(name)
    remove(name)
    switch, terminal = switch_namespace(name), terminal_namespace(name)
    try:
        for namespace in (switch, terminal):
            ip("netns", "add", namespace)
            ip("link", "set", "lo", "up", namespace=namespace)
        for link in (INTERFACE, "mgmt0"):
            ip("link", "add", link, "netns", switch, "type", "veth", "peer", "name", link, "netns",
               terminal)
            for namespace in (switch, terminal):
                # No IPv6 of the kernel's own: every datagram on the link is somebody's.
                ip("link", "set", link, "addrgenmode", "none", namespace=namespace)
        ip("address", "add", f"{TERMINAL_ADDRESS}/{PREFIX_LENGTH}", "dev", INTERFACE,
           namespace=terminal)
        ip("address", "add", f"{MANAGEMENT_SWITCH}/30", "dev", "mgmt0", namespace=switch)
        ip("address", "add", f"{MANAGEMENT_TERMINAL}/30", "dev", "mgmt0", namespace=terminal)
        for namespace in (switch, terminal):
            offloads_off(namespace)
            for link in (INTERFACE, "mgmt0"):
                ip("link", "set", link, "up", namespace=namespace)
    except NetworkError:
        remove(name)
        raise


def remove(name):
    """Ends what still runs in the namespaces (by process id) and removes them."""
    for namespace in (terminal_namespace(name), switch_namespace(name)):
        if not exists(namespace):
            continue
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in processes(namespace):
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    pass
            until = time.monotonic() + 2
            while processes(namespace) and time.monotonic() < until:
                time.sleep(0.02)
        ip("netns", "delete", namespace)


def names_with_prefix(prefix):
    """Instances whose namespaces exist, by the beginning of their name."""
    found = set()
    for namespace in os.listdir(RUN) if os.path.isdir(RUN) else []:
        match = re.fullmatch(r"sluice-(?:switch|terminal)-(.+)", namespace)
        if match and match.group(1).startswith(prefix):
            found.add(match.group(1))
    return sorted(found)
