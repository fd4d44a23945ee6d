#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sluice-keying.txt from wire/README.md section 3 alone, with none of the project's code.

    ./make_keying.py > sluice-keying.txt

A root cannot be a vector of its own: it comes out of one TLS connection. So: contexts from their
inputs; messages from their fields; and a given root through keys and frames of both directions.
"""
import argparse
import os
import struct
import sys
from hashlib import sha256

import make_keys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tools/lib"))
import sources  # noqa: E402

NS = 1_000_000_000


def context(aead, session, terminal, deployment, server, client):
    data = struct.pack("<HHIQ", 1, aead, session, terminal)
    data += sha256(deployment.encode()).digest() + server + client
    assert len(data) == 112
    make_keys.section("context", version=1, aead=aead, session_id=session, terminal_id=terminal,
                      deployment=deployment, server_certificate_sha256=server,
                      client_certificate_sha256=client, label="EXPERIMENTAL-sluice-v1-root",
                      length=48, context=data)


def message(what, kind, body):
    make_keys.section("message", what=what, kind=kind, length=len(body),
                      bytes=struct.pack("<HHI", 1, kind, len(body)) + body)


def established(deployment):
    return struct.pack("<IHHQQQQIIHHI", 7 << 20 | 5, 3, 2, 42, 0x100C0FFEE,
                       1_700_000_000 * NS, 1_700_086_400 * NS, 15, 0xC6120001, 7400, 2, 1) \
        + sha256(deployment.encode()).digest()


def frame(what, root, direction, epoch, boot, session, number, text):
    secret, iv = make_keys.derive(root, b"to terminal" if direction else b"to switch", epoch, boot)
    make_keys.section("frame", what=what, root=root, boot_id=boot, direction=direction, epoch=epoch,
                      session_id=session, packet_number=number, key=secret, iv=iv, plaintext=text,
                      datagram=make_keys.seal(secret, iv, direction, epoch, session, number, text))


def main():
    parser = argparse.ArgumentParser(
        prog="make_keying.py",
        description="Writes sluice-keying.txt to standard output, from wire/README.md alone.",
        epilog="Exit status: 0 written, 1 not, 2 wrong usage.")
    parser.add_argument("--version", action="version",
                        version="make_keying.py " + sources.version())
    parser.parse_args()
    print("# Key establishment of wire version 1. Numbers decimal, byte strings hexadecimal.")
    print("# Written by make_keying.py; the C code is checked against it.")
    server, client = sha256(b"server").digest(), sha256(b"client").digest()
    context(2, 7 << 20 | 5, 42, "sluice", server, client)
    context(2, 1, 1, "a", bytes(range(32)), bytes(range(32, 64)))
    context(2, 0xFFFFFFFF, 0xFFFFFFFF, "seoul-1.example_X", b"\xff" * 32, bytes(32))

    message("ESTABLISH", 1, struct.pack("<H6xQ", 2, 1_700_000_000 * NS))
    message("ESTABLISHED", 2, established("sluice"))
    message("REFUSED, TERMINAL_BLOCKED", 15, struct.pack("<HH4x", 4, 0)
            + "this terminal is blocked; ask the operator".encode())
    message("REFUSED, BUSY, again after 5 s", 15, struct.pack("<HH4x", 7, 5)
            + "the key server is busy; try again later".encode())

    # The session of the ESTABLISHED above: epoch 3, that boot id, root as if it had been exported.
    root = bytes(255 - value for value in range(48))
    hello = make_keys.message(0x0001, 0, (1 << 63) + 1, struct.pack("<QQ", 0, 0))
    answer = make_keys.message(
        0x8001, 0, (1 << 63) + 1, make_keys.reply_block(0, 0, 0, 0, 1_700_000_001 * NS, 42)
        + struct.pack("<QIIIIQ", 1, 32, 64, 25000, 1200, 42))
    frame("first HELLO", root, 0, 3, 0x100C0FFEE, 7 << 20 | 5, 1, hello)
    frame("its answer", root, 1, 3, 0x100C0FFEE, 7 << 20 | 5, 1 << 56 | 1, answer)


if __name__ == "__main__":
    main()
