# SPDX-License-Identifier: Apache-2.0
"""tools/check behind the packages: builds, then runs every suite in its time budget, with a log."""

import argparse
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

import network
import sources
from long_state import LongState, commit_of
from instance import Instance
from mounts import unmount_below

TOP = sources.TOP
LOGS = os.path.join(TOP, "build/check")
E2E = os.path.join(TOP, "build/e2e")  # roots of the instances of tests/e2e
LONG_STATE = os.path.join(LOGS, "long-state.json")
LONG_LOG = os.path.join(LOGS, "long.log")
FUZZ_SECONDS = 600  # each target of tools/fuzz, with --long
FUZZ_TARGETS = sorted(
    name.removeprefix("fuzz_").removesuffix(".c")
    for name in os.listdir(os.path.join(TOP, "tests/fuzz"))
    if name.startswith("fuzz_") and name.endswith(".c"))
PYTHON = "/usr/bin/python3"  # the one Debian's python3-* packages belong to

# name: (folder, meson options). The release build is what tools/up runs.
BUILDS = {
    "release": ("build", []),
    "debug": ("build-debug", ["-Doptimization=1", "-Ddebug_asserts=true"]),
    "sanitize": ("build-sanitize", [
        "-Doptimization=1", "-Ddebug_asserts=true", "-Db_sanitize=address,undefined",
        "-Db_lundef=false",
        # Instrumented code makes gcc warn of copies that cannot happen; the other two keep -Werror.
        "-Dwerror=false"]),
    "thread": ("build-thread", [
        "-Doptimization=1", "-Ddebug_asserts=true", "-Db_sanitize=thread", "-Db_lundef=false",
        "-Dwerror=false"]),
    # For valgrind, which knows no AVX-512.
    "callgrind": ("build-callgrind", ["-Dmarch=x86-64-v3"]),
}
# What a build is for where it is not everything: names of ninja, and the tests of the same files.
THREADED = {
    "bench-load": "tests/bench/test_bench_load",
    "client-identity": "tests/client/test_identity",
    "control-keys-key-server": "tests/control/keys/test_control_keys_key_server",
    "control-keys-terminal": "tests/control/keys/test_control_keys_terminal",
    "control-link-link": "tests/control/link/test_control_link_link",
    "control-link-random": "tests/control/link/test_control_link_random",
    "control-link-sessions": "tests/control/link/test_control_link_sessions",
    "control-log": "tests/control/log/test-control-log",
    "control-ops-ops": "tests/control/ops-socket/test_ops_socket_ops",
    "control-sessions-rotation": "tests/control/sessions/test_control_sessions_rotation",
    "control-sessions-sessions": "tests/control/sessions/test_control_sessions_sessions",
    "journal-ahead": "tests/journal/test-journal-ahead",
    "journal-recover-ahead": "tests/journal/test-journal-recover",
    "journal-writer": "tests/journal/test-journal-writer",
    "threads-counters": "tests/threads/test_threads_counters",
    "threads-follow": "tests/threads/test_threads_follow",
    "wire-aead": "tests/wire/test_wire_aead",
    "wire-spsc": "tests/wire/test_wire_spsc",
}
PROGRAMS = ["dataplane/sluice-dataplane", "control/sluice-control", "tools/sluicectl",
            "tools/sluice-db", "tools/sluice-provision", "tools/sluice-terminal",
            "bench/sluice-bench"]
TARGETS = {"thread": [*PROGRAMS, *THREADED.values()],
           "callgrind": ["bench/stages/bench-stages"]}
# Whole processes under ThreadSanitizer, in the short form; with --long all of tests/e2e.
E2E_THREADED = ["test_admin_reads.py", "test_python_keying.py", "test_shards.py"]
# What a build need not run again. All unit tests run under the sanitizers, with debug assertions;
# the debug build shows nothing else and is for --long and for debugging. Release: not where the
# optimiser has no say: waiting, text, PostgreSQL. The simulator's canaries, each a program with a
# planted bug, run where they are quickest, and most of its seeds. That scores agree with XGBoost's
# is a matter of numbers, and takes minutes under the sanitizers.
RELEASE_WITHOUT = re.compile(r"(admin-client|bench|client-identity|client-keying|control|fuzz|"
                             r"provision|sluice-db-(aside|backup|fixture|reshard)|sluicectl)(-|_|$)"
                             r"|sim-(?!canaries)")
