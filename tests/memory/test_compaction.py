"""A long conversation is summarised: told once, nothing lost, and no harm done if it fails."""

from typing import Any

import pytest

from core.words import CUT_CAN_SEARCH, SUMMARISED, SUMMARISED_CAN_SEARCH
from tests.fakes.model import Answer, Fault, ModelRequest, ModelServer, Reply
from tests.memory import talk
from tests.memory.desk import Desk, desk
from tests.records import Records

MARKS: dict[str, object] = {"memory_high_tokens": 1500, "memory_low_tokens": 500}
"""An exchange has about 200 tokens, so that every sixth question or so is one too many."""


def is_summary(request: ModelRequest) -> bool:
    return "Summarise our" in request.text


def summaries(model: ModelServer) -> list[ModelRequest]:
    return [request for request in model.requests if is_summary(request)]


def unable(request: ModelRequest) -> Reply:
    """A model that answers, but cannot summarise."""
    return Fault(400) if is_summary(request) else talk.respond(request)


async def chatter(ada: Desk, questions: int, first: int = 1) -> list[str]:
    """So many questions; all that was heard."""
    return [await ada.ask(talk.question(first + number)) for number in range(questions)]


def seen(request: ModelRequest) -> str:
    return str([message.get("content") for message in request.messages])


@pytest.mark.slow
async def test_the_person_is_told_once_and_nothing_is_deleted(
    database_url: str, model: ModelServer
) -> None:
    model.respond = talk.respond
    async with desk(database_url, model, **MARKS) as ada:
        heard = await chatter(ada, 25)
    assert len(summaries(model)) >= 3
    assert [SUMMARISED_CAN_SEARCH in each for each in heard].count(True) == 1
    assert "I look it up" in "".join(heard)
    said = [text for role, text in Records(database_url).memory() if role == "user"]
    assert [talk.topic(number) in text for number, text in enumerate(said, start=1)] == [True] * 25


async def test_the_summary_precedes_the_messages_kept_word_for_word(
    sqlite_url: str, model: ModelServer
) -> None:
    async with desk(sqlite_url, model, **MARKS) as ada:
        model.respond = lambda request: (
            "Of gardens." if is_summary(request) else talk.respond(request)
        )
        while not summaries(model):
            await ada.ask(talk.question(len(model.requests)))
        [request] = await ada.asking("hi")
    system, question, *_ = request.messages
    assert system["role"] == "system"
    assert system["content"].endswith("\n\nSummary of what was said before:\nOf gardens.")
    assert question["role"] == "user"
    assert talk.topic(0) not in seen(request)
    assert request.prompt_tokens < 900


async def test_without_tools_nobody_is_promised_that_things_are_looked_up(
    sqlite_url: str, model: ModelServer
) -> None:
    async with desk(sqlite_url, model, **MARKS, tools=False) as ada:
        model.respond = talk.respond
        heard = "".join(await chatter(ada, 8))
    assert SUMMARISED in heard
    assert "I look it up" not in heard


async def test_questions_during_a_summary_cause_no_second_one(
    sqlite_url: str, model: ModelServer
) -> None:
    model.respond = talk.respond
    async with desk(sqlite_url, model, **MARKS) as ada:
        await chatter(ada, 5)

        def respond(request: ModelRequest) -> Reply:
            if not is_summary(request):
                return "Well."
            model.hold()  # from its first word on
            return "Of gardens."

        model.respond = respond
        await ada.say(talk.question(6) * 3)
        await model.wait(lambda: bool(summaries(model)))
        model.respond = lambda request: Answer("", pieces=["Well", "."], pace=0.5)
        asked = len(model.requests)
        await ada.say("one more")
        await model.seen(asked + 1)
        model.release()
        await ada.settled()
        assert model.requests[-1].prompt_tokens > 1500, "asked with all that came before"
        model.respond = talk.respond
        [request] = await ada.asking("and another")
    assert len(summaries(model)) == 1
    assert "Of gardens." in seen(request)
    assert Records(sqlite_url).one("SELECT count(*) FROM summaries") == 1
    assert Records(sqlite_url).drift() == []


@pytest.mark.slow
async def test_a_summary_that_fails_harms_nothing(database_url: str, model: ModelServer) -> None:
    model.respond = unable
    async with desk(database_url, model, **MARKS) as ada:
        heard = await chatter(ada, 20)
    assert summaries(model)
    assert all(answer.strip() for answer in heard)
    assert not [answer for answer in heard if "went wrong" in answer or "Reference" in answer]
    assert [CUT_CAN_SEARCH in each for each in heard].count(True) == 1, (
        "told when the first words are left out"
    )
    prompts = [request.prompt_tokens for request in model.requests]
    assert 2 * 1500 - 300 < max(prompts) < 2 * 1500 + 300, "the whole path, up to twice the mark"
    assert len([text for role, text in Records(database_url).memory() if role == "user"]) == 20
    assert Records(database_url).drift() == []


