"""Does a sweep lose or double nothing, on this machine and on a cluster whose workers die?"""

import csv
import json
import os
import signal
import threading
import time

import distributed
import pytest

import systolab
import systolab.dask

SWEEP = """
schema_version = 1
hardware = "edge-32x32"
workload = "resnet50-w8a8"
[axes]
"hardware.array.rows" = [8, 16, 32, 64]
"hardware.array.cols" = [8, 16, 32, 64]
"hardware.frequency_hz" = { from = 100_000_000, to = %d00_000_000, step = 100_000_000 }
"""


@pytest.fixture
def sweep_file(folder):
    def write(frequencies):
        (folder / "s.toml").write_text(SWEEP % frequencies)
        return folder / "s.toml"

    return write


@pytest.fixture(scope="module")
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


def ids(journal):
    return [json.loads(line)["id"] for line in journal.read_text().splitlines()]


def same_tables(a, b):
    for name in ["points.csv", "fronts.csv"]:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_on_this_machine_as_the_command_line(command, folder, sweep_file):
    file = sweep_file(2)
    summary = systolab.sweep(file, folder / "python")
    assert command("sweep", "run", file, "--out", "command").returncode == 0
    same_tables(folder / "python", folder / "command")
    assert (summary["points"], summary["computed"], summary["missing"]) == (32, 32, 0)
    [front] = summary["fronts"]
    with open(folder / "python/fronts.csv", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [row["id"] for row in front["first"]]


def test_a_worker_is_killed(folder, sweep_file, cluster):
    file = sweep_file(60)
    journal = folder / "dask/results.jsonl"
    killed = []

    def kill():
        while not journal.exists() or len(journal.read_bytes().splitlines()) < 100:
            time.sleep(0.001)
        [worker, *_] = cluster.run(os.getpid).values()
        os.kill(worker, signal.SIGKILL)
        killed.append(len(ids(journal)))

    killer = threading.Thread(target=kill)
    killer.start()
    summary = systolab.dask.sweep(cluster, file, folder / "dask", points_per_task=20)
    killer.join()
    assert killed[0] < 960  # it was still running
    assert (summary["points"], summary["computed"], summary["missing"]) == (960, 960, 0)
    computed = ids(journal)
    assert len(computed) == len(set(computed)) == 960
    systolab.sweep(file, folder / "threads")
    same_tables(folder / "dask", folder / "threads")


def test_a_task_that_fails_is_retried(folder, cluster, monkeypatch):
    file = folder / "s.toml"
    file.write_text(SWEEP.replace("step = 100_000_000", "step = 200_000_000") % 9)

    def fails_once(points):
        # In another process, so that only the disk remembers.
        if "900000000" not in points[-1] or (folder / "failed").exists():
            return systolab._native.compute_points(points)
        (folder / "failed").touch()
        raise OSError("a disk went away")

    monkeypatch.setattr(systolab.dask, "_compute", fails_once)
    with pytest.raises(OSError, match="a disk went away"):
        systolab.dask.sweep(cluster, file, folder / "out", points_per_task=5, retries=0)
    kept = ids(folder / "out/results.jsonl")
    (folder / "failed").unlink()
    summary = systolab.dask.sweep(cluster, file, folder / "out", points_per_task=5, retries=1)
    assert (folder / "failed").exists()
    assert summary["computed"] == 80
    computed = ids(folder / "out/results.jsonl")
    assert computed[: len(kept)] == kept
    assert len(computed) == len(set(computed)) == 80


def test_refusals(folder, sweep_file, command):
    file = sweep_file(2)
    with pytest.raises(systolab.SystolabError, match="32 points; add most_points=32 to go on"):
        systolab.sweep(file, folder / "out", most_points=31)
    with pytest.raises(systolab.SystolabError, match="objective `speed`: expected `latency`, `energy`"):
        systolab.sweep(file, folder / "out", objectives=["speed", "energy"])
    (folder / "bad.toml").write_text(SWEEP.replace("array.rows", "array.row") % 1)
    printed = command("sweep", "run", "bad.toml", "--out", "out")
    with pytest.raises(systolab.SystolabError) as raised:
        systolab.sweep("bad.toml", "out")
    assert f"error: {raised.value}\n" == printed.stderr
    systolab.sweep(file, "out")
    (folder / "out/results.jsonl").write_text("garbage\n")
    with pytest.warns(UserWarning, match="results.jsonl:1: not a result"):
        assert systolab.sweep(file, "out")["computed"] == 32
