#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sluice-tickets.txt from the Python terminal's ticket codes: nothing here uses the
project's C code.

    ./make_tickets.py > sluice-tickets.txt
"""
import argparse
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../tools/lib"))
sys.path.insert(0, os.path.join(HERE, "../../python"))
import sluice_ticket  # noqa: E402
import sources  # noqa: E402


def show(key, bet, stake, payout, placed_at_ns, odds):
    ticket = sluice_ticket.ticket_mac(key, bet, stake, payout, placed_at_ns, odds)
    print("[ticket]\nkey = %s\nbet = %d\nstake = %d\npayout = %d\nplaced_at_ns = %d\nodds = %s\n"
          "ticket = %s\ncode = %s\n" % (
              key.hex(), bet, stake, payout, placed_at_ns, ",".join(str(one) for one in odds),
              ticket.hex(), sluice_ticket.ticket_code(bet, ticket)))


def main():
    parser = argparse.ArgumentParser(
        prog="make_tickets.py",
        description="Writes sluice-tickets.txt to standard output, from wire/README.md alone.",
        epilog="Exit status: 0 written, 1 not, 2 wrong usage.")
    parser.add_argument("--version", action="version",
                        version="make_tickets.py " + sources.version())
    parser.parse_args()
    print("# Ticket codes of wire/README.md 7.3. Made by make_tickets.py.\n")
    key = bytes(range(16))
    show(key, 0x0040000000000001, 5000, 10750, 1700000000012345678, [2150])
    show(key, 0, 0, 0, 0, [1001])
    show(bytes(16), 1, 1, 1001, 1, [1001] * 2)
    show(b"\xff" * 16, 2**64 - 1, 10**12, 10**15, 2**64 - 1, [10_000_000] * 10)
    chance = random.Random(7)
    for _ in range(8):
        show(chance.randbytes(16), chance.getrandbits(64), chance.randint(1, 10**12),
             chance.randint(1, 10**15), chance.getrandbits(63),
             [chance.randint(1001, 10_000_000) for _ in range(chance.randint(1, 10))])


if __name__ == "__main__":
    main()
