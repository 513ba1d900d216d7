from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, Literal, Protocol

from numpy.typing import ArrayLike

from ._native import Design as Design
from ._native import SystolabError as SystolabError
from ._native import Workload as Workload
from ._native import shipped_designs as shipped_designs
from ._native import shipped_workloads as shipped_workloads

__version__: str
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

_Path = str | PathLike[str]
_Tensors = ArrayLike | Mapping[str, ArrayLike] | _Path

class _Table(Protocol):
    def to_csv(self, *, index: bool) -> str: ...

def load_design(name: _Path) -> Design: ...
def load_workload(name: _Path) -> Workload: ...
def simulate(
    hw: Design | _Path,
    workload: Workload | _Path,
    *,
    batch: int = 1,
    cold: bool = False,
    timing: Literal["pipelined", "stepped", "scalesim"] = "pipelined",
    skip_float: bool = False,
) -> dict[str, Any]: ...
def execute(
    hw: Design | _Path,
    workload: Workload | _Path,
    images: _Tensors | None = None,
    *,
    labels: ArrayLike | None = None,
    samples: range | None = None,
    outputs: bool = True,
    accumulators: bool = False,
) -> dict[str, Any]: ...
def validate(
    hw: Design | _Path,
    workload: Workload | _Path,
    expected: Mapping[str, ArrayLike] | _Path,
    images: _Tensors | None = None,
    *,
    labels: ArrayLike | None = None,
    samples: range | None = None,
    layout: Literal["nhwc", "nchw"] = "nhwc",
    max_ulp: int | None = None,
    max_diff: float | None = None,
) -> dict[str, Any]: ...
def sweep(
    sweep_file: _Path,
    out: _Path,
    *,
    objectives: Iterable[str] = ("latency", "energy"),
    retry_failed: bool = False,
    most_points: int = 100_000,
) -> dict[str, Any]: ...
def pareto(
    points: _Path | _Table | Iterable[Mapping[str, Any]],
    *,
    max_energy_uj: float | None = None,
    max_latency_us: float | None = None,
    min_top1: float | None = None,
    regime: Literal["cold", "steady"] = "cold",
    batch: int = 1,
) -> dict[str, Any]: ...
