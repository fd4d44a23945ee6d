# SPDX-License-Identifier: Apache-2.0
"""Seeds of what risk keeps and is handed: states of rows (lmdb-schema/rows.h), flattened models
(dataplane/risk/risk_model_file.h)."""

import os
import re
import struct

FEEDBACK = struct.pack("<7IHHB3x", 900, 100, 200, 4096, 9000, 0, 12, 2, 3, 1)
PARTIES = struct.pack("<QQ4HIHH", 1 << 5, 3, 7, 9, 11, 13, 2900, 2, 40)
SELECTION = struct.pack("<IHBB", 3_000, 77, 4, 0x15)
# What an account and a terminal have learnt: behind the record; without it they have not yet.
LEARNT = (struct.pack("<7Q", 500, 900, 1_900, 128_000, 6_400, 10_000, 700) + PARTIES +
          struct.pack("<Q3HBx", 6, 5, 4, 3, 1) +
          struct.pack("<14I", 1_000, 10, 9, 4096, 8192, 9000, 9900, 4096, 900, *[4096] * 3, 800,
                      700) +
          FEEDBACK + SELECTION + struct.pack("<HBx", 2_600, 2) + bytes(range(31)) + b"\0")
KNOWN = (struct.pack("<QQ", 128_000, 6_400) + PARTIES +
         struct.pack("<7I", 1_000, 10, 9, 4096, 8192, 9000, 9900) + FEEDBACK + SELECTION)
assert len(LEARNT) == 240 and len(KNOWN) == 120


def model_files(top):
    """For fuzz_model_file, which makes the checksum right."""
    with open(os.path.join(top, "dataplane/risk/risk_features.h"), encoding="ascii") as stream:
        features = len(re.findall(r"\bX\(\w+, \"", stream.read()))

    def model(trees, depth, zero=-900, alert=900, leaf=1 << 20, name=b"SLUICEM1"):
        nodes = b"".join(struct.pack("<fHH", 0.5 * n, (3 + n) % features, n & 1)
                         for n in range(trees << depth))
        leaves = b"".join(struct.pack("<i", leaf - 77 * n) for n in range(trees << depth))
        return b"\x80" + name + struct.pack("<Q5I3i16x", 0, 1, trees, depth, features, 1, -50, zero,
                                            alert) + nodes + leaves
    small = model(1, 1)
    return {
        "small": small, "deep": model(2, 6), "usual": model(5, 4),
        "heavy-leaves": model(3, 2, leaf=1 << 30), "margins": model(1, 1, zero=901),
        "name": model(1, 1, name=b"SLUICEM2"), "checksum": b"\0" + small[1:],
        "short": small[:-1],
        "not-a-number": small[:65] + struct.pack("<fHH", float("nan"), 3, 0) + small[73:],
    }
