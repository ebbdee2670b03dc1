"""The moments at which a process dies, recognised by the fakes, without a hook in the product."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos.answers import wish_in
from tests.chaos.crowd import Crowd
from tests.chaos.scenes import Act, Scene
from tests.fakes.model import ModelRequest, ModelServer

LOOK = 0.004
"""The seconds between two looks at the fakes."""


@dataclass
class Sight:
    """The view of everything that the fakes see from now on."""

    scene: Scene
    model: ModelServer
    crowd: Crowd
    choice: random.Random
    owners: dict[str, str] = field(default_factory=dict)
    """The key that last asked the model for the answer of a tag."""
    _requests: int = 0

    def owner(self, tag: str | None) -> str | None:
        """The key of the process that answers a wish."""
        for request in self.model.requests[self._requests :]:
            if wish := wish_in(request.text):
                self.owners[wish.tag] = key_of(request)
        self._requests = len(self.model.requests)
        return self.owners.get(tag or "")

    async def asked(self) -> None:
        """Somebody writes; the listener hears it."""
        before = len(self.crowd.asked)
        await _until(lambda: len(self.crowd.asked) > before)

    async def request(self) -> ModelRequest:
        """The model is asked."""
        before = len(self.model.requests)
        await _until(lambda: len(self.model.requests) > before)
        return self.model.requests[before]

    async def acts(self) -> AsyncIterator[Act]:
        """Calls that people can see, as they come."""
        seen = self.scene.calls()
        while True:
            now = self.scene.calls()
            for act in self.scene.acts(seen):
                yield act
            seen = now
            await asyncio.sleep(LOOK)

    async def told(self, condition: Callable[[ModelRequest], object]) -> ModelRequest:
        """A request of now or later comes to a point that it has not come to."""
        watched = [each for each in self.model.requests[-20:] if not condition(each)]
        seen = len(self.model.requests)
        while True:
            for each in (*watched, *self.model.requests[seen:]):
                if condition(each):
                    return each
            await asyncio.sleep(LOOK)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - looks from outside, and at everything
        await asyncio.sleep(LOOK)


def key_of(request: ModelRequest) -> str:
    """Return the key of a request."""
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


async def _before_accept(sight: Sight) -> str | None:
    await sight.asked()
    await _pause(sight, 0.012)
    return None


async def _while_claiming(sight: Sight) -> str | None:
    await sight.asked()
    await asyncio.sleep(0.01)
    await _pause(sight, 0.05)
    return None


async def _before_first_token(sight: Sight) -> str | None:
    request = await sight.request()
    await _pause(sight, 0.06)
    return key_of(request)


async def _in_stream(sight: Sight) -> str | None:
    request = await sight.told(lambda each: each.first_token_at and not each.finished)
    await _pause(sight, 0.6)
    return key_of(request)


async def _first_create(sight: Sight) -> str | None:
    async for act in sight.acts():
        if act.creates and (owner := sight.owner(act.tag)):
            await _pause(sight, 0.03)
            return owner
    return None


async def _between_messages(sight: Sight) -> str | None:
    created: set[str | None] = set()
    async for act in sight.acts():
        if act.creates and act.tag in created and (owner := sight.owner(act.tag)):
            await _pause(sight, 0.03)
            return owner
        if act.creates or not act.final:
            created.add(act.tag)
    return None


async def _final_edit(sight: Sight) -> str | None:
    async for act in sight.acts():
        if act.final and not act.creates and (owner := sight.owner(act.tag)):
            await _pause(sight, 0.03)
            return owner
    return None


async def _before_settling(sight: Sight) -> str | None:
    request = await sight.told(lambda each: each.finished)
    await _pause(sight, 0.01)
    return key_of(request)


async def _before_delivered(sight: Sight) -> str | None:
    request = await sight.told(lambda each: each.finished)
    await asyncio.sleep(0.01)
    await _pause(sight, 0.06)
    return key_of(request)


async def _pause(sight: Sight, seconds: float) -> None:
    await asyncio.sleep(sight.choice.uniform(0, seconds))


Moment = Callable[[Sight], Awaitable[str | None]]
"""Waits for a moment; the key of the process in it, None for the one that listens."""

MOMENTS: Mapping[str, Moment] = {
    "accept": _before_accept,
    "claim": _while_claiming,
    "before first token": _before_first_token,
    "mid-stream": _in_stream,
    "first message": _first_create,
    "between messages": _between_messages,
    "final edit": _final_edit,
    "before settling": _before_settling,
    "before delivered": _before_delivered,
}
