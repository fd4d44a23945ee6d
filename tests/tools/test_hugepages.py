# SPDX-License-Identifier: Apache-2.0
"""tools/lib/hugepages.py: page files of an instance that has ended."""

import glob

import hugepages


def test_page_files_that_go_meanwhile_are_no_error(tmp_path, monkeypatch):
    """DPDK of another instance that starts removes every page file nobody holds."""
    own = [tmp_path / "sluice-amap_0", tmp_path / "sluice-amap_1"]
    for path in own + [tmp_path / "sluice-bmap_0"]:
        path.touch()
    listed = glob.glob

    def listed_before_the_other(pattern):
        paths = listed(pattern)
        own[0].unlink()
        return paths

    monkeypatch.setattr(hugepages, "mount_point", lambda: str(tmp_path))
    monkeypatch.setattr(hugepages.glob, "glob", listed_before_the_other)
    hugepages.release(0, "sluice-a")
    assert [path.name for path in tmp_path.iterdir()] == ["sluice-bmap_0"]
