"""The health of the process: a live one, a ready one, one that stands by, and what is wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from bots.web import Pages, Ports, answering
from bots.web.health import Health, routes
from bots.web.pulse import Pulse
from core.health import KEPT
from core.vitals import Hearing, State, Vitals
from tests.bot import bot, process
from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask, env
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.postgres import administer
from tests.records import eventually
from tests.web.ports import Probe, free_port

WELL = Vitals([Hearing("telegram", "1", State.LISTENING, True, 3.0)], 0.01, True, 0, 0, None, False)
"""A process that lacks nothing."""


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.fixture
def shared(shared_world: World, telegram_server: TelegramServer) -> TelegramStage:
    """A stage whose processes share a database."""
    return TelegramStage(shared_world, telegram_server)


@asynccontextmanager
async def told_of(
    vitals: Vitals, *, lag: float = 0.0, dead: tuple[str, ...] = ()
) -> AsyncIterator[Probe]:
    """A server that tells of a process in this state."""
    pulse = Pulse()
    pulse.lag = lag

    async def look() -> Vitals:
        return vitals

    port = free_port()
    pages = Pages(health=routes(Health(pulse, lambda: dead, look)))
    async with answering(Ports(port, None, "127.0.0.1"), pages), Probe.of(port) as probe:
        yield probe


async def test_a_process_that_lacks_nothing_is_told_so() -> None:
    async with told_of(WELL) as probe:
        for path in ("/livez", "/readyz", "/healthz"):
            assert await probe.status(path) == 200
        told = await probe.health()
    assert told["status"] == "ok"
    assert told["accounts"] == [
        {"platform": "telegram", "account": "1", "state": "listening", "heard_seconds_ago": 3.0}
    ]


LISTENING = WELL.accounts[0]
WRONG: dict[str, tuple[Vitals, int, str]] = {
    "stopping": (replace(WELL, stopping=True), 503, "The process is stopping."),
    "no database": (
        replace(WELL, database_seconds=None, schema_current=False),
        503,
        "The database does not answer.",
    ),
    "old tables": (
        replace(WELL, schema_current=False),
        503,
        "The tables are older than this release: run parley migrate.",
    ),
    "nobody there": (
        replace(WELL, accounts=[Hearing("telegram", "", State.CONNECTING, False, None)]),
        503,
        "No platform is connected yet.",
    ),
    "one of two": (
        replace(WELL, accounts=[LISTENING, Hearing("discord", "", State.CONNECTING, False, None)]),
        200,
        "discord is not connected yet.",
    ),
    "refused": (
        replace(WELL, accounts=[LISTENING, Hearing("discord", "2", State.REFUSED, False, None)]),
        200,
        "discord refuses the account.",
    ),
    "deaf": (
        replace(WELL, accounts=[replace(LISTENING, hears=False)]),
        200,
        "No events can come from telegram.",
    ),
    "silent": (
        replace(WELL, accounts=[replace(LISTENING, heard_ago=120.0)]),
        200,
        "telegram has given no sign for 120 seconds.",
    ),
    "waiting": (replace(WELL, oldest_waiting=400.0), 200, "A turn has waited for 400 seconds."),
}
"""What is wrong, the status of `/readyz`, and the reason that `/healthz` tells."""


@pytest.mark.parametrize("kind", WRONG)
async def test_what_is_wrong_is_told_in_one_sentence(kind: str) -> None:
    vitals, ready, reason = WRONG[kind]
    async with told_of(vitals) as probe:
        assert await probe.status("/livez") == 200, "a restart would not help"
        assert await probe.status("/readyz") == ready
        assert await probe.status("/healthz") == 503
        assert (await probe.health())["reason"] == reason


async def test_a_process_that_stands_by_is_well() -> None:
    other = Hearing("telegram", "1", State.STANDING_BY, hears=False, heard_ago=None)
    async with told_of(replace(WELL, accounts=[other])) as probe:
        assert await probe.status("/readyz") == await probe.status("/healthz") == 200


async def test_a_late_loop_and_a_dead_task_ask_for_a_restart() -> None:
    async with told_of(WELL, lag=11.0) as probe:
        assert await probe.get("/livez") == (503, "The event loop is 11 seconds late.\n")
    async with told_of(WELL, dead=("watching",)) as probe:
        assert await probe.get("/livez") == (503, "A task has died: watching.\n")


async def test_the_pulse_tells_how_late_the_loop_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.web.pulse.EVERY", 0.05)
    pulse = Pulse()
    beating = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)
    deadline = asyncio.get_running_loop().time() + 0.3
    while asyncio.get_running_loop().time() < deadline:
        pass  # a loop that is held up
    await eventually(lambda: pulse.lag > 0.2)
    await eventually(lambda: pulse.lag < 0.2)
    beating.cancel()


async def test_a_bot_tells_when_it_heard_telegram_and_nothing_of_people(
    stage: TelegramStage,
) -> None:
    port = free_port()
    async with stage.running(port=port), Probe.of(port) as probe:
        await probe.until("/healthz", 200)
        await ask(stage, "Hello, my name is Ada")
        await probe.until_state("listening")
        health = await probe.until_it_tells(
            lambda told: told["accounts"][0]["heard_seconds_ago"] is not None
        )
        told = await probe.text("/healthz")
    [account] = health["accounts"]
    assert 0 <= account["heard_seconds_ago"] < 60
    assert account["account"] == stage.server.bot_id
    assert health["database"]["answers"]
    assert health["database"]["schema_current"]
    assert "Ada" not in told
    assert str(stage.ada.id) not in told


async def test_discord_tells_of_its_heartbeats(
    model: ModelServer, sqlite_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with DiscordServer(heartbeat_interval=1.0) as server:
        stage = DiscordStage(World(model, sqlite_url, tmp_path), server)
        async with stage.running(port=port), Probe.of(port) as probe:
            await probe.until("/healthz", 200)
            await asyncio.sleep(3.5)
            # A beat was acknowledged since the session began.
            await probe.until_it_tells(lambda told: told["accounts"][0]["heard_seconds_ago"] < 3)


async def test_a_telegram_that_answers_no_poll_is_told(stage: TelegramStage) -> None:
    stage.server.fail("getUpdates", status=502, times=1000)
    port = free_port()
    async with stage.running(port=port), Probe.of(port) as probe:
        await probe.until("/readyz", 200)
        await probe.until_told("No events can come from telegram.")
        stage.server.relent()
        await probe.until("/healthz", 200)


async def test_a_process_is_not_ready_before_a_platform_has_answered(stage: TelegramStage) -> None:
    stage.server.fail("getMe", status=502, times=1000)
    port = free_port()
    async with stage.running(port=port), Probe.of(port) as probe:
        await probe.until("/livez", 200)
        await probe.until_page("/readyz", 503, "No platform is connected yet.\n")
        stage.server.relent()
        await probe.until("/readyz", 200)


@pytest.mark.parametrize("answers", [True, False], ids=["later", "at the first answer"])
async def test_an_account_that_is_refused_is_told(
    stage: TelegramStage, discord_server: DiscordServer, unused_tcp_port: int, answers: bool
) -> None:
    discord = DiscordStage(stage.world, discord_server)
    port, metrics_port = free_port(), free_port()
    values = {**stage.values(), **discord.values(), "port": port, "metrics_port": metrics_port}
    if not answers:
        values["telegram_api_url"] = f"http://127.0.0.1:{unused_tcp_port}"
    async with (
        bot("telegram", "discord", **values),
        Probe.of(port) as probe,
        Probe.of(metrics_port) as metrics,
    ):
        await probe.until("/readyz", 200)
        if answers:
            await stage.server.wait(lambda: stage.server.polling)
            await metrics.until_shown('parley_listening{account="123456",platform="telegram"} 1.0')
            stage.server.fail("getUpdates", status=401)
            stage.server.push({})  # ends the poll that is under way
            await probe.until_told("telegram refuses the account.")
        else:
            await probe.until_told("telegram is not connected yet.")
            async with TelegramServer(port=unused_tcp_port) as late:
                late.fail("getMe", status=401)
                await probe.until_told("telegram refuses the account.")
        accounts = {each["platform"]: each for each in (await probe.health())["accounts"]}
        assert accounts["telegram"]["account"] == ("123456" if answers else "")
        assert accounts["discord"]["state"] == "listening"
        told = await metrics.text("/metrics")
        assert 'platform="telegram"} 1.0' not in told
        account = discord_server.bot_id
        assert f'parley_listening{{account="{account}",platform="discord"}} 1.0' in told


async def test_a_database_that_is_away_is_told_and_no_reason_for_a_restart(
    shared: TelegramStage, postgres_server: URL
) -> None:
    name = sql.Identifier(str(make_url(shared.world.database_url).database))
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    port = free_port()
    async with shared.running(port=port), Probe.of(port) as probe:
        await probe.until("/readyz", 200)
        with administer(postgres_server) as admin:
            admin.execute(allow.format(name, False))
            _end_connections(admin, shared)
            await probe.until("/readyz", 503)
            await probe.until_told("The database does not answer.")
            assert await probe.status("/livez") == 200
            admin.execute(allow.format(name, True))
        await probe.until("/healthz", 200)


def _end_connections(admin: psycopg.Connection, stage: TelegramStage) -> None:
    database = make_url(stage.world.database_url).database
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    admin.execute(ended, [database])


async def test_a_second_process_stands_by_and_is_ready(shared: TelegramStage) -> None:
    first, second = free_port(), free_port()
    async with (
        shared.process(port=first),
        Probe.of(first) as one,
    ):
        await one.until("/healthz", 200)
        async with shared.process(port=second), Probe.of(second) as other:
            await other.until("/readyz", 200)
            await other.until("/healthz", 200)
            await one.until_state("listening")
            await other.until_state("standing by")


async def test_a_process_that_stops_is_alive_and_not_ready(
    stage: TelegramStage, model: ModelServer
) -> None:
    port = free_port()
    async with stage.process(port=port) as running, Probe.of(port) as probe:
        await probe.until("/readyz", 200)
        with model.hold():
            await stage.say("count to 40")
            await model.seen(1)
            running.terminate()
            await probe.until_page("/readyz", 503, "The process is stopping.\n")
            assert await probe.status("/livez") == 200
        assert await running.wait() == 0


async def test_a_process_that_only_answers_is_ready(stage: TelegramStage) -> None:
    port = free_port()
    values: dict[str, Any] = env(stage.values(port=port))
    log = stage.world.directory / "log"
    async with (
        process("telegram", "--no-listen", log=log, environment=values),
        Probe.of(port) as probe,
    ):
        await probe.until("/healthz", 200)
        assert (await probe.health())["accounts"][0]["state"] == "answering"


async def test_old_tables_are_told(stage: TelegramStage) -> None:
    port = free_port()
    async with stage.running(port=port), Probe.of(port) as probe:
        await probe.until("/readyz", 200)
        await stage.records.write("UPDATE alembic_version SET version_num = '0001'")
        await probe.until("/readyz", 503)
        told = "The tables are older than this release: run parley migrate."
        await probe.until_told(told)


@pytest.mark.slow
async def test_many_who_ask_cost_the_database_little(stage: TelegramStage) -> None:
    port = free_port()
    async with stage.running(port=port), Probe.of(port) as probe:
        await probe.until("/livez", 200)
        began = time.monotonic()
        told = await asyncio.gather(*(probe.health() for _ in range(100)))
        took = time.monotonic() - began
    seconds = {each["database"]["seconds"] for each in told}
    assert len(seconds) <= 2 + took / KEPT
