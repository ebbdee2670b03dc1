"""Linking at the same moment as anything else: nothing is lost, doubled or forgiven.

On PostgreSQL two processes take the messages in, one for each account; on SQLite there is one.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from core import words
from core.adapter import Author, ChangeKind
from tests.fakes.model import ModelServer
from tests.linking.accounts import CARL, asked, code_of, link, prepare
from tests.memory.desk import ADA, BOB, Desk, desk
from tests.records import Records


@dataclass
class Desks:
    """The desks of two processes, or twice that of one."""

    ada: Desk
    bob: Desk
    records: Records

    async def settled(self) -> None:
        """Wait until everything is answered."""
        await self.ada.settled()
        await self.bob.settled()

    def texts(self, who: Author) -> list[str]:
        """Return what stands in somebody's chat, whichever process wrote it."""
        posts = sorted(self.ada.paper.posts.items(), key=lambda each: int(each[0]))
        return [text for _, (there, text) in posts if there.chat == who.account_id]


@asynccontextmanager
async def both(url: str, model: ModelServer, **values: object) -> AsyncIterator[Desks]:
    """Open both desks on a database."""
    async with AsyncExitStack() as opened:
        ada = await opened.enter_async_context(desk(url, model, "ada", **values))
        bob = ada
        if not url.startswith("sqlite"):
            bob = await opened.enter_async_context(desk(url, model, "bob", **values))
            bob.paper.posts, bob.paper.buttons = ada.paper.posts, ada.paper.buttons
        yield Desks(ada, bob, Records(url))


def people(records: Records) -> int:
    """Count the people behind all accounts."""
    return int(records.one("SELECT count(DISTINCT user_id) FROM identities"))


@pytest.mark.slow
async def test_both_codes_at_once_link_once(database_url: str, model: ModelServer) -> None:
    async with both(database_url, model) as here:
        await here.ada.ask("say tomato")
        await here.bob.ask("say cucumber", who=BOB)
        await prepare(here.ada, ADA, BOB)
        await prepare(here.bob, BOB, ADA)
        questions = asked(here.ada, ADA), asked(here.bob, BOB)
        confirm = ChangeKind.CONFIRM
        await asyncio.gather(
            here.ada.change(confirm, questions[0], who=ADA),
            here.bob.change(confirm, questions[1], who=BOB),
        )
        await here.settled()
        assert people(here.records) == 1
        posts = here.ada.paper.posts
        told = sorted(posts[each][1] for each in questions)
        assert "linked already" in told[0]
        assert "now linked" in told[1]
        for who in (ADA, BOB):
            assert await here.ada.ask("say more", who=who) == "more"
        assert here.records.drift() == []


async def test_one_code_at_once_from_two_accounts_asks_one(
    database_url: str, model: ModelServer
) -> None:
    async with both(database_url, model) as here:
        code = await code_of(here.ada)
        await asyncio.gather(
            here.ada.say(f"/link {code}", who=BOB), here.bob.say(f"/link {code}", who=CARL)
        )
        await here.settled()
        [bob], [carl] = here.texts(BOB), here.texts(CARL)
        assert sorted(("used already" in each, "is from" in each) for each in (bob, carl)) == [
            (False, True),
            (True, False),
        ]


async def test_one_press_at_once_in_two_processes_links_once(
    database_url: str, model: ModelServer
) -> None:
    async with both(database_url, model) as here:
        await here.ada.ask("say tomato")
        await here.bob.ask("say cucumber", who=BOB)
        await prepare(here.ada)
        question, confirm = asked(here.ada, ADA), ChangeKind.CONFIRM
        told = await asyncio.gather(
            *(each.change(confirm, question, who=ADA) for each in (here.ada, here.bob))
        )
        await here.settled()
        assert sorted(map(bool, told)) == [False, True]
        assert [text for text in here.texts(BOB) if "now linked" in text] == here.texts(BOB)[-1:]
        assert people(here.records) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_messages_at_the_same_moment_are_answered_once(
    database_url: str, model: ModelServer, seed: int
) -> None:
    choice = random.Random(seed)
    async with both(database_url, model, quota="100 turns/month", concurrency=4) as here:
        await here.ada.ask("say tomato")
        await here.bob.ask("say cucumber", who=BOB)
        await prepare(here.ada)
        question = asked(here.ada, ADA)

        async def talk(where: Desk, who: Author, chat: str = "") -> None:
            for number in range(8):
                await where.say(f"say {who.name}{chat} {number}", who=who, chat=chat)
                await asyncio.sleep(choice.random() / 50)

        async def decide() -> None:
            await asyncio.sleep(choice.random() / 10)
            await here.ada.change(ChangeKind.CONFIRM, question)

        async with asyncio.TaskGroup() as group:
            group.create_task(talk(here.ada, ADA))
            group.create_task(talk(here.bob, BOB))
            group.create_task(talk(here.bob, BOB, "-1"))
            group.create_task(decide())
        await here.settled()
        assert people(here.records) == 1
        for who, chat in ((ADA, ""), (BOB, "")):
            said = [text for text in here.texts(who) if text.startswith(who.name)]
            assert said == [f"{who.name}{chat} {number}" for number in range(8)]
        posts = here.ada.paper.posts.values()
        in_group = [text for address, text in posts if address.chat == "-1"]
        assert sorted(in_group) == [f"Bob-1 {number}" for number in range(8)]
        records = here.records
        assert records.one("SELECT count(DISTINCT user_id) FROM turns") == 1
        assert records.one("SELECT count(DISTINCT user_id) FROM calls") == 1
        assert records.one("SELECT sum(turns) FROM calls") == 26
        assert records.drift() == []
        bodies = [row.body for row in records.all("SELECT body FROM messages")]
        spoken = [json.loads(each) if isinstance(each, str) else each for each in bodies]
        remembered = Counter(each["content"] for each in spoken)
        for name in ("Ada", "Bob", "Bob-1"):
            assert [remembered[f"{name} {number}"] for number in range(8)] == [1] * 8


