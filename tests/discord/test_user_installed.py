"""People who have installed the bot for themselves use it where it is no member."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core import words
from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import Channel, DiscordServer, Person
from tests.fakes.discord.records import EPHEMERAL, TOKEN_LIFE, Interaction, Message
from tests.fakes.model import Answer, Fault, ModelServer
from tests.fakes.rubbish import SHAPES
from tests.records import eventually
from tests.windows import whole

LONG = "\n\n".join(f"Paragraph {number}. " + "Words go on. " * 60 for number in range(7))
"""An answer of four messages."""
ENDLESS = "\n\n".join(f"Paragraph {number}. " + "Words go on. " * 60 for number in range(16))
"""An answer that six messages cannot hold."""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c63f8cfc0f01f0005000201a5d9c0c70000000049454e44ae426082"
)


class Clock:
    """A clock that a test can move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Abroad(DiscordStage):
    """Ada, with the bot installed for herself, in a place where it is no member."""

    clock: Clock

    def __init__(self, world: World, server: DiscordServer, clock: Clock) -> None:
        super().__init__(world, server)
        self.clock = clock
        self.bob, self.eve = server.person("Bob"), server.person("Eve")
        server.install(self.ada)
        self.channel = self.server.among(self.ada, self.bob)

    async def ask(self, question: str = "Why?", who: Person | None = None) -> Interaction:
        return await self.server.slash(self.channel, who or self.ada, "ask", question=question)

    def shown(self) -> list[str]:
        return [answer.content for answer in self.server.answers(self.channel)]

    def last(self) -> Message:
        return self.server.answers(self.channel)[-1]

    def calls_to_channels(self) -> list[str]:
        calls = (f"{call.method} {call.path}" for call in self.server.calls)
        return [call for call in calls if f"/channels/{self.channel.id}" in call]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[DiscordServer]:
    """Discord, whose wall clock may be behind: its tickets have been running for so long."""
    async with DiscordServer(clock=clock, behind=getattr(request, "param", 0.0)) as server:
        yield server
        assert server.violations == []


@pytest.fixture
def abroad(
    model: ModelServer, server: DiscordServer, clock: Clock, sqlite_url: str, tmp_path: Path
) -> Abroad:
    return Abroad(World(model, sqlite_url, tmp_path), server, clock)


@pytest.fixture
def on_both(
    model: ModelServer, server: DiscordServer, clock: Clock, database_url: str, tmp_path: Path
) -> Abroad:
    """The same, once on each database."""
    return Abroad(World(model, database_url, tmp_path), server, clock)


def quick(text: str) -> Answer:
    """Return an answer that comes in few pieces."""
    return Answer("", pieces=[text[at : at + 2500] for at in range(0, len(text), 2500)])


def place(abroad: Abroad, kind: str) -> Channel:
    """Return a place in which the bot cannot write but with an interaction."""
    server, people = abroad.server, (abroad.ada, abroad.bob)
    match kind:
        case "server":
            return server.channel(server.guild("Far", members=people, has_bot=False), "general")
        case "thread":
            guild = server.guild("Far", members=people, has_bot=False)
            return server.thread(server.channel(guild, "general"), "Talk")
        case "group":
            return server.among(*people, abroad.eve)
        case "closed":
            channel = server.channel(server.guild("Near", members=people), "closed")
            server.deny(channel, "SEND_MESSAGES")
            return channel
        case "hidden":
            channel = server.channel(server.guild("Near", members=people), "hidden")
            server.deny(channel, "VIEW_CHANNEL")
            return channel
    return server.among(*people)


PLACES = ("server", "thread", "group", "two people", "closed", "hidden")


# Answers


@pytest.mark.parametrize("kind", ["server", "group", "closed"])
async def test_a_long_answer_goes_whole_by_the_interaction(
    abroad: Abroad, model: ModelServer, kind: str
) -> None:
    abroad.channel = place(abroad, kind)
    model.enqueue(quick(LONG))
    async with abroad.running():
        asked = await abroad.ask("Tell me much")
        await abroad.records.idle(1)
    shown = abroad.shown()
    assert len(shown) == 1 + len(asked.followups) > 2
    assert "\n".join(shown).split() == LONG.split()
    assert abroad.calls_to_channels() == []
    assert abroad.records.one("SELECT ticket FROM turns") == ""


