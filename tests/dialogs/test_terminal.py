"""The whole bot in a terminal with a person at it, as `python -m bots console` runs."""

import asyncio
import os
import pty
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.bot import ROOT
from tests.dialogs.stages import World, env
from tests.fakes.model import Answer
from tests.records import eventually
from tests.test_console import PROMPTED, Side


@asynccontextmanager
async def seated(world: World) -> AsyncIterator[Side]:
    """Sit down at a terminal in which the bot runs; it does not outlive the test."""
    person, computer = pty.openpty()
    termios.tcsetwinsize(computer, (24, 80))
    look = {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
    state = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(world.directory)}
    with (world.directory / "log").open("wb") as log:
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bots", "console"),
            cwd=ROOT,
            stdin=computer,
            stdout=computer,
            stderr=log,
            env={**look, **state, **env(world.values())},
        )
    side = Side(person, person)
    try:
        await eventually(lambda: PROMPTED in side.raw)
        yield side
        side.type("\x04")
        async with asyncio.timeout(60):
            assert await bot.wait() == 0
    finally:
        if bot.returncode is None:
            bot.kill()
            await bot.wait()
        side.close()
        os.close(computer)
        side.leave()


@pytest.mark.slow
async def test_ctrl_c_before_the_first_text_brings_the_prompt_back(world: World) -> None:
    world.model.enqueue(Answer("never said", stall_after=0))
    async with seated(world) as side:
        side.type("Hello\r")
        await world.model.seen(1)
        side.type("\x03")
        await eventually(lambda: world.model.requests[0].cut)
        await side.prompts(times=2)
        side.type("say plum\r")
        await side.until(lambda seen: seen.count("plum") == 2)  # as it was typed, and the answer
        await side.prompts(times=3)
