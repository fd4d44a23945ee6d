# SPDX-License-Identifier: Apache-2.0
"""Seeds of what a lost machine is restored from: archive files of segments, backups' manifests."""

import json
import struct

NS = 1_790_000_000_000_000_000
FIX_SUM, FIX_RAW, FIX_FRAME = 1, 2, 4
TIME = b"\x80"


def header(magic=b"SUCEARCH", version=1, damaged=0, generation=3, first=11, last=20, length=0,
           reserved=b"", incarnation=7):
    """dataplane/journal/archive.h; checksum and SHA-256 are the target's."""
    return struct.pack(
        "<II8sHHIQQQQQQQQQ32s120s8x", 0x184d2a5e, 248, magic, version, 0, damaged, incarnation,
        generation, first, last, last - first + 1, 2, length, NS, NS + 1, b"", reserved)


def frame(blocks, magic=0xfd2fb528, descriptor=0):
    """A zstd frame of raw (bytes) and run-length (byte, count) blocks; a window of 1 KiB."""
    data = struct.pack("<IBB", magic, descriptor, 0)
    for i, block in enumerate(blocks):
        last = i + 1 == len(blocks)
        if isinstance(block, bytes):
            data += (last | len(block) << 3).to_bytes(3, "little") + block
        else:
            data += (last | 1 << 1 | block[1] << 3).to_bytes(3, "little") + block[0]
    return data


def archives(segment):
    """`segment`: the bytes of one."""
    raw, framed = bytes([FIX_SUM | FIX_RAW]), bytes([FIX_SUM | FIX_FRAME])
    whole = frame([segment[:300], (b"\0", 700), b"end"])
    return {
        "segment": raw + header() + segment, "nothing": raw + header(),
        "damaged": raw + header(damaged=1) + segment, "damaged-2": raw + header(damaged=2),
        "newer": raw + header(version=2) + segment, "older": raw + header(version=0),
        "not-zero": raw + header(reserved=b"\1"), "not-ours": raw + header(magic=b"SUCEARCX"),
        "generation-zero": raw + header(generation=0) + segment,
        "incarnation-zero": raw + header(incarnation=0) + segment,
        "lsn-zero": raw + header(first=0, last=0) + segment,
        "lsn-backwards": raw + header(first=21) + segment,
        "frame": framed + header() + whole, "frame-cut": framed + header() + whole[:-2],
        "frame-twice": framed + header() + whole * 2,
        "frame-and-more": framed + header() + whole + b"\0",
        "frame-other": framed + header() + frame([b"x"], magic=0xfd2fb527),
        "frame-long": bytes([FIX_SUM]) + header(length=600) + frame([(b"\0", 1000)]),
        "frame-short": bytes([FIX_SUM]) + header(length=2000) + frame([(b"\0", 1000)]),
        "as-it-is": b"\0" + header() + whole,
    }


def manifest(shards=1, **changes):
    """tools/sluice-db/backup_manifest.c; the digest is the target's."""
    numbers = ("incarnation", "first_lsn", "last_lsn", "first_time_ns", "last_time_ns",
               "horizon_lsn", "horizon_time_ns", "covered_ns", "control_sequence")
    return {
        "format": "sluice-backup", "version": 1, "software": "0.1.0", "label": "nightly",
        "deployment": "sluice", "begun_ns": NS, "ended_ns": NS + 5,
        "formats": {"journal": 1, "schema": 2, "control": 1}, "shard_count": shards,
        "shards": [{"shard": i, **{name: NS if name.endswith("_ns") else 7 for name in numbers},
                    "state_hash": "00000000000000ff"} for i in range(shards)],
        "control": {"changes": 5, "commands": 3},
        "files": [{"path": "var/lib/sluice/shard-0/rows/data.mdb", "size": 4096,
                   "sha256": "0" * 64}], **changes}


def backups():
    shard = manifest()["shards"][0]
    texts = {
        "one-shard": manifest(), "two-shards": manifest(2), "no-files": manifest(files=[]),
        "no-control": manifest(control=None), "newer": manifest(version=2),
        "schema-newer": manifest(formats={"journal": 1, "schema": 99, "control": 1}),
        "no-formats": manifest(formats={}), "other-format": manifest(format="tar"),
        "no-shards": manifest(0), "many-shards": manifest(shard_count=65),
        "shards-differ": manifest(2, shard_count=1), "label-long": manifest(label="x" * 65),
        "label-number": manifest(label=5),
        "hash-short": manifest() | {"shards": [{**shard, "state_hash": "ff"}]},
        "hash-letters": manifest() | {"shards": [{**shard, "state_hash": "g" * 16}]},
        "lsn-text": manifest() | {"shards": [{**shard, "last_lsn": "7"}]},
        "lsn-negative": manifest() | {"shards": [{**shard, "last_lsn": -1}]},
        "file-nameless": manifest(files=[{"size": 1}]), "file-text": manifest(files=["x"]),
        "files-object": manifest(files={}), "shard-text": manifest() | {"shards": ["x"]},
    }
    found = {name: b"\1" + json.dumps(text).encode() for name, text in texts.items()}
    found["digest-wrong"] = b"\0" + json.dumps(manifest(digest="0" * 64)).encode()
    found["cut"] = found["one-shard"][:-20]
    found["twice"] = b'\1{"version":1,"version":2}'
    found["list"] = b"\1[]"
    for name, text in {
            "time": "2026-11-21T10:00:00Z", "time-fraction": "2026-11-21T10:00:00.000000001Z",
            "time-number": "1790000000000000000", "time-last": "18446744073709551615",
            "time-first": "1970-01-01T00:00:00Z", "time-before": "1969-12-31T23:59:59Z",
            "time-no-day": "2026-02-31T00:00:00Z", "time-leap": "2026-12-31T23:59:60Z",
            "time-far": "2554-07-21T23:34:33.709551616Z", "time-farther": "9999-12-31T23:59:59Z",
            "time-local": "2026-11-21T10:00:00+01:00", "time-sign": "-5",
            "time-long-fraction": "2026-11-21T10:00:00.1234567891234Z"}.items():
        found[name] = TIME + text.encode()
    return found
