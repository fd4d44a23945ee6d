# SPDX-License-Identifier: Apache-2.0
"""The Python side of key establishment against tests/data/vectors/sluice-keying.txt."""
import pathlib

import pytest

import keying
import sluice_terminal as st

FILE = pathlib.Path(__file__).resolve().parent.parent / "data" / "vectors" / "sluice-keying.txt"


def records(block):
    out = []
    for line in FILE.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            out.append({"block": line.strip("[]")})
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            out[-1][name.strip()] = value.strip()
    found = [record for record in out if record["block"] == block]
    assert found
    return found


@pytest.mark.parametrize("record", records("context"), ids=lambda r: r["deployment"])
def test_contexts(record):
    assert record["label"].encode() == keying.LABEL
    made = keying.context_make(
        int(record["session_id"]), int(record["terminal_id"]), record["deployment"],
        bytes.fromhex(record["server_certificate_sha256"]),
        bytes.fromhex(record["client_certificate_sha256"]))
    assert made.hex() == record["context"]


@pytest.mark.parametrize("record", records("message"), ids=lambda r: r["what"])
def test_messages(record):
    data = bytes.fromhex(record["bytes"])
    version, kind, length = keying.HEADER.unpack_from(data)
    body = data[keying.HEADER.size:]
    assert (version, kind, length) == (1, int(record["kind"]), int(record["length"]))
    assert len(body) == length
    if kind == keying.ESTABLISH:
        assert keying.ASK.pack(*keying.ASK.unpack(body)) == body
        assert keying.ASK.unpack(body)[0] == keying.AES256GCM
    elif kind == keying.ESTABLISHED:
        fields = keying.ANSWER.unpack(body)
        assert keying.ANSWER.pack(*fields) == body
        assert fields[2] == keying.AES256GCM and 0 not in fields[:2]
    elif kind == keying.REFUSED:
        code, _ = keying.REFUSAL.unpack_from(body)
        assert keying.REFUSALS[code] in record["what"]


@pytest.mark.parametrize("record", records("frame"), ids=lambda r: r["what"])
def test_frames_under_a_root(record):
    key, iv = st.derive(bytes.fromhex(record["root"]), int(record["direction"]),
                        int(record["epoch"]), int(record["boot_id"]))
    assert (key.hex(), iv.hex()) == (record["key"], record["iv"])
    datagram = bytes.fromhex(record["datagram"])
    assert st.open_datagram(key, iv, datagram).hex() == record["plaintext"]
    assert st.seal(key, iv, datagram[:16], bytes.fromhex(record["plaintext"])) == datagram
