"""The process: its messages when something is wrong, and its stop."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from importlib import metadata
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from core.settings import DEFAULT_MODEL
from tests.bot import ROOT, process
from tests.dialogs.stages import TelegramStage, World, env
from tests.fakes.model import Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.postgres import administer
from tests.records import eventually


async def outcome(log: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit status and the output of a process that should end by itself."""
    async with process(*arguments, log=log, environment=environment) as started:
        status = await started.wait()
    return status, "\n".join(started.lines())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


async def test_without_any_token_it_says_what_to_set(log: Path) -> None:
    status, said = await outcome(log)
    assert status == 2
    for name in ("TELEGRAM_TOKEN", "DISCORD_TOKEN", "MODEL_API_KEY", "@BotFather"):
        assert name in said
    assert "Message Content Intent" in said
    assert "Traceback" not in said


@pytest.mark.slow
async def test_it_needs_no_uvloop_to_begin() -> None:
    code = "import sys; sys.modules['uvloop'] = None; import bots.__main__"
    began = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await began.wait() == 0


@pytest.mark.slow
async def test_a_bot_without_a_terminal_loads_nothing_to_draw_with() -> None:
    unwanted = "{'rich', 'pygments', 'charset_normalizer', 'alembic', 'cryptography'}"
    code = (
        "import sys, bots.__main__, bots.telegram.adapter, bots.discord.adapter;"
        f"assert not {unwanted} & {{*sys.modules}}"
    )
    began = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await began.wait() == 0


@pytest.mark.slow
async def test_a_bot_loads_only_what_it_needs_while_nobody_talks_to_it() -> None:
    unwanted = "({'sqlalchemy.orm', 'psycopg', 'httpcore', 'anyio'}"
    unwanted += " | {'markdown_it', 'wcwidth', 'PIL', 'babel'}"
    unwanted += " | {'sqlalchemy.dialects.postgresql'})"
    code = (
        "import sys, bots.__main__, bots.composition, bots.telegram.adapter;"
        f"found = {unwanted} & {{*sys.modules}}; assert not found, found"
    )
    began = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await began.wait() == 0


@pytest.mark.slow
async def test_no_search_for_garbage_goes_through_the_modules() -> None:
    code = (
        "import gc; from bots import garbage\n"
        "with garbage.unsought(): import bots.__main__, bots.composition, bots.telegram.adapter\n"
        "assert gc.isenabled(); found = len(gc.get_objects()); assert found < 5_000, found\n"
        "kept = []; frozen = gc.get_freeze_count(); kept.append(kept)\n"
        "with garbage.unsought(): import bots.composition\n"
        "assert gc.isenabled(); assert gc.get_freeze_count() == frozen"
    )
    began = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await began.wait() == 0


async def test_the_help_names_the_commands_of_operators(log: Path) -> None:
    status, said = await outcome(log, "--help")
    assert status == 0
    for name in ("users", "stats", "turns", "migrate", "init", "doctor"):
        assert f"\n  {name}" in said


@pytest.mark.parametrize(
    ("platform", "other", "where"),
    [
        ("telegram", "discord", "from @BotFather"),
        ("discord", "telegram", "Message Content Intent"),
    ],
)
async def test_a_named_platform_without_a_token_says_where_to_get_one(
    log: Path, platform: str, other: str, where: str
) -> None:
    database = log.parent / "parley.db"
    values = {f"{other.upper()}_TOKEN": "1:token", "DATABASE_URL": f"sqlite:///{database}"}
    status, said = await outcome(log, platform, other, MODEL_API_KEY="key", **values)
    assert status == 2
    assert f"{platform.upper()}_TOKEN" in said
    assert where in said
    assert f"{other.upper()}_TOKEN" not in said
    assert "Traceback" not in said
    assert not database.exists()


async def test_without_a_model_key_it_says_where_to_get_one(log: Path) -> None:
    status, said = await outcome(log, "console")
    assert status == 2
    assert said.startswith("MODEL_API_KEY")
    assert len(said.splitlines()) == 1