SANITIZE_WITHOUT = re.compile(r"man-|risk-eval-agreement$|sim-canaries$")
# Their own measure is the machine's, or they change what is the machine's: not beside others.
E2E_ALONE = ["test_bench.py", "test_idle.py", "test_overload.py", "test_up.py"]
LANES = max(2, min(4, os.cpu_count() or 2))
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
COUNT_LINE = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def text(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclasses.dataclass
class Suite:
    name: str
    command: list
    seconds: int
    seconds_long: int
    counter: object
    about: str
    environment: dict = dataclasses.field(default_factory=dict)
    without: object = None  # names of meson's tests that are left out


# ---- counting: each reads what a suite left behind ----

def count_line(suite, log, status):
    """The suite's own last line `N passed, N failed`."""
    found = COUNT_LINE.findall(log)
    if not found:
        return Count(failed=1)
    passed, failed, skipped = (int(number or 0) for number in found[-1])
    return Count(passed, max(failed, 1 if status else 0), skipped)


def count_status(suite, log, status):
    """One test: the exit status."""
    return Count(failed=1) if status else Count(passed=1)


def count_cmocka(output, succeeded):
    """Tests inside one program; a program that says nothing about tests counts as one."""
    began = len(re.findall(r"^\[ RUN      \] ", output, re.MULTILINE))
    passed = len(re.findall(r"^\[       OK \] ", output, re.MULTILINE))
    skipped = len(re.findall(r"^\[  SKIPPED \] \S+$", output, re.MULTILINE))
    skipped = min(skipped, began - passed)
    failed = began - passed - skipped
    if began == 0:
        return Count(passed=1) if succeeded else Count(failed=1)
    # A crash or a sanitizer report after the last test fails the program all the same.
    return Count(passed, failed if succeeded else max(failed, 1), skipped)


def count_meson(suite, log, status):
    folder = suite.command[suite.command.index("-C") + 1]
    base = suite.command[suite.command.index("--logbase") + 1]
    total = Count()
    try:
        with open(os.path.join(folder, "meson-logs", f"{base}.json"), encoding="utf-8") as stream:
            for line in stream:
                test = json.loads(line)
                if test["result"] == "SKIP":
                    total.add(Count(skipped=1))
                    continue
                output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
                total.add(count_cmocka(output, test["result"] == "OK"))
    except (OSError, ValueError):
        return Count(failed=1)
    if total.passed + total.failed == 0:
        return Count(failed=1)
    return Count(total.passed, max(total.failed, 1 if status else 0), total.skipped)


def junit_of(name):
    return os.path.join(LOGS, f"{name}.xml")


def count_pytest(suite, log, status):
    try:
        root = xml.etree.ElementTree.parse(junit_of(suite.name)).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return Count(failed=1)
    tests = failed = skipped = 0
    for node in root.iter("testsuite"):
        tests += int(node.get("tests", 0))
        failed += int(node.get("failures", 0)) + int(node.get("errors", 0))
        skipped += int(node.get("skipped", 0))
    return Count(tests - failed - skipped, max(failed, 1 if status else 0), skipped)


# ---- the suites ----

def meson_suite(name, build_name, chosen, seconds, seconds_long, about, without=None):
    folder = os.path.join(TOP, BUILDS[build_name][0])
    return Suite(name, [
        "meson", "test", "-C", folder, "--no-rebuild", "--logbase", f"check-{name}",
        "--print-errorlogs", "--num-processes", str(LANES + 1), *chosen],
        seconds, seconds_long, count_meson, about, SANITIZER_OPTIONS, without)


def names_without(folder, pattern):
    """Names of a build's tests but those the pattern matches."""
    listed = subprocess.run(["meson", "introspect", "--tests", folder], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, check=True)
    return [test["name"] for test in json.loads(listed.stdout) if not pattern.match(test["name"])]


def lanes_suite(name, paths, seconds, seconds_long, about, environment):
    """Test files side by side (lanes.py); those of E2E_ALONE last, one at a time."""
    return Suite(name, [
        PYTHON, "-B", os.path.join(TOP, "tools/lib/lanes.py"), "--junit", junit_of(name),
        "--earlier", junit_of(name) + ".earlier", "--lanes", str(LANES + 1),
        *[word for file in E2E_ALONE for word in ("--alone", file)],
        *[os.path.join(TOP, path) for path in paths]],
        seconds, seconds_long, count_pytest, about, environment)


def pytest_suite(name, folder, seconds, seconds_long, about, environment):
    return Suite(name, [
        PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", junit_of(name),
        os.path.join(TOP, folder)], seconds, seconds_long, count_pytest, about, environment)


def suites_all(long, prefix):
    shell = [path for path in sources.files() if sources.kind(path) == "shell"] + [".ci/run"]
    chosen = [] if long else ["--no-suite", "long"]
    e2e = {"SLUICE_E2E_PREFIX": prefix}
    suites = [
        Suite("style", [PYTHON, os.path.join(TOP, "tools/style"), "--skip", "readme"], 180,
              180, count_line, "named style checks"),
        Suite("readme", [PYTHON, os.path.join(TOP, "tools/style"), "--only", "readme"], 30,
              30, count_line, "a README.md in every folder"),
        Suite("layers", [PYTHON, os.path.join(TOP, "tools/layers")], 60, 60, count_line,
              "one-way dependencies between folders"),
        Suite("shellcheck", ["shellcheck", "-x", *shell], 180, 180, count_status, "shell scripts"),
        *([meson_suite("unit", "debug", chosen, 360, 1800, "unit tests, debug build")] if long
          else []),
        meson_suite("unit-release", "release", chosen, 360, 1800, "unit tests that optimisation "
                    "could change, release build", RELEASE_WITHOUT),
        meson_suite("unit-sanitize", "sanitize", chosen, 480, 3600,
                    "unit tests and fuzz seeds under ASan and UBSan", SANITIZE_WITHOUT),
        meson_suite("thread", "thread", list(THREADED), 240, 1800,
                    "tests of several threads under ThreadSanitizer"),
        lanes_suite("e2e-thread", ["tests/e2e"] if long else [
            f"tests/e2e/{file}" for file in E2E_THREADED], 360, 7200,
            "real processes under ThreadSanitizer",
            {**e2e, **SANITIZER_OPTIONS, "SLUICE_BUILD": os.path.join(TOP, "build-thread")}),
        lanes_suite("python", ["tests/python"], 360, 600, "the Python terminal, vectors", {}),
        Suite("instructions", [
            PYTHON, os.path.join(TOP, "bench/micro"), "--check", "--build",
            os.path.join(TOP, BUILDS["callgrind"][0])], 120, 120, count_line,
            "instructions of each stage against bench/instructions.json"),
        pytest_suite("tools", "tests/tools", 180, 180, "the scripts themselves", {}),
        lanes_suite("e2e", ["tests/e2e"], 1200, 7200, "real processes in namespaces", e2e),
    ]
    return suites + suites_long(e2e) if long else suites


def seeds_suite(name, build_name, count, about):
    return Suite(name, [
        PYTHON, "-B", os.path.join(TOP, "tools/lib/seeds.py"), "--build",
        os.path.join(TOP, BUILDS[build_name][0]), "--seeds", str(count)],
        7200, 7200, count_line, about, SANITIZER_OPTIONS)


def sim_suite(seeds):
    """Each commit has a log of its own: what is left of its seeds is run when it is run again."""
    build, commit = os.path.join(TOP, BUILDS["debug"][0]), commit_of()
    command = [os.path.join(build, "tests/sim/sim"), "--seeds", f"1..{seeds}", "--jobs", "2"]
    if commit:
        command += ["--log", os.path.join(LOGS, f"sim-seeds-{commit[:12]}.log"), "--resume"]
    return Suite("sim", command, 14400, 14400, count_status, f"the simulator, {seeds:,} seeds",
                 {"SLUICE_BUILD": build})


def suites_long(e2e):
    """What only --long runs."""
    kills = pytest_suite("kills", "tests/e2e/test_kill.py", 7200, 7200, "kill -9, 1,000 times",
                         {**e2e, "SLUICE_KILLS": "1000"})
    cuts = pytest_suite("cuts", "tests/e2e/test_fault_power.py", 7200, 7200, "200 power cuts, 100 "
                        "with control", {**e2e, "SLUICE_CUTS": "200"})
    cuts.command.append(os.path.join(TOP, "tests/e2e/test_fault_control.py"))
    chaos = pytest_suite("chaos", "tests/e2e/test_chaos.py", 7200, 7200,
                         "control, data plane and PostgreSQL killed, 20 times each",
                         {**e2e, "SLUICE_CHAOS": "20"})
    switches = pytest_suite("switches", "tests/e2e/test_rules_switch.py", 7200, 7200,
                            "rules changed under load, 1,000 times",
                            {**e2e, "SLUICE_SWITCHES": "1000"})
    fuzz = [Suite(f"fuzz-{target}", [
        os.path.join(TOP, "tools/fuzz"), "--seconds", str(FUZZ_SECONDS), target],
        FUZZ_SECONDS + 1800, FUZZ_SECONDS + 1800, count_status,
        f"libFuzzer, {FUZZ_SECONDS} s") for target in FUZZ_TARGETS]
    return [
        seeds_suite("seeds", "debug", 300, "random unit tests, 300 seeds"),
        seeds_suite("seeds-sanitize", "sanitize", 50, "the same, 50 seeds, ASan and UBSan"),
        kills, cuts, chaos, switches, sim_suite(100000), *fuzz]


class Runner:
    def __init__(self):
        self.child = None

    def run(self, command, log_path, seconds, environment):
        """Runs a command in a session of its own. Returns its status, None when out of time."""
        with open(log_path, "wb") as log:
            self.child = subprocess.Popen(
                command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **environment}, start_new_session=True)
            try:
                return self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                self.end()

    def end(self):
        """Whatever of the child's process group is left: asked first, then killed."""
        if self.child is None:
            return
        for number, grace in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0)):
            try:
                os.killpg(self.child.pid, number)
            except ProcessLookupError:
                break
            until = time.monotonic() + grace
            while time.monotonic() < until:
                self.child.poll()
                try:
                    os.killpg(self.child.pid, 0)
                except ProcessLookupError:
                    break
                time.sleep(0.02)
        self.child.wait()
        self.child = None


