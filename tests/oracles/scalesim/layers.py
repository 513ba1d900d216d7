#!/usr/bin/env python3
"""Runs SCALE-Sim 3.0.0 layer by layer, one process each, and appends to OUT what it reports and the CPU time.

    python layers.py CONFIG.cfg TOPOLOGY.csv OUT.csv

SCALE-Sim keeps every layer's matrices until the end of a run; one process per layer bounds its memory. No traces.
Columns: layer, cpu_s (importing it excluded), then those of its reports. Equal layers are run once.
"""

import contextlib
import csv
import io
import multiprocessing
import pathlib
import sys
import tempfile
import time
import warnings


def run(job):
    config, header, row = job
    from scalesim.scale_sim import scalesim
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = pathlib.Path(folder)
        (folder / "t.csv").write_text(f"{header}\n{row}\n")
        (folder / "l.csv").write_text("layout,\n")
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            tool = scalesim(save_disk_space=True, verbose=False, config=str(config), topology=str(folder / "t.csv"),
                            layout=str(folder / "l.csv"), input_type_gemm=False)
            tool.run_scale(top_path=str(folder / "out"))
        seconds = time.process_time() - start
        layer = tool.runner.single_layer_sim_object_list[0]
        columns = layer.get_compute_report_items() + layer.get_bandwidth_report_items() + layer.get_detail_report_items()
        return [f"{seconds:.2f}"] + [str(column) for column in columns]


def main():
    config, topology, out = map(pathlib.Path, sys.argv[1:])
    header, *rows = [line for line in topology.read_text().splitlines() if line.strip()]
    done = {}
    for row in rows:
        name, shape = row.split(",", 1)
        if shape not in done:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                done[shape] = pool.apply(run, [(config, header, row)])
        with out.open("a", newline="") as file:
            csv.writer(file).writerow([name] + done[shape])


if __name__ == "__main__":
    main()
