# SPDX-License-Identifier: Apache-2.0
"""The Python terminal's messages: sizes and names of the catalogue as wire/README.md has them,
every request against mini_switch.py, linked groups, ticket codes by the vectors."""
import pathlib
import re
import struct

import pytest

import mini_switch
import sluice_terminal as st
from mini_switch import MiniSwitch

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
KEY = b"k" * 16


@pytest.fixture(name="switch")
def fixture_switch():
    with MiniSwitch() as switch:
        yield switch


@pytest.fixture(name="terminal")
def fixture_terminal(switch):
    terminal = st.Terminal(switch.address, switch.session_id, switch.root)
    assert terminal.hello().ok
    yield terminal
    terminal.close()


def catalogue():
    """(template, name, request total, answer total, mutates) of section 7's table."""
    text = (TOP / "wire/README.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| 0x(\w{4}) \| (\w+) \| (\d+)[^|]*\| 0x(\w{4}) \| (\d+)[^|]*\|"
                     r"[^|]*\|([^|]*)\|", re.M)
    for number, name, request, reply, answer, mutates in row.findall(text):
        assert int(reply, 16) == int(number, 16) | st.REPLY_BIT
        yield int(number, 16), name, int(request), int(answer), "yes" in mutates


BLOCKS = {
    st.HELLO: st.hello_block(0, 0), st.HEARTBEAT: st.heartbeat_block(0, 0),
    st.KEY_UPDATE: b"", st.GOODBYE: b"", st.PLACE_BET: st.bet_block(1, 1, 1),
    st.BET_STATUS: st.id_block(1), st.CANCEL_BET: st.cancel_block(1, 1),
    st.REDEEM: st.redeem_block(1, 1, bytes(7)), st.REPRINT: st.reprint_block(1, 1),
    st.OPEN_ACCOUNT: st.open_account_block(1, 1), st.BALANCE: st.id_block(1),
    st.DEPOSIT: st.deposit_block(1, 1, 1), st.WITHDRAW: st.withdraw_block(1, 1, 1),
    st.TRANSFER: st.transfer_block(1, 2, 1, 1), st.STATEMENT: st.statement_block(1),
    st.TX_STATUS: st.id_block(1), st.REVERSE: st.reverse_block(1, 1),
    st.FENCE: st.fence_block(1, 1), st.PLAY_SET: st.play_set_block(1, 1),
    st.EVENT_QUERY: st.since_block(0), st.MARKET_QUERY: st.since_block(0),
    st.SPRINKLE_CREATE: st.sprinkle_block(1, 1, 1, 1, 1, 1),
    st.CLAIM: st.claim_block(1, 1, 1, 1), st.SPRINKLE_STATUS: st.id_block(1),
    st.ROUND_DEBIT: st.round_block(1, 1, 1, 1), st.ROUND_CREDIT: st.round_block(1, 1, 1, 1),
    st.ROUND_ROLLBACK: st.round_block(1, 1, 1, 1), st.ROUND_CLOSE: st.round_block(1, 1, 1, 1),
    st.SHIFT_OPEN: st.shift_block(1, 1, 1), st.SHIFT_CLOSE: st.shift_block(1, 1, 1),
}


def test_the_catalogue_is_the_specification():
    rows = list(catalogue())
    assert {number: name for number, name, *_ in rows} == st.NAMES
    assert {number for number, *_, mutates in rows if mutates} == set(st.MUTATING)
    for number, name, request, answer, _ in rows:
        assert len(BLOCKS[number]) == request - 16, name
        shape = st.SHAPES.get(number, ("<", ""))[0]
        assert 16 + 32 + (struct.calcsize(shape) + 7) // 8 * 8 == answer, name


REQUESTS = [
    ("KEY_UPDATE", lambda t: t.key_update()),
    ("GOODBYE", lambda t: t.goodbye()),
    ("HEARTBEAT", lambda t: t.heartbeat()),
    ("PLACE_BET", lambda t: t.place_bet(0, 1000, [(1001, 0, 1500)])),
    ("BET_STATUS", lambda t: t.bet_status(4711)),
    ("CANCEL_BET", lambda t: t.cancel_bet(4711, 1)),
    ("REDEEM", lambda t: t.redeem((4711, mini_switch.TICKET))),
    ("REPRINT", lambda t: t.reprint(4711)),
    ("OPEN_ACCOUNT", lambda t: t.open_account(7, partner=3)),
    ("BALANCE", lambda t: t.balance(42)),
    ("DEPOSIT", lambda t: t.deposit(42, 5, key=KEY)),
    ("WITHDRAW", lambda t: t.withdraw(42, 5, key=KEY)),
    ("TRANSFER", lambda t: t.transfer(42, 43, 5)),
    ("STATEMENT", lambda t: t.statement(42)),
    ("TX_STATUS", lambda t: t.tx_status(1)),
    ("REVERSE", lambda t: t.reverse(1)),
    ("FENCE", lambda t: t.fence(1)),
    ("PLAY_SET", lambda t: t.play_set(42, (1, 2, 3, 4, 5, -1))),
    ("EVENT_QUERY", lambda t: t.event_query()),
    ("MARKET_QUERY", lambda t: t.market_query()),
    ("SPRINKLE_CREATE", lambda t: t.sprinkle(42, 1000, 5)),
    ("CLAIM", lambda t: t.claim(4711, 43)),
    ("SPRINKLE_STATUS", lambda t: t.sprinkle_status(4711)),
    ("ROUND_DEBIT", lambda t: t.round_debit(42, 1, 5, KEY)),
    ("ROUND_CREDIT", lambda t: t.round_credit(42, 1, 5, KEY)),
    ("ROUND_ROLLBACK", lambda t: t.round_rollback(42, 1, KEY, b"t" * 16)),
    ("ROUND_CLOSE", lambda t: t.round_close(42, 1)),
    ("SHIFT_OPEN", lambda t: t.shift_open(7, 100000)),
    ("SHIFT_CLOSE", lambda t: t.shift_close(7, 100000)),
]


