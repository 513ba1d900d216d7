"""Does pyarrow read from results.parquet what points.csv says, in the types of docs/formats.md?

`read_back.py DIR` with the folder of a sweep of sweep.toml beside this script.
"""

import csv
import sys
from pathlib import Path

from pyarrow import parquet

NUMBERS = {"top1_percent", "latency_s", "energy_per_image_uj", "energy_low_uj", "energy_high_uj", "edp_uj_s"}
NUMBERS |= {"average_power_w", "utilization", "area_mm2", "hardware.dram.efficiency"}
INTEGERS = {"batch", "buffer_bytes", "macs", "hardware.array.rows", "hardware.frequency_hz"}
TRUTHS = {"hardware.array.double_buffer"}


def expected_type(name):
    kinds = {"double": NUMBERS, "int64": INTEGERS, "bool": TRUTHS}
    return next((kind for kind, names in kinds.items() if name in names), "string")


def value(name, text):
    if text == "":
        return None
    return {"double": float, "int64": int, "bool": lambda text: text == "true", "string": str}[expected_type(name)](text)


def main():
    folder = Path(sys.argv[1])
    file = parquet.ParquetFile(folder / "results.parquet")
    table = file.read()
    with open(folder / "points.csv", encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    assert table.column_names == header, "other columns"
    assert file.metadata.num_row_groups > 1, "too few rows for two groups"
    nulls = 0
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        column = table[name]
        assert str(column.type) == expected_type(name), f"{name}: {column.type}"
        found = [None if cell == "" else cell for cell in column.to_pylist()]
        assert found == [value(name, cell) for cell in cells], f"{name}: other values"
        nulls += column.null_count
    statuses = set(table["status"].to_pylist())
    assert statuses == {"ok", "excluded", "error"} and nulls > 0, statuses
    size = (folder / "results.parquet").stat().st_size
    print(f"pyarrow: {table.num_rows} rows × {table.num_columns} columns equal points.csv; {size} bytes")


if __name__ == "__main__":
    main()
