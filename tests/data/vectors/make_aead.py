#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Picks the AES-256-GCM cases with 96-bit IV and 128-bit tag out of the published files.

    ./make_aead.py ENCRYPT.rsp.gz DECRYPT.rsp.gz aes_gcm_test.json > aes-256-gcm.txt

The first two are gcmEncryptExtIV256.rsp and gcmDecrypt256.rsp of NIST's CAVP, the third is
testvectors_v1/aes_gcm_test.json of Wycheproof.
"""
import argparse
import gzip
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tools/lib"))
import sources  # noqa: E402

PER_SECTION = {"encrypt": 3, "decrypt": 6}


def row(name, key, iv, aad, text, sealed, tag, ok):
    fields = [name, key, iv, aad, text, sealed, tag, "valid" if ok else "invalid"]
    print(" ".join(field or "-" for field in fields))


def nist(path, kind):
    section, case, taken = {}, {}, 0

    def flush():
        nonlocal taken
        if not case or taken >= PER_SECTION[kind]:
            return
        if section["IVlen"] != "96" or section["Taglen"] != "128":
            return
        taken += 1
        name = f"nist-{kind}-{section['PTlen']}-{section['AADlen']}-{case['Count']}"
        row(name, case["Key"], case["IV"], case["AAD"], case.get("PT", ""), case["CT"],
            case["Tag"], "FAIL" not in case)

    with gzip.open(path, "rt") as lines:
        for line in lines:
            line = line.strip()
            if line.startswith("["):
                flush()
                case = {}
                if line.startswith("[Keylen"):
                    taken = 0
                name, value = line.strip("[]").split(" = ")
                section[name] = value
            elif line.startswith("Count"):
                flush()
                case = {"Count": line.split(" = ")[1]}
            elif line == "FAIL":
                case["FAIL"] = True
            elif " =" in line and case:
                name, _, value = line.partition(" =")
                case[name] = value.strip()
    flush()


def wycheproof(path):
    with open(path) as file:
        groups = json.load(file)["testGroups"]
    for group in groups:
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for test in group["tests"]:
            row(f"wycheproof-{test['tcId']}", test["key"], test["iv"], test["aad"], test["msg"],
                test["ct"], test["tag"], test["result"] == "valid")


def main():
    parser = argparse.ArgumentParser(
        prog="make_aead.py",
        description="Picks the AES-256-GCM cases with 96-bit IV and 128-bit tag out of the "
        "published files and writes aes-256-gcm.txt to standard output.",
        epilog="Exit status: 0 written, 1 a file cannot be read or is of another form, 2 wrong "
        "usage.")
    parser.add_argument("encrypt", metavar="ENCRYPT", help="NIST's gcmEncryptExtIV256.rsp, gzipped")
    parser.add_argument("decrypt", metavar="DECRYPT", help="NIST's gcmDecrypt256.rsp, gzipped")
    parser.add_argument("wycheproof", metavar="WYCHEPROOF", help="its aes_gcm_test.json")
    parser.add_argument("--version", action="version",
                        version="make_aead.py " + sources.version())
    files = parser.parse_args()
    print("# AES-256-GCM, 96-bit IV, 128-bit tag. Fields, hexadecimal, - for empty:")
    print("# name key iv aad text sealed tag valid|invalid")
    print("# The text of an invalid NIST case is not published.")
    nist(files.encrypt, "encrypt")
    nist(files.decrypt, "decrypt")
    wycheproof(files.wycheproof)


if __name__ == "__main__":
    main()
