"""The accounts of one person share memory, limits and rights; what was said is neither lost."""

import json

import pytest

from core.adapter import ChangeKind
from tests.fakes.model import Answer, ModelServer
from tests.linking.accounts import CARL, asked, heard, link, prepare, press
from tests.memory.desk import ADA, BOB, desk
from tests.records import Records


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


def search(word: str) -> Answer:
    """A call of the tool that searches for a word."""
    return Answer("", tool_calls=[("search_history", {"query": word})])


@pytest.mark.slow
async def test_the_conversation_of_the_last_question_goes_on(
    database_url: str, model: ModelServer
) -> None:
    async with desk(database_url, model) as here:
        await here.ask("say cucumber", who=BOB)
        await here.ask("say tomato")
        await link(here)
        for who in (ADA, BOB):
            [asked] = await here.asking("say more", who=who)
            assert "tomato" in str(asked.messages)
            assert "cucumber" not in str(asked.messages)


@pytest.mark.parametrize("word", ["cucumber", "黄瓜"])
@pytest.mark.slow
async def test_the_other_conversation_is_found(
    database_url: str, model: ModelServer, word: str
) -> None:
    async with desk(database_url, model) as here:
        await here.ask(f"say {word}", who=BOB)
        await here.ask("say tomato")
        await here.ask("say melon", who=CARL)
        await link(here)
        for who in (ADA, BOB):
            model.enqueue(search(word))
            *_, told = await here.asking("What did I say?", who=who)
            assert f"assistant: {word}" in str(told.messages[-1])
        model.enqueue(search(word))
        *_, told = await here.asking("What did she say?", who=CARL)
        assert "Nothing was found" in str(told.messages[-1])


@pytest.mark.slow
async def test_an_export_holds_both(database_url: str, model: ModelServer) -> None:
    async with desk(database_url, model) as here:
        await here.ask("say cucumber", who=BOB)
        await here.ask("say parsley", who=BOB, chat="-1")
        await here.ask("say tomato")
        await link(here)
        await here.ask("/export", who=BOB)
        [(_, _, data)] = here.paper.uploads
    told = json.loads(data)
    assert {each["account_id"] for each in told["accounts"]} == {"100", "200"}
    messages, turns = str(told["messages"]), str(told["turns"])
    assert all(word in messages and word in turns for word in ("cucumber", "tomato"))
    assert "parsley" in turns
    assert "parsley" not in messages


@pytest.mark.slow
async def test_forgetting_deletes_both(
    database_url: str, model: ModelServer, records: Records
) -> None:
    async with desk(database_url, model) as here:
        await here.ask("say cucumber", who=BOB)
        await here.ask("say tomato")
        await link(here)
        await here.ask("/forget yes", who=BOB)
        await here.tidy()
        assert records.all("SELECT * FROM messages") == []
        stored = str(records.all("SELECT * FROM turns"))
        assert not any(word in stored for word in ("cucumber", "tomato"))
        assert await here.ask("say hello") == "hello"


@pytest.mark.slow
async def test_limits_are_shared_and_nothing_is_forgiven(
    database_url: str, model: ModelServer, records: Records
) -> None:
    async with desk(database_url, model, quota="6 turns/month") as here:
        await here.ask("say one")
        await here.ask("say two", who=BOB)
        await here.ask("say three", who=BOB)
        await link(here)
        assert "3 of 6 answers" in await here.ask("/usage")
        await here.ask("say four", who=BOB)
        assert records.drift() == []
        await here.ask("/unlink", who=BOB)
        await press(here, BOB)
        for who in (ADA, BOB):
            assert "2 of 6 answers" in await here.ask("/usage", who=who)
        for number in range(2):
            assert (await here.ask(f"say {number}", who=BOB)).startswith(str(number))
        assert "That was all" in await here.ask("say too much", who=BOB)
        assert (await here.ask("say five")).startswith("five")
        assert records.drift() == []


async def test_the_chosen_model_and_persona_hold_for_both(
    database_url: str, model: ModelServer
) -> None:
    async with desk(database_url, model) as here:
        await here.ask("/persona You are a pirate.", who=BOB)
        await here.ask("say cucumber", who=BOB)
        await here.ask("say tomato")
        await link(here)
        for who in (ADA, BOB):
            [asked] = await here.asking("say more", who=who)
            assert "You are a pirate." in str(asked.messages[0])


async def test_the_persona_of_the_conversation_that_goes_on_stays(
    database_url: str, model: ModelServer
) -> None:
    async with desk(database_url, model) as here:
        await here.ask("/persona You are a pirate.", who=BOB)
        await here.ask("/persona You are a poet.")
        await here.ask("say cucumber", who=BOB)
        await here.ask("say tomato")
        await link(here)
        [asked] = await here.asking("say more", who=BOB)
        assert "a poet" in str(asked.messages[0])
        assert "a pirate" not in str(asked.messages[0])


async def test_old_answers_are_still_theirs(database_url: str, model: ModelServer) -> None:
    async with desk(database_url, model) as here:
        await here.ask("say cucumber", who=BOB)
        cucumber = max(here.paper.posts, key=int)
        await here.ask("say tomato")
        tomato = max(here.paper.posts, key=int)
        await link(here)
        again = ChangeKind.REGENERATE
        assert "moved on" in await here.change(again, cucumber, who=BOB)
        assert await here.change(again, tomato) == ""
        await here.settled()


async def test_a_persona_does_not_end_the_button_of_the_last_answer(
    database_url: str, model: ModelServer
) -> None:
    async with desk(database_url, model) as here:
        await here.ask("say tomato")
        await link(here)
        await here.ask("say more", who=BOB)
        assert here.paper.buttons[max(here.paper.posts, key=int)]


@pytest.mark.slow
async def test_waiting_questions_are_answered_where_they_were_asked(
    database_url: str, model: ModelServer, records: Records
) -> None:
    async with desk(database_url, model, concurrency=2) as here:
        await here.ask("say cucumber", who=BOB)
        await here.ask("say tomato")
        await prepare(here)
        with model.hold():
            for number in range(3):
                await here.say(f"say bob {number}", who=BOB)
                await here.say(f"say ada {number}")
            await model.seen(4)
            question = asked(here, ADA)
            await here.change(ChangeKind.CONFIRM, question)
        await here.settled()
        for who, name in ((BOB, "bob"), (ADA, "ada")):
            answers = [text for text in heard(here, who) if text.startswith(name)]
            assert answers == [f"{name} {number}" for number in range(3)]
        [later] = await here.asking("say more")
        said = str(later.messages)
        assert all(f"{name} {number}" in said for name in ("bob", "ada") for number in range(3))
    assert records.one("SELECT count(DISTINCT user_id) FROM turns") == 1
    assert records.one("SELECT count(DISTINCT user_id) FROM calls") == 1
    assert records.drift() == []
