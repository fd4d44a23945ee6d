# SPDX-License-Identifier: Apache-2.0
"""More than the switch can do, and floods: what becomes of every request and datagram is counted,
nothing is lost or done twice, and the terminal a flood names goes on. No timing assertions."""

import os
import sys

import pytest
from switch import BUILD, PREFIX, ROOTS, TOP, balance_sum

sys.path.append(os.path.join(TOP, "bench"))
from loaded import Loaded, choices  # noqa: E402

SESSIONS = 32
ACCOUNTS = 500
BUDGET = 5  # per cent: the load generator alone would not be enough on a fast machine
OFFERED = 1_000_000  # a second; the worker does some 50,000 with that budget, machines differ
TRANSMIT_DROPS = ("tx_full", "no_buffer")
COMMON = ("--seconds", 1, "--warmup", 0, "--drain", 600, "--markets", choices(1, 10))
# How much a second was enough for is the machine's affair.
NO_FIGURE = "nothing was acknowledged in the measured time"
FLOODS = {"forged": ("bad_tag", "source_rate"), "replayed": ("replayed",),
          "epoch": ("unknown_epoch",), "unknown": ("unknown_session",)}


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    os.makedirs(ROOTS, exist_ok=True)
    with Loaded(PREFIX + "load", root=os.path.join(ROOTS, PREFIX + "load"), build=BUILD,
                budget=BUDGET, accounts=2000, bets=2_000_000, terminals=1024, sessions=1024,
                segment_mib=8, segments_max=512, memory_mib=256, populate=False) as switch:
        switch.own_root = True
        yield switch.begin(ACCOUNTS, 12 * SESSIONS)


def dropped(report):
    return {name: count for name, count in report["datagrams_dropped"].items()
            if name not in TRANSMIT_DROPS}


def check_accounts(report):
    """Every request that was due and every datagram that was sent is somewhere, each once."""
    assert [problem for problem in report["problems"] if problem != NO_FIGURE] == []
    assert report["acked_total"] > 0
    assert report["lost"] == report["duplicated"] == report["failed"] == report["bad_answers"] == 0
    assert report["datagrams_sent"] == \
        report["datagrams_opened"] + sum(dropped(report).values()) + report["imissed"]
    if report["loop"] == "open":
        assert report["due_total"] == report["acked_total"] + report["left_in_ring"] + \
            report["no_terminal"] + report["busy"]


def test_what_is_too_much_stays_outside_and_the_rest_is_done(switch):
    """Far more than a slow worker can do."""
    capacity = switch.bench(*COMMON, "--in-flight", 256, sessions=SESSIONS)
    check_accounts(capacity)
    offered = switch.bench(*COMMON, "--shed", "--rate", OFFERED, sessions=SESSIONS * 2)
    check_accounts(offered)
    assert offered["left_in_ring"] + offered["no_terminal"] + offered["busy"] > \
        offered["acked_total"]
    assert offered["acked_total"] > 0 and offered["accepted_share"] == 1
    # Taken in and let fall would be a collapse: work for nothing.
    assert not any(dropped(offered).values()), offered["datagrams_dropped"]
    # And it is as before when the load is.
    again = switch.bench(*COMMON, "--in-flight", 256, sessions=SESSIONS)
    check_accounts(again)
    assert again["acked_total"] > 0


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_is_dropped_by_its_reason_and_its_victim_goes_on(switch, kind):
    report = switch.bench(*COMMON, "--in-flight", 64, "--flood", kind, "--flood-rate", 20_000,
                          sessions=SESSIONS)
    check_accounts(report)
    flood = report["flood"]
    assert flood["sent"] > 0
    # A full ring at the port may have taken some of it before anyone looked.
    assert flood["sent"] - report["imissed"] <= \
        sum(report["datagrams_dropped"].get(name, 0) for name in FLOODS[kind]) <= flood["sent"]
    assert set(dropped(report)) <= set(FLOODS[kind])
    # Its requests come round like those of the others.
    assert flood["victim_acked"] >= 0.5 * flood["others_acked_mean"] > 0
    # Opened at most 64 times a second, and once more for each that decays meanwhile.
    assert report["datagrams_dropped"].get("bad_tag", 0) < flood["sent"]


def test_the_log_holds_every_answer_and_the_money_is_all_there(switch):
    switch.stop()
    verified = switch.verify()
    assert verified["ok"], verified
    assert balance_sum(verified) == 0
