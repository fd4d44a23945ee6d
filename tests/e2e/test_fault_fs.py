# SPDX-License-Identifier: Apache-2.0
"""faultfs itself, through the kernel: what the tests on top of it rely on."""

import mmap
import os

import pytest
from faulty import PROGRAM, FaultFs, FaultySwitch
from killing import Load, begin

BLOCK = 4096


@pytest.fixture(name="faults")
def faults_fixture(tmp_path):
    if not os.path.exists(PROGRAM):
        pytest.skip("faultfs is not built: libfuse3-dev is missing")
    faults = FaultFs(str(tmp_path / "disk"), str(tmp_path / "mount"))
    faults.start()
    yield faults
    faults.close()


def make(faults, name, content):
    path = os.path.join(faults.mount, name)
    with open(path, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    folder = os.open(faults.mount, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return path


def test_a_mapping_sees_what_is_written_direct_or_not(faults):
    path = make(faults, "f", b"a" * 2 * BLOCK)
    buffered, direct = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(buffered, 2 * BLOCK, mmap.MAP_SHARED, mmap.PROT_READ) as seen:
        assert seen[:] == b"a" * 2 * BLOCK
        os.pwrite(buffered, b"b" * 100, 50)
        assert seen[50:150] == b"b" * 100
        with mmap.mmap(-1, BLOCK) as aligned:
            aligned[:] = b"c" * BLOCK
            os.pwritev(direct, [aligned], BLOCK)
            assert seen[BLOCK:] == b"c" * BLOCK
    os.close(buffered)
    os.close(direct)


def test_a_cut_keeps_what_was_synced_and_ends_everything(faults):
    path = make(faults, "f", b"a" * 4 * BLOCK)
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b"b" * BLOCK, 0)
    os.fdatasync(descriptor)
    os.pwrite(descriptor, b"c" * BLOCK, BLOCK)
    faults.power_cut(1)
    with pytest.raises(OSError):
        os.pwrite(descriptor, b"d" * BLOCK, 2 * BLOCK)
    with pytest.raises(OSError):
        os.fsync(descriptor)
    os.close(descriptor)
    faults.power_on()
    with open(path, "rb") as stream:
        content = stream.read()
    assert content[:BLOCK] == b"b" * BLOCK and content[2 * BLOCK:] == b"a" * 2 * BLOCK
    assert set(content[BLOCK:2 * BLOCK]) <= set(b"ac")


def test_how_writes_of_the_switch_arrive():
    """The journal's: one request each, O_DSYNC among its flags. LMDB's meta page: the same and an
    fsync. Nothing else relies on the kernel."""
    with FaultySwitch("arrive") as switch:
        begin(switch, 2, 0)
        before, batches = switch.disk_faults.ask("stat"), switch.shards_sum("batches")
        with Load(switch, 2, 0, 200, 1) as load:
            load.wait_for_answers()
        # Nothing comes any more: both counts are of the same batches.
        batches_after, after = switch.shards_sum("batches"), switch.disk_faults.ask("stat")
        more = {name: after[name] - before[name] for name in after if name != "ok"}
        print(batches_after - batches, "batches:", more)
        assert batches_after > batches
        assert more["writes_synced"] >= batches_after - batches > 0
