"""Events wait for the core in order, within the capacity."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bots.discord.arrivals import Arrivals, Event
from core.adapter import Address, Author, Change, ChangeKind, InboundMessage

ADA = Author("discord", "2001", "Ada")


def said(message_id: int, chat: str = "1") -> InboundMessage:
    return InboundMessage(
        event_id=str(message_id),
        address=Address("discord", "9", chat),
        author=ADA,
        message_id=str(message_id),
        text="hi",
        private=False,
        sent_at=datetime(2025, 1, 1, tzinfo=UTC),
    )


def edited(message_id: int, chat: str = "1") -> Change:
    place = Address("discord", "9", chat)
    return Change(f"{message_id}:1", ChangeKind.EDITED, place, ADA, str(message_id), "hey")


async def take(arrivals: Arrivals) -> Event:
    event = await arrivals.first()
    arrivals.take()
    return event


async def all_of(arrivals: Arrivals) -> list[Event]:
    """All that is ready, and nothing else."""
    events: list[Event] = []
    with contextlib.suppress(TimeoutError):
        while True:
            events.append(await asyncio.wait_for(take(arrivals), 0.05))
    return events


async def test_events_come_in_the_order_of_arrival() -> None:
    arrivals = Arrivals(100)
    events: list[Event] = [said(1), said(2, chat="2"), edited(1), said(3)]
    assert all(arrivals.add(event) for event in events)
    assert await all_of(arrivals) == events


async def test_a_held_channel_waits_for_its_history_and_no_other_does() -> None:
    arrivals = Arrivals(100)
    assert arrivals.hold("1")
    assert not arrivals.hold("1")
    heard: list[Event] = [said(12), edited(12), said(13), said(14, chat="2")]
    for event in heard:
        arrivals.add(event)
    await arrivals.insert(said(11))
    assert arrivals.release("1") is None
    arrivals.add(said(15))
    expected = [said(14, chat="2"), said(11), said(12), edited(12), said(13), said(15)]
    assert await all_of(arrivals) == expected


async def test_held_channels_with_new_events_are_known() -> None:
    arrivals = Arrivals(100)
    for chat in ("1", "2", "3"):
        arrivals.hold(chat)
    for event in (said(13, chat="3"), said(11), edited(11), said(14, chat="4")):
        arrivals.add(event)
    assert list(arrivals.waiting) == ["3", "1"]
    arrivals.release("3")
    assert list(arrivals.waiting) == ["1"]


async def test_a_message_without_room_is_left_to_the_history() -> None:
    arrivals = Arrivals(2)
    assert arrivals.add(said(1))
    assert arrivals.add(said(2))
    assert not arrivals.add(said(3))
    assert arrivals.add(edited(1)), "an edit is in no history: there is nothing to read later"
    assert await all_of(arrivals) == [said(1), said(2)]


async def test_a_held_channel_tells_of_its_lost_events() -> None:
    arrivals = Arrivals(1)
    arrivals.hold("1")
    for message_id in (1, 2, 3):
        assert arrivals.add(said(message_id))
    assert arrivals.release("1") == 2
    assert await all_of(arrivals) == [said(1)]


async def test_a_history_waits_for_room() -> None:
    arrivals = Arrivals(1)
    arrivals.add(said(1))
    inserting = asyncio.create_task(arrivals.insert(said(2)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(inserting), 0.05)
    assert await take(arrivals) == said(1)
    await asyncio.wait_for(inserting, 60)
    assert await all_of(arrivals) == [said(2)]


async def test_a_command_always_finds_room() -> None:
    arrivals = Arrivals(1)
    arrivals.add(said(1))
    command = replace(said(2), command="stop")
    arrivals.reserve(command).set()
    assert await all_of(arrivals) == [said(1), command]


async def test_a_command_keeps_its_place_while_it_is_not_released() -> None:
    arrivals = Arrivals(100)
    command = replace(said(1), command="new")
    released = arrivals.reserve(command)
    arrivals.add(said(2))
    getting = asyncio.create_task(take(arrivals))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(getting), 0.05)
    released.set()
    assert await getting == command
    assert await all_of(arrivals) == [said(2)]


async def test_a_command_is_there_until_it_is_taken() -> None:
    arrivals = Arrivals(100)
    first, second = (replace(said(each), command="new") for each in (1, 2))
    released, other = arrivals.reserve(first), arrivals.reserve(second)
    waiting = asyncio.create_task(arrivals.first())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    released.set()
    assert await arrivals.first() == first
    assert arrivals.end() == [(first, released), (second, other)]


async def test_what_has_ended_takes_nothing_more() -> None:
    arrivals = Arrivals(100)
    arrivals.add(said(1))
    assert arrivals.end() == []
    assert arrivals.is_full
    assert not arrivals.add(said(2))
