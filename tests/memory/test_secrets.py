"""The bot tells nothing of one chat in another, however somebody asks for it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from core.adapter import Author
from tests.fakes.model import Answer, ModelRequest, ModelServer, Reply
from tests.memory.desk import ADA, BOB, Desk, desk
from tests.records import on_disk


@dataclass(frozen=True)
class Place:
    """A chat in which somebody talks with the bot; each has secrets of its own."""

    name: str
    who: Author
    chat: str = ""
    thread: str = ""

    @property
    def where(self) -> dict[str, Any]:
        return {"who": self.who, "chat": self.chat, "thread": self.thread}

    @property
    def secrets(self) -> list[str]:
        return [f"secret {kind} of {self.name}" for kind in ("word", "file", "role", "quote")]


PLACES = [
    Place("ada", ADA),
    Place("bob", BOB),
    Place("friends", BOB, "-1"),
    Place("family", ADA, "-2"),
    Place("cats", ADA, "-3", "cats"),
    Place("dogs", ADA, "-3", "dogs"),
]
_numbers = count(1)


def look_up(request: ModelRequest) -> Reply:
    """A model that looks for secrets whenever it is asked for them."""
    if request.messages[-1]["role"] == "user" and "What do you know" in request.text:
        queries = ("secret", "word file role quote", " ".join(place.name for place in PLACES))
        return Answer("", tool_calls=[("search_history", {"query": query}) for query in queries])
    # A text of its own each time, so that nobody is told apart by what they were answered.
    return f"Answer {next(_numbers)}."


@pytest.fixture
async def planted(sqlite_url: str, model: ModelServer) -> AsyncIterator[Desk]:
    """Secrets in every place: said, in a file, as instructions, and quoted."""
    model.respond = look_up
    async with desk(sqlite_url, model) as here:
        for place in PLACES:
            word, file, role, quote = place.secrets
            await here.ask(f"The {word}.", **place.where)
            await here.ask("Read.", files={"a.txt": f"The {file}.".encode()}, **place.where)
            await here.ask(f"/persona You know the {role}.", **place.where, admin=True)
            await here.ask("Look.", quote=f"The {quote}.", **place.where)
        yield here


def told(requests: list[ModelRequest]) -> str:
    return str([request.messages for request in requests])


def foreign(place: Place, text: str) -> list[str]:
    """The secrets of other places in a text."""
    others = [other for other in PLACES if other is not place]
    return [secret for other in others for secret in other.secrets if secret in text]


@pytest.mark.slow
async def test_asked_everywhere_each_place_knows_its_own_secrets_only(planted: Desk) -> None:
    for place in PLACES:
        requests = await planted.asking("What do you know?", **place.where)
        assert [each for each in place.secrets if each not in told(requests)] == []
        assert foreign(place, told(requests)) == []
        await planted.ask("/new", **place.where)
        requests = await planted.asking("What do you know?", **place.where)
        assert f"secret word of {place.name}" in told(requests), "the search does find something"
        assert foreign(place, told(requests)) == []


@pytest.mark.slow
async def test_a_reply_leads_to_no_other_conversation(planted: Desk) -> None:
    """Whatever message a platform says that it answers, of the same chat or of another one."""
    posts = {address: post for post, (address, _) in planted.paper.posts.items()}.values()
    for place in [each for each in PLACES if each.chat]:
        for post in posts:
            requests = await planted.asking("And?", reply_to=post, **place.where)
            assert foreign(place, told(requests)) == []


@pytest.mark.slow
async def test_an_export_holds_nothing_that_others_said(planted: Desk) -> None:
    for place in PLACES[:2]:
        await planted.ask("/export", **place.where)
        _, name, data = planted.paper.uploads[-1]
        text = data.decode()
        own = {each for each in PLACES if each.who == place.who}
        others = [each for each in PLACES if each not in own]
        assert name == "parley.json"
        assert [f"secret word of {each.name}" in text for each in own] == [True] * len(own)
        assert [secret for each in others for secret in each.secrets if secret in text] == []


@pytest.mark.slow
async def test_commands_show_nothing_of_another_place(planted: Desk) -> None:
    for place in PLACES:
        for command in ("/persona", "/usage", "/model", "/privacy", "/start", "/help"):
            assert foreign(place, await planted.ask(command, **place.where)) == []
    for place in PLACES[2:]:
        assert "only in a private chat" in await planted.ask("/export", **place.where, admin=True)
    files = [name for _, name, _ in planted.paper.uploads]
    assert {*files} <= {"usage.png"}, "a picture of what each person has used"


@pytest.mark.slow
async def test_forgetting_in_one_chat_keeps_the_others(planted: Desk) -> None:
    first, *others = PLACES
    await planted.ask("/forget yes", **first.where)
    for place in others:
        requests = await planted.asking("What do you know?", **place.where)
        assert [each for each in place.secrets if each not in told(requests)] == []
    requests = await planted.asking("What do you know?", **first.where)
    assert "secret word" not in told(requests)


async def test_forgotten_words_leave_the_file_at_once(sqlite_url: str, model: ModelServer) -> None:
    model.respond = look_up
    async with desk(sqlite_url, model) as here:
        await here.ask("The zebra is secret.", files={"zebra.txt": b"A zebra."})
        await here.ask("/forget yes")
        await here.tidy()
        assert b"zebra" not in on_disk(sqlite_url)
