"""systolab: values, cycles, energy and accuracy of quantized networks on systolic arrays.

Results are plain dicts with the names of the command line's JSON; `pandas.DataFrame(simulate(...)["layers"])` is
a table. Tensors are numpy arrays; bfloat16 ones have the dtype `ml_dtypes.bfloat16`, integers of 2 to 8 bits
travel in int8 and uint8. What fails raises `SystolabError` with the command line's text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from . import _native
from ._native import Design, SystolabError, Workload, __version__
from ._sweep import sweep
from ._tables import csv_of
from ._tensors import arrays, content

__all__ = [
    "Design",
    "SystolabError",
    "Workload",
    "__version__",
    "execute",
    "load_design",
    "load_workload",
    "pareto",
    "shipped_designs",
    "shipped_workloads",
    "simulate",
    "sweep",
    "validate",
]

shipped_designs = _native.shipped_designs
shipped_workloads = _native.shipped_workloads


def load_design(name):
    """The design of a shipped name, a design file or a SCALE-Sim configuration (`--hw`)."""
    return Design(name)


def load_workload(name):
    """The network of a name, a network file, an ONNX model or a list of matrix products (`--workload`)."""
    return Workload(name)


def _design(design):
    return design if isinstance(design, Design) else Design(design)


def _workload(workload):
    return workload if isinstance(workload, Workload) else Workload(workload)


def _tensors(tensors, name):
    """A path as it is; an array or arrays by name as the content of a file."""
    if tensors is None or isinstance(tensors, (str, os.PathLike)):
        return tensors
    return content(tensors if isinstance(tensors, Mapping) else {name: tensors})


def _images(images, labels, samples):
    if samples is not None and images is not None:
        raise SystolabError("samples: images of the evaluation set; expected either `images` or `samples`")
    if labels is not None:
        if images is None or isinstance(images, (str, os.PathLike, Mapping)):
            raise SystolabError("labels: expected beside an array of `images`")
        images = {"images": images, "labels": labels}
    if samples is None:
        return _tensors(images, "images"), None
    if isinstance(samples, range) and samples.step == 1 and samples.start >= 0:
        return None, (samples.start, samples.stop)
    raise SystolabError(f"samples {samples!r}: expected a range of step 1, as in range(0, 100)")


def simulate(hw, workload, *, batch=1, cold=False, timing="pipelined", skip_float=False):
    """Cycles, stalls, utilization, traffic and energy of every layer, as `systolab simulate --format json`."""
    return json.loads(
        _native.simulate(_design(hw), _workload(workload), batch, cold, timing, skip_float)
    )


def execute(hw, workload, images=None, *, labels=None, samples=None, outputs=True, accumulators=False):
    """Bit-exact execution, as `systolab execute --format json`; beside that, `tensors`: arrays by layer.

    `images`: an array [n, height, width, channels], uint8 pixels or float32 ready for the network; arrays by
    name; or a file. Without them `samples`, a range, or all of the network's evaluation set.
    """
    images, samples = _images(images, labels, samples)
    report, tensors = _native.execute(
        _design(hw), _workload(workload), images, samples, outputs, accumulators
    )
    return {**json.loads(report), "tensors": arrays(tensors)}


def validate(
    hw,
    workload,
    expected,
    images=None,
    *,
    labels=None,
    samples=None,
    layout="nhwc",
    max_ulp=None,
    max_diff=None,
):
    """Comparison with somebody else's tensors, arrays by layer or a file, as `systolab validate --format json`.

    `accepted` says whether all are equal (or within the tolerance), `first_difference` where they are not.
    """
    images, samples = _images(images, labels, samples)
    expected = _tensors(expected, "expected")
    return json.loads(
        _native.validate(
            _design(hw), _workload(workload), expected, images, samples, layout, max_ulp, max_diff
        )
    )


def pareto(
    points, *, max_energy_uj=None, max_latency_us=None, min_top1=None, regime="cold", batch=1
):
    """Fronts and best points under a budget, as `systolab pareto --format json`.

    `points`: a CSV file with `evaluate`'s columns, a pandas table, or dicts with these names. `requested` and
    `within` count the points of that request and those within the budget; `left_out` says what else there was.
    """
    table, source = csv_of(points)
    fronts, requested, within, left_out = _native.pareto(
        table, source, max_energy_uj, max_latency_us, min_top1, regime, batch
    )
    return {
        **json.loads(fronts),
        "requested": requested,
        "within": within,
        "left_out": {what: rows for rows, what in left_out},
    }
