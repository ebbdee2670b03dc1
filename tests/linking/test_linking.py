"""Two accounts become one person, as people see it on both platforms."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from core import words
from core.adapter import ChangeKind
from tests.dialogs.stages import ButtonStage, ask
from tests.linking.conftest import Pair
from tests.records import Records, _engine, eventually

CODE = re.compile(r"/link (\w{3}-\w{3}-\w{3})")
DECIDE = ["Link accounts", "Cancel"]


async def code_on(stage: ButtonStage) -> str:
    """Return a new code that a person gets in a chat."""
    found = CODE.search(await ask(stage, "/link"))
    assert found is not None
    return found[1]


async def shows(stage: ButtonStage, sentence: str, buttons: list[str]) -> None:
    """Wait until the newest message in a chat says something, above some buttons."""

    def look() -> bool:
        said, labels = stage.stands()[-1]
        return sentence in said and labels == buttons and not stage.records.busy()

    await eventually(look)


async def prepare(first: ButtonStage, second: ButtonStage) -> None:
    """Send the code of the first chat in the second one, and agree there."""
    await ask(second, f"/link {await code_on(first)}")
    await shows(second, "This code is from", DECIDE)
    await second.press(DECIDE[0])
    await shows(second, words.LINK_ASKED, [])
    await shows(first, "has sent the code", DECIDE)


async def link(first: ButtonStage, second: ButtonStage) -> None:
    """Link the accounts of two chats."""
    await prepare(first, second)
    await first.press(DECIDE[0])
    await shows(first, "now linked", [])
    await shows(second, "now linked", [])


def people(records: Records) -> int:
    """Count the people behind all accounts."""
    return int(records.one("SELECT count(DISTINCT user_id) FROM identities"))


@pytest.mark.slow
async def test_two_accounts_become_one_person_and_part_again(pair: Pair) -> None:
    telegram, discord = pair.telegram, pair.discord
    async with pair.running(quota="10 turns/month"):
        await ask(telegram, "say tomato")
        await ask(discord, "say cucumber")
        await link(telegram, discord)
        assert "“Ada” on Discord" in telegram.heard()
        assert "“Ada” on Telegram" in discord.heard()
        await ask(telegram, "say pumpkin")
        await ask(discord, "say onion")
        said = str(pair.world.model.requests[-1].messages)
        assert "cucumber" in said
        assert "pumpkin" in said
        assert "tomato" not in said
        assert "6 of 10 answers" in await ask(discord, "/usage")
        assert telegram.records.drift() == []

        await ask(discord, "/unlink")
        await shows(discord, "parts the account here from “Ada” on Telegram", ["Unlink", "Cancel"])
        await discord.press("Unlink")
        await shows(discord, words.UNLINKED, [])
        await eventually(lambda: "“Ada” on Discord is no longer linked" in telegram.heard())
        await ask(discord, "What did I say?")
        assert "onion" not in str(pair.world.model.requests[-1].messages)
        await ask(telegram, "What did I say?")
        assert "onion" in str(pair.world.model.requests[-1].messages)
        for stage in (telegram, discord):
            assert "5 of 10 answers" in await ask(stage, "/usage")
        assert words.UNLINK_ALONE in await ask(discord, "/unlink")
        assert people(telegram.records) == 2
        assert telegram.records.drift() == []


async def test_a_code_is_not_kept(pair: Pair) -> None:
    async with pair.running():
        records, code = pair.telegram.records, await code_on(pair.telegram)
        await ask(pair.discord, f"/link {code}")
        rows = [str(records.all("SELECT * FROM turns")), str(records.all("SELECT * FROM links"))]
    log = pair.world.directory / "log"
    assert code not in "".join(rows)
    assert code.replace("-", "") not in "".join(rows)
    assert not log.exists() or code not in log.read_text()


@pytest.mark.slow
async def test_either_side_may_say_no(pair: Pair) -> None:
    telegram, discord = pair.telegram, pair.discord
    async with pair.running():
        await ask(discord, f"/link {await code_on(telegram)}")
        await discord.press("Cancel")
        await shows(discord, words.NOT_DONE, [])
        assert words.LINK_OVER in await ask(telegram, "/link yes")
        await prepare(telegram, discord)
        await telegram.press("Cancel")
        await shows(telegram, words.NOT_DONE, [])
        assert await telegram.told_by_press_gone(ChangeKind.CONFIRM) == words.DECIDED
        assert people(telegram.records) == 2


async def test_typing_works_too(pair: Pair) -> None:
    telegram, discord = pair.telegram, pair.discord
    async with pair.running():
        code = await code_on(discord)
        assert "This code is from" in await ask(telegram, f"/link {code.lower()}")
        assert words.LINK_ASKED in await ask(telegram, "/link yes")
        assert "now linked" in await ask(discord, "/link yes")
        await eventually(lambda: people(telegram.records) == 1)


async def test_a_group_sees_no_code(pair: Pair) -> None:
    telegram, server = pair.telegram, pair.telegram.server
    group = telegram.group()
    async with pair.running():
        code = await code_on(telegram)
        for number, given in enumerate(("/link", "/unlink", f"/link {code}"), 2):
            await server.say(group, telegram.ada, given)
            await telegram.records.idle(number)
        told = [each.text for each in server.answers(group)]
        assert told == [words.ONLY_IN_PRIVATE, words.ONLY_IN_PRIVATE, words.LINK_SEEN]
        assert words.LINK_WRONG in await ask(pair.discord, f"/link {code}")


@asynccontextmanager
async def held(url: str) -> AsyncIterator[None]:
    """Keep everybody from writing to the conversations meanwhile."""
    is_sqlite = url.startswith("sqlite")
    first = "BEGIN IMMEDIATE" if is_sqlite else "SELECT id FROM conversations FOR UPDATE"
    with _engine(url).connect() as connection:
        await asyncio.to_thread(connection.execute, text(first))
        yield


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in the middle of it", "behind it"])
async def test_a_killed_process_links_once(pair: Pair, moment: str) -> None:
    telegram, discord, records = pair.telegram, pair.discord, pair.telegram.records
    async with pair.process(quota="10 turns/month") as first:
        await pair.discord.met()
        await ask(telegram, "say tomato")
        await ask(discord, "say cucumber")
        await prepare(telegram, discord)
        question = telegram.server.answers(telegram.chat)[-1]
        if moment == "in the middle of it":
            async with held(pair.world.database_url):
                await telegram.server.press(question, DECIDE[0], telegram.ada)
                await eventually(lambda: "lock" in str(first.lines()))
                first.kill()
                await first.wait()
            assert people(records) == 2
        else:
            await telegram.server.press(question, DECIDE[0], telegram.ada)
            await eventually(lambda: people(records) == 1)
            first.kill()
            await first.wait()
    async with pair.process(quota="10 turns/month"):
        await eventually(lambda: people(records) == 1)
        await eventually(
            lambda: "now linked" in telegram.heard() and "now linked" in discord.heard()
        )
        for stage, word in ((telegram, "pumpkin"), (discord, "onion")):
            assert word in await ask(stage, f"say {word}")
        for stage in (telegram, discord):
            assert stage.heard().count("now linked") == 1
        assert records.drift() == []
        assert records.one("SELECT sum(turns) FROM calls") == 4
    assert records.one("SELECT count(DISTINCT user_id) FROM turns") == 1
