from collections.abc import Iterable
from os import PathLike
from typing import Any

from distributed import Client

def sweep(
    client: Client,
    sweep_file: str | PathLike[str],
    out: str | PathLike[str],
    *,
    objectives: Iterable[str] = ("latency", "energy"),
    retries: int = 3,
    points_per_task: int = 100,
    retry_failed: bool = False,
    most_points: int = 100_000,
) -> dict[str, Any]: ...
