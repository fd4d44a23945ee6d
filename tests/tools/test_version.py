# SPDX-License-Identifier: Apache-2.0
"""--version and --help of every script answer before root, packages or a build are needed."""

import os
import subprocess

import pytest

import sources

# Not yet: these take any argument for work.
PENDING = {"control/replication/embed", "tests/control/replication/with-postgres"}


def scripts():
    """Every executable file of the tree, relative to its top."""
    found = [path for path in sources.files()
             if os.access(os.path.join(sources.TOP, path), os.X_OK)]
    return sorted([".ci/run", *found])


SCRIPTS = [path for path in scripts() if path not in PENDING]


def readable_by_others():
    """True for root whose checkout everybody can enter (not below /root)."""
    folder = os.path.realpath(sources.TOP)
    while os.stat(folder).st_mode & 0o005 == 0o005:
        if folder == "/":
            return os.geteuid() == 0
        folder = os.path.dirname(folder)
    return False


def say(path, option, folder):
    # As nobody, where nobody can read the checkout: root must not be asked for.
    identity = {"user": 65534, "group": 65534} if readable_by_others() else {}
    return subprocess.run(
        [os.path.join(sources.TOP, path), option], cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}, **identity)


def times():
    """When each seed last changed: what a script that takes no arguments writes."""
    return {path: os.stat(os.path.join(sources.TOP, path)).st_mtime_ns
            for path in sources.files() if path.startswith("tests/fuzz/seeds/")}


def test_the_scripts_are_found():
    assert {"tools/up", "tools/down", "tools/check", "tools/style", "tools/layers", "tools/fuzz",
            "tools/man/make-page", "tools/lib/make-season", "tests/fuzz/make-seeds", "bench/run",
            "bench/terminals", "bench/replication", "bench/rows", "bench/settlement",
            "bench/size", "bench/backup", "tests/e2e/season"} <= set(SCRIPTS)


@pytest.mark.parametrize("path", SCRIPTS)
def test_version_is_the_one_of_meson_build(path, tmp_path):
    with open(os.path.join(sources.TOP, "meson.build"), encoding="utf-8") as stream:
        version = [line for line in stream if line.startswith("  version: ")][0].split("'")[1]
    seeds = times()
    ran = say(path, "--version", tmp_path)
    name, _, said = ran.stdout.partition(" ")
    # .ci/run is tools/check.
    assert path.endswith(name) or path == ".ci/run" and name == "tools/check"
    assert (ran.returncode, said, ran.stderr) == (0, f"{version}\n", "")
    assert os.listdir(tmp_path) == [] and times() == seeds


@pytest.mark.parametrize("path", SCRIPTS)
def test_help_says_usage_and_exit_status_and_does_nothing(path, tmp_path):
    seeds = times()
    ran = say(path, "--help", tmp_path)
    words = ran.stdout.lower()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert words.startswith("usage: ") and "exit status" in words
    assert "--version" in words
    assert os.listdir(tmp_path) == [] and times() == seeds
