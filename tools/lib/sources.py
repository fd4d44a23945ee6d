# SPDX-License-Identifier: Apache-2.0
"""The project's own files, found by walking the tree (no git needed), and C without comments."""

import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def version(top=TOP):
    """The project's version; meson.build is the one place that holds it."""
    with open(os.path.join(top, "meson.build"), encoding="utf-8") as stream:
        return re.search(r"^  version: '([^']*)',$", stream.read(), re.MULTILINE).group(1)


def walk(top=TOP):
    """Yields (folder, [file names]) of every folder of the project, '' for the top."""
    for path, folders, files in os.walk(top):
        folder = os.path.relpath(path, top)
        folder = "" if folder == "." else folder
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and name != "__pycache__"
            and not (folder == "" and name.startswith("build")))
        yield folder, sorted(name for name in files if not name.endswith(".pyc"))


def files(top=TOP):
    """Paths of all files, relative to the top."""
    for folder, names in walk(top):
        for name in names:
            yield os.path.join(folder, name)


def kind(path, top=TOP):
    """'c', 'python', 'shell' or '', from the suffix or, without one, from the first line."""
    suffix = os.path.splitext(path)[1]
    if suffix in (".c", ".h"):
        return "c"
    if suffix == ".py":
        return "python"
    if suffix == ".sh":
        return "shell"
    if suffix:
        return ""
    with open(os.path.join(top, path), "rb") as stream:
        first = stream.readline(80)
    if first.startswith(b"#!") and b"python3" in first:
        return "python"
    if first.startswith(b"#!") and b"bash" in first:
        return "shell"
    return ""


COMMENT_OR_STRING = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def c_code(text):
    """The text with comments and string contents blanked; lines keep their numbers."""

    def blank(match):
        found = match.group(0)
        if found[0] == "/":
            return re.sub(r"[^\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[0]

    return COMMENT_OR_STRING.sub(blank, text)
