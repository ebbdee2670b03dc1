"""Standard streams that are closed or lead to nobody: no process ends by that, no turn is lost."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bots.streams import UNREAD
from tests.bot import ROOT
from tests.dialogs.stages import TelegramStage, World, env
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer

CLOSED = 'exec "$@" <&- >&- 2>&-'
"""A shell's command that closes all three streams of another one."""


@asynccontextmanager
async def closed(*arguments: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start Parley with closed streams."""
    command = ("/bin/sh", "-c", CLOSED, "sh", sys.executable, "-m", "bots", *arguments)
    async with _started(*command, settings=settings) as process:
        yield process


@asynccontextmanager
async def unread(
    *arguments: str, errors: int | None = None, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start Parley with an output whose reader has gone; `errors` may be another one."""
    reader, writer = os.pipe()
    os.close(reader)
    streams: dict[str, Any] = {"stdin": asyncio.subprocess.DEVNULL, "stdout": writer}
    command = (sys.executable, "-m", "bots", *arguments)
    try:
        async with _started(
            *command, settings=settings, **streams, stderr=errors or writer
        ) as process:
            yield process
    finally:
        os.close(writer)


@asynccontextmanager
async def _started(
    *command: str, settings: Mapping[str, str], **streams: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={"PATH": os.environ["PATH"], **settings}, **streams
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def end(process: asyncio.subprocess.Process) -> int:
    """Return the exit status."""
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [closed, unread])
async def test_a_bot_whose_log_goes_nowhere_answers_and_stops_gently(
    stage: TelegramStage, kind: Any
) -> None:
    async with kind("telegram", **env(stage.values())) as process:
        for number, word in enumerate(("plum", "pear"), 1):
            await stage.say(f"say {word}")
            await stage.records.idle(number)
        assert [each.text for each in stage.server.answers(stage.chat)] == ["plum", "pear"]
        process.terminate()
        assert await end(process) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [closed, unread])
async def test_a_terminal_that_is_closed_ends_the_console_and_nothing_else(
    stage: TelegramStage, kind: Any
) -> None:
    values = {name: value for name, value in stage.values().items() if "telegram" not in name}
    async with kind("console", **env(values)) as process:
        assert await end(process) in (0, UNREAD)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("users",), 0),
        (("turns",), 0),
        (("migrate",), 0),
        (("init",), 2),
        (("models",), 1),
        (("nowhere",), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_a_command_with_closed_streams_does_its_work(
    stage: TelegramStage, arguments: tuple[str, ...], status: int
) -> None:
    async with closed(*arguments, **env(stage.values())) as process:
        assert await end(process) == status


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["--help", "users", "turns", "models"])
async def test_a_command_whose_reader_has_gone_says_nothing_of_it(
    stage: TelegramStage, model: ModelServer, tmp_path: Path, verb: str
) -> None:
    model.catalogue["/models"] = {"data": [{"id": "some/model"}]}
    with (tmp_path / "errors").open("wb") as errors:
        async with unread(verb, errors=errors.fileno(), **env(stage.values())) as process:
            assert await end(process) == UNREAD
    assert (tmp_path / "errors").read_text() == ""


@pytest.mark.slow
async def test_a_file_never_takes_the_place_of_a_closed_stream(
    stage: TelegramStage, sqlite_url: str
) -> None:
    async with closed("telegram", **env(stage.values())) as process:
        await stage.say("say it")
        await stage.records.idle(1)
        for number in range(3):
            assert os.readlink(f"/proc/{process.pid}/fd/{number}") == os.devnull
