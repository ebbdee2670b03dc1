"""A person asks for so much in a minute, and so much of it waits; then one notice, then silence."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from core import commands, inbox, models, words
from core.adapter import Change, ChangeKind, InboundMessage, Move
from core.db import Sessions
from core.intake import Intake
from core.quota import Rules
from core.requests import Bounds
from core.text import plain_moments
from core.turns import Outcome, Turn
from tests.core import rows
from tests.core.rows import ADA, BOB, GROUP, HOME, NOW, commit, count, later, message


@dataclass
class Bot:
    """An intake at a time of the test."""

    sessions: Sessions
    bounds: Bounds
    now: datetime = NOW
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(
            self.sessions,
            commands.Offer(Rules((), ()), "m"),
            now=lambda: self.now,
            accepted=lambda _: None,
            changed=lambda: None,
            bounds=self.bounds,
        )

    async def hear(self, *events: InboundMessage | Change | Move) -> None:
        for event in events:
            await self.intake.handle(event)

    async def answered(self) -> list[Turn]:
        """Answer everything that can be answered, and return it."""
        done: list[Turn] = []
        while turns := await rows.claim(self.sessions, now=self.now):
            for turn in turns:
                if turn.answer is None:
                    await rows.answer(self.sessions, turn, now=self.now)
                await rows.deliver(self.sessions, turn, now=self.now)
            done += turns
        return done

    async def notices(self) -> Sequence[str]:
        found = await commit(self.sessions, lambda s: s.execute(select(models.turns)))
        return [row.answer for row in found if row.input.get("notice") and row.answer]


def messages(first: int, last: int, **changes: Any) -> list[InboundMessage]:
    return [message(str(number), **changes) for number in range(first, last)]


def press(number: int, kind: ChangeKind, author: Any = ADA, **changes: Any) -> Change:
    return Change(f"press {number}", kind, HOME, author, "1", **changes)


async def test_after_the_requests_of_a_minute_comes_one_notice_and_then_nothing(
    sessions: Sessions,
) -> None:
    bot = Bot(sessions, Bounds(requests=5))
    for each in messages(1, 4):
        await bot.hear(each)
        await bot.answered()
    await bot.hear(message("4", command="help"), message("5", command="usage"))
    await bot.hear(*messages(6, 10), message("10", command="help"), message("11", command="retry"))
    [notice] = await bot.notices()
    assert plain_moments(notice) == words.TOO_OFTEN.format(until="in 31 seconds")
    assert await count(sessions, models.turns) == 6
    assert await count(sessions, models.events) == 11, "what came is noted as seen"

    bot.now = later(60)
    await bot.hear(*messages(9, 12))
    assert await count(sessions, models.turns) == 6, "they do not come again"
    await bot.hear(message("12"))
    assert "12" in [turn.message_id for turn in await bot.answered()]


async def test_buttons_and_edits_are_requests_too(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(requests=5))
    await bot.hear(message("1"))
    await bot.hear(*(press(n, ChangeKind.EDITED, text=f"edited {n}") for n in range(8)))
    assert len(await bot.notices()) == 1
    assert (await rows.stored(sessions, 1)).input["text"] == "edited 3"
    await bot.hear(message("2"), *(press(n, ChangeKind.REGENERATE) for n in range(9, 12)))
    assert len(await bot.notices()) == 1


async def test_an_answer_can_be_stopped_also_after_that(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(requests=3))
    await bot.hear(*messages(1, 6))
    [turn] = [turn for turn in await rows.claim(sessions) if turn.answer is None]
    await bot.hear(press(1, ChangeKind.STOP))
    assert (await rows.stored(sessions, turn.id)).cancel
    await bot.hear(message("9", command="stop"))
    assert (await bot.answered())[-1].question.notice == ""


async def test_a_stranger_s_presses_leave_nothing_and_cost_nobody_else_anything(
    sessions: Sessions,
) -> None:
    bot = Bot(sessions, Bounds(requests=3))
    await bot.hear(message("1"), message("2", author=BOB, address=replace(HOME, chat="200")))
    events = await count(sessions, models.events)
    await bot.hear(*(press(n, ChangeKind.STOP, BOB) for n in range(9)))
    await bot.hear(*(press(n, ChangeKind.STOP, replace(BOB, account_id="9")) for n in range(9)))
    assert await count(sessions, models.events) == events
    assert await bot.notices() == []
    await bot.hear(message("3", author=BOB, address=replace(HOME, chat="200")), message("4"))
    assert len(await bot.notices()) == 1, "Bob has pressed enough, Ada has not"


async def test_a_person_has_the_same_bound_in_all_chats(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(requests=4))
    for number, group in enumerate([replace(GROUP, chat=f"-{n}") for n in range(1, 8)]):
        await bot.hear(message(f"{number}", address=group, private=False))
        await bot.hear(message(f"b{number}", address=group, private=False, author=BOB))
    assert len(await bot.notices()) == 2
    assert await count(sessions, models.turns) == 10


async def test_an_album_and_its_repetitions_are_one_request(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(requests=2))
    album = messages(1, 11, album="77")
    await bot.hear(message("0"), *album, *album)
    assert await bot.notices() == []
    await bot.answered()
    bot.now = later(1)
    assert [turn.question.pieces for turn in await bot.answered()] == [10]


async def test_many_forwards_are_not_cut_in_the_middle(sessions: Sessions) -> None:
    """Ten pieces count as one request: so they are bounded, and people still pass a talk on."""
    bot = Bot(sessions, Bounds(requests=2))
    await bot.hear(*messages(0, 40, forwarded=True))
    bot.now = later(1)
    [turn] = await bot.answered()
    assert turn.question.pieces == 40
    await bot.hear(message("last"))
    assert len(await bot.notices()) == 1


async def test_of_a_person_so_many_turns_wait_and_one_notice_says_so(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(pending=3))
    await bot.hear(*messages(1, 9))
    assert await bot.notices() == [words.TOO_MUCH_PENDING.format(number=3)]
    notice = [turn for turn in await rows.claim(sessions) if turn.question.notice]
    await rows.deliver(sessions, notice[0])
    await bot.hear(*messages(9, 12))
    assert len(await bot.notices()) == 1, "once, although the notice waits no longer"
    assert await count(sessions, models.turns) == 4

    await commit(sessions, lambda s: inbox.hand_back(s, "worker"))
    await bot.answered()
    await bot.hear(*messages(12, 16))
    assert len(await bot.notices()) == 2
    await bot.hear(message("16", author=BOB, address=replace(HOME, chat="200")))
    assert "16" in [turn.message_id for turn in await bot.answered()]


async def test_a_waiting_question_can_still_be_edited(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(pending=2))
    await bot.hear(*messages(1, 3), press(1, ChangeKind.EDITED, text="edited"))
    assert await bot.notices() == []
    assert (await bot.answered())[0].question.text == "edited"


async def test_failed_turns_cannot_be_queued_again_without_bound(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(pending=2))
    await bot.hear(message("1"))
    [turn] = await rows.claim(sessions)
    await rows.finish(sessions, turn, Outcome.FAILED)
    await bot.hear(*messages(2, 4), press(1, ChangeKind.REGENERATE))
    assert len(await bot.notices()) == 1
    assert turn.id not in [each.id for each in await bot.answered()]


async def test_a_command_that_shows_it_is_thinking_is_ended_in_silence(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(requests=2))
    await bot.hear(*messages(1, 20, command="help", ticket="ticket"))
    turns = await bot.answered()
    assert [turn.answer for turn in turns].count("") == 1
    assert len(turns) == 2 * 2, "not without bound either"


async def test_an_event_that_comes_again_counts_once(sessions: Sessions) -> None:
    bot = Bot(sessions, Bounds(requests=3))
    await bot.hear(*[message("1")] * 5, *[message("2", command="help")] * 5)
    assert await bot.notices() == []
    assert await count(sessions, models.turns) == 2
