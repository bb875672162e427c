"""What a benchmark says: figures, what they are compared with, and the table and file they are kept in."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

from rich.console import Console
from rich.table import Table

WHOLE = 1000
"""Figures from here on are shown without a fraction."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: Its unit, such as `orders/s` or `ms`.
        beside: What was run beside it in the same run, and its figure; empty when nothing was.
        ratio: The figure through the one beside it.
        goal: What is to be reached, in words; empty when nothing is.
        reached: Whether it was; None where there is no goal.
    """

    name: str
    value: float
    unit: str
    beside: str = ""
    ratio: float | None = None
    goal: str = ""
    reached: bool | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be measured here, and why."""

    name: str
    why: str


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the value below which that share of the values lies (nearest rank); values need not be sorted.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def show(results: Sequence[Figure | Skipped], console: Console) -> None:
    """Prints the table."""
    table = Table(title="Ordermesh, measured on this machine")
    for column in ("what", "figure", "beside it", "ratio", "goal", "reached"):
        table.add_column(column, justify="right" if column in {"figure", "ratio"} else "left")
    for result in results:
        if isinstance(result, Skipped):
            table.add_row(result.name, "not measured", result.why, "", "", "")
            continue
        reached = {None: "", True: "[green]yes", False: "[red]no"}[result.reached]
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        value = f"{result.value:,.0f}" if abs(result.value) >= WHOLE else f"{result.value:.4g}"
        table.add_row(result.name, f"{value} {result.unit}", result.beside, ratio, result.goal, reached)
    console.print(table)


def keep(results: Sequence[Figure | Skipped], directory: Path) -> Path:
    """Writes the results as JSON into a file named after the time, and returns the file."""
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    file = directory / f"{now:%Y%m%dT%H%M%SZ}.json"
    machine = {"processors": cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    figures = [asdict(result) for result in results]
    file.write_text(json.dumps({"time": now.isoformat(), "machine": machine, "figures": figures}, indent=1) + "\n")
    return file
