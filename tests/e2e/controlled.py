# SPDX-License-Identifier: Apache-2.0
"""An isolated switch with its control process and, if wanted, a PostgreSQL of its own."""

import demo
from control import Control
from postgres import Postgres
from switch import ACCOUNTS, PREFIX, Switch


class ControlledSwitch(Switch):
    """`with` gives a prepared instance; begin() starts everything as an operator would."""

    def __init__(self, name, postgres=False, control=None, **settings):
        super().__init__(name, **settings)
        self.control = Control(self, **(control or {}))
        # PostgreSQL runs as its own user, who may not reach the test's folder.
        self.postgres = Postgres(f"/var/tmp/sluice-{PREFIX}{name}") if postgres else None

    def __enter__(self):
        super().__enter__()
        if self.postgres is not None:
            self.postgres.remove()
            self.postgres.create()
            self.postgres.start()
            self.control.connection = self.postgres.conninfo
        return self

    def __exit__(self, kind, value, trace):
        self.control.kill()
        if self.postgres is not None:
            self.postgres.kill()
            if kind is None:
                self.postgres.remove()
        super().__exit__(kind, value, trace)

    def start_all(self):
        self.start_with_fallback(self.notes.append)
        self.control.start()
        self.control.authority_make()

    def begin(self, terminals=3, accounts=ACCOUNTS):
        """Everything up, terminals enrolled, season and accounts loaded."""
        self.start_all()
        for terminal in range(demo.FIRST_TERMINAL, demo.FIRST_TERMINAL + terminals):
            self.control.enroll(terminal)
        self.control.wait_up()
        demo.load_by_control(self.control, accounts)
