# SPDX-License-Identifier: Apache-2.0
"""The Python terminal against tests/data/vectors/sluice-keys.txt."""
import pathlib

import pytest
from cryptography.exceptions import InvalidTag

import sluice_terminal as st

FILE = pathlib.Path(__file__).resolve().parent.parent / "data" / "vectors" / "sluice-keys.txt"
NUMBERS = ("epoch", "boot_id", "session_id", "packet_number", "direction")


def records():
    out = []
    for line in FILE.read_text(encoding="ascii").splitlines():
        line = line.strip()
        if line.startswith("["):
            out.append({"kind": line.strip("[]")})
        elif line and not line.startswith("#"):
            name, _, value = (word.strip() for word in line.partition("="))
            if name in NUMBERS:
                value = int(value)
            elif name != "what":
                value = bytes.fromhex(value)
            out[-1][name] = value
    return out


def of_kind(kind):
    found = [record for record in records() if record["kind"] == kind]
    assert found, "no [%s] in %s" % (kind, FILE)
    return found


@pytest.mark.parametrize("record", of_kind("keys"))
def test_key_schedule(record):
    for direction, name in ((st.TO_SWITCH, "to_switch"), (st.TO_TERMINAL, "to_terminal")):
        key, iv = st.derive(record["root"], direction, record["epoch"], record["boot_id"])
        assert key == record[name + "_key"]
        assert iv == record[name + "_iv"]
    assert st.derive_reset(record["root"]) == record["reset_key"]


@pytest.mark.parametrize("record", of_kind("frame"), ids=lambda record: record["what"])
def test_frame(record):
    key, iv = st.derive(record["root"], record["direction"], record["epoch"], record["boot_id"])
    header = st.HEADER.pack(st.DATA, record["direction"], record["epoch"], record["session_id"],
                            record["packet_number"])
    assert st.seal(key, iv, header, record["plaintext"]) == record["datagram"]
    assert st.open_datagram(key, iv, record["datagram"]) == record["plaintext"]
    for at in range(len(record["datagram"])):
        changed = bytearray(record["datagram"])
        changed[at] ^= 1
        with pytest.raises(InvalidTag):
            st.open_datagram(key, iv, bytes(changed))


@pytest.mark.parametrize("record", of_kind("reset"))
def test_reset(record):
    made = st.reset_make(st.derive_reset(record["root"]), record["epoch"], record["session_id"],
                         record["packet_number"], record["boot_id"])
    assert made == record["datagram"]


def test_a_bet_of_the_vectors_is_the_one_this_terminal_builds():
    record = next(r for r in of_kind("frame") if r["what"] == "PLACE_BET to the switch")
    deadline = int.from_bytes(record["plaintext"][32:40], "little")
    made = st.message(st.PLACE_BET, 9, st.bet_block(42, 5000, deadline, 410, 1, 1),
                      st.leg(1001, 0, 2150))
    assert made == record["plaintext"]


def test_the_answer_of_the_vectors_is_read():
    record = next(r for r in of_kind("frame") if r["what"] == "its answer")
    answer = st.decode_answer(record["plaintext"])
    assert (answer.template, answer.request_id, answer.ok) == (st.PLACE_BET, 9, True)
    assert answer.shard == 1 and answer.score == 12