async def test_a_wrong_telegram_token_is_one_line_without_the_token(
    log: Path, telegram_server: TelegramServer, sqlite_url: str
) -> None:
    status, said = await outcome(
        log,
        "telegram",
        DATABASE_URL=sqlite_url,
        MODEL_API_KEY="key",
        TELEGRAM_TOKEN="1:wrong-token",
        TELEGRAM_API_URL=telegram_server.url,
    )
    assert status == 2
    assert "TELEGRAM_TOKEN" in said
    assert "wrong-token" not in said
    assert "Traceback" not in said


async def test_wrong_settings_are_named_one_a_line(log: Path) -> None:
    status, said = await outcome(log, QUOTA="many", CONCURRENCY="0", MODEL="other/model")
    assert status == 2
    assert [line.split(":")[0] for line in said.splitlines()] == ["QUOTA", "CONCURRENCY"]


@pytest.mark.parametrize(
    ("admins", "told"),
    [
        ("telegramm:1", "ADMINS: 'telegramm' is not one of telegram, discord, console"),
        ("telegram:@anna", "ADMINS: an account on telegram is a number, as telegram:123"),
    ],
)
async def test_an_operator_on_no_platform_is_told_at_the_start(
    log: Path, admins: str, told: str
) -> None:
    status, said = await outcome(log, "telegram", ADMINS=admins, TELEGRAM_TOKEN="1:t")
    assert status == 2
    assert said.startswith(told)
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"ACCESS": "list", "ALLOWED_PEOPLE": "telegram:@anna"}, "ALLOWED_PEOPLE: an account on"),
        ({"ALLOWED_GROUPS": "telegarm:-1"}, "ALLOWED_GROUPS: 'telegarm' is not one of telegram,"),
        ({"ALLOWED_GROUPS": "discord:friends"}, "ALLOWED_GROUPS: a group on discord is a number"),
    ],
)
async def test_access_for_what_cannot_be_is_told_at_the_start(
    log: Path, values: dict[str, str], told: str
) -> None:
    status, said = await outcome(log, "telegram", TELEGRAM_TOKEN="1:t", **values)
    assert status == 2
    assert said.startswith(told)
    assert len(said.splitlines()) == 1


async def test_a_model_without_prices_starts_without_a_budget_and_says_so(
    stage: TelegramStage,
) -> None:
    async with stage.process(model="other/model", quota="5 turns/day") as running:
        await eventually(lambda: any("BUDGET" in line for line in running.lines()))
        [told] = [line for line in running.lines() if "BUDGET" in line]
    assert told.endswith("none, because MODEL_PRICES tells no prices of other/model")


async def test_an_unreachable_database_is_a_clear_error(log: Path) -> None:
    status, said = await outcome(
        log,
        "console",
        MODEL_API_KEY="key",
        DATABASE_URL="postgres://parley:secret@127.0.0.1:1/parley",
    )
    assert status == 2
    assert said.startswith("DATABASE_URL")
    assert "secret" not in said
    assert "Traceback" not in said


def _no_database(folder: Path) -> dict[str, str]:
    (folder / "notes.db").write_text("This is no database, but it is long enough. " * 9)
    return {"DATABASE_URL": f"sqlite:///{folder / 'notes.db'}"}


def _no_certificates(folder: Path) -> dict[str, str]:
    (folder / "ca.pem").write_text("nothing")
    return {"SSL_CERT_FILE": str(folder / "ca.pem")}


STARTS: dict[str, tuple[str, Callable[[Path], dict[str, str]]]] = {
    "a file that is no database": ("DATABASE_URL", _no_database),
    "a folder": ("DATABASE_URL", lambda folder: {"DATABASE_URL": f"sqlite:///{folder}"}),
    "no certificates": ("SSL_CERT_FILE", _no_certificates),
    "no such certificates": ("SSL_CERT_FILE", lambda _: {"SSL_CERT_FILE": "/nowhere/ca.pem"}),
    "a wrong proxy": ("HTTPS_PROXY", lambda _: {"HTTPS_PROXY": "ftp://proxy", "NO_PROXY": ""}),
    "a proxy with a wrong port": ("ALL_PROXY", lambda _: {"ALL_PROXY": "http://[::1"}),
    "a wrong option": (
        "DATABASE_URL",
        lambda _: {"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x?nothing=1"},
    ),
    "a wrong kind of encryption": (
        "DATABASE_URL",
        lambda _: {"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x?sslmode=nothing"},
    ),
}
"""Starts that cannot succeed: the setting to be named, and what is wrong."""


