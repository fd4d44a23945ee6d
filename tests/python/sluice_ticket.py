# SPDX-License-Identifier: Apache-2.0
"""Ticket codes, from wire/README.md 7.3 alone: SipHash-2-4 and base 32 written out."""
import struct

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
READ_AS = {**{symbol: value for value, symbol in enumerate(ALPHABET)}, "O": 0, "I": 1, "L": 1}
MASK = 2**64 - 1


def rotate(word, bits):
    return (word << bits | word >> (64 - bits)) & MASK


def siphash(key, data):
    """SipHash-2-4 (Aumasson, Bernstein 2012), section 2 of the paper."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D,
         k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def ticket_mac(key, bet, stake, payout, placed_at_ns, odds):
    """The 7 bytes of the answer of PLACE_BET. `odds` in 1/1,000, of each leg in its order."""
    facts = struct.pack("<QqqQQ%dQ" % len(odds), bet, stake, payout, placed_at_ns, len(odds), *odds)
    return siphash(key, facts).to_bytes(8, "little")[:7]


def ticket_code(bet, ticket):
    """What is printed: "01AB2C-3D4E5F-6G7H8J-9KMNPQ"."""
    number = int.from_bytes(bet.to_bytes(8, "big") + ticket, "big")
    text = "".join(ALPHABET[number >> shift & 31] for shift in range(115, -1, -5))
    return "-".join(text[at:at + 6] for at in range(0, 24, 6))


def ticket_parse(text):
    """(bet, ticket); raises ValueError."""
    symbols = text.upper().replace("-", "")
    if len(symbols) != 24 or any(symbol not in READ_AS for symbol in symbols):
        raise ValueError("not a ticket code: %r" % text)
    number = 0
    for symbol in symbols:
        number = number << 5 | READ_AS[symbol]
    code = number.to_bytes(15, "big")
    return int.from_bytes(code[:8], "big"), code[8:]
