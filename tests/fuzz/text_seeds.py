# SPDX-License-Identifier: Apache-2.0
"""Seeds of text: files operators import, command lines of sluicectl, answers it shows."""

import json
import os
import re
import struct

MARKET_HEADER = "market,event,name,start,kind,selections\n"
MARKET_HEADER_FULL = "market,event,name,start,kind,line,state,selections\n"
SEASON = ("date,home,away,home_goals,away_goals,odds_home,odds_draw,odds_away,odds_over25,"
          "odds_under25\n2021-08-13,Brentford,Arsenal,2,0,4.02,3.43,2.02,2.16,1.73\n"
          "2021-08-14,Burnley,Brighton,1,2,3.19,3.09,2.49,2.46,1.57\n")
NS = 1_795_262_400_000_000_000


def imports():
    """First byte: 0 markets, 1 results, 2 one word."""
    return {
        "markets": b"\0" + (MARKET_HEADER + "21,2,서울 - 부산,2026-11-21T12:00:00Z,1x2,"
                            "홈:1.85;무:3.4;원정:4.2\n12,1,Rain,2026-11-22T00:00:00Z,other,"
                            "yes:1.001;no:10000\r\n").encode(),
        "markets-lines": b"\0" + (
            MARKET_HEADER_FULL + "1,1,A - B,2026-11-21T12:00:00Z,handicap,-0.75,before,A:1.9;B:-\n"
            "2,1,A - B,2026-11-21T12:00:00Z,over_under,2.5,suspended,over:2;under:1.8\n").encode(),
        "markets-season": b"\0" + SEASON.encode(),
        "markets-season-long-names": b"\0" + SEASON.replace("Brentford", "가" * 20).replace(
            "Arsenal", "나" * 20).encode(),
        "markets-season-far": b"\0" + SEASON.replace("2021-08-14", "9999-12-31").encode(),
        "markets-far": b"\0" + (MARKET_HEADER + "1,1,A,9999-12-31T23:59:59Z,1x2,a:2\n").encode(),
        "markets-season-control": b"\0" + SEASON.replace("Arsenal", "Ars\x01nal").encode(),
        "markets-twice": b"\0" + (
            MARKET_HEADER + "1,1,A,2026-11-21T12:00:00Z,1x2,a:2\n" * 2).encode(),
        "results": b"\1market,result\n1,2:1\n2,void\n3,rollback\n3,final\n4,win;lose;half_win\n",
        "results-dead-heat":
            b"\1market,result\r\n18446744073,dead_heat 1/2;dead_heat 254/255;lose\n",
        "results-broken": b"\1market,result\n1,2:\n",
        "word-score": b"\00265535:0", "word-void": b"\2void", "word-heat": b"\2dead_heat 2/3;win",
        "word-half": b"\2half_lose;half_win;void", "word-cut": b"\2dead_heat 1/",
    }


def names():
    """First byte: 0 two names, 1 CSV, 2 rules."""
    return {
        "names": b"\0ANGLO-CARIBBEAN CO., LTD.\0Anglo Caribbean",
        "names-marks": "\0Müller & Søn GmbH\0서울 은행".encode(),
        "names-order": b"\0HUSSEIN, Saddam\0Sadam Husein",
        "names-none": b"\0...\0", "names-not-utf8": b"\0ab\xff\0\xc3",
        "csv": b'\1ent_num,name\n173,"ANGLO ""X"" CO., LTD."\r\n\n306 , BANCO\n\x1a\n',
        "csv-open": b'\0011,"a', "csv-mark": b"\1\xef\xbb\xbfkind,id\n",
        "rules": b"\2# ours\nlarge_amount: 700000 # won\r\n\nalert_score : 101\n",
        "rules-twice": b"\2points_odds: 1\npoints_odds: 2\n", "rules-none": b"\2points: 1",
        "rules-range": b"\2points_odds: 101\n",
    }


def lines():
    """Command lines, a word a line."""
    texts = {
        "suspend": "market suspend 12 --dry-run", "odds": "odds set 21 1.85 3.40 --json -- 4.20",
        "account": "account open 1000 --count 200 --currency 410 --opening-balance=1000000",
        "time": "market import --start=2026-11-21T21:00+09:00 -", "rules": "rules set a=1 b=2",
        "terminal": "terminal set 7 --rights balance,market --daily-max 500000 --yes",
        "bet": "bet show 18446744073709551615", "bet-zero": "bet show 0",
        "help": "help market", "version": "--version", "near": "markte list", "none": "",
        "root": "--root a --timeout 86400 status --health",
        "twice": "market list --count 1 --count 2",
        "on": "account freeze 1 on", "tail": "audit tail --follow", "short": "-h",
        "socket": "--socket=a status", "completion": "completion", "half": "market",
    }
    found = {name: "\n".join(text.split()).encode() for name, text in texts.items()}
    found["not-utf8"] = b"account\nclose\n1\n--reason\n\xff\xfe"
    return found


def answer(result, verb=0, **more):
    return bytes([verb, 0]) + json.dumps(
        {"ok": True, "schema": "x/1", "result": result, **more}, ensure_ascii=False).encode()


