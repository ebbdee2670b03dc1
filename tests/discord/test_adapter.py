"""The adapter against a Discord on loopback, through the unmodified library."""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bots.discord.adapter import DiscordAdapter, connect
from bots.log import Lines
from core.adapter import (
    Access,
    Address,
    Attachment,
    Author,
    Button,
    Change,
    ChangeKind,
    InboundMessage,
    Membership,
)
from core.errors import (
    AttachmentError,
    MessageGone,
    RetryAfter,
    SettingsError,
    Undeliverable,
    Unreachable,
)
from tests.fakes.discord import Channel, DiscordServer, Guild, Person
from tests.fakes.discord.faults import Drop
from tests.web.ports import free_port

Event = InboundMessage | Change
STOP = (Button(ChangeKind.STOP, "Stop"),)


class Clock:
    """A clock that a test can move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Core:
    """A core that takes each event once; it can get stuck, as if the database were away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.starts = 0
        self.looks = 0
        """The sessions whose servers are all there."""
        self.free = asyncio.Event()
        self.free.set()

    async def handle(self, event: Event) -> None:
        await self.free.wait()
        if event.event_id not in [known.event_id for known in self.events]:
            self.events.append(event)

    @property
    def messages(self) -> list[InboundMessage]:
        return [event for event in self.events if isinstance(event, InboundMessage)]

    @property
    def changes(self) -> list[Change]:
        return [event for event in self.events if isinstance(event, Change)]

    def texts(self, channel: Channel | None = None) -> list[str]:
        here = [item for item in self.messages if not channel or item.address.chat == channel.id]
        return [item.text for item in here]

    def hears(self, address: Address) -> bool:
        return True

    def operators(self) -> list[str]:
        return []

    async def newest(self, bot_id: str, chat: str) -> str | None:
        self.looks += 1
        ours = [item for item in self.messages if item.address.bot_id == bot_id]
        here = [item for item in ours if item.address.chat == chat]
        ids = [item.event_id for item in here or ours]
        return max(ids, key=int, default=None)

    async def chats(self, bot_id: str) -> dict[str, str]:
        ours = [said for said in self.messages if said.address.bot_id == bot_id]
        return {said.address.chat: said.message_id for said in reversed(ours)}

    async def private_chats(self, bot_id: str) -> list[str]:
        self.starts += 1
        return list({said.address.chat: None for said in self.messages if said.private})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[DiscordServer]:
    async with DiscordServer(clock=clock) as server:
        yield server
        assert server.violations == []


@pytest.fixture
def ada(server: DiscordServer) -> Person:
    return server.person("Ada")


@pytest.fixture
def guild(server: DiscordServer, ada: Person) -> Guild:
    return server.guild("Friends", members=[ada])


@pytest.fixture
def channel(server: DiscordServer, guild: Guild) -> Channel:
    return server.channel(guild, "general")


@pytest.fixture
async def core() -> Core:
    return Core()


@contextlib.asynccontextmanager
async def connected(
    server: DiscordServer, core: Core, capacity: int = 1000
) -> AsyncIterator[DiscordAdapter]:
    async with connect(server.token, server.url, core, capacity=capacity) as adapter:
        yield adapter


@contextlib.asynccontextmanager
async def listening(
    server: DiscordServer, core: Core, capacity: int = 1000
) -> AsyncIterator[DiscordAdapter]:
    async with connected(server, core, capacity) as adapter:
        hearing = asyncio.create_task(hear(adapter, core))
        try:
            await server.wait(lambda: is_open(server) or hearing.done())
            if hearing.done():
                hearing.result()
            yield adapter
        finally:
            hearing.cancel()
            await asyncio.wait({hearing}, timeout=60)
            await server.wait(lambda: not is_open(server))


async def hear(adapter: DiscordAdapter, core: Core) -> None:
    async for event in adapter.listen():
        if not isinstance(event, Access | Membership):
            assert isinstance(event, Event)
            await core.handle(event)


def is_open(server: DiscordServer) -> bool:
    return any(session.connection for session in server.gateway.sessions.values())


def count(server: DiscordServer, method: str, ending: str) -> int:
    return len([c for c in server.calls if c.method == method and c.path.endswith(ending)])


@pytest.fixture
async def adapter(
    server: DiscordServer, core: Core, channel: Channel
) -> AsyncIterator[DiscordAdapter]:
    async with listening(server, core) as adapter:
        yield adapter


def place(server: DiscordServer, channel: Channel) -> Address:
    return Address("discord", server.bot_id, channel.id)


# Listening


