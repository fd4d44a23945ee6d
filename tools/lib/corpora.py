# SPDX-License-Identifier: Apache-2.0
"""Small corpora kept in the tree, one file a target: tests/fuzz/corpora/fuzz_TARGET.pack.

A pack is the bytes "SLPACK1\\n", then each input behind its size (4 bytes, little-endian).
tests/fuzz/replay.c reads the same.
"""

import hashlib
import os
import shutil
import struct

import sources

MAGIC = b"SLPACK1\n"
SIZE_MAX = 12 * 1024  # of a pack: all of them together stay below 300 KiB


def path_of(target):
    return os.path.join(sources.TOP, "tests/fuzz/corpora", f"fuzz_{target}.pack")


def fresh_folder(folder, beginning):
    """An empty folder with copies of the files of `beginning`. Returns their names."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(beginning, folder)
    return set(os.listdir(folder))


def unpack(path, folder):
    """Each input to a file named by its hash, as libFuzzer names them."""
    if not os.path.exists(path):
        return
    with open(path, "rb") as stream:
        data = stream.read()
    if not data.startswith(MAGIC):
        raise ValueError(f"{path} is no pack")
    at = len(MAGIC)
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        one = data[at + 4:at + 4 + size]
        at += 4 + size
        with open(os.path.join(folder, hashlib.sha1(one).hexdigest()), "wb") as stream:
            stream.write(one)


def pack(folder, without, path):
    """The smallest inputs of a folder first, up to SIZE_MAX. Returns (size, inputs)."""
    inputs = []
    for name in set(os.listdir(folder)) - without:
        with open(os.path.join(folder, name), "rb") as stream:
            inputs.append(stream.read())
    data, count = bytearray(MAGIC), 0
    for one in sorted(inputs, key=lambda one: (len(one), one)):
        if len(data) + 4 + len(one) > SIZE_MAX:
            break
        data += struct.pack("<I", len(one)) + one
        count += 1
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(data)
    return len(data), count
