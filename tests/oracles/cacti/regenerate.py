"""Regenerates the scratchpad table of the technology family 45nm from CACTI's source and compares it, point by point.

The source comes with the PyPI wheel hwcomponents-cacti 1.0.40 (CACTI 7 under HP's notice, wrapper MIT), which is
downloaded, built with make and g++ in a temporary folder, and run once per macro. Exit code 1 if a point differs.

    python3 tests/oracles/cacti/regenerate.py              # all macros, about two minutes
    python3 tests/oracles/cacti/regenerate.py --sample 4   # every so many-th macro only
    python3 tests/oracles/cacti/regenerate.py --print      # the table's lines, to replace those in the file
"""

import argparse
import concurrent.futures
import csv
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib
import zipfile

WHEEL = "hwcomponents-cacti==1.0.40"
TABLE = pathlib.Path(__file__).parents[3] / "hw-configs" / "technology" / "45nm.toml"
COLUMNS = {
    "read_pj": " Dynamic read energy (nJ)",
    "write_pj": " Dynamic write energy (nJ)",
    "area_mm2": " Area (mm2)",
}


def built(folder: pathlib.Path) -> pathlib.Path:
    """CACTI's folder, with the program built in it: the wheel's own binary needs a newer C library."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python", "--dest", folder]
    subprocess.run([*pip, WHEEL], check=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    cacti = folder / "hwcomponents_cacti" / "cacti"
    for stale in [*cacti.glob("obj_*/*"), cacti / "cacti"]:
        stale.unlink(missing_ok=True)
    make = subprocess.run(["make", f"-j{os.cpu_count()}"], cwd=cacti, capture_output=True, text=True)
    if make.returncode != 0:
        sys.exit(f"CACTI does not build:\n{make.stderr[-2000:]}")
    return cacti


def macro(cacti: pathlib.Path, size: int, width: int) -> dict[str, float]:
    """Read and write energy in pJ and area in mm² of one bank, as CACTI's result file has them."""
    defaults = (cacti.parent / "default_cfg.cfg").read_text()
    configuration = cacti / f"{size}x{width}.cfg"
    configuration.write_text(
        f"{defaults}\n-size (bytes) {size}\n-read-write port 1\n-block size (bytes) {width // 8}\n"
        f"-technology (u) 0.045\n-output/input bus width {width}\n-UCA bank 1\n-cache type \"ram\"\n"
        "-tag size (b) 0\n-associativity 1\n"
    )
    run = subprocess.run(["./cacti", "-infile", configuration.name], cwd=cacti, capture_output=True, text=True)
    result = cacti / f"{configuration.name}.out"
    if not result.exists():
        sys.exit(f"CACTI has no result for {size} bytes × {width} bits:\n{run.stdout[-1000:]}{run.stderr[-1000:]}")
    with open(result, newline="") as rows:
        row = list(csv.DictReader(rows))[-1]
    number = {key: float(row[column]) for key, column in COLUMNS.items()}
    return {"read_pj": number["read_pj"] * 1e3, "write_pj": number["write_pj"] * 1e3, "area_mm2": number["area_mm2"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="run every Nth macro only")
    parser.add_argument("--print", action="store_true", help="print the table's lines")
    arguments = parser.parse_args()
    points = tomllib.loads(TABLE.read_text())["energy"]["sram"]["rows"]["points"][:: arguments.sample]
    with tempfile.TemporaryDirectory() as folder:
        cacti = built(pathlib.Path(folder))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            fresh = list(pool.map(lambda point: macro(cacti, point["bytes"], point["width_bits"]), points))
    differing = 0
    for point, got in zip(points, fresh):
        if arguments.print:
            numbers = ", ".join(f"{key} = {value:.6g}" for key, value in got.items())
            print(f"    {{ bytes = {point['bytes']}, width_bits = {point['width_bits']}, {numbers} }},")
        for key, value in got.items():
            # CACTI prints six digits.
            if abs(value - point[key]) > 1e-5 * abs(value):
                differing += 1
                print(f"{point['bytes']} bytes × {point['width_bits']} bits: {key} {value:.6g}, the table has {point[key]}")
    print(f"{len(points)} macros, {3 * len(points)} numbers, {differing} differ", file=sys.stderr)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
