# SPDX-License-Identifier: Apache-2.0
"""Tests here need root: they make network namespaces. tools/check runs them so."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# Behind HERE: tests/python has test files too. The last one is for the package `season`.
for folder in ("../../tools/lib", "../python", ".."):
    sys.path.append(os.path.normpath(os.path.join(HERE, folder)))


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root; run tools/check --only e2e"))
