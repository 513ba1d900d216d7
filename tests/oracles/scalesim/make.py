#!/usr/bin/env python3
"""Runs SCALE-Sim 3.0.0 on generated configurations and topologies and writes what it reports.

    python make.py matrix OUT            # every array shape x dataflow x mode x SRAM size, over edge-case layers
    python make.py random OUT --seed 7 --cases 50

One file per case: sections `--- NAME`, each the text of a file. A case whose section is `ERROR` is one on which
SCALE-Sim raises; systolab must refuse it. Needs the packages of requirements.txt and Python 3.11 (later versions
add floats differently in `sum`).
"""

import argparse
import contextlib
import io
import multiprocessing
import pathlib
import random
import tempfile
import warnings

SHAPES = [(1, 1), (8, 8), (4, 6), (7, 3), (16, 5), (3, 16), (12, 14)]
DATAFLOWS = ["os", "ws", "is"]
REPORTS = ["COMPUTE_REPORT.csv", "BANDWIDTH_REPORT.csv", "DETAILED_ACCESS_REPORT.csv"]
HEADER = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
GEMM_HEADER = "Layer, M, N, K,"

# Name and row: ifmap, filter, channels, filters, stride.
EDGE_LAYERS = [
    ("OnePixel", 3, 3, 3, 3, 5, 7, 1),
    ("OneFilter", 6, 7, 3, 2, 3, 1, 1),
    ("Rectangular", 9, 5, 2, 4, 3, 6, 1),
    ("Stride2Border", 8, 10, 3, 3, 4, 5, 2),
    ("Stride3Border", 11, 9, 4, 2, 2, 9, 3),
    ("StrideBeyondFilter", 7, 7, 1, 2, 3, 4, 4),
    ("OddWindow", 5, 5, 3, 3, 5, 13, 1),
    ("FullyConnected", 1, 1, 1, 1, 61, 37, 1),
    ("xDPy", 6, 6, 3, 3, 2, 1, 1),
]


def config_text(config, version):
    lines = ["[general]", f"run_name = {config['run_name']}", "[architecture_presets]"]
    for key in ["ArrayHeight", "ArrayWidth", "IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB",
                "IfmapOffset", "FilterOffset", "OfmapOffset", "Bandwidth", "Dataflow"]:
        lines.append(f"{key} : {config[key]}")
    if version == 3:
        lines += ["ReadRequestBuffer : 32", "WriteRequestBuffer : 32", "[layout]"]
        for operand in ["Ifmap", "Filter"]:
            lines += [
                f"{operand}CustomLayout : False",
                f"{operand}SRAMBankBandwidth : {config[operand]}",
                f"{operand}SRAMBankNum : 1",
                f"{operand}SRAMBankPort : 2",
            ]
        lines += ["[sparsity]", "SparsitySupport : false"]
    lines += ["[run_presets]", f"InterfaceBandwidth : {config['mode']}"]
    if version == 3:
        lines.append("UseRamulatorTrace : False")
    return "\n".join(lines) + "\n"


def topology_text(rows, gemm):
    return "\n".join([GEMM_HEADER if gemm else HEADER] + [", ".join(map(str, row)) + "," for row in rows]) + "\n"


def run_scalesim(config, rows, gemm, stride_widths=None):
    """The three reports, or the exception that SCALE-Sim raises."""
    from scalesim.scale_sim import scalesim
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = pathlib.Path(folder)
        (folder / "c.cfg").write_text(config_text(config, 3))
        (folder / "t.csv").write_text(topology_text(rows, gemm))
        (folder / "l.csv").write_text("layout,\n")
        with contextlib.redirect_stdout(io.StringIO()):
            tool = scalesim(save_disk_space=True, verbose=False, config=str(folder / "c.cfg"),
                            topology=str(folder / "t.csv"), layout=str(folder / "l.csv"), input_type_gemm=gemm)
            # v2 reads a second stride from the ninth column; v3 has the field but no column for it.
            for layer, stride in zip(tool.topo.topo_arrays, stride_widths or []):
                layer[8] = stride
            try:
                tool.run_scale(top_path=str(folder / "out"))
            except (ZeroDivisionError, ValueError, IndexError) as error:
                return type(error).__name__
        return {name: (folder / "out" / config["run_name"] / name).read_text() for name in REPORTS}


