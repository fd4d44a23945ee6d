# SPDX-License-Identifier: Apache-2.0
"""tools/up behind the packages and the build: start, demo, table."""

import argparse
import json
import os
import signal
import sys
import time

import demo
import network
import placement
import sources
from control import Control
from instance import Instance, InstanceError, Settings
from postgres import Postgres, PostgresError
from sources import TOP


REPLICATION_SECONDS = 60


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/up", description="Installs packages, builds, starts a switch on this machine, "
        "loads a season of football and lets terminals place bets. tools/down stops it.",
        epilog="Exit status: 0 all went well, 1 something was refused or does not fit, 2 wrong "
        "usage, 3 something needed is missing, 130 stopped.")
    parser.add_argument("--once", action="store_true",
                        help="stop everything at the end, check it; exit 0 only if all went well")
    parser.add_argument("--json", metavar="FILE", help="also write the result there")
    parser.add_argument("--shards", type=int, default=1, help="workers (1)")
    parser.add_argument("--bets", type=int, default=6_000, help="bets of all terminals (6000)")
    parser.add_argument("--terminals", type=int, default=3, help="terminal processes, 3..64 (3)")
    parser.add_argument("--accounts", type=int, default=200, help="accounts, at least 200 (200)")
    parser.add_argument("--rate", type=int, default=2_000, help="bets a second per terminal (2000)")
    parser.add_argument("--instance", default="sluice", metavar="NAME",
                        help="several instances run side by side under different names (sluice)")
    parser.add_argument("--root", metavar="DIR",
                        help="where its files are (SLUICE_ROOT, else build/sluice[-NAME])")
    parser.add_argument("--port", choices=("af_xdp", "af_packet"), default="af_xdp",
                        help="how packets come in (af_xdp, or af_packet where that does not work)")
    parser.add_argument("--postgres", action="store_true",
                        help="also start a private PostgreSQL and replicate into it")
    parser.add_argument("--no-hugepages", action="store_true", help="do not reserve hugepages")
    parser.add_argument("--version", action="version", version="tools/up " + sources.version())
    options = parser.parse_args()
    for name, lowest, highest in (("shards", 1, 64), ("bets", 1, 10**7), ("terminals", 3, 64),
                                  ("accounts", 200, 90_000), ("rate", 1, 10**6)):
        if not lowest <= getattr(options, name) <= highest:
            parser.error(f"--{name}: give a number from {lowest} to {highest}.")
    return options


def postgres_folder(instance):
    """Outside the root: PostgreSQL runs as its own user, who may not reach it."""
    return f"/var/tmp/sluice-postgres-{instance.name}"


def notice(text):
    print(f"  note: {text}", flush=True)


def step(text):
    print(text, flush=True)


def check_balance(verified):
    sums = verified["balance_sum"]
    return sum(abs(value) for value in sums.values()) if isinstance(sums, dict) else sums


def replicated(control):
    """Waits until PostgreSQL has everything and lets control compare. Problems, and the verdict.

    Everything is what is durable now. The lag alone does not tell: it counts from the shards' logs,
    which are written some time after the journal.
    """
    durable = {shard["shard"]: shard["durable_lsn"] for shard in control.status()["shards"]}
    until = time.monotonic() + REPLICATION_SECONDS
    problems = []
    while True:
        there = {shard["shard"]: shard["lsn"]
                 for shard in control.json("replication", "status")["shards"]}
        if all(there.get(shard, 0) >= lsn for shard, lsn in durable.items()):
            break
        if time.monotonic() > until:
            problems.append(f"PostgreSQL has events up to {there}, of {durable}")
            break
        time.sleep(0.1)
    verdict = control.json("replication", "verify", timeout=300, check=False)
    if not verdict.get("ok"):
        problems.append(f"replication verify: {json.dumps(verdict)}")
    return problems, verdict