@pytest.mark.slow
async def test_answers_that_are_being_written_go_on(database_url: str, model: ModelServer) -> None:
    async with both(database_url, model, quota="10 turns/month") as here:
        await here.bob.ask("say cucumber", who=BOB)
        await here.ada.ask("say tomato")
        await prepare(here.ada)
        question = asked(here.ada, ADA)
        with model.hold():
            await here.bob.say("say bob one", who=BOB)
            await here.ada.say("say ada one")
            await model.seen(4)
            await here.ada.change(ChangeKind.CONFIRM, question)
            await here.bob.say("say bob two", who=BOB)
        await here.settled()
        said = [text for text in here.texts(BOB) if text.startswith("bob")]
        assert said == ["bob one", "bob two"]
        assert "ada one" in here.texts(ADA)
        [later] = await here.ada.asking("say more")
        told = str(later.messages)
        assert all(word in told for word in ("tomato", "ada one", "bob one", "bob two"))
        assert here.records.one("SELECT sum(turns) FROM calls") == 6
        assert here.records.one("SELECT count(DISTINCT user_id) FROM calls") == 1
        assert here.records.drift() == []


@pytest.mark.slow
@pytest.mark.parametrize("who", [ADA, BOB], ids=["the host", "the guest"])
@pytest.mark.parametrize("seed", range(3))
async def test_forgetting_at_the_same_moment(
    database_url: str, model: ModelServer, who: Author, seed: int
) -> None:
    choice = random.Random(seed)
    async with both(database_url, model) as here:
        await here.bob.ask("say cucumber", who=BOB)
        await here.ada.ask("say tomato")
        await prepare(here.ada)
        question = asked(here.ada, ADA)
        where = here.ada if who is ADA else here.bob

        async def soon() -> None:
            await asyncio.sleep(choice.random() / 20)
            await where.say("/forget yes", who=who)

        await asyncio.gather(soon(), here.ada.change(ChangeKind.CONFIRM, question))
        await here.settled()
        await here.ada.tidy()
        # What was the other account's is forgotten too, if they were linked before. If the host
        # forgot first, the question of the bot was forgotten with all that they had said.
        left = str(here.records.all("SELECT body FROM messages"))
        assert ("tomato" if who is ADA else "cucumber") not in left
        is_over = who is ADA and words.FORGOTTEN_SINCE in here.texts(ADA)
        assert people(here.records) == (2 if is_over else 1)
        assert here.records.drift() == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_people_who_link_in_a_circle(
    database_url: str, model: ModelServer, seed: int
) -> None:
    choice = random.Random(seed)
    async with both(database_url, model) as here:
        for who in (ADA, BOB, CARL):
            await here.ada.ask(f"say {who.name}", who=who)
        pairs = [(ADA, BOB), (BOB, CARL), (CARL, ADA)]
        for host, guest in pairs:
            await prepare(here.ada, host, guest)
        choice.shuffle(pairs)
        await asyncio.gather(
            *(
                choice.choice((here.ada, here.bob)).change(
                    ChangeKind.CONFIRM, asked(here.ada, host), who=host
                )
                for host, _ in pairs
            )
        )
        await here.settled()
        assert people(here.records) < 3
        assert here.records.drift() == []
        for who in (ADA, BOB, CARL):
            assert await here.ada.ask("say more", who=who) == "more"


@pytest.mark.slow
async def test_unlinking_at_once_on_both_sides_parts_once(
    database_url: str, model: ModelServer
) -> None:
    async with both(database_url, model, quota="10 turns/month") as here:
        await here.bob.ask("say cucumber", who=BOB)
        await here.ada.ask("say tomato")
        await link(here.ada)
        await asyncio.gather(
            here.ada.say("/unlink yes", who=ADA), here.bob.say("/unlink yes", who=BOB)
        )
        await here.settled()
        assert people(here.records) == 2
        for who in (ADA, BOB):
            assert "8 of 10 answers" in await here.ada.ask("/usage", who=who)
        assert here.records.drift() == []
