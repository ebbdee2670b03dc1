"""Upgrades: what is told of them, their way forward and back, and the release before."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config

from bots.version import VERSION
from core.db import normal_url
from core.schema import MIGRATIONS, revisions
from tests import releases
from tests.bot import ROOT, process
from tests.dialogs.stages import TelegramStage, World, ask, env
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import Records

NOTES = (ROOT / "docs" / "upgrading.md").read_text()
ROW = re.compile(r"^\| (?P<number>0\d{3}) \| (?P<what>.+) \| (?P<bot>.+) \| (?P<back>.+) \|$", re.M)
EFFECTS = ("moment", "reads", "beside", "rewrites", "holds rows", "nothing on PostgreSQL", "none")
TAGS = releases.tags()
BEFORE = os.environ.get("RELEASE_BEFORE") or (TAGS[-1] if TAGS else "")
"""The release before: the last tag, or another revision to try by hand."""


@pytest.fixture
def stage(either_world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(either_world, telegram_server)


def test_the_notes_tell_what_each_migration_since_the_last_release_does() -> None:
    told = {row["number"]: row for row in ROW.finditer(NOTES)}
    known = releases.migrations_at(TAGS[-1]) if TAGS else set()
    assert releases.migrations() - known - told.keys() == set()
    assert told.keys() - releases.migrations() == set(), "a row of a migration that is gone"
    assert all(row["bot"].startswith(EFFECTS) for row in told.values())


def test_the_version_follows_the_last_tag_and_stands_in_the_notes() -> None:
    current = releases.number(VERSION)
    if TAGS:
        assert current >= releases.number(TAGS[-1])
    assert f"\n## {VERSION}\n" in NOTES
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released == sorted(released, key=releases.number, reverse=True)
    assert all(releases.number(each) <= current for each in released)
    assert {tag.removeprefix("v") for tag in TAGS} <= set(released), "a tag without a section"


@pytest.mark.slow
async def test_every_migration_goes_back_and_forward_again_with_what_is_stored(
    stage: TelegramStage,
) -> None:
    async with stage.running():
        for text in ("say my colour is green", "/persona You are a cat.", "say it", "/usage"):
            await ask(stage, text)
    before = stored(stage.records)
    config = migrations_of(stage.world.database_url)
    for revision in reversed(revisions()[:-1]):
        await asyncio.to_thread(command.downgrade, config, revision)
    for revision in revisions()[1:]:
        await asyncio.to_thread(command.upgrade, config, revision)
    assert stored(stage.records) == before
    assert stage.records.drift() == []
    async with stage.running():
        assert await ask(stage, "say still here") == "still here"


def stored(records: Records) -> list[Any]:
    """Return what people would miss: what was said, the turns, and the money."""
    queries = (
        "SELECT id, conversation_id, parent_id, CAST(body AS text) FROM messages ORDER BY id",
        "SELECT id, kind, attempt, outcome, delivered_at FROM turns ORDER BY id",
        "SELECT id, turn_id, cost, charged, prompt_tokens FROM calls ORDER BY id",
        'SELECT owner_id, unit, "window", used FROM allowances ORDER BY 1, 2, 3',
        "SELECT platform, chat, message_id, turn_id, part FROM posts ORDER BY id",
    )
    return [tuple(row) for query in queries for row in records.all(query)]


def migrations_of(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = normal_url(url)
    return config


@pytest.mark.skipif(not BEFORE, reason="no release is tagged (v1.2.3), so none was before this one")
async def test_the_release_before_answers_on_the_new_tables(
    model: ModelServer, telegram_server: TelegramServer, postgres_url: str, tmp_path: Path
) -> None:
    """In a deploy both run side by side: the old one goes on until the new one has begun."""
    stage = TelegramStage(World(model, postgres_url, tmp_path), telegram_server)
    old = tmp_path / "before"
    await asyncio.to_thread(releases.unpack, BEFORE, old)
    values, log = env(stage.values()), tmp_path / "old"
    async with process("telegram", log=log, environment=values, root=old) as running:
        assert await ask(stage, "say one") == "one"
        async with stage.process() as new:
            await ask(stage, "/persona You are a cat.")
            assert await ask(stage, "say two") == "two"
            running.terminate()
            assert await running.wait() == 0
            assert await ask(stage, "say three") == "three"
            new.terminate()
            assert await new.wait() == 0
        async with process("telegram", log=log, environment=values, root=old) as again:
            assert await ask(stage, "say four") == "four"
            again.terminate()
            assert await again.wait() == 0
    lines = log.read_text().splitlines()
    assert not [line for line in lines if " ERROR " in line or "Traceback" in line]
    assert stage.records.drift() == []
