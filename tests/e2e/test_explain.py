# SPDX-License-Identifier: Apache-2.0
"""What explain says of a refusal: the limit, or the odds, with the numbers that were compared."""

import demo
import pytest
from controlled import ControlledSwitch
from test_operator import run

ACCOUNT = demo.FIRST_ACCOUNT


@pytest.fixture(name="switch", scope="module")
def switch_fixture():
    with ControlledSwitch("explain", shards=2) as switch:
        switch.begin(terminals=1)
        yield switch


def code_of(answer):
    return answer["code"]


def bet(switch, odds):
    return run(switch, 1, "bet", ACCOUNT, 1000, f"31:0:{odds}")


def limit_told(control, answer):
    """What `explain` says of the limit that a bet of terminal 1 was refused for."""
    told = control.json("explain", "--terminal", 1, "--request", answer["request_id"])
    assert told["limit"].pop("payout") == told["payout"] >= 1010, told
    return told["limit"]


def test_explain_tells_the_limit_and_what_had_been_staked(switch):
    control = switch.control
    before = {row["key"]: row["value"] for row in control.json("rules", "show")["rules"]}
    bets = [bet(switch, "1.01")[1] for _ in range(2)]
    assert [code_of(answer) for answer in bets] == ["OK", "OK"]
    assert code_of(run(switch, 1, "cancel", bets[0]["object_id"], 12)[1]) == "OK"
    staked = control.json("account", "show", ACCOUNT)["staked_today"]
    at_terminal = control.json("terminal", "show", 1)["switch"]["staked_today"]
    for rule, limit, code, more in (
            ("stake_daily_max", staked + 999, "LIMIT_DAILY_STAKE", {"counted_before": staked}),
            ("terminal_daily_max", at_terminal + 999, "LIMIT_TERMINAL_DAILY",
             {"counted_before": at_terminal}),
            ("stake_single_max", 999, "LIMIT_SINGLE_STAKE", {}),
            ("payout_max", 1009, "PAYOUT_LIMIT", {})):
        control.ctl("rules", "set", f"{rule}={limit}")
        _, answer = bet(switch, "1.01")
        assert code_of(answer) == code
        assert limit_told(control, answer) == {
            "rule": rule, "limit": limit, "stake": 1000} | more
        control.ctl("rules", "set", f"{rule}={before[rule]}")


def test_explain_tells_the_leg_and_its_odds(switch):
    control = switch.control
    _, answer = bet(switch, "1.01")
    book = control.json("explain", answer["object_id"])["events"][-1]["legs"][0]["odds"]
    leg = {"market": 31, "selection": 0}
    _, answer = bet(switch, "9.99")
    assert (code_of(answer), answer["object_id"]) == ("ODDS_CHANGED", "31")
    told = control.json("explain", "--terminal", 1, "--request", answer["request_id"])
    assert told["odds"] == leg | {"claimed_odds": 9990, "book_odds": book}
    control.ctl("rules", "set", "exposure_selection_max=1")
    _, answer = bet(switch, "1.01")
    assert (code_of(answer), answer["object_id"]) == ("EXPOSURE_SELECTION", "31")
    limit = limit_told(control, answer)
    assert limit.pop("exposed_here") > 0 and limit.pop("credit_here") in (0, 1)
    assert limit == leg | {"rule": "exposure_selection_max", "limit": 1, "stake": 1000}
    control.ctl("rules", "set", "exposure_selection_max=0")
    control.ctl("account", "limits", ACCOUNT, "--stake-day", 1)
    _, answer = bet(switch, "1.01")
    assert code_of(answer) == "LIMIT_STAKE"
    limit = limit_told(control, answer)
    assert limit.pop("counted_before") >= 1000
    assert limit == {"rule": "stake_day", "limit": 1, "stake": 1000}