def run(instance, control, server, options):
    """Start to summary; the instance is left running."""
    began = time.monotonic()
    step(f"Starting the switch under {instance.root}")
    instance.prepare()
    if instance.settings.hugepages and not instance.pages:
        notice("No hugepages could be reserved; running on ordinary pages, somewhat slower.")
    instance.start_with_fallback(notice)
    for warning in instance.placement.warnings:
        notice(warning)
    if server is not None:
        step("Starting PostgreSQL for replication")
        server.create()
        server.start()
        control.connection = server.conninfo
    step("Starting control; the operator makes an authority, enrols terminals, opens markets")
    control.start()
    control.authority_make()
    control.wait_up()
    enrolled = time.monotonic()
    for terminal in range(demo.FIRST_TERMINAL, demo.FIRST_TERMINAL + options.terminals):
        control.enroll(terminal)
    enrolled = time.monotonic() - enrolled
    demo.load_by_control(control, options.accounts)
    step(f"{options.terminals} terminals get their keys over TLS and place {options.bets} bets, "
         f"{options.accounts} accounts")
    started = demo.start_terminals(
        control, options.terminals, options.accounts, options.bets, options.rate)
    reports = demo.wait(started)
    status = control.status()
    result = {
        "schema": "sluice-up/1", **demo.summary(reports),
        "terminals": options.terminals, "accounts": options.accounts,
        "shards": options.shards, "port_type": status["dataplane"]["port_type"],
        "tls_handshakes": status["keys"]["handshakes"], "enroll_seconds": round(enrolled, 3),
        "journal_disk": {"name": instance.disk.name, "write_cache": instance.disk.write_cache,
                         "fua": instance.disk.fua},
    }
    problems = []
    if server is not None:
        problems, result["replication"] = replicated(control)
    audit = control.json("audit", "verify")
    result["audit_entries"] = audit["entries"]
    if options.once:
        ended = {"Control": control.stop(), "The data plane": instance.stop()}
        for what, code in ended.items():
            if code != 0:
                raise InstanceError(f"{what} ended with status {code}. Read {instance.log}.", 1)
    result.update(judge(instance, started))
    result["problems"] += problems
    result["seconds"] = round(time.monotonic() - began, 1)
    done = result["bets_accepted"] + sum(result["bets_refused"].values())
    if done != options.bets or result["unanswered"]:
        result["problems"].append(f"{done} of {options.bets} bets have an outcome")
    if result["bets_accepted"] == 0:
        result["problems"].append("no bet was accepted")
    result["ok"] = not result["problems"]
    return result


def judge(instance, started):
    """What the journal and the tables say, against what the terminals saw."""
    verified = instance.verify()
    acks = [ack for _, files in started for ack in demo.acknowledged(files["acks"])]
    problems = demo.compare(acks, instance.events())
    balance = check_balance(verified)
    if not verified["ok"]:
        problems.append(f"sluice-db verify found damage: {verified.get('first_damage')}")
    if balance != 0:
        problems.append(f"the balances of all accounts sum to {balance}, not to 0")
    if not acks:
        problems.append("the terminals logged no acknowledgement")
    return {"balance_sum": balance, "acknowledged": len(acks), "problems": problems}


def table(result, instance, options):
    rows = [("bets accepted", f"{result['bets_accepted']:,}")]
    rows += [(f"refused, {name}", f"{count:,}") for name, count in result["bets_refused"].items()]
    rows += [
        ("half of the answers within", f"{result['p50_us']:,.0f} us"),
        ("99 % of the answers within", f"{result['p99_us']:,.0f} us"),
        ("TLS handshakes", f"{result['tls_handshakes']:,}"),
        ("sum of all balances", f"{result['balance_sum']:,} (must be 0)"),
        ("acknowledged and found in the log", f"{result['acknowledged']:,}"),
        ("entries in the audit log", f"{result['audit_entries']:,}"),
    ]
    if "replication" in result:
        rows.append(("events in PostgreSQL, each compared",
                     f"{result['replication'].get('rows', 0):,}"))
    rows.append(("took", f"{result['seconds']} s"))
    note = placement.flush_note(instance.disk)
    if note:
        rows.append(("journal disk", note))
    width = max(len(name) for name, _ in rows)
    print()
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    print()
    for problem in result["problems"][:10]:
        print(f"  PROBLEM: {problem}")
    if options.once:
        print("  Everything is stopped. The journal and the tables are under "
              f"{instance.path('var/lib/sluice')}.")
        print("  Next: tools/up leaves the switch running; tools/check runs the tests.")
        return
    print_next(result["port_type"], instance, options)


