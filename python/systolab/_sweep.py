"""A design-space sweep on this machine."""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager

from . import _native


def sweep(
    sweep_file,
    out,
    *,
    objectives=("latency", "energy"),
    retry_failed=False,
    most_points=100_000,
):
    """Computes a sweep on all cores into the folder `out`, as `systolab sweep run`; run again to resume.

    Returns the counts and the first points of every front; `out` has points.csv and fronts.csv.
    """
    with opened(sweep_file, out, objectives, retry_failed, most_points) as run:
        run.compute()
        return json.loads(run.write_tables())


@contextmanager
def opened(sweep_file, out, objectives, retry_failed, most_points):
    """Holds the folder while the sweep runs."""
    run = _native.SweepRun(sweep_file, out, list(objectives), retry_failed, most_points)
    try:
        for warning in run.warnings():
            warnings.warn(warning, stacklevel=4)
        yield run
    finally:
        run.close()
