# SPDX-License-Identifier: Apache-2.0
"""The disk's cache decides what a durable write costs."""

import pytest

import placement


@pytest.mark.parametrize("cache, fua, flushes", [
    ("write back", False, True),
    ("write back", True, False),  # the write itself goes past the cache
    ("write through", False, False),
    ("", False, False),  # no disk known: nothing to say
])
def test_only_a_volatile_cache_without_fua_is_flushed_each_time(cache, fua, flushes):
    note = placement.flush_note(placement.Disk(name="vda", write_cache=cache, fua=fua))
    assert ("every write is followed by a flush" in note and "vda" in note) == flushes
    assert bool(note) == flushes
