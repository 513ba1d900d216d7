"""What a local Dask cluster costs over plain threads: `python python/benches/dask_overhead.py [POINTS]`.

Both compute the same points of ResNet-50 in this process's folder; the cluster has one worker per core, and its start is
not counted. CPU seconds, of this process with the scheduler and of the workers, say more than wall seconds on a machine that
has other work.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import distributed

import systolab
import systolab.dask

SWEEP = """
schema_version = 1
hardware = "edge-32x32"
workload = "resnet50-w8a8"
[axes]
"workload.precision.default" = ["bf16", "w8a8", "w4a4", "w4a8"]
"hardware.array.rows" = [8, 16, 32, 64]
"hardware.array.cols" = [8, 16, 32, 64]
"hardware.frequency_hz" = {{ from = 1_000_000, to = {frequencies}_000_000, step = 1_000_000 }}
"""


def main():
    frequencies = int(sys.argv[1] if len(sys.argv) > 1 else 10_000) // 64
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder, "s.toml")
        sweep.write_text(SWEEP.format(frequencies=frequencies))
        start = time.perf_counter(), time.process_time()
        summary = systolab.sweep(sweep, Path(folder, "threads"))
        threads = time.perf_counter() - start[0], time.process_time() - start[1]
        options = {"n_workers": os.cpu_count(), "threads_per_worker": 1, "dashboard_address": None}
        with distributed.LocalCluster(host="127.0.0.1", **options) as cluster, distributed.Client(cluster) as client:

            def cpu():
                return time.process_time() + sum(client.run(time.process_time).values())

            start = time.perf_counter(), cpu()
            systolab.dask.sweep(client, sweep, Path(folder, "dask"))
            dask = time.perf_counter() - start[0], cpu() - start[1]
        for name, (wall, used) in {"threads": threads, "dask": dask}.items():
            print(f"{name}: {summary['points']} points in {wall:.2f} s, {used:.2f} CPU seconds")
        print(f"dask / threads: {dask[0] / threads[0]:.2f}, of CPU seconds {dask[1] / threads[1]:.2f}")


if __name__ == "__main__":
    main()
