#!/usr/bin/env python3
"""Runs SCALE-Sim 3.0.0 layer by layer, one process each, and writes to OUT what it reports and the CPU time.

    python layers.py CONFIG.cfg TOPOLOGY.csv OUT.csv

SCALE-Sim keeps every layer's matrices until the end of a run; one process per layer bounds its memory. No traces.
The CPU time leaves out importing it. Equal layers are run once.
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

SRAM = [f"sram_{operand}_{column}" for operand in ["ifmap", "filter", "ofmap"] for column in ["start", "stop", "count"]]
COLUMNS = ["layer", "cpu_s", "cycles_with_prefetch", "cycles", "stalls", "overall_util", "mapping_efficiency",
           "compute_util", "sram_ifmap_bw", "sram_filter_bw", "sram_ofmap_bw", "dram_ifmap_bw", "dram_filter_bw",
           "dram_ofmap_bw"] + SRAM + [column.replace("sram", "dram") for column in SRAM]


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
    out.write_text(",".join(COLUMNS) + "\n")
    for row in rows:
        name, shape = row.split(",", 1)
        if shape not in done:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                done[shape] = pool.apply(run, [(config, header, row)])
        with out.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([name] + done[shape])


if __name__ == "__main__":
    main()
