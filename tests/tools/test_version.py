# SPDX-License-Identifier: Apache-2.0
"""--version answers before root, packages or a build are needed."""

import os
import subprocess

import pytest

import sources

TOOLS = ("up", "down", "check", "style", "layers", "fuzz")


def readable_by_others():
    """True for root whose checkout everybody can enter (not below /root)."""
    folder = os.path.realpath(sources.TOP)
    while os.stat(folder).st_mode & 0o005 == 0o005:
        if folder == "/":
            return os.geteuid() == 0
        folder = os.path.dirname(folder)
    return False


@pytest.mark.parametrize("tool", TOOLS)
def test_version_is_the_one_of_meson_build(tool):
    environment = {"PATH": "/usr/bin:/bin"}
    # As nobody, where nobody can read the checkout: root must not be asked for.
    identity = {"user": 65534, "group": 65534} if readable_by_others() else {}
    ran = subprocess.run([os.path.join(sources.TOP, "tools", tool), "--version"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
                         env=environment, check=False, **identity)
    with open(os.path.join(sources.TOP, "meson.build"), encoding="utf-8") as stream:
        version = [line for line in stream if line.startswith("  version: ")][0].split("'")[1]
    assert (ran.returncode, ran.stdout) == (0, f"tools/{tool} {version}\n"), ran.stderr