@pytest.mark.slow
async def test_a_cut_keeps_the_older_summary(sqlite_url: str, model: ModelServer) -> None:
    model.respond = lambda request: (
        "Of an old garden." if is_summary(request) else talk.respond(request)
    )
    async with desk(sqlite_url, model, **MARKS) as ada:
        await chatter(ada, 7)
        assert summaries(model)
        model.respond = unable
        heard = await chatter(ada, 20, first=8)
    assert CUT_CAN_SEARCH not in "".join(heard), "the person knows already"
    assert max(request.prompt_tokens for request in model.requests[:-1]) > 2 * 1500 - 300
    assert "Of an old garden." in seen(model.requests[-1])


async def test_a_summary_whose_stream_breaks_is_tried_again(
    sqlite_url: str, model: ModelServer
) -> None:
    broken: list[Reply] = [Answer("Of gard", cut_after=4)]
    model.respond = lambda request: (
        (broken.pop() if broken else "Of gardens.")
        if is_summary(request)
        else talk.respond(request)
    )
    async with desk(sqlite_url, model, **MARKS) as ada:
        await chatter(ada, 7)
    stored = Records(sqlite_url).one("SELECT content FROM summaries")
    assert stored == "Summary of what was said before:\nOf gardens."


async def test_stop_does_not_leave_half_a_summary(sqlite_url: str, model: ModelServer) -> None:
    model.respond = talk.respond
    async with desk(sqlite_url, model, **MARKS) as ada:
        await chatter(ada, 5)
        model.respond = lambda request: (
            Answer("Of gardens and rivers.", pace=0.1) if is_summary(request) else "Well."
        )
        await ada.say(talk.question(6) * 3)
        await model.wait(lambda: any(each.first_token_at for each in summaries(model)))
        await ada.say("/stop")
        await ada.settled()
    assert "Of gardens and rivers." in Records(sqlite_url).one("SELECT content FROM summaries")


async def test_one_long_question_is_not_summarised_in_vain(
    sqlite_url: str, model: ModelServer
) -> None:
    """There is nothing before it that could be left out."""
    async with desk(sqlite_url, model, **MARKS) as ada:
        model.respond = lambda request: "Of a paste." if is_summary(request) else "Well."
        await ada.ask("word " * 3000)
        assert len(model.requests) == 1
        [asked, summary] = await ada.asking("And what of that?")
        assert "word word" in seen(asked), "what was just pasted can be asked about"
        assert is_summary(summary)
        assert "word word" in seen(summary), "and is summarised whole"
        [request] = await ada.asking("hi")
    assert "Of a paste." in seen(request)
    assert Records(sqlite_url).drift() == []


# Instructions


PIRATE = "You are a pirate named Flint."


async def is_pirate(ada: Desk, *, known: bool = True) -> None:
    """Check that the next prompt tells the model once; not at all if not `known`."""
    request = (await ada.asking("hi"))[0]
    assert seen(request).count(PIRATE) == int(known)


@pytest.mark.slow
async def test_instructions_survive_summaries_cuts_and_new_conversations(
    sqlite_url: str, model: ModelServer
) -> None:
    model.respond = talk.respond
    async with desk(sqlite_url, model, **MARKS) as ada:
        await ada.ask("hi")
        await ada.ask(f"/persona {PIRATE}")
        await is_pirate(ada)
        await chatter(ada, 12)
        assert len(summaries(model)) >= 2
        await is_pirate(ada)
        model.respond = unable
        await chatter(ada, 12, first=20)
        assert Records(sqlite_url).one("SELECT count(*) FROM summaries") >= 3
        await is_pirate(ada)
        await ada.ask("/new")
        await is_pirate(ada)
        assert PIRATE in await ada.ask("/persona")
        await ada.ask("/persona reset")
        request = (await ada.asking("hi"))[0]
        assert "first instructions" in seen(request)
        assert PIRATE not in seen(request)
        assert PIRATE not in await ada.ask("/persona")
        await ada.ask("/new")
        await is_pirate(ada, known=False)


@pytest.mark.slow
async def test_newer_instructions_take_the_place_of_older_ones(
    sqlite_url: str, model: ModelServer
) -> None:
    model.respond = talk.respond
    async with desk(sqlite_url, model, **MARKS) as ada:
        await ada.ask("/persona You are a cat.")
        await chatter(ada, 3)
        await ada.ask(f"/persona {PIRATE}")
        await chatter(ada, 14, first=4)
        request = (await ada.asking("hi"))[0]
    assert PIRATE in seen(request)
    assert "You are a cat." not in seen(request)


# Where it is told


async def test_the_notice_stands_beside_the_answers(sqlite_url: str, model: ModelServer) -> None:
    """It answers no message: a command's place may be taken by its own answer only."""
    model.respond = talk.respond
    async with desk(sqlite_url, model, **MARKS) as ada:
        await chatter(ada, 8)
    rows: list[Any] = Records(sqlite_url).all("SELECT message_id FROM turns WHERE kind = 'summary'")
    assert [row.message_id for row in rows] == [None] * len(summaries(model))