async def test_a_burst_is_heard_in_its_order(
    server: DiscordServer, core: Core, ada: Person, guild: Guild, adapter: DiscordAdapter
) -> None:
    channels = [server.channel(guild, f"room-{number}") for number in range(3)]
    thread, private = server.thread(channels[0], "talk"), server.dm(ada)
    expected = []
    for number in range(100):
        where = [*channels, thread, private][number % 5]
        text = f"{number}" if where is private else f"{server.mention} {number}"
        await server.say(where, ada, text)
        await server.say(channels[0], ada, "not for the bot")
        expected.append(f"{number}")
    await server.wait(lambda: len(core.events) >= 100)
    for where in [*channels, thread, private]:
        here = core.texts(where)
        assert here == sorted(here, key=int)
    assert sorted(core.texts(), key=int) == expected
    first = core.messages[0]
    assert first.author.name == "Ada"
    assert first.address.bot_id == adapter.bot_id == server.bot_id


async def test_events_are_in_the_order_of_arrival_over_all_channels(
    server: DiscordServer, core: Core, ada: Person, guild: Guild, adapter: DiscordAdapter
) -> None:
    channels = [server.channel(guild, f"room-{number}") for number in range(3)]
    await server.wait(lambda: core.starts)
    for number in range(60):
        await server.say(channels[number % 3], ada, f"{server.mention} {number}")
    await server.wait(lambda: len(core.events) == 60)
    assert core.texts() == [f"{number}" for number in range(60)]