def answers():
    """Bytes 0 and 1: the verb."""
    row = {"market": 21, "name": "서울 - 부산", "odds": [1850, 3400], "start_time_ns": NS,
           "balance": -1_234_567, "before": {"state": "open", "odds": [1]},
           "after": {"state": "closed", "odds": [2], "rows": [{"a": 1}]}}
    found = {f"rows-{verb}": answer({"markets": [row, row], "entries": [row], "next": 5}, verb)
             for verb in (0, 7, 20, 33)}
    found["values"] = answer({
        "a": {"b": {"c": {"uptime_ns": 5 * 10**14}}}, "list": ["x y", 1.5, None],
        "times": [NS, NS], "started_ns": str(NS), "since": "2026-11-21T12:00:00Z",
        "certificate": "-----BEGIN\nabc\n-----END\n", "yes": True})
    found["hostile"] = answer({
        "\x1b[2J": "\x1b[31m\x9b\x7f\u202e", "rows": [{"\x1b]0;x": "\u0085"}]})
    found["deep"] = (bytes(2) + b'{"ok":true,"schema":"x/1","result":' + b'{"a":' * 20 + b"1" +
                     b"}" * 21)
    found["refused"] = bytes(2) + b'{"ok":false,"error":"no such market","status":1}'
    found["other"] = bytes(2) + b'{"ok":1}'
    found["extremes"] = answer({"amount": -2**63, "odds": 2**63 - 1, "time": 2**63 - 1,
                                "uptime_ns": -1, "real": 1e308})
    return found


def connections(keying, pem):
    """Of the key server; `keying` makes a message, `pem` is a certificate request."""
    establish = keying(1, b"\2\0" + bytes(14))[1:]
    renew = keying(3, pem)[1:]
    found = {f"terminal-{kind}": bytes([kind, 0]) + establish for kind in range(7)}
    found["pieces"] = bytes([0x08, 0]) + establish
    found["goodbye"] = bytes([0x10, 0])
    found["renew"] = bytes([0, 0]) + renew
    found["renew-then-establish"] = bytes([0x10, 0]) + renew + establish * 2
    found["too-many"] = bytes([0, 0]) + establish * 5
    found["cipher"] = bytes([0, 0]) + keying(1, b"\1\0" + bytes(14))[1:]
    found["half"] = bytes([0x10, 0]) + establish[:9]
    found["edit-hello"] = bytes([0, 1, 0, 0, 40, 0, 255]) + establish
    found["edit-finished"] = bytes([0, 2, 1, 0, 9, 1, 1, 1, 2, 0, 0, 0]) + establish
    found["cut-flight"] = bytes([0, 1, 1, 2, 100, 0, 0]) + establish
    found["plain"] = b"\7GET / HTTP/1.0\r\n\r\n"
    found["alert"] = b"\7\x15\x03\x03\0\2\2\x28"
    return found


def status(top):
    """The data plane's answers: every figure of metrics_table.h, and forms they do not have."""
    with open(os.path.join(top, "control/metrics/metrics_table.h"), encoding="utf-8") as stream:
        fields = re.findall(r"X\((\w+),", stream.read())
    shard = {name: number for number, name in enumerate(fields)}
    shard |= {"shard": 0, "journal_error": 5, "codes": {"OK": 5, "BUSY": 1},
              "drops": {"bad_tag": 3}, "queues": {"command": 1},
              "state_hash": "00112233445566ff", "durable_lsn": "5000",
              "applied_lsn": 5003, "store_applied_lsn": 4990, "busy_ns": 2**53}
    answer = {"ok": True, "version": "0.1.0", "boot_id": "4294967297", "open": True,
              "started_ns": str(NS), "recovery_ns": 5, "drops": {"a\"b\\c\n": 1}, "codes": {"x": 1},
              "shards": [shard, {**shard, "shard": 1}], "ports": [{"type": "af_xdp"}]}
    histograms = {"ok": True, "bounds_ns": [1024, 2048, 4096], "shards": [
        {"shard": 0, "stages": {"decide": {"counts": [1, 2, 3, 4], "sum_ns": 10000}}}]}
    odd = {"shards": [5, None, {"shard": "x", "codes": [], "drops": 7}], "drops": {"a": "b"}}
    histograms_odd = {"bounds_ns": ["x", -1], "shards": [{"stages": {"a": {"counts": [1] * 9}}}]}
    return {"both": json.dumps(answer).encode() + b"\0" + json.dumps(histograms).encode(),
            "status": json.dumps(answer).encode(), "none": b"",
            "odd": json.dumps(odd).encode() + b"\0" + json.dumps(histograms_odd).encode()}