def write_case(out, name, config, version, rows, gemm, reports):
    sections = [("config.cfg", config_text(config, version))]
    sections.append(("gemm.csv" if gemm else "topology.csv", topology_text(rows, gemm)))
    sections += [("ERROR", reports + "\n")] if isinstance(reports, str) else list(reports.items())
    (out / f"{name}.txt").write_text("".join(f"--- {name}\n{text}" for name, text in sections))


def base_config(rows, cols, dataflow, mode, kilobytes, rates):
    return {
        "run_name": "case", "ArrayHeight": rows, "ArrayWidth": cols,
        "IfmapSramSzkB": kilobytes[0], "FilterSramSzkB": kilobytes[1], "OfmapSramSzkB": kilobytes[2],
        "IfmapOffset": 0, "FilterOffset": 10000000, "OfmapOffset": 20000000,
        "Bandwidth": ", ".join(map(str, rates[0])), "Dataflow": dataflow, "mode": mode,
        "Ifmap": rates[1], "Filter": rates[2],
    }


def matrix_case(job):
    out, (rows, cols), dataflow, mode, kilobytes = job
    config = base_config(rows, cols, dataflow, mode, [kilobytes] * 3, ([5], 4, 10))
    # A layer that overflows the smallest SRAMs, except on one PE, where it would be long.
    layers = EDGE_LAYERS + ([("Large", 14, 13, 3, 3, 8, 21, 1)] if rows > 1 else [])
    reports = run_scalesim(config, layers, False)
    write_case(out, f"{rows}x{cols}-{dataflow}-{mode}-{kilobytes}kB", config, 3, layers, False, reports)


def special_case(job):
    """What the matrix does not reach: divisions by zero, a misspelled dataflow, words shared by every operand."""
    out, name = job
    rows, cols, dataflow, mode, kilobytes, rates, layers = {
        "no-cycles": (1, 1, "os", "CALC", [1] * 3, ([10], 10, 10), [("A", 1, 1, 1)]),
        "two-fills-in-a-cycle": (4, 1200, "ws", "CALC", [1] * 3, ([10], 10, 10), [("A", 3, 1200, 4)]),
        "one-fill-in-a-cycle": (4, 450, "ws", "CALC", [1] * 3, ([10], 10, 10), [("A", 3, 450, 9)]),
        "unknown-dataflow": (5, 6, "WS", "USER", [1] * 3, ([3], 4, 5), [("A", 40, 30, 50)]),
        "wide-rates": (5, 6, "ws", "USER", [1] * 3, ([4000], 5000, 6000), [("A", 90, 30, 50), ("B", 9, 70, 80)]),
        "thrashing": (32, 32, "ws", "USER", [1] * 3, ([2], 1, 3), [("A", 11, 70, 90)]),
        "large-memories": (16, 16, "is", "USER", [64, 128, 32], ([7], 5, 3), [("A", 90, 80, 70)]),
    }[name]
    config = base_config(rows, cols, dataflow, mode, kilobytes, rates)
    config.update(IfmapOffset=5, FilterOffset=5, OfmapOffset=5)
    write_case(out, f"special-{name}", config, 3, layers, True, run_scalesim(config, layers, True))


SPECIAL = ["no-cycles", "two-fills-in-a-cycle", "one-fill-in-a-cycle", "unknown-dataflow", "wide-rates", "thrashing",
           "large-memories"]