@pytest.mark.parametrize("kind", STARTS)
async def test_a_start_that_cannot_succeed_is_one_line(
    log: Path, telegram_server: TelegramServer, tmp_path: Path, kind: str
) -> None:
    name, wrong = STARTS[kind]
    (tmp_path / "data").mkdir()
    values = {
        "MODEL_API_KEY": "key",
        "MODEL_API_URL": "https://127.0.0.1:1",
        "TELEGRAM_TOKEN": telegram_server.token,
        "TELEGRAM_API_URL": telegram_server.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'data' / 'parley.db'}",
        **wrong(tmp_path / "data"),
    }
    status, said = await outcome(log, "telegram", **values)
    lines = [line for line in said.splitlines() if " WARNING " not in line and " INFO " not in line]
    assert (status, len(lines)) == (2, 1), said
    assert lines[0].startswith(f"{name}: ")
    assert "secret" not in said


async def test_migrate_makes_the_tables(log: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    for _ in range(2):
        assert await outcome(log, "migrate", DATABASE_URL=url) == (0, "")
    with closing(sqlite3.connect(tmp_path / "parley.db")) as tables:
        assert tables.execute("SELECT count(*) FROM turns").fetchone() == (0,)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/x", "postgres://u:secret@127.0.0.1:1/x"])
async def test_migrate_tells_in_one_line_why_it_cannot(log: Path, url: str) -> None:
    status, said = await outcome(log, "migrate", DATABASE_URL=url)
    assert (status, len(said.splitlines())) == (2, 1)
    assert said.startswith("DATABASE_URL: ")
    assert "secret" not in said


async def test_migrate_leaves_the_file_of_a_running_bot_alone(
    stage: TelegramStage, log: Path
) -> None:
    async with stage.running():
        await stage.server.wait(lambda: stage.server.polling)
        with closing(sqlite3.connect(stage.world.database_url.removeprefix("sqlite:///"))) as file:
            file.execute("DELETE FROM alembic_version")
            file.commit()
        status, said = await outcome(log, "migrate", DATABASE_URL=stage.world.database_url)
    assert status == 2
    assert "another process already runs" in said


async def test_the_version_is_that_of_the_package(log: Path) -> None:
    assert await outcome(log, "--version") == (0, f"parley {metadata.version('parley')}")


async def test_a_database_without_tables_names_the_command(
    log: Path, postgres_url: str, model: ModelServer
) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("DELETE FROM alembic_version")
    status, said = await outcome(log, "console", MODEL_API_KEY="key", DATABASE_URL=postgres_url)
    assert status == 2
    assert "parley migrate" in said


async def test_sqlite_serves_one_process(stage: TelegramStage, log: Path) -> None:
    async with stage.running():
        status, said = await outcome(log, "telegram", **env(stage.values()))
    assert status == 2
    assert "PostgreSQL" in said


async def test_a_signal_lets_the_answer_in_hand_end(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.process() as running:
        with model.hold():
            await stage.say("count to 40")
            await model.seen(1)
            running.terminate()
            await stage.server.wait(lambda: not stage.server.polling)
            await stage.say("Hello")
        assert await running.wait() == 0
    assert [message.text[-2:] for message in stage.server.answers(stage.chat)] == ["40"]
    assert stage.server.unacknowledged, "what came later waits for the next process"


async def test_an_answer_that_cannot_end_in_time_is_handed_back(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.process(drain_seconds=0.2) as running:
        with model.hold():
            await stage.say("count to 40")
            await model.seen(1)
            await eventually(lambda: bool(stage.server.answers(stage.chat)))
            running.terminate()
            assert await running.wait() == 0
    async with stage.running():
        await stage.records.idle(1)
    assert [message.text[-2:] for message in stage.server.answers(stage.chat)] == ["40"]
    assert stage.records.one("SELECT faults FROM turns") == 0


async def test_a_database_that_goes_away_loses_nothing(
    model: ModelServer,
    telegram_server: TelegramServer,
    postgres_server: URL,
    postgres_url: str,
    tmp_path: Path,
) -> None:
    stage = TelegramStage(World(model, postgres_url, tmp_path), telegram_server)
    database = make_url(postgres_url)
    assert database.database
    async with stage.running():
        with administer(postgres_server) as admin:
            allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            name = sql.Identifier(database.database)
            admin.execute(allow.format(name, False))
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [database.database],
            )
            await stage.say("Hello")
            await stage.server.wait(lambda: not stage.server.polling)
            assert stage.server.unacknowledged
            admin.execute(allow.format(name, True))
        await stage.records.idle(1)
    assert len(stage.server.answers(stage.chat)) == 1


async def test_no_log_line_contains_a_message_or_a_token(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.process() as running:
        await stage.say("say something private")
        await stage.records.idle(1)
        running.terminate()
        await running.wait()
    said = "\n".join(running.lines())
    assert "turn 1-1 answered" in said
    assert "private" not in said
    assert stage.server.token not in said
    assert "test-key" not in json.dumps(said)


async def test_without_a_terminal_the_log_is_json_with_one_line_for_each_turn(
    stage: TelegramStage,
) -> None:
    async with stage.process(log_format="auto") as running:
        await stage.say("Hello there")
        await stage.say("/help")
        await stage.records.idle(2)
        running.terminate()
        assert await running.wait() == 0
    told = [json.loads(line) for line in running.lines()]
    chat, command = sorted((each for each in told if "turn" in each), key=lambda each: each["turn"])
    assert (chat["turn"], chat["outcome"], chat["attempts"]) == ("1-1", "ok", 1)
    assert (chat["platform"], chat["model"]) == ("telegram", DEFAULT_MODEL)
    assert min(chat["prompt"], chat["completion"], chat["cost"]) > 0
    assert 0 < chat["first_text"] <= chat["seconds"]
    assert (command["turn"], command["kind"]) == ("2-1", "command")
    assert "model" not in command


async def test_a_crash_after_the_answer_leaves_its_figures_to_the_next_process(
    stage: TelegramStage,
) -> None:
    stage.server.fail("sendMessage", status=500, times=1000, delay=20)
    async with stage.process() as first:
        await stage.say("Hello there")
        answered = "SELECT count(*) FROM turns WHERE answered_at IS NOT NULL"
        await eventually(lambda: stage.records.one(answered) == 1)
        first.kill()
        await first.wait()
    stage.server.relent()
    first.log.unlink()
    async with stage.process(log_format="json") as second:
        await stage.records.idle(1)
        second.terminate()
        await second.wait()
    [line] = [each for each in map(json.loads, second.lines()) if "turn" in each]
    assert line["attempts"] == 2
    assert line["cost"] == stage.records.one("SELECT sum(cost) FROM calls") > 0


async def test_the_reference_of_an_apology_finds_its_line(
    stage: TelegramStage, model: ModelServer
) -> None:
    model.enqueue(Fault(401))
    async with stage.process(log_level="warning") as running:
        await stage.say("Hello there")
        await stage.records.idle(1)
        running.terminate()
        await running.wait()
    assert "1-1" in stage.heard()
    assert any("turn 1-1: no answer of the model" in line for line in running.lines())
    assert not any(" INFO " in line for line in running.lines())


@pytest.mark.parametrize(
    ("name", "value"), [("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml"), ("SENTRY_DSN", "a b")]
)
async def test_a_wrong_setting_of_the_log_is_named(log: Path, name: str, value: str) -> None:
    status, said = await outcome(log, "console", **{name: value})
    assert (status, len(said.splitlines())) == (2, 1)
    assert said.startswith(f"{name}: ")


async def test_a_platform_that_does_not_exist_is_refused_with_the_names_of_those_that_do(
    log: Path,
) -> None:
    status, said = await outcome(log, "nowhere", MODEL_API_KEY="key", COLUMNS="200")
    assert status == 2
    assert "'nowhere' is not one of telegram, discord, console" in said
    assert "Traceback" not in said