async def test_an_answer_without_room_in_six_messages_goes_as_a_file_too(
    abroad: Abroad, model: ModelServer
) -> None:
    model.enqueue(quick(ENDLESS))
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.records.idle(1)
    assert asked.original is not None
    [file] = asked.original.attachments
    assert (file.name, file.data.decode()) == ("answer.md", ENDLESS)
    assert len(abroad.shown()) == 6
    assert abroad.shown()[-1].endswith(words.IN_FILE)
    assert "\n".join(abroad.shown()).split()[:600] == ENDLESS.split()[:600]


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_message_that_may_stand_already_is_not_posted_twice(
    abroad: Abroad, model: ModelServer, drop: str
) -> None:
    """A follow-up has no nonce, and nobody can look where the bot is no member."""
    model.enqueue(quick(LONG))
    abroad.server.fail("POST /webhooks/{id}/{token}", drop=drop)  # type: ignore[arg-type]
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.records.idle(1)
    assert asked.original is not None
    [file] = asked.original.attachments
    assert file.data.decode() == LONG
    assert asked.original.content.endswith(words.IN_FILE)
    assert len(asked.followups) == (drop == "after")
    posts = [call for call in abroad.server.calls if call.path.count("/") == 3]
    assert sum(call.path.startswith("/webhooks/") for call in posts) == 1


@pytest.mark.parametrize("fault", [500, 503])
async def test_a_failing_follow_up_is_not_repeated(
    abroad: Abroad, model: ModelServer, fault: int
) -> None:
    model.enqueue(quick(LONG))
    abroad.server.fail("POST /webhooks/{id}/{token}", status=fault)
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.records.idle(1)
    assert asked.original is not None
    assert [file.data.decode() for file in asked.original.attachments] == [LONG]


async def test_a_file_takes_the_place_of_follow_ups_that_are_used_up(
    abroad: Abroad, model: ModelServer
) -> None:
    model.enqueue(quick(LONG))
    abroad.server.fail("POST /webhooks/{id}/{token}", code=40094)
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.records.idle(1)
    assert asked.original is not None
    assert [file.data.decode() for file in asked.original.attachments] == [LONG]


async def test_a_refused_answer_is_told_by_the_interaction(
    abroad: Abroad, model: ModelServer
) -> None:
    abroad.server.fail("PATCH /webhooks/{id}/{token}/messages/{id}", code=50109, times=9)
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.records.idle(2)
    assert asked.original is not None
    assert abroad.records.all("SELECT outcome FROM turns ORDER BY id")[0] == ("undeliverable",)
    assert words.NOT_DELIVERED in abroad.shown()[0]


async def test_a_flood_limit_of_follow_ups_is_waited_for(
    abroad: Abroad, model: ModelServer
) -> None:
    model.enqueue(quick(LONG))
    abroad.server.fail("POST /webhooks/{id}/{token}", retry_after=0.1)
    async with abroad.running():
        await abroad.ask()
        await abroad.records.idle(1)
    assert "\n".join(abroad.shown()).split() == LONG.split()


