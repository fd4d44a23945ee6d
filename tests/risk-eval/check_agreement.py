#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""risk-eval against XGBoost and scikit-learn on 110,000 rows made from a seed.

    tests/risk-eval/check_agreement.py RISK_EVAL

Probabilities of a model trained here and of those in tools/risk-models agree with XGBoost's own
within 1e-5; figures agree with scikit-learn's. Exit status 0 when they do, 1 otherwise, 77
(skipped) without python3-xgboost.
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

ROWS = 110000
DAYS = 60
TOLERANCE = 1e-5


def write_rows(path, seed):
    """Honest habits, terminals that go bad for two weeks, cards used for five times the amount."""
    draw = random.Random(seed)
    habits = [draw.uniform(5, 100) for _ in range(400)]
    bad = {draw.randrange(900): draw.randrange(DAYS) for _ in range(60)}
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("tx_id,t_seconds,customer_id,terminal_id,amount,is_fraud,fraud_scenario\n")
        for number, second in enumerate(sorted(draw.randrange(DAYS * 86400) for _ in range(ROWS))):
            customer = draw.randrange(len(habits))
            terminal = draw.randrange(900)
            amount = abs(draw.gauss(habits[customer], habits[customer] / 2))
            day = second // 86400
            fraud = terminal in bad and bad[terminal] <= day < bad[terminal] + 14
            if not fraud and draw.random() < 0.004:
                fraud, amount = True, amount * 5
            stream.write(f"{number},{second},{customer},{terminal},{amount:.2f},{int(fraud)},0\n")


def evaluate(program, rows, model, folder, *more):
    scores = os.path.join(folder, "scores")
    said = subprocess.run(
        [program, "--format", "card", rows, "--json", *(["--model", model] if model else []),
         "--scores", scores, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=True).stdout
    return json.loads(said), scores


def agree(name, mine, theirs, tolerance):
    worst = float(abs(mine - theirs).max())
    print(f"{'ok' if worst <= tolerance else 'FAILED'}: {name}: worst difference {worst:.2g}")
    return worst <= tolerance


def check_model(program, rows, features, names, label, model, folder):
    """Probabilities of every row, and the figures made from them."""
    import numpy
    import xgboost
    from sklearn import metrics
    report, scores = evaluate(program, rows, model, folder)
    booster = xgboost.Booster(model_file=model)
    # Models of an older version look at the first features alone.
    count = booster.num_features()
    matrix = xgboost.DMatrix(features[:, :count], feature_names=names[:count], nthread=1)
    theirs = booster.predict(matrix)
    mine = numpy.loadtxt(scores)
    name = os.path.basename(model)
    good = len(mine) == ROWS and agree(f"{name}, {ROWS} rows", mine, theirs, TOLERANCE)
    margin = booster.predict(matrix, output_margin=True)
    false_share, recall, _ = metrics.roc_curve(label, margin)
    figures = [metrics.roc_auc_score(label, margin), metrics.average_precision_score(label, margin),
               recall[false_share <= 0.01].max()]
    said = [report["model"][key] for key in ("roc_auc", "pr_auc", "recall_at_1pct_fpr")]
    return agree(f"{name}, figures", numpy.array(said), numpy.array(figures), 2e-3) and good


def refused(program, rows, path, text):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    ran = subprocess.run([program, "--format", "card", rows, "--model", path],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    good = ran.returncode == 1 and path in ran.stderr and ran.stdout == ""
    print(f"{'ok' if good else 'FAILED'}: refused: {ran.stderr.strip()}")
    return good


def run(program, folder):
    import numpy
    import xgboost
    rows, export = os.path.join(folder, "rows.csv"), os.path.join(folder, "rows.npy")
    write_rows(rows, 7)
    report, _ = evaluate(program, rows, None, folder, "--export", export)
    records = numpy.load(export)
    names = [line.split("(")[1].split(",")[0] for line in open(
        os.path.join(TOP, "dataplane/risk/risk_features.h"), encoding="utf-8")
             if line.startswith("\tX(")]
    matrix = xgboost.DMatrix(records["features"], records["label"], feature_names=names, nthread=1)
    label = records["label"]
    good = report["rows"] == len(label) == ROWS and report["model"] is None
    good &= bool(numpy.isfinite(records["features"]).all())
    good &= bool((numpy.diff(records["time_s"].astype("i8")) >= 0).all())
    # Nothing of a label may be in the features before it is days old.
    never, _ = evaluate(program, rows, None, folder, "--export", export, "--label-delay-days",
                        "none")
    feedback = [number for number, name in enumerate(names)
                if "_confirmed_rate" in name or name.endswith(("_confirmed", "_clean_run"))]
    hidden = numpy.load(export)["features"]
    good &= never["rows"] == ROWS and not hidden[:, feedback].any()
    late = records["time_s"] < records["time_s"].min() + 7 * 86400
    good &= not records["features"][late][:, feedback].any()
    good &= bool(records["features"][:, feedback].any())
    print(f"{'ok' if good else 'FAILED'}: the export")
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "eta": 0.3,
                             "tree_method": "hist", "nthread": 1, "seed": 1}, matrix, 64)
    booster.set_attr(sluice_features_version="2")
    own = os.path.join(folder, "own.json")
    booster.save_model(own)
    shipped = os.path.join(TOP, "tools/risk-models")
    models = [own] + [os.path.join(shipped, name) for name in sorted(os.listdir(shipped))
                      if name.endswith(".json")]
    for model in models:
        good &= check_model(program, rows, records["features"], names, label, model, folder)
    with open(own, encoding="utf-8") as stream:
        text = stream.read()
    bad = os.path.join(folder, "bad.json")
    for broken in ("", "{", text[:-100], text.replace('"terminal_7d"', '"terminal_8d"'),
                   text.replace('"sluice_features_version":"2"', '"sluice_features_version":"3"'),
                   text.replace('"sluice_features_version":"2"', '"sluice_features_version":"1"'),
                   text.replace("binary:logistic", "reg:squarederror")):
        good &= broken != text and refused(program, rows, bad, broken)
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(
        prog="tests/risk-eval/check_agreement.py",
        description="risk-eval against XGBoost and scikit-learn on 110,000 rows made from a seed.",
        epilog="Exit status: 0 they agree, 1 they do not, 2 wrong usage, 77 no XGBoost (skipped).")
    parser.add_argument("program", metavar="RISK_EVAL")
    parser.add_argument("--version", action="version",
                        version="tests/risk-eval/check_agreement.py " + sources.version())
    options = parser.parse_args()
    try:
        import sklearn  # noqa: F401
        import xgboost  # noqa: F401
    except ImportError as error:
        print(f"{error}: skipped. Packages: python3-xgboost, python3-sklearn.")
        return 77
    with tempfile.TemporaryDirectory(prefix="risk-eval-") as folder:
        return run(options.program, folder)


if __name__ == "__main__":
    sys.exit(main())
