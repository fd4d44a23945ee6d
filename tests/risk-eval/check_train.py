#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/risk-train on files made from a seed: what a shop of some weeks has is learnt from, and
what nothing can be learnt from is refused in words, without a model that says nothing.

    tests/risk-eval/check_train.py RISK_EVAL

Exit status 0 when all holds, 1 otherwise, 77 (skipped) without python3-xgboost.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(TOP, "tools/lib"))
import sources  # noqa: E402

ROWS = 3000
HEADER = "tx_id,t_seconds,customer_id,terminal_id,amount,is_fraud,fraud_scenario\n"


def write_rows(path, days, is_fraud, accounts=60):
    """Frauds are of five times the amount, so there is something to learn."""
    draw = random.Random(3)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(HEADER)
        for number, second in enumerate(sorted(draw.randrange(days * 86400) for _ in range(ROWS))):
            fraud = is_fraud(second // 86400, draw.random())
            stream.write(f"{number},{second},{draw.randrange(accounts)},{draw.randrange(40)},"
                         f"{draw.uniform(10, 100) * (5 if fraud else 1):.2f},{int(fraud)},0\n")
    return path


def train(program, rows, out, *more):
    return subprocess.run(
        [sys.executable, os.path.join(TOP, "tools/risk-train"), "--format", "card", rows, "--out",
         out, "--risk-eval", program, "--trees", "8", "--json", *more],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def some(_, chance):
    return chance < 0.1


# What is wrong, the rows, more arguments, the exit status and words of the message.
REFUSED = [
    ("no frauds", (20, lambda day, _: False), (), 1, "no fraud before day 14"),
    ("frauds alone", (20, lambda day, _: True), (), 1, "fraud alone before day 14"),
    ("frauds of the last days", (20, lambda day, chance: day > 15 and chance < 0.1), (), 1,
     "no fraud before day 14"),
    ("frauds of the first days", (20, lambda day, chance: day < 10 and chance < 0.1), (), 1,
     "no fraud from day 14"),
    ("one day", (1, some), (), 1, "no rows before day 0"),
    ("a day behind all", (20, some), ("--tune-day", "800"), 1, "no rows from day 800"),
    ("a day before all", (20, some), ("--tune-day", "-1"), 2, "from 1 to 36500"),
    ("no trees", (20, some), ("--trees", "0"), 2, "from 1 to 1024"),
    ("trees that no model may have", (20, some), ("--trees", "1025"), 2, "from 1 to 1024"),
    ("a feature that is none", (20, some), ("--hide", "luck"), 1, "--hide luck"),
    ("a delay that is none", (20, some), ("--label-delay-days", "soon"), 1, "--label-delay-days"),
]


def holds(good, what, said=""):
    print(f"{'ok' if good else 'FAILED'}: {what}{': ' + said if said else ''}")
    return good


def check_refused(program, folder):
    good = True
    out = os.path.join(folder, "refused.json")
    for what, shape, more, status, words in REFUSED:
        rows = write_rows(os.path.join(folder, "rows.csv"), *shape)
        ran = train(program, rows, out, *more)
        good &= holds(ran.returncode == status and words in ran.stderr and ran.stdout == "" and
                      "Traceback" not in ran.stderr and not os.path.exists(out), what,
                      ran.stderr.strip().splitlines()[-1])
    for rows, words in ((os.path.join(folder, "missing.csv"), "No such file"),
                        (__file__, "no column t_seconds")):
        ran = train(program, rows, out)
        good &= holds(ran.returncode == 1 and words in ran.stderr and rows in ran.stderr and
                      "Command" not in ran.stderr, words, ran.stderr.strip())
    rows = write_rows(os.path.join(folder, "rows.csv"), 20, some)
    for out in (folder, os.path.join(folder, "nowhere/m.json"), os.path.join(folder, "m.bin")):
        ran = train(program, rows, out)
        good &= holds(ran.returncode == 1 and out in ran.stderr, "--out", ran.stderr.strip())
    return good


def check_learned(program, folder):
    """Of 20 days, where the card data has 128; accounts of which none is new."""
    good = True
    for accounts, by_account in ((60, True), (1, False)):
        rows = write_rows(os.path.join(folder, "rows.csv"), 20, some, accounts)
        model = os.path.join(folder, "model.json")
        ran = train(program, rows, model)
        if not holds(ran.returncode == 0, f"{accounts} accounts", ran.stderr.strip()):
            return False
        report = json.loads(ran.stdout)
        good &= holds(report["tune_day"] == 14 and report["by_time"]["roc_auc"] > 0.9 and
                      (report["by_account"] is not None) == by_account, "its figures")
        said = subprocess.run([program, "--format", "card", rows, "--json", "--model", model],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        good &= holds(said.returncode == 0 and json.loads(said.stdout)["model"]["roc_auc"] > 0.9,
                      "the switch's own code takes it", said.stderr.strip())
    return good


def main():
    parser = argparse.ArgumentParser(
        prog="tests/risk-eval/check_train.py",
        description="tools/risk-train on files that can be learnt from, and on such that cannot.",
        epilog="Exit status: 0 all holds, 1 it does not, 2 wrong usage, 77 no XGBoost (skipped).")
    parser.add_argument("program", metavar="RISK_EVAL")
    parser.add_argument("--version", action="version",
                        version="tests/risk-eval/check_train.py " + sources.version())
    options = parser.parse_args()
    try:
        import sklearn  # noqa: F401
        import xgboost  # noqa: F401
    except ImportError as error:
        print(f"{error}: skipped. Packages: python3-xgboost, python3-sklearn.")
        return 77
    with tempfile.TemporaryDirectory(prefix="risk-train-") as folder:
        good = check_refused(options.program, folder)
        return 0 if check_learned(options.program, folder) and good else 1


if __name__ == "__main__":
    sys.exit(main())
