"""Writes the tables of README.md from the logs and from systolab's own execution of every trace.

    systolab evaluate --hw edge-32x32 --workload workloads --workload workloads/study --out report
    python results.py report/points.csv

Needs no PyTorch. Fails when a trace or its predictions are not those of the log.
"""

import collections
import csv
import hashlib
import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
BEGIN, END = "<!-- results.py -->\n", "<!-- end -->"


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def logs() -> list[dict]:
    found = []
    with open(HERE / "plan.csv", newline="") as plan:
        for row in csv.DictReader(plan):
            suffix = f"-seed{row['seed']}" if row["seed"] != "0" else ""
            name = f"resnet{row['depth']}-width{row['width']}-{row['precision']}{suffix}"
            log = json.loads((HERE / "runs" / f"{name}.json").read_text())
            trace = next(path for folder in ("..", "../study") if (path := HERE / folder / f"{name}.safetensors").exists())
            for path, key in [(trace, "trace_sha256"), (HERE / "runs" / f"{name}.predictions", "predictions_sha256")]:
                if sha256(path) != log[key]:
                    raise SystemExit(f"{path}: not the file of the log ({key})")
            found.append(log)
    return found


def executed(points: str) -> dict[str, tuple[float, int]]:
    """By network: systolab's top-1, and on how many images its prediction differs from PyTorch's."""
    with open(points, newline="") as rows:
        return {
            row["network"]: (float(row["top1_percent"]), int(row["framework_differing"]))
            for row in csv.DictReader(rows)
            if row["accuracy_kind"] == "measured" and row["framework_differing"]
        }


def spread(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


def main() -> None:
    systolab = executed(sys.argv[1])
    groups = collections.defaultdict(list)
    every = logs()
    for log in every:
        groups[log["width"], log["precision"]].append(log)
    order = ["bf16", "w8a8", "mostly-4-bit"]
    position = lambda key: (order.index(key[1]) if key[1] in order else len(order), key[1])
    lines = ["| width | precision | seeds | systolab | PyTorch | differing | train − test | CPU-s |\n", "|---|---|---|---|---|---|---|---|\n"]
    for key in sorted(groups, key=lambda key: (key[1] not in order, key[0], position(key))):
        runs = groups[key]
        top1 = [run["test_top1_percent"] for run in runs]
        ours = [systolab[run["name"]] for run in runs]
        gap = [run["train_top1_percent_first_10000"] - run["test_top1_percent"] for run in runs]
        seconds = statistics.mean(run["training_cpu_seconds"] for run in runs)
        cells = [key[0], key[1], len(runs), spread([value for value, _ in ours]), spread(top1), sum(n for _, n in ours), f"{statistics.mean(gap):.2f}", f"{seconds:.0f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |\n")
    differing = sum(systolab[log["name"]][1] for log in every)
    hours = sum(log["training_cpu_seconds"] + log["evaluation_cpu_seconds"] for log in every) / 3600
    lines.append(f"\n{len(every)} runs, {hours:.1f} CPU-hours; {differing} of {len(every) * 10000} predictions differ.\n")
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    readme.write_text(before + BEGIN + "".join(lines) + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    main()
