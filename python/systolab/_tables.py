"""Tables of points as CSV text."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ._native import SystolabError


def csv_of(points):
    """The text of a table and what messages call it."""
    if isinstance(points, (str, os.PathLike)):
        try:
            return Path(points).read_text(encoding="utf-8"), str(points)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            message = f"{points}: cannot read: {reason}; expected a table like evaluate's points.csv"
            raise SystolabError(message) from error
    if hasattr(points, "to_dict") and hasattr(points, "columns"):
        points = points.to_dict("records")
    if not isinstance(points, Iterable) or isinstance(points, Mapping):
        raise SystolabError("points: expected a file, a pandas table or dicts")
    rows = [{name: _cell(value) for name, value in dict(row).items()} for row in points]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue(), "points"


def _cell(value):
    """What is missing is empty; pandas makes floats of whole numbers where one is missing."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