async def test_a_dropped_gateway_is_resumed(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    await server.say(channel, ada, f"{server.mention} one")
    await server.wait(lambda: core.events)
    await server.drop_gateway()
    await server.say(channel, ada, f"{server.mention} two")
    await server.wait(lambda: len(core.events) == 2)
    await server.say(channel, ada, f"{server.mention} three")
    await server.wait(lambda: len(core.events) == 3)
    assert core.texts() == ["one", "two", "three"]


async def test_messages_that_a_lost_session_missed_are_read_from_the_history(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    private = server.dm(ada)
    await server.say(private, ada, "one")
    await server.say(channel, ada, f"{server.mention} one")
    await server.wait(lambda: len(core.events) == 2)
    await server.drop_gateway(resumable=False)
    await server.say(channel, ada, f"{server.mention} two")
    await server.say(private, ada, "two")
    await server.wait(lambda: len(core.events) == 4)
    await server.say(channel, ada, f"{server.mention} three")
    await server.wait(lambda: len(core.events) == 5)
    assert core.texts(channel) == ["one", "two", "three"]
    assert core.texts(private) == ["one", "two"]


async def test_a_gateway_that_was_away_is_found_again(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    server.close_gateway()
    await server.drop_gateway(resumable=False)
    await server.say(channel, ada, f"{server.mention} while it was away")
    await server.wait(lambda: server.gateway.refused)
    server.open_gateway()
    await server.wait(lambda: core.events)
    assert core.texts() == ["while it was away"]


async def test_messages_sent_while_no_process_ran_are_caught_up(
    server: DiscordServer, core: Core, ada: Person, guild: Guild, channel: Channel
) -> None:
    thread, private = server.thread(channel, "talk"), server.dm(ada)
    async with listening(server, core):
        await server.say(channel, ada, f"{server.mention} 0")
        await server.say(private, ada, "0")
        await server.wait(lambda: len(core.events) == 2)
    for number in range(1, 121):
        await server.say(channel, ada, f"{server.mention} {number}")
        await server.say(channel, ada, "not for the bot")
    await server.say(thread, ada, f"{server.mention} 1")
    await server.say(private, ada, "1")
    async with listening(server, core):
        await server.say(channel, ada, f"{server.mention} 121")
        await server.wait(lambda: len(core.events) == 2 + 121 + 2)
    assert core.texts(channel) == [f"{number}" for number in range(122)]
    assert core.texts(thread) == ["1"]
    assert core.texts(private) == ["0", "1"]


async def test_a_bot_that_starts_for_the_first_time_looks_at_nothing(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    await server.say(channel, ada, f"{server.mention} before it was there")
    async with listening(server, core):
        await server.say(channel, ada, f"{server.mention} hello")
        await server.wait(lambda: core.events)
    assert core.texts() == ["hello"]


class Past(Clock):
    """A clock that goes back by three days once the server has read it."""

    begun = False

    def __call__(self) -> float:
        reading = super().__call__()
        if not self.begun:
            self.begun, self.ahead = True, -3 * 86_400
        return reading


async def test_messages_older_than_a_day_are_not_caught_up(core: Core) -> None:
    clock = Past()
    async with DiscordServer(clock=clock) as server:
        ada = server.person("Ada")
        channel = server.channel(server.guild("Friends", members=[ada]), "general")
        private = server.dm(ada)
        async with listening(server, core):
            await server.say(private, ada, "alone")
            await server.wait(lambda: core.events)
            await server.say(channel, ada, f"{server.mention} long ago")
            await server.wait(lambda: len(core.events) == 2)
        server.calls.clear()
        clock.ahead = -2 * 86_400
        await server.say(channel, ada, f"{server.mention} days ago")
        clock.ahead = -3600
        await server.say(channel, ada, f"{server.mention} an hour ago")
        clock.ahead = 0
        async with listening(server, core):
            await server.wait(lambda: len(core.events) == 3)
            await server.wait(lambda: count(server, "GET", f"/channels/{private.id}") == 1)
            await server.say(private, ada, "now")
            await server.wait(lambda: len(core.events) == 4)
        assert count(server, "GET", f"/channels/{private.id}/messages") == 0
    assert core.texts() == ["alone", "long ago", "an hour ago", "now"]


async def test_a_channel_that_cannot_be_read_is_heard_all_the_same(
    server: DiscordServer, core: Core, ada: Person, guild: Guild, channel: Channel
) -> None:
    await server.say(channel, ada, "something lately")
    server.fail("GET /channels/{id}/messages", code=50001, times=5)
    core.events.append(earlier(server, channel))
    async with listening(server, core):
        await server.say(channel, ada, f"{server.mention} hello")
        await server.wait(lambda: len(core.events) == 2)
    assert core.texts() == ["earlier", "hello"]
    assert count(server, "GET", "/messages") == 1


async def test_a_channel_is_caught_up_though_another_was_before_a_crash(
    server: DiscordServer, core: Core, ada: Person, guild: Guild, channel: Channel
) -> None:
    await server.say(server.channel(guild, "other"), ada, f"{server.mention} missed")
    core.events.append(earlier(server, channel, minutes=0))
    async with listening(server, core):
        await server.wait(lambda: len(core.events) == 2)
    assert core.texts() == ["earlier", "missed"]


async def test_a_history_is_waited_for_while_discord_fails(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    core.events.append(earlier(server, channel))
    await server.say(channel, ada, f"{server.mention} missed")
    server.fail("GET /channels/{id}/messages", status=503, times=2)
    async with listening(server, core):
        await server.say(channel, ada, f"{server.mention} live")
        await server.wait(lambda: len(core.events) == 3)
    assert core.texts() == ["earlier", "missed", "live"]


def earlier(server: DiscordServer, channel: Channel, minutes: int = 60) -> InboundMessage:
    """A message that the core has stored."""
    message_id = str(int(server.world.snowflake()) - (minutes * 60_000 << 22))
    return InboundMessage(
        event_id=message_id,
        address=place(server, channel),
        author=Author("discord", "1", "Ada"),
        message_id=message_id,
        text="earlier",
        private=channel.guild is None,
        sent_at=datetime.now(UTC),
    )


async def test_events_beyond_the_capacity_are_read_later(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    async with listening(server, core, capacity=5):
        await server.wait(lambda: core.starts)
        core.free.clear()
        for number in range(40):
            await server.say(channel, ada, f"{server.mention} {number}")
        core.free.set()
        await server.wait(lambda: len(core.events) == 40)
        await server.say(channel, ada, f"{server.mention} 40")
        await server.wait(lambda: len(core.events) == 41)
    assert core.texts() == [f"{number}" for number in range(41)]


def read_once(server: DiscordServer) -> bool:
    return any(call.path.endswith("/messages") and call.status == 200 for call in server.calls)


async def test_events_beyond_the_capacity_during_a_catch_up_are_read_after_it(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    core.events.append(earlier(server, channel))
    for number in range(3):
        await server.say(channel, ada, f"{server.mention} {number}")
    core.free.clear()
    async with listening(server, core, capacity=1):
        await server.wait(lambda: read_once(server))
        for number in range(3, 10):
            await server.say(channel, ada, f"{server.mention} {number}")
        await server.wait(lambda: core.starts)  # later than all of these are heard
        core.free.set()
        await server.wait(lambda: len(core.events) == 11)
    assert core.texts() == ["earlier", *(f"{number}" for number in range(10))]


async def test_a_session_lost_while_a_history_is_read_is_caught_up_too(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    core.events.append(earlier(server, channel))
    for number in range(3):
        await server.say(channel, ada, f"{server.mention} {number}")
    core.free.clear()
    async with listening(server, core, capacity=1):
        await server.wait(lambda: core.starts == 1 and read_once(server))
        await server.drop_gateway(resumable=False)
        await server.say(channel, ada, f"{server.mention} 3")
        await server.wait(lambda: core.starts == 2)
        await server.say(channel, ada, f"{server.mention} 4")
        core.free.set()
        await server.wait(lambda: len(core.events) == 6)
    assert core.texts() == ["earlier", "0", "1", "2", "3", "4"]


async def test_catching_up_leaves_most_calls_to_answers(
    server: DiscordServer, core: Core, ada: Person, guild: Guild, channel: Channel
) -> None:
    core.events.append(earlier(server, channel))
    for number in range(8):
        room = server.channel(guild, f"room-{number}")
        await server.say(room, ada, f"{server.mention} missed")
    async with listening(server, core):
        await server.wait(lambda: len(core.events) == 9)
    times = [call.at for call in server.calls if call.path.endswith("/messages")]
    assert len(times) == 8
    assert times[-1] - times[0] > 0.6


async def test_a_new_message_does_not_wait_for_quiet_channels(
    server: DiscordServer, core: Core, ada: Person
) -> None:
    channels = [server.dm(server.person(f"Person {number}")) for number in range(40)]
    core.events += [earlier(server, channel) for channel in channels]
    for channel in channels[:20]:
        await server.say(channel, recipient(channel), "missed")
    async with listening(server, core):
        await server.wait(lambda: core.starts)
        await server.say(channels[-1], recipient(channels[-1]), "live, quiet before")
        await server.say(channels[19], recipient(channels[19]), "live, missed before")
        await server.wait(lambda: len([text for text in core.texts() if "live" in text]) == 2)
        assert len([call for call in server.calls if call.path.startswith("/channels/")]) < 20
    assert core.texts(channels[19])[1:] == ["missed", "live, missed before"]


async def test_channels_in_which_the_bot_never_spoke_share_a_look(
    server: DiscordServer, core: Core, ada: Person, guild: Guild, channel: Channel
) -> None:
    core.events.append(earlier(server, channel, minutes=0))
    for number in range(20):
        await server.say(server.channel(guild, f"room-{number}"), ada, "nothing for the bot")
    await server.say(server.channel(guild, "other"), ada, f"{server.mention} missed")
    async with listening(server, core):
        await server.wait(lambda: len(core.events) == 2)
    assert core.looks == 1


async def test_a_second_session_reads_no_channel_twice_that_still_waits(
    server: DiscordServer, core: Core
) -> None:
    channels = [server.dm(server.person(f"Person {number}")) for number in range(20)]
    core.events += [earlier(server, channel) for channel in channels]
    async with listening(server, core):
        await server.wait(lambda: core.starts)
        await server.drop_gateway(resumable=False)
        await server.wait(lambda: core.starts == 2)
        await server.wait(lambda: looked_up(server) >= len(channels))
        for channel in channels:
            await server.say(channel, recipient(channel), "live")
        await server.wait(lambda: core.texts().count("live") == len(channels))
    assert looked_up(server) < 1.5 * len(channels)


def looked_up(server: DiscordServer) -> int:
    """Return how often the bot asked for a channel."""
    return len([call for call in server.calls if re.fullmatch(r"/channels/\d+", call.path)])


def recipient(channel: Channel) -> Person:
    assert channel.recipient
    return channel.recipient


async def test_a_closed_thread_stays_closed(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    thread, private = server.thread(channel, "talk"), server.dm(ada)
    core.events += [earlier(server, thread), earlier(server, private)]
    await server.say(thread, ada, f"{server.mention} before it was closed")
    await server.say(private, ada, "missed")
    server.close(thread)
    async with listening(server, core):
        await server.wait(lambda: len(core.events) == 3)
    assert core.texts() == ["earlier", "earlier", "missed"]
    assert count(server, "GET", f"/channels/{thread.id}/messages") == 0


async def test_many_shards_start_as_fast_as_discord_allows(core: Core, clock: Clock) -> None:
    async with DiscordServer(clock=clock, shards=17) as server:
        ada = server.person("Ada")
        channels = [server.channel(server.guild("Friends", members=[ada]), "x") for _ in range(5)]
        async with listening(server, core):
            await server.wait(lambda: len(server.gateway.sessions) == 17)
            for channel in channels:
                await server.say(channel, ada, f"{server.mention} hello")
            await server.wait(lambda: len(core.events) == 5)
        assert server.violations == []


async def test_edits_and_deletions_are_heard_after_the_message(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    message = await server.say(channel, ada, f"{server.mention} waht?")
    await server.edit_by_person(message, f"{server.mention} what?")
    await server.delete_by_person(message)
    await server.wait(lambda: len(core.events) == 3)
    edited, deleted = core.changes
    assert (edited.kind, edited.message_id, edited.text) == ("edited", message.id, "what?")
    assert (deleted.kind, deleted.message_id) == ("deleted", message.id)
    assert deleted.author == core.messages[0].author


async def test_the_deletion_of_a_caught_up_message_is_heard(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    core.events.append(earlier(server, channel))
    message = await server.say(channel, ada, f"{server.mention} missed")
    async with listening(server, core):
        await server.wait(lambda: len(core.events) == 2)
        await server.delete_by_person(message)
        await server.wait(lambda: core.changes)
    [deleted] = core.changes
    assert (deleted.kind, deleted.message_id) == ("deleted", message.id)


async def test_messages_that_are_deleted_together_are_all_heard(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    messages = [await server.say(channel, ada, f"{server.mention} {n}") for n in range(3)]
    await server.delete_by_moderator(messages)
    await server.wait(lambda: len(core.events) == 6)
    assert [item.message_id for item in core.changes] == [message.id for message in messages]


async def test_a_gateway_is_left_when_nobody_listens_and_answers_still_go_out(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    async with connected(server, core) as adapter:
        hearing = asyncio.create_task(hear(adapter, core))
        await server.wait(lambda: is_open(server))
        core.free.clear()
        await server.say(channel, ada, f"{server.mention} hello")
        await asyncio.sleep(0)
        hearing.cancel()
        await asyncio.wait({hearing}, timeout=60)
        await server.wait(lambda: not is_open(server))
        await adapter.send(place(server, channel), "Still here.", nonce="1", final=True)
    assert [answer.content for answer in server.answers(channel)] == ["Still here."]


async def test_an_adapter_can_listen_again(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    core.events.append(earlier(server, channel))
    await server.say(channel, ada, f"{server.mention} 1")
    server.fail("GET /channels/{id}/messages", delay=30)
    async with connected(server, core) as adapter:
        hearing = asyncio.create_task(hear(adapter, core))
        await server.wait(lambda: count(server, "GET", "/messages"))  # so the channel is held
        hearing.cancel()
        await asyncio.wait({hearing}, timeout=60)
        await server.wait(lambda: not is_open(server))
        await server.say(channel, ada, f"{server.mention} 2")
        hearing = asyncio.create_task(hear(adapter, core))
        await server.wait(lambda: len(core.events) == 3)
        await server.say(channel, ada, f"{server.mention} 3")
        await server.wait(lambda: len(core.events) == 4)
        hearing.cancel()
        await asyncio.wait({hearing}, timeout=60)
        await server.wait(lambda: not is_open(server))
    assert core.texts() == ["earlier", "1", "2", "3"]


async def test_listening_ends_at_whatever_moment_it_is_cancelled(core: Core) -> None:
    async with DiscordServer(limits=False) as server:
        for moment in range(16):
            async with connected(server, core) as adapter:
                hearing = asyncio.create_task(hear(adapter, core))
                await asyncio.wait({hearing}, timeout=moment * 0.004)
                hearing.cancel()
                _, unfinished = await asyncio.wait({hearing}, timeout=60)
                assert not unfinished
            await server.wait(lambda: not is_open(server))


async def test_a_process_that_only_answers_opens_no_gateway(
    server: DiscordServer, core: Core, channel: Channel
) -> None:
    async with connected(server, core) as adapter:
        await adapter.send(place(server, channel), "Hello.", nonce="1", final=True)
    assert server.gateway.sessions == {}
    assert count(server, "GET", "/gateway/bot") == 0


# Starting


async def test_a_wrong_token_is_named(server: DiscordServer, core: Core) -> None:
    with pytest.raises(SettingsError, match="DISCORD_TOKEN") as caught:
        async with connect("sesame-open", server.url, core):
            pass
    assert "sesame" not in str(caught.value)
    assert "https://discord.com/developers/applications" in str(caught.value)


async def test_a_missing_intent_is_told_in_one_line_and_done_without(
    server: DiscordServer,
    core: Core,
    ada: Person,
    channel: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.intents_allowed.discard("message_content")
    async with listening(server, core):
        await server.say(channel, ada, "not for the bot")
        await server.say(channel, ada, f"{server.mention} in a server")
        await server.say(server.dm(ada), ada, "in private")
        await server.wait(lambda: len(core.events) == 2)
        await server.drop_gateway(resumable=False)
        await server.wait(lambda: is_open(server))
        await server.say(channel, ada, f"{server.mention} again")
        await server.wait(lambda: len(core.events) == 3)
    assert sorted(core.texts()) == ["again", "in a server", "in private"]
    [told] = [each.getMessage() for each in caplog.records if "Message Content" in each.message]
    assert f"/applications/{server.application_id}/bot" in told


async def test_a_token_that_the_gateway_refuses_is_named(server: DiscordServer, core: Core) -> None:
    server.close_with(4004)
    with pytest.raises(SettingsError, match="DISCORD_TOKEN"):
        async with listening(server, core):
            pass


async def test_after_a_refusal_answers_wait_for_a_new_token(
    server: DiscordServer, core: Core, channel: Channel
) -> None:
    server.close_with(4004)
    async with connected(server, core) as adapter:
        with pytest.raises(SettingsError):
            await hear(adapter, core)
        with pytest.raises(Unreachable):
            await adapter.send(place(server, channel), "Hello", nonce="1", final=True)


async def test_discord_out_of_reach_is_named(core: Core) -> None:
    url = f"http://127.0.0.1:{free_port()}/api/v10"
    with pytest.raises(Unreachable, match=f"DISCORD_API_URL: no answer from {url}"):
        async with connect("token", url, core):
            pass


async def test_a_start_that_is_limited_tells_for_how_long(
    server: DiscordServer, core: Core
) -> None:
    server.fail("GET /users/@me", retry_after=300)
    with pytest.raises(RetryAfter) as caught:
        async with connected(server, core):
            pass
    assert caught.value.retry_after == 300


async def test_commands_are_offered_once(server: DiscordServer, core: Core, guild: Guild) -> None:
    async with listening(server, core):
        names = {command["name"] for command in server.commands}
        assert names >= {"new", "usage", "stop", "retry", "help", "persona", "forget", "export"}
        for command in server.commands:
            assert command["contexts"] == [0, 1, 2], "also where the bot is no member"
            assert command["integration_types"] == [0, 1]
    async with listening(server, core):
        assert count(server, "PUT", "/commands") == 1


async def test_commands_that_are_not_taken_stop_nothing(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    server.fail("PUT /applications/{id}/commands", code=50001)
    async with listening(server, core):
        await server.say(channel, ada, f"{server.mention} hello")
        await server.wait(lambda: core.events)


# Interactions


async def test_a_command_is_acknowledged_though_the_core_is_stuck(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    core.free.clear()
    await server.say(channel, ada, f"{server.mention} hello")
    command = await server.slash(channel, ada, "new")
    await server.wait(lambda: command.acknowledged)
    assert command.responses == [{"type": 5}]
    core.free.set()
    await server.wait(lambda: len(core.events) == 2)
    assert {item.event_id for item in core.messages if item.command == "new"} == {command.id}


async def test_a_message_after_a_command_comes_after_it(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    await server.wait(lambda: core.starts)
    server.fail("POST /interactions/{id}/{token}/callback", delay=0.3)
    command = await server.slash(channel, ada, "new")
    await server.say(channel, ada, f"{server.mention} hello")
    await server.wait(lambda: len(core.events) == 2)
    assert [item.command for item in core.messages] == ["new", None]
    assert command.acknowledged


async def test_a_command_without_room_fails_at_once_instead_of_late(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, clock: Clock
) -> None:
    async with listening(server, core, capacity=1):
        await server.wait(lambda: core.starts)
        core.free.clear()
        for number in range(3):
            await server.say(channel, ada, f"{server.mention} {number}")
        command = await server.slash(channel, ada, "new")
        await server.say(channel, ada, f"{server.mention} 3")
        clock.ahead += 4
        core.free.set()
        await server.wait(lambda: len(core.events) == 4)
    assert core.texts() == ["0", "1", "2", "3"]
    assert command.failed


async def test_one_person_cannot_keep_others_commands_from_being_acknowledged(
    server: DiscordServer, core: Core, guild: Guild, ada: Person, channel: Channel
) -> None:
    bob = server.person("Bob")
    async with listening(server, core):
        await server.wait(lambda: core.starts)
        many = [await server.slash(channel, ada, "new") for _ in range(200)]
        last = await server.slash(server.dm(bob), bob, "new")
        await server.wait(lambda: len(core.events) == 201)
    assert last.acknowledged
    assert 1 <= sum(each.acknowledged for each in many) < 50


@pytest.mark.parametrize("private", [True, False])
async def test_a_command_is_answered_in_place_by_another_process(
    server: DiscordServer,
    core: Core,
    ada: Person,
    channel: Channel,
    adapter: DiscordAdapter,
    private: bool,
) -> None:
    where = server.dm(ada) if private else channel
    command = await server.slash(where, ada, "help")
    await server.wait(lambda: core.events)
    turn = core.messages[0]
    async with connected(server, core) as other:
        sent = await other.send(
            turn.address,
            "I can **do** it.",
            final=True,
            reply_to=turn.message_id,
            ticket=turn.ticket,
            nonce="7",
        )
        again = await other.send(
            turn.address,
            "I can **do** it.",
            final=True,
            reply_to=turn.message_id,
            ticket=turn.ticket,
            nonce="7",
        )
        await other.edit(turn.address, sent, "I did it.", final=True)
    (answer,) = server.answers(where)
    assert answer is command.original
    assert (answer.id, answer.content) == (sent, "I did it.")
    assert again == sent


async def test_a_command_answered_late_gets_a_plain_message(
    server: DiscordServer,
    core: Core,
    ada: Person,
    channel: Channel,
    adapter: DiscordAdapter,
    clock: Clock,
) -> None:
    await server.slash(channel, ada, "help")
    await server.wait(lambda: core.events)
    turn = core.messages[0]
    clock.ahead += 16 * 60
    await adapter.send(
        turn.address,
        "Sorry, late.",
        final=True,
        reply_to=turn.message_id,
        ticket=turn.ticket,
        nonce="7",
    )
    assert server.answers(channel)[-1].content == "Sorry, late."
    assert server.answers(channel)[-1].reference is None


async def test_a_pressed_button_works_after_a_restart(
    server: DiscordServer, core: Core, ada: Person, channel: Channel
) -> None:
    async with connected(server, core) as adapter:
        await adapter.send(place(server, channel), "Working", buttons=STOP, nonce="1", final=True)
    (answer,) = server.answers(channel)
    async with listening(server, core) as adapter:
        pressed = await server.press(answer, "Stop", ada)
        await server.wait(lambda: core.events and pressed.acknowledged)
        await adapter.edit(place(server, channel), answer.id, "Stopped.", final=True)
    assert pressed.responses == [{"type": 6}]
    assert [(item.kind, item.message_id) for item in core.changes] == [("stop", answer.id)]
    assert (answer.content, answer.buttons) == ("Stopped.", [])


async def test_a_lost_acknowledgement_is_given_again(
    server: DiscordServer,
    core: Core,
    ada: Person,
    channel: Channel,
    adapter: DiscordAdapter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.fail("POST /interactions/{id}/{token}/callback", drop="after")
    command = await server.slash(channel, ada, "usage")
    await server.wait(lambda: core.events)
    assert command.acknowledged
    assert "not acknowledged" not in caplog.text


# Sending


@pytest.fixture
async def sender(
    server: DiscordServer, core: Core, channel: Channel
) -> AsyncIterator[DiscordAdapter]:
    async with connected(server, core) as adapter:
        yield adapter


CREATE = "POST /channels/{id}/messages"


async def test_an_answer_is_sent_edited_and_deleted(
    server: DiscordServer, channel: Channel, sender: DiscordAdapter
) -> None:
    here = place(server, channel)
    message_id = await sender.send(here, "#### One", buttons=STOP, nonce="1", final=True)
    (answer,) = server.answers(channel)
    assert (answer.id, answer.content) == (message_id, "**One**")
    assert [button["custom_id"] for button in answer.buttons] == ["stop"]
    await sender.edit(here, message_id, "Two", final=True)
    assert (answer.content, answer.buttons) == ("Two", [])
    await sender.typing(here)
    await sender.delete(here, message_id)
    await sender.delete(here, message_id)
    assert server.messages(channel) == []
    with pytest.raises(MessageGone):
        await sender.edit(here, message_id, "Three", final=True)


async def test_a_nonce_makes_one_message(
    server: DiscordServer, channel: Channel, sender: DiscordAdapter
) -> None:
    first = await sender.send(place(server, channel), "Hello", nonce="1-0", final=True)
    assert await sender.send(place(server, channel), "Hello", nonce="1-0", final=True) == first
    assert await sender.send(place(server, channel), "Hello", nonce="1-1", final=True) != first
    assert len(server.answers(channel)) == 2


@pytest.mark.parametrize("drop", ["before", "after", None])
async def test_a_fault_on_the_way_is_repeated(
    server: DiscordServer, channel: Channel, sender: DiscordAdapter, drop: Drop | None
) -> None:
    status = 503 if drop is None else None
    server.fail(CREATE, status=status, drop=drop, times=2)
    await sender.send(place(server, channel), "Hello", nonce="1-0", final=True)
    assert [answer.content for answer in server.answers(channel)] == ["Hello"]


async def test_a_lasting_fault_is_unreachable(
    server: DiscordServer, channel: Channel, sender: DiscordAdapter
) -> None:
    server.fail(CREATE, status=503, times=3)
    with pytest.raises(Unreachable, match="503"):
        await sender.send(place(server, channel), "Hello", nonce="1-0", final=True)


async def test_a_long_flood_limit_is_told(
    server: DiscordServer, channel: Channel, sender: DiscordAdapter
) -> None:
    server.fail(CREATE, retry_after=300)
    with pytest.raises(RetryAfter) as caught:
        await sender.send(place(server, channel), "Hello", nonce="1-0", final=True)
    assert caught.value.retry_after == 300


async def test_an_answer_replies_in_a_server_and_not_in_private(
    server: DiscordServer, ada: Person, channel: Channel, sender: DiscordAdapter
) -> None:
    private = server.dm(ada)
    asked = await server.say(channel, ada, f"{server.mention} hello")
    alone = await server.say(private, ada, "hello")
    for number, (where, what) in enumerate([(channel, asked), (private, alone)]):
        for part in range(2):
            nonce = f"{number}-{part}"
            await sender.send(place(server, where), "Hi", reply_to=what.id, nonce=nonce, final=True)
    assert [answer.reference for answer in server.answers(channel)] == [asked.id, asked.id]
    assert [answer.reference for answer in server.answers(private)] == [None, None]
    assert all(answer.mentions == [] for answer in server.answers(channel))
    assert len([call for call in server.calls if call.path == f"/channels/{channel.id}"]) == 1


async def test_an_answer_to_a_deleted_message_is_no_reply(
    server: DiscordServer, ada: Person, channel: Channel, sender: DiscordAdapter
) -> None:
    asked = await server.say(channel, ada, "hello")
    await server.delete_by_person(asked)
    await sender.send(place(server, channel), "Hi", reply_to=asked.id, nonce="1", final=True)
    assert count(server, "POST", "/messages") == 1
    server.deny(channel, "READ_MESSAGE_HISTORY")
    asked = await server.say(channel, ada, "hello?")
    await sender.send(place(server, channel), "Hi", reply_to=asked.id, nonce="2", final=True)
    assert [answer.reference for answer in server.answers(channel)] == [None, None]


async def test_a_refusal_is_final(
    server: DiscordServer, ada: Person, channel: Channel, sender: DiscordAdapter
) -> None:
    private = server.dm(ada)
    server.deny(channel, "SEND_MESSAGES")
    server.deny(private, "SEND_MESSAGES")
    for where in (channel, private):
        with pytest.raises(Undeliverable):
            await sender.send(place(server, where), "Hello", reply_to="1", nonce="1", final=True)
    nowhere = Address("discord", server.bot_id, "404")
    with pytest.raises(Undeliverable):
        await sender.send(nowhere, "Hello", nonce="1", final=True)


async def test_nobody_is_pinged(
    server: DiscordServer, ada: Person, channel: Channel, sender: DiscordAdapter
) -> None:
    here = place(server, channel)
    message_id = await sender.send(here, f"@everyone @here {ada.mention}", nonce="1", final=True)
    await sender.edit(here, message_id, f"@everyone again {ada.mention}", final=True)
    (answer,) = server.answers(channel)
    assert answer.content == f"@\u2060everyone again <\u2060{ada.mention[1:]}"
    assert answer.mentions == []


async def test_the_token_of_a_command_is_in_no_log(
    server: DiscordServer,
    core: Core,
    ada: Person,
    channel: Channel,
    adapter: DiscordAdapter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "discord.http")
    command = await server.slash(channel, ada, "help")
    await server.wait(lambda: core.events)
    server.fail("PATCH /webhooks/{id}/{token}/messages/{id}", retry_after=0.1)
    turn = core.messages[0]
    await adapter.send(
        turn.address, "Help.", final=True, reply_to="1", ticket=turn.ticket, nonce="1"
    )
    assert command.token in caplog.text
    told = "\n".join(map(Lines().format, caplog.records))
    assert "We are being rate limited" in told
    assert command.token not in told


# Files


async def test_a_file_is_fetched_by_a_fresh_address(
    server: DiscordServer,
    core: Core,
    ada: Person,
    channel: Channel,
    adapter: DiscordAdapter,
    clock: Clock,
) -> None:
    files = [("notes.txt", b"x" * 1000, "text/plain")]
    message = await server.say(channel, ada, f"{server.mention} read", attachments=files)
    await server.wait(lambda: core.events)
    (attachment,) = core.messages[0].attachments
    assert (attachment.name, attachment.size) == ("notes.txt", 1000)
    clock.ahead += 2 * 86_400
    assert await adapter.download(attachment, 1000) == b"x" * 1000
    with pytest.raises(AttachmentError, match="larger"):
        await adapter.download(attachment, 999)
    unsized = Attachment(attachment.reference, "notes.txt", "text/plain", None)
    with pytest.raises(AttachmentError, match="larger"):
        await adapter.download(unsized, 999)
    await server.delete_by_person(message)
    with pytest.raises(AttachmentError, match="no longer exists"):
        await adapter.download(attachment, 1000)


async def test_a_file_out_of_reach_is_not_given_up(
    server: DiscordServer, core: Core, ada: Person, channel: Channel, adapter: DiscordAdapter
) -> None:
    files = [("notes.txt", b"words", "text/plain")]
    await server.say(channel, ada, f"{server.mention} read", attachments=files)
    await server.wait(lambda: core.events)
    (attachment,) = core.messages[0].attachments
    origin, server.world.origin = server.world.origin, "http://127.0.0.1:9"
    with pytest.raises(Unreachable):
        await adapter.download(attachment, 1000)
    server.world.origin = origin
    assert await adapter.download(attachment, 1000) == b"words"
