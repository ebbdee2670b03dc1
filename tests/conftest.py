"""Fixtures of all tests: databases with the schema, the wire fakes, and no network beyond."""

import fcntl
import gc
import ipaddress
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import URL

from bots.trust import trust
from core import schema
from tests import forks, postgres
from tests.dialogs.stages import World
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.statements import share_compiled

# How long an example takes on a busy machine says nothing about the code.
settings.register_profile("parley", deadline=None, derandomize=True)
settings.load_profile("parley")


def stay_inside(event: str, args: tuple[object, ...]) -> None:
    """Fail a test that reaches for the network: everything it talks to is on loopback."""
    if event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
    elif event == "socket.getaddrinfo":
        host = args[0] or "127.0.0.1"
    else:
        return
    if not is_loopback(str(host)):
        pytest.fail(f"a test wants to leave this machine: {event} {host}")


def is_loopback(host: str) -> bool:
    """Return True if an address or a name belongs to this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


RUN = str(os.getpid())
"""The name of this run of the tests: the processes that share it are forked later."""

SHARED = pytest.StashKey[Path]()
"""A folder that the processes of this run share."""


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a shared file or folder, unless another process of this run has made it."""
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other processes wait
        if not path.exists():
            made = path.with_suffix(".new")
            make(made)
            made.rename(path)
    return path


sys.addaudithook(stay_inside)
share_compiled()
# Modules and tests are no garbage: while they are collected, nobody looks for some among them.
gc.disable()


def pytest_configure() -> None:
    """Keep the tests' files in memory, where there is room: SQLite syncs at each commit."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(postgres.scratch()))


def pytest_unconfigure() -> None:
    """End the process that forks bots."""
    forks.stop()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepare what all processes of the tests share.

    Look for garbage from now on, among what the tests make; seldom, for that takes time as well.
    """
    config: Any = session.config
    config.stash[SHARED] = config._tmp_path_factory.mktemp("shared")
    if config.getoption("processes", 1) > 1:
        forks.start()
    trust()  # to load its certificates takes longer than most tests
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.fixture(scope="session")
def run() -> str:
    """The name of this run of the tests: the same in all processes that share the work."""
    return RUN


@pytest.fixture(scope="session")
def postgres_server(run: str) -> Iterator[URL]:
    """A PostgreSQL server, started when the first test wants it."""
    with postgres.serve(run) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL, run: str) -> str:
    """The name of a PostgreSQL database with the schema in it."""
    return postgres.template(postgres_server, run)


@pytest.fixture(scope="session")
def sqlite_template(pytestconfig: pytest.Config) -> Path:
    """An SQLite database with the schema in it, made once in a test run."""
    shared = pytestconfig.stash[SHARED]
    return once(shared / "template.db", lambda path: schema.upgrade(f"sqlite:///{path}"))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database."""
    path = shutil.copy(sqlite_template, tmp_path / "parley.db")
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: URL, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database."""
    with postgres.database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database, once on each engine."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    """The model API; its key is "test-key"."""
    async with ModelServer(api_key="test-key") as server:
        yield server


@pytest.fixture
async def telegram_server() -> AsyncIterator[TelegramServer]:
    """Telegram, with its flood limits."""
    async with TelegramServer() as server:
        yield server


@pytest.fixture
async def discord_server() -> AsyncIterator[DiscordServer]:
    """Discord, with its rate limits."""
    async with DiscordServer() as server:
        yield server


@pytest.fixture
def world(model: ModelServer, sqlite_url: str, tmp_path: Path) -> World:
    """The surroundings of a stage, with SQLite."""
    return World(model, sqlite_url, tmp_path)


@pytest.fixture(params=["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.slow)])
def either_world(request: pytest.FixtureRequest, model: ModelServer, tmp_path: Path) -> World:
    """The surroundings of a stage, once on each engine.

    The statements of both are tested without a stage, so that on PostgreSQL it may be left out.
    """
    return World(model, request.getfixturevalue(request.param), tmp_path)


@pytest.fixture
def shared_world(model: ModelServer, postgres_url: str, tmp_path: Path) -> World:
    """The surroundings of stages whose processes share a database."""
    return World(model, postgres_url, tmp_path)
