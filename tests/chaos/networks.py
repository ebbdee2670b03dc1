"""Every side of the bot behind a network that fails in every way."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url

from tests.chaos.arena import Arena, Databases, arena
from tests.chaos.audit import Interval, Verdict
from tests.chaos.proxy import CUTTING, TROUBLES, Proxy, Target, Trouble, proxy
from tests.chaos.scenes import DiscordScene

SIDES = ("model", "platform", "database")
PATIENT = {"FIRST_TOKEN_SECONDS": "5", "STALL_SECONDS": "3"}


async def network(
    platform: str, side: str, databases: Databases, directory: Path, seed: int, *, seconds: float
) -> Verdict:
    """Let a side suffer each trouble in turn for so many seconds, while people write."""
    async with behind(platform, side, databases, directory, seed) as (stage, between):
        await stage.fleet.start("w0")
        await stage.acquaint()
        async with stage.crowd.talking():
            troubles = {
                name: await _suffer(stage, between, trouble, seconds)
                for name, trouble in TROUBLES.items()
            }
        await stage.quiet()
        cut_off = [troubles[name] for name in CUTTING]
        unheard = cut_off if side == "platform" else []
        return stage.audit(unheard=unheard, may_end=side == "model")


async def _suffer(stage: Arena, between: Proxy, trouble: Trouble, seconds: float) -> Interval:
    """Let a trouble come and go, and return when that was."""
    began = time.monotonic()
    await trouble(between, seconds)
    between.heal()
    ended = time.monotonic()
    await stage.quiet_enough()
    return began, ended


async def stop(
    side: str, databases: Databases, directory: Path, seed: int
) -> tuple[Verdict, int, float]:
    """Ask the process to stop while a side is a black hole: its status, and how long it takes."""
    async with behind("telegram", side, databases, directory, seed) as (stage, between):
        await stage.fleet.start("w0")
        await stage.acquaint()
        for place in stage.scene.places:
            for who in stage.scene.speakers(place):
                await stage.crowd.ask(place, who, "long")
        await stage.quiet_enough(0.5)
        between.silence()
        began = time.monotonic()
        status = await stage.fleet.stop("w0", seconds=60)
        ended = time.monotonic()
        between.heal()
        await stage.fleet.start("w1")
        await stage.quiet()
        unheard = [(began, ended)] if side == "platform" else []
        return stage.audit(unheard=unheard), status, ended - began


@asynccontextmanager
async def behind(
    platform: str, side: str, databases: Databases, directory: Path, seed: int
) -> AsyncIterator[tuple[Arena, Proxy]]:
    """An arena whose bot reaches one side only through a proxy."""
    async with AsyncExitStack() as stack:
        engine = "postgresql" if side == "database" else "sqlite"
        url = stack.enter_context(databases.fresh(engine))
        stage = await stack.enter_async_context(
            arena(platform, url, directory, seed, settings=PATIENT)
        )
        between = await stack.enter_async_context(proxy(_target(stage, side, url)))
        _redirect(stage, side, url, between)
        yield stage, between


def _target(stage: Arena, side: str, url: str) -> Target:
    if side == "database":
        query = make_url(url).query
        return f"{query['host']}/.s.PGSQL.5432"
    told = stage.model.url if side == "model" else _platform_url(stage)
    split = urlsplit(told)
    return split.hostname or "", split.port or 0


def _platform_url(stage: Arena) -> str:
    environment = stage.scene.environment()
    return next(value for name, value in environment.items() if name.endswith("_URL"))


def _redirect(stage: Arena, side: str, url: str, between: Proxy) -> None:
    """Tell the bot the proxy's address instead of the server's."""
    changes: Mapping[str, str]
    if side == "database":
        here = make_url(url).set(host="127.0.0.1", port=between.port, query={})
        changes = {"DATABASE_URL": here.render_as_string(hide_password=False)}
    elif side == "model":
        changes = {"MODEL_API_URL": f"http://127.0.0.1:{between.port}/v1"}
    else:
        if isinstance(stage.scene, DiscordScene):
            # The gateway's address is told by the server itself.
            stage.scene.server.world.origin = f"http://127.0.0.1:{between.port}"
            changes = stage.scene.environment()
        else:
            changes = {"TELEGRAM_API_URL": f"http://127.0.0.1:{between.port}"}
    stage.fleet.environment = {**stage.fleet.environment, **changes}


async def lost_commits(
    databases: Databases, directory: Path, seed: int, cuts: int
) -> tuple[Verdict, int]:
    """The database commits, and the connection breaks before it can say so; how often it did."""
    async with behind("telegram", "database", databases, directory, seed) as (stage, between):
        await stage.fleet.start("w0")
        await stage.acquaint()
        async with stage.crowd.talking():
            for _ in range(cuts):
                between.cut_after = b"COMMIT"
                await stage.quiet_enough()
        between.cut_after = b""
        await stage.quiet()
        return stage.audit(), between.cuts
