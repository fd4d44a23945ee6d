# SPDX-License-Identifier: Apache-2.0
"""What the scripts of this folder keep of a report of sluice-bench, and tables of it."""

import os
import platform
import statistics
import time

# The stable names; a figure without these is no honest one.
NAMES = ("acked_per_s", "offered_per_s", "lost", "duplicated", "p50_us", "p90_us", "p99_us",
         "p999_us", "max_us", "in_flight", "messages_per_datagram", "port", "durable",
         "worker_busy_ns_per_message", "cores")
MORE = ("ok", "problems", "workload", "seconds", "accounts", "sessions", "accepted_share", "failed",
        "resent", "busy", "unsent", "codes", "write_p50_us", "risk_factors", "store_running",
        "store_lag_events", "data", "disk", "generator_polls", "generator_turn_max_us",
        "tx_full_turns")


def kept(report):
    """The part of a report that belongs into a comparison."""
    return {name: report[name] for name in NAMES + MORE if name in report}


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        names = [line.split(":", 1)[1].strip() for line in stream if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.machine(), "cpus": os.cpu_count(),
            "kernel": platform.release()}


def loop_ns():
    """One turn of an empty loop on the first CPU, ns: how fast the machine is at this moment. A
    host that gives a core's other thread to somebody else makes everything take up to twice as
    long, and no counter of ours shows it."""
    cpus = os.sched_getaffinity(0)
    times, turns = [], 30_000
    try:
        os.sched_setaffinity(0, {min(cpus)})
        for _ in range(200):
            begin = time.perf_counter_ns()
            for _ in range(turns):
                pass
            times.append((time.perf_counter_ns() - begin) / turns)
    finally:
        os.sched_setaffinity(0, cpus)
    return round(statistics.median(times), 2)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def rows(lines):
    """Columns as wide as they must be; the first to the left, all others to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(
            cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]).rstrip()
        for line in lines)