def near(path):
    """From here if it is below here, else in full."""
    relative = os.path.relpath(path)
    return os.path.abspath(path) if relative.startswith("..") else relative


def print_next(port_type, instance, options):
    namespace = network.terminal_namespace(instance.name)
    tools = os.path.join(near(instance.build), "tools")
    own = [f"--instance {instance.name}"] if options.instance != "sluice" else []
    own += [f"--root {near(instance.root)}"] if options.root else []
    folder = near(instance.path('var/lib/sluice-terminal/1'))
    print(f"""  The switch listens on UDP {instance.address} ({port_type}), the key server on TCP
  {network.MANAGEMENT_SWITCH}:7402, reached from the network namespace {namespace}.
  Logs: {near(instance.path('var/log/sluice'))}/dataplane.log and control.log

  Try next, as root:
    # what everything does
    {tools}/sluicectl --root {near(instance.root)} status
    # what terminal 1 sees of an account
    nsenter --net={network.RUN}/{namespace} {tools}/sluice-terminal \\
        --control {network.MANAGEMENT_SWITCH}:7402 --deployment {instance.name} \\
        --identity {folder} --state-dir {folder} balance {demo.FIRST_ACCOUNT}
    # suspend a market, change odds, block a terminal, see who did it
    {tools}/sluicectl --root {near(instance.root)} market suspend 11
    {tools}/sluicectl --root {near(instance.root)} odds set 21 1.85 3.4 4.2
    {tools}/sluicectl --root {near(instance.root)} terminal block 2
    {tools}/sluicectl --root {near(instance.root)} audit tail
    # every balance derived again from the log
    SLUICE_ROOT={near(instance.root)} {tools}/sluice-db verify
    # stop it
    {' '.join([near(os.path.join(TOP, 'tools/down')), *own])}""")


def main():
    options = arguments()
    folder = os.path.dirname(os.path.abspath(options.json)) if options.json else None
    if folder and not os.path.isdir(folder):
        print(f"tools/up: --json: there is no folder {folder}; make it or name another file.",
              file=sys.stderr)
        return 2
    # A stopped terminal window or CI job must not leave a switch behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        instance = Instance(options.instance, options.root, Settings(
            shards=options.shards, port=options.port, hugepages=not options.no_hugepages,
            archive="archive"))
        control = Control(instance)
        server = Postgres(postgres_folder(instance)) if options.postgres else None
        if instance.running_pid():
            raise InstanceError(f"An instance already runs under {instance.root}. Stop it with "
                                "tools/down, or give this one --instance NAME.", 1)
    except (InstanceError, network.NetworkError) as error:
        print(f"tools/up: {error}", file=sys.stderr)
        return getattr(error, "status", 3)
    keep = False
    try:
        result = run(instance, control, server, options)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as stream:
                json.dump(result, stream, indent=1)
                stream.write("\n")
        table(result, instance, options)
        keep = not options.once
        return 0 if result["ok"] else 1
    except (InstanceError, network.NetworkError, PostgresError, OSError) as error:
        print(f"tools/up: {error}", file=sys.stderr)
        return getattr(error, "status", 3)
    except KeyboardInterrupt:
        return 130
    finally:
        if not keep:
            control.stop()
            instance.close()
            if server is not None:
                server.stop()


if __name__ == "__main__":
    sys.exit(main())
