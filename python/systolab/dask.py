"""A design-space sweep on a Dask cluster: `pip install '.[dask]'`."""

from __future__ import annotations

import json

from distributed import KilledWorker, as_completed

from . import _native
from ._native import SystolabError
from ._sweep import opened


def sweep(
    client,
    sweep_file,
    out,
    *,
    objectives=("latency", "energy"),
    retries=3,
    points_per_task=100,
    retry_failed=False,
    most_points=100_000,
):
    """Computes a sweep on the workers of `client` into the folder `out`, as `systolab.sweep` does on this machine.

    Workers need the package, and the files that the sweep names at the same paths (a shared folder). A task that
    fails is tried `retries` times more; one whose worker dies is given to another worker. Results are kept here,
    each point once, as they arrive: a sweep that was cut off is resumed by calling again, here or with
    `systolab sweep run`.
    """
    with opened(sweep_file, out, objectives, retry_failed, most_points) as run:

        def submit():
            points = run.pending(points_per_task)
            return [client.submit(_compute, points, pure=False, retries=retries)] if points else []

        # Two tasks per thread: one that is computed, one that waits for it.
        width = 2 * max(1, sum(client.nthreads().values()))
        running = as_completed([task for _ in range(width) for task in submit()])
        try:
            for task in running:
                run.record(task.result())
                for more in submit():
                    running.add(more)
        except KilledWorker as error:
            raise SystolabError(
                f"{error}; results so far are kept, and a sweep with the same `out` goes on from there"
            ) from error
        finally:
            client.cancel(list(running.futures))
        return json.loads(run.write_tables())


def _compute(points):
    return _native.compute_points(points)