def random_case(job):
    out, seed, index = job
    chance = random.Random(f"{seed}/{index}")
    edge = lambda: chance.choice([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 32, 40])
    rows, cols = edge(), edge()
    dataflow, mode = chance.choice(DATAFLOWS), chance.choice(["CALC", "USER", "USER"])
    kilobytes = [chance.choice([1, 1, 1, 2, 3, 5, 64]) for _ in range(3)]
    rate = lambda: chance.choice([1, 2, 3, 4, 7, 10, 13, 32, 50, 100, 511, 600, 2000])
    config = base_config(rows, cols, dataflow, mode, kilobytes, ([rate(), rate(), rate()], rate(), rate()))
    if chance.random() < 0.3:
        config.update(IfmapOffset=chance.randrange(1000), FilterOffset=chance.randrange(1000), OfmapOffset=0)
    version = chance.choice([2, 3, 3])
    if version == 2:
        config["Ifmap"] = config["Filter"] = int(config["Bandwidth"].split(",")[0])
    gemm = chance.random() < 0.25
    budget, layers, strides = 12000, [], []
    while budget > 0 and len(layers) < 6:
        if gemm:
            row = [f"G{len(layers)}"] + [chance.choice([1, 2, 5, 13, 32, 50, 77, 150]) for _ in range(3)]
            pixels, filters, window = row[1:]
        else:
            height, width = chance.randint(1, 22), chance.randint(1, 22)
            filter_height, filter_width = chance.randint(1, min(height, 5)), chance.randint(1, min(width, 5))
            channels, filters = chance.choice([1, 2, 3, 8, 17, 40]), chance.choice([1, 2, 5, 16, 33, 64])
            stride = chance.choice([1, 1, 1, 2, 3, 4])
            name = chance.choice(["L", "L", "L", "L", "DP", "xDP"]) + str(len(layers))
            row = [name, height, width, filter_height, filter_width, channels, filters, stride]
            across = chance.choice([1, 2, 3, 5]) if chance.random() < 0.15 and "DP" not in name else stride
            pixels = -(-(height - filter_height + stride) // stride) * -(-(width - filter_width + across) // across)
            window = filter_height * filter_width * channels
            if "DP" in name:
                row[6] = filters = 1
            strides.append(across)
        along = {"os": (pixels, filters, window), "ws": (window, filters, pixels), "is": (window, pixels, filters)}
        along_rows, along_cols, steps = along[dataflow]
        cycles = -(-along_rows // rows) * -(-along_cols // cols) * (2 * rows + cols + steps)
        if cycles > 20000:
            if strides and not gemm:
                strides.pop()
            continue
        budget -= cycles
        layers.append(row)
    if not gemm and any(row[7] != across for row, across in zip(layers, strides)):
        layers_for_us = [row + [across] for row, across in zip(layers, strides)]
        # One layer per channel would shift the strides of the layers behind it.
        layers_for_us = [row for row in layers_for_us if "DP" not in row[0]]
        reports = run_scalesim(config, [row[:8] for row in layers_for_us], gemm, [row[8] for row in layers_for_us])
        layers = layers_for_us
    else:
        if chance.random() < 0.2:
            layers = [row + ["1:1" if chance.random() < 0.5 else "2:4"] for row in layers]
        reports = run_scalesim(config, layers, gemm)
    write_case(out, f"random-{seed}-{index}", config, version, layers, gemm, reports)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["matrix", "random"])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=50)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool() as pool:
        if arguments.what == "matrix":
            jobs = [(arguments.out, shape, dataflow, mode, kilobytes) for shape in SHAPES for dataflow in DATAFLOWS
                    for mode in ["CALC", "USER"] for kilobytes in [1, 2]]
            pool.map(matrix_case, jobs, chunksize=1)
            pool.map(special_case, [(arguments.out, name) for name in SPECIAL], chunksize=1)
        else:
            last = arguments.first + arguments.cases
            jobs = [(arguments.out, arguments.seed, index) for index in range(arguments.first, last)]
            pool.map(random_case, jobs, chunksize=1)


if __name__ == "__main__":
    main()
