# SPDX-License-Identifier: Apache-2.0
"""Dictionaries of formats whose words and numbers stand in the sources."""

import os
import re

# Dictionaries of text formats: the words their parsers know.
JSON_WORDS = ["control/ops-socket/verbs.c", "control/ops-socket/verbs_risk.c"]
WORDS = {
    "fuzz_admin": ["dataplane/admin/admin_command.c", "dataplane/admin/admin_ledger.c",
                   "dataplane/admin/admin_query.c", "dataplane/admin/admin_fields.c",
                   "dataplane/admin/admin_rows.c", "dataplane/risk/risk_rules.c"],
    "fuzz_backup": ["tools/sluice-db/backup_manifest.c"],
    "fuzz_config": ["dataplane/config.c", "dataplane/config_keys.c"],
    "fuzz_control_config": ["control/config/config_table.h", "control/config/config_rows.c"],
    "fuzz_ctl_answer": ["tools/sluicectl/render.c", "tools/sluicectl/change.c", *JSON_WORDS],
    "fuzz_ctl_arguments": ["tools/sluicectl/arguments.c", *JSON_WORDS],
    "fuzz_risk": ["control/model/model_load.c", "tools/risk-eval/rows.c"],
    "fuzz_import": ["control/markets/market_file.c", "control/markets/result_file.c",
                    "control/markets/season.c", "dataplane/ledger/settlement.c"],
    "fuzz_manifest": ["dataplane/journal/manifest.c"],
    "fuzz_names": ["control/watchlist/names.c", "control/markets/rules.c"],
    "fuzz_ops": ["control/ops-socket/ops_parse.c", *JSON_WORDS],
    "fuzz_status": ["control/metrics/metrics_dataplane.c", "wire/codes.h", "wire/drop.c"],
}
TEMPLATES = "wire/messages.h", r"WIRE_[A-Z_]+ = (0x[0-9a-f]+),"
EVENTS = "lmdb-schema/event.h", r"EVENT_[A-Z_]+ = (\d+),"
RECORDS = "lmdb-schema/control_rows.h", r"RECORD_CONTROL_[A-Z_]+ = (\d+),"
NUMBERS = {"fuzz_control_record": RECORDS, "fuzz_message": TEMPLATES, "fuzz_datagram": TEMPLATES,
           "fuzz_terminal": TEMPLATES, "fuzz_event": EVENTS, "fuzz_record": EVENTS}


def literals(top, paths):
    """The words of a text format: what its parser compares with, as a libFuzzer dictionary."""
    words = set()
    for path in paths:
        with open(os.path.join(top, path), encoding="utf-8") as stream:
            text = re.sub(r"/\*.*?\*/|^#include.*?$", "", stream.read(),
                          flags=re.DOTALL | re.MULTILINE)
        # Sentences are for people.
        words |= {word for word in re.findall(r'"([ !#-\[\]-~]{1,40})"', text)
                  if "%" not in word and word.count(" ") < 3}
        # Members whose names are made of a macro's argument.
        words |= set(re.findall(r"SHARD_NUMBER\((?!name)(\w+)\)", text))
    return "# Made by make-seeds.\n" + "".join(f'"{word}"\n' for word in sorted(words))


def numbers(top, path, pattern):
    """Numbers of an enum as 16 bits, little-endian: templates, event types, codes."""
    with open(os.path.join(top, path), encoding="utf-8") as stream:
        found = sorted({int(number, 0) for number in re.findall(pattern, stream.read())})
    return "# Made by make-seeds.\n" + "".join(
        f'"\\x{number & 255:02x}\\x{number >> 8:02x}"\n' for number in found)


def dictionaries(top):
    """{target: its dictionary}."""
    return {**{target: literals(top, paths) for target, paths in WORDS.items()},
            **{target: numbers(top, *where) for target, where in NUMBERS.items()}}
