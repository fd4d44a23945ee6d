# SPDX-License-Identifier: Apache-2.0
"""What operators set is the shards' own: a killed data plane has it again with control dead."""

import demo
from controlled import ControlledSwitch
from test_admin_reads import Admin


def test_settings_are_recovered_without_control():
    with ControlledSwitch("orphan", shards=2) as switch:
        switch.begin(terminals=2)
        control = switch.control
        control.ctl("terminal", "set", 1, "--rights", "balance", "--daily-max", 5000)
        control.ctl("terminal", "block", 2)
        control.ctl("odds", "set", 21, "1.85", "3.40", "4.20")
        control.ctl("market", "suspend", 31)
        control.ctl("rules", "set", "points_odds=7")
        control.ctl("account", "freeze", demo.FIRST_ACCOUNT)
        before = control.status()
        control.kill()
        switch.kill()
        switch.start()
        admin = Admin(switch)
        try:
            first = admin.ask("terminal_show", terminal_id=1)
            assert (first["rights"], first["daily_max"]) == (2, 5000)
            assert admin.ask("terminal_show", terminal_id=2)["blocked"] is True
            assert admin.ask("market_show", market_id=21)["odds"] == [1850, 3400, 4200]
            assert admin.ask("market_show", market_id=31)["state"] == 3
            assert admin.ask("account_show", account_id=demo.FIRST_ACCOUNT)["frozen"] is True
            shards = admin.ask("status")["shards"]
        finally:
            admin.close()
        assert {shard["rule_version"] for shard in shards} == {before["rule_version"]}
        assert {shard["control_sequence"] for shard in shards} == {
            before["control"]["commands_committed"]}
