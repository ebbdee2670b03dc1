"""Backups: everything comes back, on either engine, or nothing does."""

import asyncio
import json
import sqlite3
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import URL, create_engine, select

from core import backup, db, models
from core.errors import SettingsError
from tests import postgres
from tests.dialogs.stages import TelegramStage, World, ask
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.test_main import outcome

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def stage(either_world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(either_world, telegram_server)


@pytest.fixture
def empty_url(postgres_server: URL) -> Iterator[str]:
    """A PostgreSQL database without tables."""
    with postgres.database(postgres_server) as url:
        yield url


def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (32, 24), "green").save(file, "PNG")
    return file.getvalue()


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the tables that a backup holds."""
    engine = create_engine(db.normal_url(url))
    kept = [each for each in models.metadata.sorted_tables if each.name not in backup.LEFT_OUT]
    with engine.connect() as connection:
        found = {
            each.name: [
                tuple(row)
                for row in connection.execute(select(each).order_by(*each.primary_key.columns))
            ]
            for each in kept
        }
    engine.dispose()
    return found


@pytest.mark.slow
async def test_a_backup_of_a_running_bot_goes_on_where_it_was(
    stage: TelegramStage, model: ModelServer, tmp_path: Path
) -> None:
    file, restored = tmp_path / "parley.backup", f"sqlite:///{tmp_path / 'restored.db'}"
    async with stage.running():
        await ask(stage, "My cat is called Minka.")
        with model.hold():
            await stage.say("count to 40")
            await model.seen(2)
            saved = await asyncio.to_thread(backup.save, stage.world.database_url, file, now=NOW)
    assert saved.rows["turns"] == 2
    assert file.stat().st_mode & 0o777 == 0o600
    await asyncio.to_thread(backup.load, restored, file)
    stage = TelegramStage(World(model, restored, tmp_path), stage.server)
    async with stage.running():
        await stage.records.idle(2)
        assert stage.heard().count("40") == 1
        await ask(stage, "What is my cat called?")
    assert "Minka" in json.dumps(model.requests[-1].body)


@pytest.mark.slow
async def test_everything_comes_back_on_either_engine(
    stage: TelegramStage, empty_url: str, tmp_path: Path
) -> None:
    async with stage.running():
        await ask(stage, "Hello \u2028 “quoted” \U0001f408 \\ line\nbreak")
        await stage.server.photo(stage.chat, stage.ada, picture(), "Who is this?")
        await stage.records.idle(2)
        await ask(stage, "/persona You are a cat.")
        await ask(stage, "/new")
        await ask(stage, "And now?")
    first = everything(stage.world.database_url)
    assert all(first[name] for name in ("users", "turns", "messages", "calls", "attachments"))
    url = stage.world.database_url
    for number, target in enumerate((empty_url, f"sqlite:///{tmp_path / 'again.db'}")):
        file = tmp_path / f"{number}.backup"
        await asyncio.to_thread(backup.save, url, file, now=NOW)
        saved = await asyncio.to_thread(backup.load, target, file)
        assert everything(target) == first
        assert saved.rows == {name: len(rows) for name, rows in first.items()}
        url = target
    stage = TelegramStage(World(stage.world.model, empty_url, tmp_path), stage.server)
    async with stage.running():
        await ask(stage, "Do new rows get new keys?")


@pytest.mark.slow
async def test_a_database_in_use_takes_no_backup(stage: TelegramStage, tmp_path: Path) -> None:
    file = tmp_path / "parley.backup"
    async with stage.running():
        await ask(stage, "Hello")
    backup.save(stage.world.database_url, file, now=NOW)
    before = everything(stage.world.database_url)
    with pytest.raises(SettingsError, match="holds something already"):
        backup.load(stage.world.database_url, file)
    assert everything(stage.world.database_url) == before


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _other(file: Path) -> None:
    file.write_text("no backup at all")


def _foreign(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.txt", "a ZIP of somebody")


def _bent(file: Path) -> None:
    """Change bytes within a table, which no later part of the file tells of."""
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo("users.jsonl")
    at = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
    data[at : at + 4] = b"\xff" * 4
    file.write_bytes(data)


def _newer(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        told = {"format": 1, "revision": "9999", "taken_at": NOW.isoformat(), "rows": {}}
        archive.writestr(backup.MANIFEST, json.dumps(told))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_cut, "no whole backup"),
        (_other, "no whole backup"),
        (_foreign, "no backup of Parley"),
        (_bent, "no whole backup"),
        (_newer, "a newer release"),
        (Path.unlink, "cannot be read"),
    ],
)
def test_what_is_no_backup_is_told_and_leaves_nothing(
    sqlite_url: str, tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    file, target = tmp_path / "parley.backup", tmp_path / "target.db"
    backup.save(sqlite_url, file, now=NOW)
    spoil(file)
    with pytest.raises(SettingsError, match=told) as error:
        backup.load(f"sqlite:///{target}", file)
    assert str(file) in str(error.value)
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.parametrize("people", [None, b"", b'["name"]\n["Ada"]\n', b'["id"]\n[1, 2]\n'])
def test_a_backup_that_somebody_has_changed_fills_nothing(
    sqlite_url: str, tmp_path: Path, people: bytes | None
) -> None:
    file, changed = tmp_path / "parley.backup", tmp_path / "changed.backup"
    backup.save(sqlite_url, file, now=NOW)
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            content = people if name == "users.jsonl" else before.read(name)
            if content is not None:
                after.writestr(name, content)
    target = f"sqlite:///{tmp_path / 'target.db'}"
    with pytest.raises(SettingsError, match="no whole backup"):
        backup.load(target, changed)
    backup.load(target, file)


@pytest.mark.slow
def test_a_backup_whose_rows_refer_to_nothing_is_told(sqlite_url: str, tmp_path: Path) -> None:
    engine = create_engine(db.normal_url(sqlite_url))
    with engine.begin() as connection:  # SQLite checks no reference unless it is told to
        instructed = {"message_id": 9, "content": "all", "created_at": NOW}
        connection.execute(models.summaries.insert(), instructed)
    engine.dispose()
    file = tmp_path / "parley.backup"
    backup.save(sqlite_url, file, now=NOW)
    with pytest.raises(SettingsError, match="lacks rows"):
        backup.load(f"sqlite:///{tmp_path / 'target.db'}", file)


@pytest.mark.slow
def test_files_are_read_and_written_one_at_a_time(database_url: str, tmp_path: Path) -> None:
    size, number = 2_000_000, 20
    engine = create_engine(db.normal_url(database_url))
    for each in range(number):
        file = {"digest": str(each), "media_type": "", "data": bytes(size), "created_at": NOW}
        with engine.begin() as connection:
            connection.execute(models.attachments.insert(), file)
    engine.dispose()
    saved = tmp_path / "parley.backup"
    target = f"sqlite:///{tmp_path / 'target.db'}"
    for work in (
        partial(backup.save, database_url, saved, now=NOW),
        partial(backup.load, target, saved),
    ):
        tracemalloc.start()
        try:
            work()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < number * size


async def test_the_command_line_saves_restores_and_says_what_that_means(
    sqlite_url: str, tmp_path: Path
) -> None:
    file, log = tmp_path / "parley.backup", tmp_path / "log"
    status, said = await outcome(log, "backup", str(file), DATABASE_URL=sqlite_url)
    assert (status, "0 people, 0 messages and 0 turns" in said) == (0, True)
    log.unlink()
    status, said = await outcome(log, "backup", str(file), DATABASE_URL=sqlite_url)
    assert (status, len(said.splitlines()), "already" in said) == (2, 1, True)
    log.unlink()
    target = f"sqlite:///{tmp_path / 'target.db'}"
    status, said = await outcome(log, "restore", str(file), DATABASE_URL=target)
    assert (status, "what they spent since" in " ".join(said.split())) == (0, True)
    with closing(sqlite3.connect(tmp_path / "target.db")) as restored:
        assert restored.execute("SELECT count(*) FROM users").fetchone() == (0,)
