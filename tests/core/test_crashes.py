"""Random walks over the inbox: every turn is answered in its order and delivered once.

Workers take turns, work on them slowly, put them back, stall past
their lease, die and come again, while people ask, edit, stop and press "Try again".
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from core import inbox
from core.adapter import Address, Author
from core.db import Session, Sessions
from core.errors import LeaseLost
from core.lines import ALONE, FIRST, LATER, ONCE, TWICE
from core.turns import Outcome, Question, Turn
from tests.core import rows
from tests.core.rows import ACCOUNT, ADA, BOB, GROUP, NOW, commit

EVE = Author("telegram", "300", "Eve")
STEPS = 400
WORKERS = ("one", "two", "three")
LINES = (FIRST, LATER, ONCE, TWICE, ALONE)


@dataclass
class Walk:
    """A world of workers and people, with the fate of its turns."""

    sessions: Sessions
    choice: random.Random
    now: datetime = NOW
    hands: dict[str, list[Turn]] = field(default_factory=lambda: {name: [] for name in WORKERS})
    """The turns that each worker believes to hold, rightly or not."""
    lanes: dict[int, str | None] = field(default_factory=dict)
    follows: dict[int, int] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    deliveries: Counter[int] = field(default_factory=Counter)
    generations: Counter[int] = field(default_factory=Counter)
    """The number of deliveries of each turn: one, and one for each time it was queued again."""

    async def go(self, *people: Callable[[], Awaitable[None]]) -> None:
        """Make many random moves, and then finish all turns."""
        often = [self.ask, self.claim, self.claim, self.renew, self.pass_time, *people]
        often += [self.step] * 4
        for _ in range(STEPS):
            rare = self.choice.random() < 0.03
            await self.choice.choice((self.die, self.stop) if rare else often)()
        await self.finish()

    async def ask(self) -> None:
        author = self.choice.choice((ADA, BOB, EVE))
        private = self.choice.random() < 0.5
        address = Address(*ACCOUNT, chat=author.account_id) if private else GROUP
        who = await rows.speaker(self.sessions, author, address, private=private)
        lane = f"{who.conversation_id}/{who.user_id}" if self.choice.random() < 0.9 else None
        follows = self.choice.choice([*self.lanes, None]) if self.lanes and not private else None
        turn_id = await rows.ask(
            self.sessions,
            who,
            f"m{len(self.lanes)}",
            now=self.now,
            address=address,
            lane=lane,
            ready_at=self.now + timedelta(seconds=self.choice.choice((0, 0, 2))),
            follows_id=follows,
        )
        self.lanes[turn_id] = lane
        if follows is not None:
            self.follows[turn_id] = follows
        self.generations[turn_id] = 1

    async def claim(self) -> None:
        name = self.choice.choice(WORKERS)
        self.hands[name] += await rows.claim(
            self.sessions, name, now=self.now, limit=3, lines=LINES
        )

    async def step(self) -> None:
        """Let one worker take the next step with one of its turns."""
        name = self.choice.choice(WORKERS)
        if not self.hands[name]:
            return
        turn = self.hands[name].pop(self.choice.randrange(len(self.hands[name])))
        try:
            following = await self._carry_on(turn)
        except LeaseLost:
            return
        if following is not None:
            self.hands[name].append(following)

    async def _carry_on(self, turn: Turn) -> Turn | None:
        if self.choice.random() < 0.15:
            until = self.now + timedelta(seconds=self.choice.uniform(0, 10))
            await rows.put_back(self.sessions, turn, until, fault=self.choice.random() < 0.5)
            return None
        if turn.answer is None:
            outcome = self.choice.choice((Outcome.OK, Outcome.OK, Outcome.FAILED))
            await rows.answer(self.sessions, turn, outcome, now=self.now)
            self.answers.append(turn.id)
            return replace(turn, answer="stored", outcome=outcome)
        await rows.deliver(self.sessions, turn, turn.outcome or Outcome.OK, now=self.now)
        self.deliveries[turn.id] += 1
        return None

    async def renew(self) -> None:
        """Let a worker renew its leases, perhaps late, and drop the turns that it has lost."""
        name = self.choice.choice(WORKERS)
        turn_ids = {turn.id for turn in self.hands[name]}
        held = await commit(
            self.sessions,
            lambda s: inbox.renew(s, name, turn_ids, lease_until=self.now + rows.LEASE),
        )
        mine = {(turn.id, turn.attempt) for turn in held}
        self.hands[name] = [turn for turn in self.hands[name] if (turn.id, turn.attempt) in mine]

    async def die(self) -> None:
        self.hands[self.choice.choice(WORKERS)].clear()

    async def stop(self) -> None:
        """Stop a worker gently and start it again."""
        name = self.choice.choice(WORKERS)
        self.hands[name].clear()
        await commit(self.sessions, lambda s: inbox.hand_back(s, name))

    async def pass_time(self) -> None:
        self.now += timedelta(seconds=self.choice.choice((0.5, 2, 2, 20)))

    async def edit(self) -> None:
        """Edit a question."""
        question = Question(f"edited at {self.now}")
        await self._again(lambda s, turn_id: inbox.amend(s, turn_id, question, now=self.now))

    async def again(self) -> None:
        """Press "Try again" below an answer."""
        await self._again(lambda s, turn_id: inbox.requeue(s, turn_id, now=self.now))

    async def _again(self, change: Callable[[Session, int], Awaitable[None]]) -> None:
        if not self.lanes:
            return
        turn_id = self.choice.choice([*self.lanes, *self.answers])
        row = await rows.stored(self.sessions, turn_id)
        await commit(self.sessions, lambda s: change(s, turn_id))
        if row.outcome == Outcome.FAILED and row.delivered_at is not None:
            self.generations[turn_id] += 1

    async def finish(self) -> None:
        """Let time pass until only one worker is left, which does everything right."""
        for turns in self.hands.values():
            turns.clear()
        for _ in range(2):  # first the leases end, then the turns have rested
            self.now += timedelta(minutes=1)
            await commit(self.sessions, lambda s: inbox.bury(s, now=self.now, ended_at=self.now))
        while turns := await rows.claim(self.sessions, "last", now=self.now, lines=LINES):
            for turn in turns:
                if turn.answer is None:
                    await rows.answer(self.sessions, turn, now=self.now)
                    self.answers.append(turn.id)
                await rows.deliver(self.sessions, turn, now=self.now)
                self.deliveries[turn.id] += 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_workers_that_stall_and_die_answer_every_lane_in_order(
    sessions: Sessions, seed: int
) -> None:
    walk = Walk(sessions, random.Random(seed))
    await walk.go()

    assert len(walk.lanes) > 20
    assert sorted(walk.answers) == sorted(walk.lanes)
    assert walk.deliveries == walk.generations
    for lane in {*walk.lanes.values()} - {None}:
        in_lane = [turn_id for turn_id in walk.answers if walk.lanes[turn_id] == lane]
        assert in_lane == sorted(in_lane)
    place = {turn_id: place for place, turn_id in enumerate(walk.answers)}
    assert all(place[before] < place[turn_id] for turn_id, before in walk.follows.items())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_nothing_that_people_do_meanwhile_loses_or_doubles_an_answer(
    sessions: Sessions, seed: int
) -> None:
    walk = Walk(sessions, random.Random(100 + seed))
    await walk.go(walk.edit, walk.again)

    assert len(walk.lanes) > 20
    assert walk.deliveries == walk.generations
    assert max(walk.generations.values()) > 1
    assert not await commit(sessions, lambda s: inbox.is_busy(s, [ACCOUNT]))