def small_files():
    """First byte: 0 journal.meta, 1 with its checksum made right, 2 a session, 3 a counter, 4
    journal.archive, 5 with its check made right."""
    block = struct.pack("<8sHHIQQQQ", b"SUCEMETA", 2, 0, 4096, 7, 1, 5, 0)
    meta = block + bytes(4096 - len(block))
    mark = (b"sluice-journal-archive 1\nshard 0\nincarnation 7\nfrom 3\ndirectory archive\n"
            b"check 0000000000000000\n")
    return {
        "meta": b"\1" + meta, "meta-bad-checksum": b"\0" + meta,
        "meta-newer": b"\1" + meta[:8] + b"\3" + meta[9:],
        "meta-1": b"\1" + meta[:8] + b"\1" + meta[9:],
        "session": b"\2" + b"5 7 ff " + b"0a" * 48 + b" # one", "session-comment": b"\2# none",
        "session-zero": b"\0020 7 f " + b"0a" * 48,
        "session-short": b"\0025 7 ff 0a", "session-far": b"\0029999999999 7 ff " + b"0a" * 48,
        "counter": b"\3sluice-counter 1 1025\n", "counter-cut": b"\3sluice-counter 1 1025",
        "counter-end": b"\3sluice-counter 1 18446744073709551615\n",
        "mark": b"\5" + mark, "mark-bad-check": b"\4" + mark, "mark-cut": b"\5" + mark[:-9],
        "mark-none": b"\5" + mark.replace(b"archive\nc", b"\nc"),
        "mark-other": b"\5" + mark.replace(b"shard 0", b"shard 1"),
        "mark-newer": b"\5" + mark.replace(b"archive 1", b"archive 2"),
    }


def manifests():
    """First byte, bit 0: chains are made right."""
    zeros = "0" * 64
    first = ('{"format":"sluice-journal-manifest","version":1,"shard":0,"incarnation":"7",'
             f'"first_segment":1,"follows":"{zeros}","chain":"{zeros}"}}\n')
    seals = [(f'{{"segment":{n},"first_lsn":{10 * n - 9},"last_lsn":{10 * n},"events":10,'
              f'"batches":2,"bytes":8192,"time_ns":"{NS}","sealed_ns":"{NS}","damaged":false,'
              f'"sha256":"{zeros}","chain":"{zeros}"}}\n') for n in range(1, 4)]
    whole = first + "".join(seals)
    return {"whole": b"\1" + whole.encode(), "first": b"\1" + first.encode(),
            "torn": b"\1" + whole[:-30].encode(), "gap": b"\1" + (first + seals[1]).encode(),
            "bad-chain": b"\0" + whole.encode(), "empty": b"\1",
            "newer": b"\1" + whole.replace('"version":1', '"version":2').encode()}


def model(names, **more):
    """Two trees, as XGBoost writes them."""
    trees = [{"left_children": [1, -1, 3, -1, -1], "right_children": [2, -1, 4, -1, -1],
              "split_indices": [1, 0, 2, 0, 0], "split_conditions": [10.0, -1.0, 6.0, 2.0, 0.5],
              "default_left": [1, 0, 0, 0, 0], "split_type": [0] * 5},
             {"left_children": [-1], "right_children": [-1], "split_indices": [0],
              "split_conditions": [0.25], "default_left": [0], "split_type": [0]}]
    return json.dumps({"learner": {
        "attributes": {"sluice_features_version": "2", "sluice_margin_zero": "-1.5",
                       "sluice_margin_alert": "2"},
        "feature_names": names, "objective": {"name": "binary:logistic"},
        "gradient_booster": {"name": "gbtree", "model": {
            "gbtree_model_param": {"num_parallel_tree": "1"}, "trees": trees}},
        "learner_model_param": {"base_score": "5E-1", "num_class": "0",
                                "num_feature": str(len(names))}, **more}}).encode()


def risk(top):
    """First byte: 0 card, 1 paysim, 2 amlsim, 3 a model."""
    with open(os.path.join(top, "dataplane/risk/risk_features.h"), encoding="utf-8") as stream:
        names = re.findall(r"^\tX\((\w+),", stream.read(), re.MULTILINE)
    return {
        "model": b"\3" + model(names),
        "model-other-objective": b"\3" + model(names, objective={"name": "multi:softmax"}),
        "model-no-features": b"\3" + model([]),
        "card": b"\0tx_id,t_seconds,customer_id,terminal_id,amount,is_fraud,fraud_scenario\n"
                b"0,31,596,3156,57.16,0,0\n1,130,4961,3412,81.51,1,2\n2,86500,596,3156,570,0,0\n",
        "paysim": b"\1step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,"
                  b"oldbalanceDest,newbalanceDest,isFraud,isFlaggedFraud\n"
                  b"1,PAYMENT,9006.78,C1016633682,0.0,0.0,M2018220300,0.0,0.0,0,0\n"
                  b"1,TRANSFER,181.0,C1305486145,181.0,0.0,C553264065,0.0,0.0,1,0\n"
                  b"2,CASH_IN,128022.19,C1028472807,7430051.5,7558073.69,C1286084959,2756959.24,"
                  b"2107778.11,0,0\n",
        "amlsim": b"\2tx_id,source_account,target_account,amount,step,pattern_tx\n"
                  b"0,216,14730,163.3,1,0\n1,322,5431,143.11,1,1\n",
    }
