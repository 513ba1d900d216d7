from os import PathLike
from typing import final

__version__: str
__all__ = [
    "SystolabError",
    "__version__",
    "Design",
    "Workload",
    "SweepRun",
    "run",
    "shipped_designs",
    "shipped_workloads",
    "simulate",
    "pareto",
    "execute",
    "validate",
    "compute_points",
]

class SystolabError(Exception): ...

@final
class Design:
    def __new__(cls, name: str | PathLike[str]) -> Design: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def frequency_hz(self) -> int: ...
    @property
    def technology(self) -> str: ...
    @property
    def sha256(self) -> str: ...

@final
class Workload:
    def __new__(cls, name: str | PathLike[str]) -> Workload: ...
    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def layers(self) -> list[str]: ...
    @property
    def input_shape(self) -> tuple[int, int, int]: ...
    @property
    def sha256(self) -> str: ...

@final
class SweepRun:
    def __new__(
        cls,
        sweep: str | PathLike[str],
        out: str | PathLike[str],
        objectives: list[str],
        retry_failed: bool,
        most_points: int,
    ) -> SweepRun: ...
    def warnings(self) -> list[str]: ...
    def compute(self) -> None: ...
    def pending(self, most: int) -> list[str]: ...
    def record(self, results: list[str]) -> None: ...
    def write_tables(self) -> str: ...
    def close(self) -> None: ...

def compute_points(points: list[str]) -> list[str]: ...
def run(argv: list[str]) -> int: ...
def shipped_designs() -> list[str]: ...
def shipped_workloads() -> list[str]: ...
def simulate(
    design: Design, workload: Workload, batch: int, cold: bool, timing: str, skip_float: bool
) -> str: ...
def execute(
    design: Design,
    workload: Workload,
    images: bytes | str | PathLike[str] | None,
    range: tuple[int, int] | None,
    outputs: bool,
    accumulators: bool,
) -> tuple[str, bytes]: ...
def validate(
    design: Design,
    workload: Workload,
    expected: bytes | str | PathLike[str],
    images: bytes | str | PathLike[str] | None,
    range: tuple[int, int] | None,
    layout: str,
    max_ulp: int | None,
    max_diff: float | None,
) -> str: ...
def pareto(
    csv: str,
    source: str,
    max_energy_uj: float | None,
    max_latency_us: float | None,
    min_top1: float | None,
    regime: str,
    batch: int,
) -> tuple[str, int, int, list[tuple[int, str]]]: ...
