# SPDX-License-Identifier: Apache-2.0
"""The hostile packets are what they claim to be: every reason is covered, none good by chance."""
import pathlib
import re

import pytest

import hostile
import sluice_terminal as st

WIRE = pathlib.Path(__file__).resolve().parent.parent.parent / "wire"


@pytest.fixture(name="target")
def fixture_target():
    terminal = st.Terminal(("127.0.0.1", 9), 7 << 20 | 5, bytes(range(48)), boot_id=1000, epoch=3)
    terminal.switch_offset_ns = 0
    yield hostile.Target(terminal)
    terminal.close()


def cases(target, generators):
    return [(generator, case) for generator in generators for case in generator(target)]


def test_every_drop_reason_has_its_packets(target):
    reasons = {name.lower() for name in
               re.findall(r"^\s+X\((\w+), \"", (WIRE / "drop.h").read_text(encoding="utf-8"), re.M)}
    covered = {case.expected for _, case in cases(target, hostile.FRAMES + hostile.DATAGRAMS)}
    covered |= {next(generator(target)).expected for generator in hostile.FLOODS}
    assert covered - {None} == reasons - set(hostile.NOT_BY_PACKET)


def test_every_code_of_class_1_has_its_messages(target):
    text = (WIRE / "codes.h").read_text(encoding="utf-8")
    codes = set(re.findall(r"X\(0x1\w\w\w, (\w+),", text))
    assert {case.expected for _, case in cases(target, hostile.MESSAGES)} == codes


def test_the_registry_is_the_one_of_the_switch():
    text = (WIRE / "codes.h").read_text(encoding="utf-8")
    found = {int(number, 16): name for number, name in re.findall(r"X\((0x\w{4}), (\w+),", text)}
    assert found == st.CODES


def test_names_differ_within_a_generator(target):
    for generator in hostile.FRAMES + hostile.DATAGRAMS + hostile.MESSAGES:
        names = [case.name for case in generator(target)]
        assert len(names) == len(set(names)), generator.__name__


def test_generators_are_named_after_what_they_expect(target):
    for generator, case in cases(target, hostile.FRAMES + hostile.DATAGRAMS + hostile.MESSAGES):
        if case.expected is not None:
            assert case.expected.lower() == generator.__name__


def test_frames_fit_an_ethernet(target):
    for _, case in cases(target, hostile.FRAMES):
        assert 60 <= len(case.packet) <= 1514
    for _, case in cases(target, hostile.DATAGRAMS + hostile.MESSAGES):
        assert len(hostile.frame(target, case.packet)) <= 1514


def test_messages_have_a_good_tag_and_a_new_number(target):
    last = 0
    for _, case in cases(target, hostile.MESSAGES):
        number = st.HEADER.unpack_from(case.packet)[4]
        assert number > last
        last = number
        assert len(hostile.request_ids(target, case.packet)) == 1


def test_forged_packets_really_fail_to_open(target):
    for case in hostile.bad_tag(target):
        with pytest.raises(st.InvalidTag):
            st.open_datagram(*target.terminal.send_key, case.packet)


def test_packets_that_claim_another_reason_have_a_good_tag(target):
    for generator in (hostile.bad_framing, hostile.too_many_messages):
        for case in generator(target):
            st.open_datagram(*target.terminal.send_key, case.packet)
            with pytest.raises(ValueError):
                st.split(st.open_datagram(*target.terminal.send_key, case.packet))


def test_the_checksum_is_the_one_of_rfc_1071():
    header = bytes.fromhex("450000730000400040110000c0a80001c0a800c7")
    assert hostile.checksum(header) == 0xB861
