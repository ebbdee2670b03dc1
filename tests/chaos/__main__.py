"""`make chaos`: every fault, and one table of the outcome for the messages."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import postgres
from tests.chaos import siege
from tests.chaos.arena import Databases
from tests.chaos.trials import WAVES, Ground, Row, Trial, run

KILLS = 500
LONGEST = 45 * 60
"""Seconds after which no further trial is begun."""
COUNTS = ("lost", "cut", "doubled", "in_window", "swapped", "memory", "drift", "left")
HEADS = ("lost", "cut", "doubled", "in the window", "swapped", "memory", "drift", "left")


async def main(options: argparse.Namespace) -> int:
    """Run the trials wave by wave; 1 when a promise was broken."""
    began, rows = time.monotonic(), list[Row]()
    with tempfile.TemporaryDirectory() as scratch, postgres.serve(f"chaos-{os.getpid()}") as server:
        ground = Ground(Databases(server, Path(scratch)), options.logs, options.seed)
        killers = replace(ground, size=options.kills / KILLS)
        for wave in _chosen(options.only):
            if time.monotonic() - began > LONGEST:
                sys.stderr.write("out of time\n")
                break
            async with asyncio.TaskGroup() as tasks:
                started = [
                    tasks.create_task(
                        _told(trial, killers if name.startswith("kill") else ground, name)
                    )
                    for name, trial in wave.items()
                ]
            rows += [task.result() for task in started]
    _print(rows, options.seed, time.monotonic() - began)
    return 0 if rows and all(row.is_kept for row in rows) else 1


async def _told(trial: Trial, ground: Ground, name: str) -> Row:
    row = await run(trial, ground, name)
    sys.stderr.write(f"{'kept  ' if row.is_kept else 'BROKEN'} {name}, {row.seconds:.0f} s\n")
    sys.stderr.writelines(f"       {note}\n" for note in _broken(row))
    return row


def _broken(row: Row) -> Sequence[str]:
    """Return the evidence of broken promises."""
    return () if row.is_kept else (*row.broken, *row.verdict.notes[:8])


def _chosen(only: str) -> Iterator[Mapping[str, Trial]]:
    for wave in WAVES:
        if chosen := {name: trial for name, trial in wave.items() if only in name}:
            yield chosen


def _print(rows: list[Row], seed: int, seconds: float) -> None:
    table = Table("trial", "runs", "asked", *HEADS, "seconds", "", title=f"seed {seed}")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for row in rows:
        counts = [str(getattr(row.verdict, name)) for name in COUNTS]
        style = "" if row.is_kept else "bold red"
        asked, took = str(row.verdict.asked), f"{row.seconds:.0f}"
        table.add_row(
            row.name, str(row.runs), asked, *counts, took, row.remark.strip(), style=style
        )
    console = Console(width=170)
    console.print(table)
    if details := [detail for row in rows for detail in row.details]:
        console.print(_detailed(details))
    console.print(f"{seconds / 60:.1f} minutes")


def _detailed(details: Sequence[Sequence[str]]) -> Table:
    """Draw what others waited for while somebody attacked."""
    table = Table(*siege.HEADS, title="seconds until the first text of an answer")
    for column in table.columns[3:]:
        column.justify = "right"
    for detail in details:
        table.add_row(*detail)
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=KILLS, help="how many in all")
    parser.add_argument("--only", default="", help="trials whose name contains this")
    parser.add_argument("--logs", type=Path, default=None, help="keep the processes' logs here")
    options = parser.parse_args()
    options.logs = options.logs or Path(tempfile.mkdtemp(prefix="parley-chaos-"))
    return options


if __name__ == "__main__":
    warnings.simplefilter("ignore", ResourceWarning)
    raise SystemExit(asyncio.run(main(_options())))
