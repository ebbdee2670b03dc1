"""The choice among the operator's models."""

import logging
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)

FAILURES = 3
"""The number of failed tries in a row after which a model rests."""
REST = 300.0
"""The length of a rest in seconds; meanwhile the next model is asked."""


class Lineup:
    """The models in the operator's order: one that keeps failing rests while the next is asked."""

    def __init__(self, models: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._models = models
        self._clock = clock
        self._failures: Counter[str] = Counter()
        self._rests_until = dict.fromkeys(models, 0.0)

    def current(self, chosen: str | None = None) -> str:
        """Return the first model that does not rest, or else the one whose rest ends first.

        A chosen model precedes the operator's order.
        """
        now = self._clock()
        models = self._models if chosen is None else (chosen, *self._models)
        return min(models, key=lambda model: max(self._rests_until.get(model, 0.0), now))

    def answered(self, model: str) -> None:
        """Forget the earlier failures of a model."""
        self._failures.pop(model, None)

    def failed(self, model: str, reason: object, *, for_good: bool = False) -> None:
        """Count a failed try. A try that was given up `for_good` begins the rest at once."""
        now = self._clock()
        if self._models == (model,) or self._rests_until.get(model, 0.0) > now:
            return
        self._failures[model] += 1
        if not for_good and self._failures[model] < FAILURES:
            return
        # After its rest a model has one try; one more failure begins the next rest.
        self._failures[model] = FAILURES - 1
        self._rests_until[model] = now + REST
        log.warning("model %s failed (%s): asking %s", model, reason, self.current())
