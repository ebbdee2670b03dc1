"""`python -m tests.bench`: measure everything and print a table; `--quick` in under a minute."""

import argparse
import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import URL

from core import schema
from tests import postgres
from tests.bench import figures, marks, queries, servers, streams, turns, workers
from tests.bench.figures import Figure
from tests.bench.stage import Stage
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer

Measure = Callable[[Stage], Awaitable[Iterable[Figure]]]


@dataclass(frozen=True, slots=True)
class Amounts:
    """The sizes of all measurements."""

    starts: int
    watched: int
    seconds: float
    people: int
    sizes: tuple[int, ...]
    streams: tuple[tuple[int, float, float], ...]
    """Streams at once, tokens a second of each, and seconds."""
    processes: tuple[int, ...]
    turns: int
    """For each process."""
    questions: int
    """The length of the conversation whose price is measured."""


FULL = Amounts(
    starts=3,
    watched=120,
    seconds=30,
    people=300,
    sizes=(10, 1_000, 100_000),
    streams=((1000, 5, 40), (100, 50, 20)),
    processes=(1, 2, 4),
    turns=300,
    questions=marks.QUESTIONS,
)
QUICK = Amounts(
    starts=1,
    watched=8,
    seconds=1,
    people=100,
    sizes=(10, 1_000),
    streams=((50, 5, 4),),
    processes=(1, 2),
    turns=40,
    questions=20,
)


@dataclass(frozen=True, slots=True)
class Databases:
    """A fresh database of either engine for every measurement."""

    directory: Path
    server: URL
    template: str

    @asynccontextmanager
    async def stage(self, engine: str) -> AsyncIterator[Stage]:
        """The fakes with nothing said yet, and an empty database with the schema."""
        directory = self.directory / uuid.uuid4().hex[:8]
        directory.mkdir()
        with ExitStack() as stack:
            url = f"sqlite:///{directory}/bench.db"
            if engine == "postgresql":
                url = stack.enter_context(postgres.database(self.server, self.template))
            else:
                schema.upgrade(url)
            async with ModelServer() as model, TelegramServer(flood=False) as telegram:
                yield Stage(engine, url, directory, model, telegram)


def plan(amounts: Amounts) -> Iterator[tuple[str, Measure]]:
    """Yield each measurement with its engine."""
    for engine in ("sqlite", "postgresql"):
        yield engine, partial(turns.start, times=amounts.starts)
        yield engine, partial(turns.latency, turns=amounts.watched)
        yield engine, partial(servers.latency, turns=amounts.watched)
        yield engine, partial(turns.cost, seconds=amounts.seconds, number=amounts.people)
        yield engine, queries.statements
        yield engine, partial(queries.depth, sizes=amounts.sizes)
    for number, rate, seconds in amounts.streams:
        yield (
            "sqlite",
            partial(streams.streams, number=number, rate=rate, seconds=seconds),
        )


async def measure(databases: Databases, amounts: Amounts) -> list[Figure]:
    """Everything, one after the other; each line is printed as soon as it is known."""
    found: list[Figure] = []

    def tell(news: Iterable[Figure]) -> None:
        for figure in news:
            print(f"{figure.database:10}  {figure.what}: {figure.value}", flush=True)
            found.append(figure)

    for engine, work in plan(amounts):
        async with databases.stage(engine) as stage:
            tell(await work(stage))
    compared = {}
    for number in amounts.processes:
        async with databases.stage("postgresql") as stage:
            compared[number] = await workers.workers(stage, number, number * amounts.turns)
    tell(workers.figures("postgresql", compared))
    return found


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    amounts = QUICK if parser.parse_args().quick else FULL
    began = time.monotonic()
    run = uuid.uuid4().hex[:8]
    with tempfile.TemporaryDirectory() as directory, postgres.serve(run) as server:
        databases = Databases(Path(directory), server, postgres.template(server, run))
        found = asyncio.run(measure(databases, amounts))
    print(f"\n{figures.table(found)}\n\n{asyncio.run(marks.measure(amounts.questions))}")
    print(f"\n{figures.machine(datetime.now(UTC).date())};", end=" ")
    print(f"measured in {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
