#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sluice-keys.txt from wire/README.md alone: nothing here uses the project's C code.

    ./make_keys.py > sluice-keys.txt
"""
import argparse
import hmac
import os
import struct
import sys
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tools/lib"))
import sources  # noqa: E402

ROOT = bytes(range(0x30))
SESSION = 7 << 20 | 5
NONE = 0xFFFFFFFFFFFFFFFF


def expand(root, info, size):
    return HKDFExpand(hashes.SHA384(), size, info).derive(root)


def derive(root, label, epoch, boot):
    info = b"sluice v1 " + label + b"\0" + struct.pack("<HQ", epoch, boot)
    okm = expand(root, info, 44)
    return okm[:32], okm[32:]


def seal(secret, iv, flags, epoch, session, number, text):
    header = struct.pack("<BBHIQ", 0x11, flags, epoch, session, number)
    nonce = bytes(a ^ b for a, b in zip(iv, b"\0" * 4 + struct.pack("<Q", number)))
    return header + AESGCM(secret).encrypt(nonce, text, header)


def message(template, flags, request_id, block, tail=b""):
    total = 16 + len(block) + len(tail)
    return struct.pack("<HHBBHQ", len(block), template, 1, flags, total, request_id) + block + tail


def reply_block(code, detail, shard, lsn, time_ns, object_id):
    return struct.pack("<HHB3xQQQ", code, detail, shard, lsn, time_ns, object_id)


def section(name, **fields):
    print(f"\n[{name}]")
    for key, value in fields.items():
        if isinstance(value, bytes):
            value = value.hex()
        print(f"{key} = {value}")


def main():
    parser = argparse.ArgumentParser(
        prog="make_keys.py",
        description="Writes sluice-keys.txt to standard output, from wire/README.md alone.",
        epilog="Exit status: 0 written, 1 not, 2 wrong usage.")
    parser.add_argument("--version", action="version",
                        version="make_keys.py " + sources.version())
    parser.parse_args()
    print("# Key schedule and frames of wire version 1. Numbers decimal, byte strings hexadecimal.")
    print("# Written by make_keys.py with python3-cryptography; the C code is checked against it.")
    cases = [
        (ROOT, 1, 0),
        (ROOT, 1, 0x0000000100C0FFEE),
        (ROOT, 2, 0x0000000100C0FFEE),
        (ROOT, 65535, NONE - 1),
        (bytes(48), 0, 0),
        (b"\xff" * 48, 258, 0x0102030405060708),
    ]
    for root, epoch, boot in cases:
        k1, i1 = derive(root, b"to switch", epoch, boot)
        k2, i2 = derive(root, b"to terminal", epoch, boot)
        section("keys", root=root, epoch=epoch, boot_id=boot, to_switch_key=k1, to_switch_iv=i1,
                to_terminal_key=k2, to_terminal_iv=i2,
                reset_key=expand(root, b"sluice v1 reset", 32))

    epoch, boot = 1, 0x0000000100C0FFEE
    leg = struct.pack("<QH2xI", 1001, 0, 2150)
    bet = struct.pack("<QqQHBB4xI4x", 42, 5000, 1700000000500000000, 410, 1, 1, 0)
    text = message(0x0010, 0, 9, bet, leg)
    key, iv = derive(ROOT, b"to switch", epoch, boot)
    section("frame", what="PLACE_BET to the switch", root=ROOT, boot_id=boot, direction=0,
            epoch=epoch, session_id=SESSION, packet_number=3, plaintext=text,
            datagram=seal(key, iv, 0, epoch, SESSION, 3, text))

    number = 2 << 56 | 17
    block = reply_block(0, 0, 1, 900, 1700000000012345678, 0x0040000000000001)
    block += struct.pack("<qqB7x", 95000, 10750, 12)
    text = message(0x8010, 0, 9, block)
    key, iv = derive(ROOT, b"to terminal", epoch, boot)
    section("frame", what="its answer", root=ROOT, boot_id=boot, direction=1, epoch=epoch,
            session_id=SESSION, packet_number=number, plaintext=text,
            datagram=seal(key, iv, 1, epoch, SESSION, number, text))

    text = message(0x0001, 0, (1 << 63) + 1, struct.pack("<QQ", 0, 0))
    key, iv = derive(ROOT, b"to switch", 1, 0)
    section("frame", what="first HELLO, boot id not known yet", root=ROOT, boot_id=0, direction=0,
            epoch=1, session_id=SESSION, packet_number=1, plaintext=text,
            datagram=seal(key, iv, 0, 1, SESSION, 1, text))

    key, iv = derive(ROOT, b"to switch", epoch, boot)
    section("frame", what="no message", root=ROOT, boot_id=boot, direction=0, epoch=epoch,
            session_id=SESSION, packet_number=4, plaintext="",
            datagram=seal(key, iv, 0, epoch, SESSION, 4, b""))

    head = struct.pack("<BBHIQQ", 0x12, 1, epoch, SESSION, 1, boot)
    mac = hmac.new(expand(ROOT, b"sluice v1 reset", 32), head, sha256).digest()[:16]
    section("reset", root=ROOT, boot_id=boot, epoch=epoch, session_id=SESSION, packet_number=1,
            datagram=head + mac)


if __name__ == "__main__":
    main()
