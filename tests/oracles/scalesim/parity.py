#!/usr/bin/env python3
"""Runs systolab on the cases that make.py wrote and compares every cell of the three reports as text.

    python parity.py CASES [--systolab target/release/systolab]

Prints cells compared and mismatches per mode; fails when there is a mismatch, or no case.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

REPORTS = ["COMPUTE_REPORT.csv", "BANDWIDTH_REPORT.csv", "DETAILED_ACCESS_REPORT.csv"]


def sections(text):
    parts = re.split(r"^--- (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def cells(text):
    return [line.split(", ") for line in text.splitlines()]


def run(systolab, case):
    """Our reports, or None and what was said."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        topology = "gemm.csv" if "gemm.csv" in case else "topology.csv"
        for name in ["config.cfg", topology]:
            (folder / name).write_text(case[name])
        command = [systolab, "scalesim", "--config", folder / "config.cfg", "--topology", folder / topology,
                   "--out", folder / "out"] + (["--gemm"] if topology == "gemm.csv" else [])
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            return None, done.stderr
        return {name: (folder / "out" / name).read_text() for name in REPORTS}, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("--systolab", default="target/release/systolab")
    arguments = parser.parse_args()
    counts = {mode: dict(cases=0, layers=0, stalled=0, cells=0, mismatches=0) for mode in ["CALC", "USER"]}
    refused = 0
    for file in sorted(arguments.cases.glob("*.txt")):
        case = sections(file.read_text())
        count = counts[re.search(r"^InterfaceBandwidth : (\w+)$", case["config.cfg"], re.MULTILINE)[1]]
        count["cases"] += 1
        ours, said = run(arguments.systolab, case)
        if "ERROR" in case or ours is None:
            if "ERROR" in case and ours is None:
                refused += 1
            else:
                count["mismatches"] += 1
                print(f"{file.name}: SCALE-Sim {case.get('ERROR', 'runs').strip()}; systolab: {said.strip()}")
            continue
        for name in REPORTS:
            theirs, mine = cells(case[name]), cells(ours[name])
            if [len(row) for row in theirs] != [len(row) for row in mine]:
                count["mismatches"] += 1
                print(f"{file.name}: {name}: rows or columns differ in number")
                continue
            for their_row, my_row in zip(theirs, mine):
                for column, (expected, found) in enumerate(zip(their_row, my_row)):
                    count["cells"] += 1
                    if expected != found:
                        count["mismatches"] += 1
                        print(f"{file.name}: {name}: layer {their_row[0]}, {theirs[0][column]}: "
                              f"expected {expected}, found {found}")
        rows = cells(case[REPORTS[0]])[1:]
        count["layers"] += len(rows)
        count["stalled"] += sum(int(row[3]) > 0 for row in rows)
    for mode, count in counts.items():
        print(f"{mode}: {count['cases']} configurations, {count['layers']} layers ({count['stalled']} with stalls), "
              f"{count['cells']} cells compared, {count['mismatches']} mismatches")
    print(f"refused where SCALE-Sim raises: {refused}")
    mismatches = sum(count["mismatches"] for count in counts.values())
    return 1 if mismatches or not any(count["cells"] for count in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