@pytest.mark.parametrize("name,ask", REQUESTS, ids=[one[0] for one in REQUESTS])
def test_each_request_has_its_answer(switch, terminal, name, ask):
    answer = ask(terminal)
    assert answer.ok and st.NAMES[switch.received[-1][0]] == name
    assert switch.executed == (1 if st.NAMES[answer.template] and answer.template in st.MUTATING
                               else 0)


def test_every_message_of_the_catalogue_is_tried():
    assert {name for name, _ in REQUESTS} | {"HELLO"} == set(st.NAMES.values())


def test_rows(switch, terminal):
    rows = terminal.statement_all(42)
    assert [row["position"] for row in rows] == [5, 4, 2, 1]
    assert rows[0]["amount"] == -10 and rows[0]["after"] == 90 and rows[0]["terminal"] == 77
    assert terminal.events()[0]["markets"] == 2
    markets = terminal.event_query(event=3)
    assert markets.template == st.MARKET_QUERY
    assert [row["market"] for row in markets.rows] == [1006, 1007]
    assert markets.rows[0]["line"] == -3 and markets.rows[0]["result"] == (0, 0, 0, 0)
    assert switch.executed == 0


def test_a_linked_group_is_one_datagram_and_is_sent_again_whole():
    with MiniSwitch(lose=0.4, seed=3) as switch:
        terminal = st.Terminal(switch.address, switch.session_id, switch.root)
        assert terminal.hello().ok
        for _ in range(10):
            del switch.received[:]
            answers = terminal.linked([(st.DEPOSIT, st.deposit_block(42, 5, st.NO_DEADLINE)),
                                       (st.WITHDRAW, st.withdraw_block(42, 5, st.NO_DEADLINE)),
                                       (st.PLACE_BET, st.bet_block(42, 5, st.NO_DEADLINE),
                                        st.leg(1001, 0, 1500))])
            ids = [answer.request_id for answer in answers]
            assert ids == list(range(ids[0], ids[0] + 3))
            linked = [flags & st.LINKED for _, _, flags in switch.received]
            assert linked == [st.LINKED, st.LINKED, 0] * (len(linked) // 3)
            assert [one for _, one, _ in switch.received] == ids * (len(linked) // 3)
        assert terminal.resends > 0 and not terminal.groups and not terminal.group_texts
        terminal.close()


def vectors():
    """Records of tests/data/vectors/sluice-tickets.txt."""
    out = []
    path = TOP / "tests/data/vectors/sluice-tickets.txt"
    for line in path.read_text(encoding="ascii").splitlines():
        if line == "[ticket]":
            out.append({})
        elif "=" in line and not line.startswith("#"):
            name, value = line.split(" = ")
            out[-1][name] = value
    return out


def test_siphash_is_that_of_the_paper():
    # Appendix A of the paper: key 00..0f, message 00..0e.
    assert st.siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


def test_ticket_vectors():
    assert len(vectors()) >= 8
    for one in vectors():
        ticket = st.ticket_mac(bytes.fromhex(one["key"]), int(one["bet"]), int(one["stake"]),
                               int(one["payout"]), int(one["placed_at_ns"]),
                               [int(odds) for odds in one["odds"].split(",")])
        assert ticket.hex() == one["ticket"]
        assert st.ticket_code(int(one["bet"]), ticket) == one["code"]
        assert st.ticket_parse(one["code"].lower()) == (int(one["bet"]), ticket)


@pytest.mark.parametrize("text", ["", "0" * 23, "0" * 25, "U" + "0" * 23,
                                  "000000 000000-000000-000000"])
def test_what_is_no_ticket_code(text):
    with pytest.raises(ValueError):
        st.ticket_parse(text)


def test_people_write_letters_for_digits():
    assert st.ticket_parse("oO0il1" + "0" * 18) == st.ticket_parse("000111" + "0" * 18)