def tail(path, lines=15):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return "".join("    " + line for line in stream.readlines()[-lines:])


# pytest's summary of a file, wherever in the log it stands, and cmocka's of a program.
FAILURE_LINE = re.compile(r"^(?:(?:FAILED|ERROR) tests/|\[  FAILED  \] (?!\d)).*")


def failures(path, lines=20):
    """The names of what failed: with suites side by side they are anywhere in the log."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        found = [line.rstrip("\n") for line in stream if FAILURE_LINE.match(line)]
    return "".join(f"    {line}\n" for line in list(dict.fromkeys(found))[:lines])


def build(runner, name):
    """Configures once, builds what changed. True when done."""
    folder, options = BUILDS[name]
    log = os.path.join(LOGS, f"build-{name}.log")
    script = '. tools/lib/common.sh; build_tree "$@"'
    status = runner.run(["bash", "-euc", script, "build", os.path.join(TOP, folder), *options], log,
                        3600, {"ninja_targets": " ".join(TARGETS.get(name, []))})
    if status != 0:
        print(f"build-{name:<13} FAILED  {os.path.relpath(log, TOP)}\n{tail(log)}", flush=True)
    return status == 0


def run_suite(runner, suite, long):
    """Runs one suite and prints its line. Returns (count, seconds it took)."""
    log = os.path.join(LOGS, f"{'long-' if long else ''}{suite.name}.log")
    seconds = suite.seconds_long if long else suite.seconds
    if os.path.exists(junit_of(suite.name)):
        os.replace(junit_of(suite.name), junit_of(suite.name) + ".earlier")
    command = list(suite.command)
    if suite.without:
        command += names_without(command[command.index("-C") + 1], suite.without)
    began = time.monotonic()
    status = runner.run(command, log, seconds, suite.environment)
    took = time.monotonic() - began
    if status is None:
        with open(log, "ab") as stream:
            stream.write(f"\ntools/check: out of time after {seconds} s\n".encode())
    with open(log, encoding="utf-8", errors="replace") as stream:
        count = suite.counter(suite, stream.read(), 1 if status is None else status)
    word = "ok" if not count.failed else "FAILED"
    if status is None:
        word = f"FAILED: out of time ({seconds} s)"
    where = f"  log: {os.path.relpath(log, TOP)}" if count.failed else ""
    print(f"{suite.name:<14} {count.text()}  ({took:.1f} s)  {word}{where}", flush=True)
    if count.failed:
        print(failures(log) + tail(log), end="", flush=True)
    return count, took


def needs(suite):
    """The builds a suite uses."""
    for name, (folder, _) in BUILDS.items():
        if os.path.join(TOP, folder) in [*suite.command, suite.environment.get("SLUICE_BUILD")]:
            return [name]
    of_release = ("python", "e2e", "kills", "cuts", "chaos", "switches")
    return ["release"] if suite.name in of_release else []


def clean(prefix):
    """Ends instances of tests that were stopped half-way. Their files stay for whoever looks."""
    for name in network.names_with_prefix(prefix):
        network.remove(name)
    for name in os.listdir(E2E) if os.path.isdir(E2E) else []:
        if name.startswith(prefix):
            Instance(name, os.path.join(E2E, name)).close()
    unmount_below(os.path.join(E2E, prefix))


def clean_earlier():
    """The same, files included, for runs of tools/check that were killed."""
    for name in os.listdir(E2E) if os.path.isdir(E2E) else []:
        found = re.match(r"check(\d+)-", name)
        if found and not os.path.exists(f"/proc/{found.group(1)}"):
            clean(found.group(0))
            shutil.rmtree(os.path.join(E2E, name))


def long_state(fresh):
    commit = commit_of()
    print(f"Commit {commit}." if commit else "The files are not those of a commit, so nothing is "
          "skipped and no result is kept for a later run.", flush=True)
    return LongState(LONG_STATE, commit, fresh)


def keep(state, suite, count, seconds):
    """The result in the state file, if the files still are those of the commit, and in the log."""
    if state.commit and commit_of() == state.commit:
        state.record(suite.name, count, seconds)
    with open(LONG_LOG, "a", encoding="utf-8") as stream:
        stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} "
                     f"{state.commit or 'no-commit'} {suite.name} {count.text()} "
                     f"({seconds:.1f} s)\n")


def main():
    parser = argparse.ArgumentParser(
        prog="tools/check", description="Builds and runs every test. The last line counts them.",
        epilog="Exit status: 0 all passed, 1 a test failed, 2 wrong usage, 3 something needed is "
        "missing, 130 stopped.")
    parser.add_argument("--only", metavar="NAME", action="append", help="only this suite")
    parser.add_argument("--long", action="store_true", help="the long forms as well, hours; a run "
                        "that was stopped goes on with the suites that have not passed")
    parser.add_argument("--fresh", action="store_true", help="with --long: run everything again")
    parser.add_argument("--list", action="store_true", help="names of the suites")
    parser.add_argument("--version", action="version", version="tools/check " + sources.version())
    options = parser.parse_args()
    prefix = f"check{os.getpid()}-"
    suites = suites_all(options.long, prefix)
    if options.list:
        for suite in suites:
            print(f"{suite.name:<14} {suite.about}")
        return 0
    if options.only:
        unknown = set(options.only) - {suite.name for suite in suites}
        if unknown:
            parser.error(f"no suite {', '.join(sorted(unknown))}; see tools/check --list")
        suites = [suite for suite in suites if suite.name in options.only]

    os.makedirs(LOGS, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    runner = Runner()
    clean_earlier()
    total, built = Count(), {}
    state = long_state(options.fresh) if options.long else None
    try:
        for suite in suites:
            earlier = state.passed(suite.name) if state else None
            if earlier:
                total.add(Count(passed=earlier["passed"], skipped=earlier["skipped"]))
                print(f"{suite.name:<14} {earlier['passed']} passed at {earlier['finished']} for "
                      "this commit; --fresh runs it again", flush=True)
                continue
            for name in needs(suite):
                if name not in built:
                    built[name] = build(runner, name)
            if all(built[name] for name in needs(suite)):
                count, took = run_suite(runner, suite, options.long)
                total.add(count)
                if state:
                    keep(state, suite, count, took)
            else:
                print(f"{suite.name:<14} FAILED: not built", flush=True)
                total.add(Count(failed=1))
    except KeyboardInterrupt:
        print("Interrupted.")
        return 130
    finally:
        runner.end()
        clean(prefix)
    print(total.text())
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
