"""People who keep writing, even while the bot is down."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from tests.chaos.answers import Kind, Wish, end_of
from tests.chaos.scenes import Scene

KINDS: tuple[Kind, ...] = ("short", "short", "short", "long", "code")
QUICK = 0.25
"""The share of messages that a second one follows at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, with its time on the monotonic clock."""

    wish: Wish
    place: str
    who: str
    at: float


@dataclass
class Crowd:
    """Everybody on a scene; each waits for an answer before they write again."""

    scene: Scene
    choice: random.Random
    kinds: tuple[Kind, ...] = KINDS
    asked: list[Asked] = field(default_factory=list)
    stopping: bool = False
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def ask(self, place: str, who: str, kind: Kind | None = None) -> Asked:
        """Somebody asks something."""
        any_kind = self.choice.choice(self.kinds)
        wish = Wish(f"q{next(self._numbers)}", kind or any_kind)
        self.asked.append(Asked(wish, place, who, time.monotonic()))
        await self.scene.say(place, who, wish.text)
        return self.asked[-1]

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Everybody talks meanwhile, and stops in the end."""
        async with asyncio.TaskGroup() as tasks:
            for place in self.scene.places:
                for who in self.scene.speakers(place):
                    tasks.create_task(self._talk(place, who))
            try:
                yield
            finally:
                self.stopping = True

    async def _talk(self, place: str, who: str) -> None:
        await asyncio.sleep(self.choice.uniform(0, 1))
        while not self.stopping:
            last = await self.ask(place, who)
            if self.choice.random() < QUICK:
                last = await self.ask(place, who, "short")
            await self._answer_to(last)
            await asyncio.sleep(self.choice.uniform(0, 0.3))

    async def _answer_to(self, asked: Asked) -> None:
        while not self.is_answered(asked):
            if self.stopping:
                return
            await asyncio.sleep(0.05)

    def is_answered(self, asked: Asked) -> bool:
        """Return True if the end of the answer is posted."""
        end = end_of(asked.wish.tag)
        newest = self.scene.answers(asked.place)[-12:]
        return any(end in said.text and not said.growing for said in newest)

    def by_place(self) -> dict[str, list[Asked]]:
        """Return the questions of each place, in order."""
        found: dict[str, list[Asked]] = defaultdict(list)
        for asked in self.asked:
            found[asked.place].append(asked)
        return found
