"""The results of the measurements, as a table."""

import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    database: str
    value: str


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def spread(seconds: Sequence[float]) -> str:
    """The median, the 95th and the 99th percentile, in milliseconds."""
    shares = (statistics.median(seconds), quantile(seconds, 0.95), quantile(seconds, 0.99))
    return " / ".join(f"{share * 1000:.0f}" for share in shares) + " ms"


def table(figures: Iterable[Figure]) -> str:
    """The figures as Markdown: a column for each database."""
    rows: dict[str, dict[str, str]] = {}
    for figure in figures:
        rows.setdefault(figure.what, {})[figure.database] = figure.value
    lines = ["| | SQLite | PostgreSQL |", "|---|---|---|"]
    for what, values in rows.items():
        cells = (values.get(name, "") for name in ("sqlite", "postgresql"))
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def machine(today: date) -> str:
    """Describe the machine and the time of the measurement."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{_processor()}, {cores} cores for the bot, the fakes and the database together;"
        f" Python {platform.python_version()}; {today}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
