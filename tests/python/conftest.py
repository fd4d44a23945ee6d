# SPDX-License-Identifier: Apache-2.0
"""Tests here may import the package `season` (tests/season)."""

import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))  # last: only for `season`


@pytest.fixture
def seed():
    value = int(os.environ.get("SLUICE_TEST_SEED", "0") or 0)
    value = value or int.from_bytes(os.urandom(4), "big")
    print(f"seed {value} (repeat with SLUICE_TEST_SEED)")
    return value
