"""The look-out for the models of an endpoint: which one to ask, and when."""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from core.errors import ModelBusy
from core.llm._faults import Costly

log = logging.getLogger(__name__)

FAILURES = 3
"""The number of failed tries in a row after which a model counts as away."""
FIRST_PAUSE = 1.0
GROWTH = 1.4
LONGEST_PAUSE = 60.0
"""The seconds before the first probe of a model that is away, the factor by which each failed probe
lengthens them, and the longest pause, also where the server asked for a longer one."""
APART = 0.6
"""The seconds between two requests to a model that is away, whoever makes them."""
REST = 300.0
"""The seconds for which a model is not asked that is not found, or is away beside another one."""
RECENT = 2 * LONGEST_PAUSE
"""The seconds after a failed try in which a model still counts as asked."""
SPREAD = 3.0
"""The most seconds over which those that waited go on when a model is back."""


@dataclass(slots=True)
class _Model:
    """The state of a model."""

    failures: int = 0
    """The failed tries in a row."""
    is_away: bool = False
    away_since: float = 0.0
    gone_until: float = -math.inf
    """The time before which it is not asked, because the server does not know it."""
    pause: float = 0.0
    grows_at: float = 0.0
    """The time from which a failure lengthens the pause."""
    probe_at: float = 0.0
    """The time at which those that have tried before may try again."""
    next_at: float = 0.0
    """The time before which nobody asks while it is away."""
    rests_until: float = 0.0
    """The time before which it is not asked while it is away and another one is there."""
    told_until: float = 0.0
    """The time until which the server asked to wait."""
    waiting: int = 0
    crowd: int = 0
    """The number of answers that wait for it; how many there were when it came back."""

    def is_due(self, now: float) -> bool:
        """Return whether it is there, or is to be tried before another one."""
        return not self.is_away or self.rests_until <= now


class Lookout:
    """The models in the operator's order, of which some may be away or gone.

    While a model is away, only a few requests probe it; when one succeeds, all go on.
    """

    def __init__(self, models: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._order = models
        self._clock = clock
        self._models: dict[str, _Model] = {model: _Model() for model in models}
        self._changed = asyncio.Event()
        self.answered_at: float | None = None
        """The time of the last answer of any model."""
        self._failed_at = -math.inf

    @property
    def away_for(self) -> float | None:
        """The seconds for which no model of the operator's order has answered.

        None if one is there, or none was asked lately.
        """
        now = self._clock()
        order = [self._of(model) for model in self._order]
        left = [state for state in order if state.gone_until <= now]
        if now - self._failed_at > RECENT or not left or not all(each.is_away for each in left):
            return None
        return now - max(each.away_since for each in left)

    def current(self, chosen: str | None, without: Collection[str] = ()) -> str | None:
        """Return the model to ask: the first that is there, else the first that may come back.

        A chosen model precedes the operator's order. None if no model is left.
        """
        now = self._clock()
        order = self._order if chosen is None else (chosen, *self._order)
        left = [each for each in order if each not in without and self._of(each).gone_until <= now]
        there = [each for each in left if self._of(each).is_due(now)]
        return next(iter(there or left), None)

    def is_away(self, model: str) -> bool:
        """Return whether a model does not answer at present."""
        return self._of(model).is_away

    def is_gone(self, model: str) -> bool:
        """Return whether a model is gone for good."""
        return self._of(model).gone_until == math.inf

    def told(self, model: str) -> float:
        """Return the seconds for which the server of a model asked to wait."""
        return max(self._of(model).told_until - self._clock(), 0.0)

    def take(self, model: str, *, first: bool) -> float:
        """Return 0 if a model may be asked now, and else the seconds to wait.

        Somebody who asks for the first time waits only for the distance between two requests: the
        failures may be the fault of other people's questions.
        """
        state = self._of(model)
        now = self._clock()
        may_at = state.next_at if first else max(state.next_at, state.probe_at)
        if state.is_away and now < may_at:
            return may_at - now
        if state.is_away:
            state.rests_until = now + REST
            state.next_at = now + APART
            state.probe_at = max(state.probe_at, now + state.pause)
        return 0.0

    async def wait(self, model: str, seconds: float) -> None:
        """Wait so many seconds, or until something changes; those that wait go on one by one."""
        state, changed = self._of(model), self._changed
        state.waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await changed.wait()
        finally:
            state.waiting -= 1
        if not state.is_away:
            await asyncio.sleep(random.uniform(0, min(SPREAD, state.crowd / 30)))

    def answered(self, model: str) -> None:
        """Forget the earlier failures of a model."""
        state = self._of(model)
        self.answered_at = self._clock()
        state.failures = 0
        if state.is_away:
            log.warning("model %s answers again; %d turns waited for it", model, state.waiting)
            state.is_away, state.told_until, state.crowd = False, 0.0, state.waiting
            self._change()

    def failed(self, model: str, error: ModelBusy) -> None:
        """Count a failed try. The first one in a row is logged with the server's words.

        A fault that may lie in the question itself does not make the model count as away.
        """
        state = self._of(model)
        now = self._clock()
        told = error.retry_after or 0.0
        if not state.failures:
            log.warning("model %s failed: %s", model, error)
        if isinstance(error, Costly):
            return
        state.failures += 1
        self._failed_at = now
        state.rests_until = now + REST
        state.told_until = max(state.told_until, now + told)
        if state.is_away:
            if now >= state.grows_at:  # otherwise it was asked before the last probe failed
                state.pause = min(state.pause * GROWTH, LONGEST_PAUSE)
                state.grows_at = now + state.pause / 2
        elif state.failures >= FAILURES or told > LONGEST_PAUSE:
            state.is_away, state.pause, state.away_since = True, FIRST_PAUSE, now
            state.grows_at = now + FIRST_PAUSE / 2
            log.warning("model %s is away: asking %s", model, self.current(None))
            self._change()
        told = min(told, LONGEST_PAUSE)
        state.next_at = now + max(APART, told)
        state.probe_at = now + max(state.pause, told)

    def gone(self, model: str, error: object, *, for_good: bool) -> None:
        """Ask a model no more in this process, or only after a rest."""
        state = self._of(model)
        was_gone = state.gone_until > self._clock()
        until = math.inf if for_good else self._clock() + REST
        state.gone_until = max(state.gone_until, until)
        if not was_gone:  # requests that were on their way tell it again
            log.error("%s; asking %s", error, self.current(None) or "nobody")
            self._change()

    def _of(self, model: str) -> _Model:
        return self._models.setdefault(model, _Model())

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
