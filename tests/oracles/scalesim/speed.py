#!/usr/bin/env python3
"""CPU time of SCALE-Sim 3.0.0 and of systolab on one layer of ResNet-18, same reports, no traces.

    python speed.py [--layer stage1.block1.conv1] [--systolab target/release/systolab]

SCALE-Sim: its run, without importing it. systolab: the whole process, the median of five. Prints both and the ratio;
fails if a cell of the compute report differs.
"""

import argparse
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile

import layers

HERE = pathlib.Path(__file__).parent / "resnet18"


def ours(systolab, topology, folder):
    def seconds():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    times = []
    for _ in range(5):
        start = seconds()
        subprocess.run([systolab, "scalesim", "--config", HERE / "edge-32x32.cfg", "--topology", topology, "--out",
                        folder / "out"], check=True, capture_output=True)
        times.append(seconds() - start)
    report = (folder / "out" / "COMPUTE_REPORT.csv").read_text().splitlines()[1]
    return statistics.median(times), report.rstrip(",").split(", ")[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer", default="stage1.block1.conv1")
    parser.add_argument("--systolab", default="target/release/systolab")
    arguments = parser.parse_args()
    header, *rows = (HERE / "topology.csv").read_text().splitlines()
    row = next(row for row in rows if row.split(",")[0] == arguments.layer)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        topology = folder / "layer.csv"
        topology.write_text(f"{header}\n{row}\n")
        our_seconds, our_report = ours(arguments.systolab, topology, folder)
    seconds, *report = layers.run((HERE / "edge-32x32.cfg", header, row))
    their_seconds = float(seconds)
    print(f"{platform.machine()}, Python {platform.python_version()}, layer {arguments.layer}: {row}")
    print(f"SCALE-Sim 3.0.0: {their_seconds:.2f} s of CPU; systolab scalesim: {our_seconds:.4f} s; "
          f"ratio {their_seconds / our_seconds:.0f}")
    if report[: len(our_report)] != our_report:
        print(f"the reports differ: {report[:len(our_report)]} and {our_report}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