async def test_a_page_in_place_of_a_flood_limit_is_waited_for(
    abroad: Abroad, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network in front of Discord tells no time, and posts nothing."""
    monkeypatch.setattr("bots.discord.rest.BAN", 0.1)
    model.enqueue(quick(LONG))
    abroad.server.rubbish.order("POST /webhooks/{id}/{token}", SHAPES["a page"], status=429)
    async with abroad.running():
        await abroad.ask()
        await abroad.records.idle(1)
    assert "\n".join(abroad.shown()).split() == LONG.split()


async def test_an_answer_goes_on_in_its_messages_after_a_restart(
    on_both: Abroad, model: ModelServer
) -> None:
    model.enqueue(replace(quick(LONG), stall_after=5000), quick(LONG))
    async with on_both.running():
        await on_both.ask()
        await on_both.server.wait(lambda: len(on_both.shown()) > 2)
    async with on_both.running():
        await on_both.records.idle(1)
    assert "\n".join(on_both.shown()).split() == LONG.split()
    assert on_both.calls_to_channels() == []


async def test_a_message_that_somebody_deletes_is_posted_anew(
    abroad: Abroad, model: ModelServer
) -> None:
    model.enqueue(Answer("Hello there, friend.", stall_after=12))
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.server.wait(lambda: abroad.shown() and "Hello" in abroad.shown()[0])
        await abroad.server.delete_by_person(abroad.last())
        model.enqueue(Answer("unused"))
        await abroad.server.slash(abroad.channel, abroad.ada, "stop")
        await abroad.records.idle(2)
    assert asked.followups[-1].content.startswith("Hello")


async def test_answers_that_only_their_person_sees_are_whole(
    abroad: Abroad, model: ModelServer
) -> None:
    """Without the right to use external apps, Discord shows an answer to its person alone."""
    abroad.channel = place(abroad, "server")
    abroad.channel.is_quiet = True
    model.enqueue(quick(LONG))
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.records.idle(1)
    assert asked.original is not None
    parts = [asked.original, *asked.followups]
    assert "\n".join(part.content for part in parts).split() == LONG.split()
    assert abroad.shown() == []


# Tickets that end


@pytest.mark.parametrize("server", [TOKEN_LIFE], indirect=True)
async def test_an_answer_that_comes_too_late_costs_nothing(
    on_both: Abroad, model: ModelServer
) -> None:
    model.enqueue(Answer("never said", stall_after=0))
    async with on_both.running():
        await on_both.ask()
        await model.seen(1)
    on_both.clock.ahead += TOKEN_LIFE
    async with on_both.running():
        await on_both.records.idle(1)
    assert on_both.records.one("SELECT outcome FROM turns") == "undeliverable"
    assert on_both.records.one("SELECT ticket FROM turns") == ""
    assert on_both.records.one("SELECT count(*) FROM turns") == 1, "no notice can be posted"
    assert on_both.records.one("SELECT coalesce(sum(charged), 0) FROM calls") == 0
    assert on_both.records.one("SELECT coalesce(sum(turns), 0) FROM calls") == 0
    assert on_both.records.drift() == []
    assert len(model.requests) == 1, "the model is not asked for an answer that nobody can see"


async def test_a_ticket_that_ends_in_the_middle_ends_the_answer(
    abroad: Abroad, model: ModelServer
) -> None:
    model.enqueue(Answer("Hello there, friend, and so on.", stall_after=12))
    async with abroad.running():
        await abroad.ask()
        await abroad.server.wait(lambda: abroad.shown() and "Hello" in abroad.shown()[0])
        abroad.clock.ahead += TOKEN_LIFE
        await abroad.server.slash(abroad.channel, abroad.ada, "stop")
        await abroad.records.idle(2)
    outcomes = abroad.records.all("SELECT outcome FROM turns ORDER BY id")
    assert [outcome for (outcome,) in outcomes] == ["undeliverable", "ok"]
    assert abroad.records.one("SELECT coalesce(sum(charged), 0) FROM calls") == 0
    assert abroad.shown()[-1] == words.STOPPED


async def test_the_bot_writes_without_a_ticket_where_it_has_become_a_member(
    abroad: Abroad, model: ModelServer
) -> None:
    abroad.channel = place(abroad, "closed")
    model.enqueue(Answer("never said", stall_after=0), Answer("Here I am."))
    async with abroad.running():
        await abroad.ask()
        await model.seen(1)
    abroad.clock.ahead += TOKEN_LIFE
    abroad.server.allow(abroad.channel, "SEND_MESSAGES")
    async with abroad.running():
        await abroad.records.idle(1)
    assert abroad.shown()[-1] == "Here I am."


@pytest.mark.parametrize("server", [TOKEN_LIFE - 20], indirect=True)
async def test_an_answer_ends_in_time_with_a_note(abroad: Abroad, model: ModelServer) -> None:
    """Whoever asks has to know that the answer is not whole."""
    model.enqueue(Answer("Hello there, friend, and so on."))
    async with abroad.running():
        await abroad.ask()
        await abroad.records.idle(1)
    assert abroad.shown()[-1].endswith(words.ENDED_TIME)


# Buttons


async def test_stop_ends_an_answer(abroad: Abroad, model: ModelServer) -> None:
    model.enqueue(Answer("Hello there, friend, and so on.", stall_after=12))
    async with abroad.running():
        await abroad.ask()
        await abroad.server.wait(lambda: abroad.shown() and abroad.last().buttons)
        await abroad.server.press(abroad.last(), words.STOP, abroad.ada)
        await abroad.records.idle(1)
    assert abroad.records.one("SELECT outcome FROM turns") == "stopped"
    assert [button["label"] for button in abroad.last().buttons] == ["Regenerate"]
    assert len(abroad.shown()) == 1


@pytest.mark.parametrize("minutes", [0, 60])
async def test_try_again_answers_in_the_pressed_message(
    on_both: Abroad, model: ModelServer, minutes: int
) -> None:
    """A button pressed long after the ticket of the answer has ended brings a ticket of its own."""
    model.enqueue(Fault(400), quick(LONG))
    async with on_both.running():
        await on_both.ask()
        await on_both.records.idle(1)
        [first] = on_both.server.answers(on_both.channel)
        on_both.clock.ahead += minutes * 60
        await on_both.server.press(first, words.TRY_AGAIN, on_both.ada)
        await model.seen(2)
        await on_both.records.idle(1)
    assert on_both.server.answers(on_both.channel)[0] is first
    assert "\n".join(on_both.shown()).split() == LONG.split()
    assert on_both.calls_to_channels() == []


async def test_try_again_below_a_long_answer_keeps_the_order_of_its_messages(
    on_both: Abroad, model: ModelServer
) -> None:
    """The token of a press leads to the pressed message alone; those before it stay."""
    again = "A whole new answer. " * 150
    model.enqueue(*[replace(quick(LONG), cut_after=5000)] * 3, quick(again))
    async with on_both.running():
        await on_both.ask()
        await on_both.records.idle(1)
        before = on_both.shown()
        assert len(before) > 2
        await on_both.server.press(on_both.last(), words.TRY_AGAIN, on_both.ada)
        await model.seen(4)
        await on_both.records.idle(1)
    kept = len(before) - 1
    assert on_both.shown()[:kept] == before[:kept]
    assert "\n".join(on_both.shown()[kept:]).split() == again.split()


async def test_try_again_of_somebody_else_does_nothing(abroad: Abroad, model: ModelServer) -> None:
    abroad.server.install(abroad.bob)
    model.enqueue(Fault(400))
    async with abroad.running():
        await abroad.ask()
        await abroad.records.idle(1)
        shown = abroad.shown()
        await abroad.ask("Hello", abroad.bob)
        await abroad.records.idle(2)
        await abroad.server.press(
            abroad.server.answers(abroad.channel)[0], words.TRY_AGAIN, abroad.bob
        )
        await abroad.ask("Hello again", abroad.bob)
        await abroad.records.idle(3)
    assert abroad.shown()[0] == shown[0]


async def test_a_button_of_a_forgotten_question_is_answered_aside(
    abroad: Abroad, model: ModelServer
) -> None:
    model.enqueue(Fault(400))
    async with abroad.running():
        await abroad.ask()
        await abroad.records.idle(1)
        failed = abroad.last()
        await abroad.server.slash(abroad.channel, abroad.ada, "forget", text="yes")
        await abroad.records.idle(2)
        press = await abroad.server.press(failed, words.TRY_AGAIN, abroad.ada)
        assert await abroad.told(press) == words.FORGOTTEN
    assert abroad.records.turns() == 2
    assert abroad.calls_to_channels() == []


@pytest.mark.slow
async def test_a_used_up_quota_is_told_and_the_button_works_later(
    abroad: Abroad, model: ModelServer
) -> None:
    async with abroad.running(quota="1 turns/month"):
        await abroad.ask()
        await abroad.records.idle(1)
        asked = await abroad.ask("More?")
        await abroad.records.idle(2)
        [notice] = asked.followups
        assert notice.flags & EPHEMERAL
        assert "You can go on" in notice.content
        assert len(abroad.shown()) == 1, "nobody else sees the notice"
    async with abroad.running(quota="9 turns/month"):
        await abroad.server.press(notice, words.TRY_AGAIN, abroad.ada)
        await model.seen(2)
        await abroad.records.idle(2)
        await eventually(lambda: len(abroad.shown()) == 2)
    assert "More?" in abroad.shown()[-1]
    assert abroad.calls_to_channels() == []


# Ask about this


async def about(abroad: Abroad, message: Message, who: Person) -> None:
    """Use "Ask about this" on a message, and wait for the answer."""
    turns = abroad.records.turns()
    await abroad.server.use(message, who, words.ASK_ABOUT)
    await abroad.records.idle(turns + 1)


def asked_of(model: ModelServer) -> str:
    """Return the last question to the model, with its pictures, as text."""
    return str(model.requests[-1].body["messages"][-1]["content"])


@pytest.mark.parametrize("kind", [*PLACES, "member"])
async def test_a_message_with_a_picture_is_asked_about(
    abroad: Abroad, model: ModelServer, kind: str
) -> None:
    server = abroad.server
    abroad.channel = place(abroad, kind)
    if kind == "member":
        abroad.channel = server.channel(server.guild("Near", members=[abroad.ada, abroad.bob]), "a")
    said = await server.say(
        abroad.channel, abroad.bob, "Guess the place!", attachments=[("p.png", PNG, "image/png")]
    )
    model.enqueue(Answer("It is a beach."))
    async with abroad.running():
        await about(abroad, said, abroad.ada)
    question = asked_of(model)
    assert "> Guess the place!" in question
    assert "Bob" in question
    assert "en-US" in question
    assert "image_url" in question
    assert abroad.shown()[-1] == "It is a beach."


async def test_a_follow_up_question_knows_the_message(abroad: Abroad, model: ModelServer) -> None:
    said = await abroad.server.say(abroad.channel, abroad.bob, "Guess the place!")
    async with abroad.running():
        await about(abroad, said, abroad.ada)
        await abroad.ask("And where is that?")
        await abroad.records.idle(2)
    assert "Guess the place!" in str(model.requests[-1].body["messages"])


async def test_a_message_with_nothing_to_read_needs_no_model(
    abroad: Abroad, model: ModelServer
) -> None:
    said = await abroad.server.say(
        abroad.channel, abroad.bob, "", attachments=[("v.mp4", b"0", "video/mp4")]
    )
    async with abroad.running():
        await about(abroad, said, abroad.ada)
    assert abroad.shown()[-1] == words.UNREADABLE.format(what="videos")
    assert model.requests == []


async def test_a_command_is_no_piece_of_an_earlier_question(
    abroad: Abroad, model: ModelServer
) -> None:
    """Its own "is thinking…" waits for an answer."""
    abroad.channel = abroad.server.dm(abroad.ada)
    async with abroad.running():
        await abroad.server.say(abroad.channel, abroad.ada, "x" * 1995)
        asked = await abroad.ask("And why?")
        await abroad.records.idle(2)
    assert asked.original is not None
    assert "And why?" in asked.original.content


async def test_a_file_goes_with_the_command(abroad: Abroad, model: ModelServer) -> None:
    file = ("notes.txt", b"The secret word is plum.", "text/plain")
    async with abroad.running():
        await abroad.server.slash(
            abroad.channel, abroad.ada, "ask", question="Which word?", file=file
        )
        await abroad.records.idle(1)
    assert "The secret word is plum." in asked_of(model)
    assert "Which word?" in asked_of(model)


# Memory


async def test_the_memory_of_a_group_belongs_to_the_group(
    abroad: Abroad, model: ModelServer
) -> None:
    abroad.server.install(abroad.bob)
    abroad.channel = abroad.server.among(abroad.ada, abroad.bob, abroad.eve)
    async with abroad.running():
        await abroad.server.say(abroad.server.dm(abroad.ada), abroad.ada, "My cat is Mia")
        await abroad.records.idle(1)
        await abroad.ask("My dog is Rex")
        await abroad.records.idle(2)
        assert "Mia" not in str(model.requests[-1].body["messages"])
        await abroad.ask("Who is Rex?", abroad.bob)
        await abroad.records.idle(3)
        assert "Ada: My dog is Rex" in str(model.requests[-1].body["messages"])
        await abroad.server.say(abroad.server.dm(abroad.ada), abroad.ada, "And who is Mia?")
        await abroad.records.idle(4)
        assert "Rex" not in str(model.requests[-1].body["messages"])


async def test_only_the_owner_of_a_group_may_forget_for_all(abroad: Abroad) -> None:
    abroad.server.install(abroad.bob)
    abroad.channel = abroad.server.among(abroad.ada, abroad.bob, abroad.eve)
    async with abroad.running():
        await abroad.server.slash(abroad.channel, abroad.bob, "forget", text="yes")
        await abroad.records.idle(1)
        await abroad.server.slash(abroad.channel, abroad.ada, "forget", text="yes")
        await abroad.records.idle(2)
    assert abroad.shown() == [words.ADMINS_ONLY, words.ALL_FORGOTTEN]


@pytest.mark.slow
async def test_a_long_memory_is_summarised_again_and_again(abroad: Abroad) -> None:
    """A summary has nothing to say after its first, and needs no leave to write."""
    summaries = "SELECT count(*) FROM turns WHERE kind = 'summary' AND delivered_at IS NOT NULL"
    async with abroad.running(memory_high_tokens=1500, memory_low_tokens=200):
        for number in range(2):
            while abroad.records.one(summaries) == number:
                turns = abroad.records.turns()
                await abroad.ask("Words go on. " * 150)
                await abroad.records.idle(turns + 1)
    outcomes = abroad.records.all("SELECT outcome FROM turns")
    assert {outcome for (outcome,) in outcomes} == {"ok"}
    assert sum(words.SUMMARISED_CAN_SEARCH in shown for shown in abroad.shown()) == 1
    assert abroad.calls_to_channels() == []


async def test_nothing_is_exported_among_others(abroad: Abroad) -> None:
    async with abroad.running():
        await abroad.server.slash(abroad.channel, abroad.ada, "export")
        await abroad.records.idle(1)
    assert abroad.shown() == [words.NOT_IN_A_GROUP]


# All around


async def test_a_flood_of_commands_ends_and_leaves_nothing_thinking(abroad: Abroad) -> None:
    async with abroad.running(requests_per_minute=3):
        await whole(60, needed=20)
        asked = [await abroad.server.slash(abroad.channel, abroad.ada, "help") for _ in range(6)]
        stored = "SELECT count(*) FROM events"
        await eventually(lambda: abroad.records.one(stored) == 6 and not abroad.records.busy())
        shown = [each.original for each in asked if each.original]
        await eventually(lambda: sum(message.deleted for message in shown) == 3)
        await eventually(lambda: any(each.followups for each in asked))
    messages = [each.original for each in asked if each.original]
    assert [message.deleted for message in messages] == [False] * 3 + [True] * 3
    [notice] = [message for each in asked for message in each.followups]
    assert notice.flags & EPHEMERAL
    assert "more at once than I can follow" in notice.content
    assert all(message.content for message in messages if not message.deleted)
    assert abroad.calls_to_channels() == []


async def test_a_restart_does_not_read_places_without_the_bot(
    abroad: Abroad, model: ModelServer
) -> None:
    """Each such call is refused, and too many refusals ban the address of the bot."""
    private = abroad.server.dm(abroad.ada)
    async with abroad.running():
        await abroad.ask()
        await abroad.server.say(private, abroad.ada, "Hello")
        await abroad.records.idle(2)
    async with abroad.running():
        await abroad.server.wait(
            lambda: any(call.path == f"/channels/{private.id}" for call in abroad.server.calls)
        )
        await abroad.ask()
        await abroad.records.idle(3)
    assert abroad.calls_to_channels() == []


async def test_commands_stay_on_offer_if_people_cannot_install_the_bot(abroad: Abroad) -> None:
    abroad.server.fail("PUT /applications/{id}/commands", code=50109)
    async with abroad.running():
        await abroad.server.wait(lambda: abroad.server.commands)
    assert {tuple(each["integration_types"]) for each in abroad.server.commands} == {(0,)}
    assert {tuple(each["contexts"]) for each in abroad.server.commands} == {(0, 1)}


async def test_no_token_is_stored_or_logged_after_the_answer(
    abroad: Abroad, caplog: pytest.LogCaptureFixture
) -> None:
    async with abroad.running():
        asked = await abroad.ask()
        await abroad.records.idle(1)
        await asyncio.sleep(0)
    assert asked.token not in caplog.text
    for table in ("turns", "posts", "events"):
        assert asked.token not in str(abroad.records.all(f"SELECT * FROM {table}"))  # noqa: S608
