"""Flood limits: how often a bot may write, and what a wait costs that is not kept."""

import math
from dataclasses import dataclass

from tests.fakes.telegram.errors import Refused, flooded
from tests.fakes.telegram.state import Chat

SHORTEST_WAIT = 3
"""Seconds of the shortest wait that is ever asked for."""
IN_FLIGHT = 0.25
"""Seconds after a refusal in which a call may have been under way already."""
EVERYWHERE = 0


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a steady rate; a call takes one."""

    capacity: float
    rate: float
    level: float
    at: float

    def take(self, now: float) -> float:
        """Take a token; 0, or the seconds until there is one."""
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return (1 - self.level) / self.rate
        self.level -= 1
        return 0


@dataclass(slots=True)
class Pause:
    """A wait that was asked for."""

    since: float
    until: float


class Flood:
    """The limits of one token. Times are monotonic seconds."""

    def __init__(self, violations: list[str], *, enforced: bool) -> None:
        self._violations = violations
        self._enforced = enforced
        self._buckets: dict[int, Bucket] = {}
        self._pauses: dict[int, Pause] = {}

    def admit(self, method: str, chat: Chat, now: float) -> None:
        """Let a call pass or refuse it; a call inside a wait prolongs the wait."""
        for key in (EVERYWHERE, chat.id):
            self._respect(method, key, now)
        if not self._enforced:
            return
        for key, bucket in ((chat.id, self._of(chat, now)), (EVERYWHERE, self._all(now))):
            wait = bucket.take(now)
            if wait:
                raise self.pause(key, max(SHORTEST_WAIT, math.ceil(wait)), now)

    def pause(self, key: int, seconds: int, now: float) -> Refused:
        """Begin a wait in a chat, or everywhere, and return the refusal that asks for it."""
        self._pauses[key] = Pause(now, now + seconds)
        return flooded(seconds)

    def _respect(self, method: str, key: int, now: float) -> None:
        pause = self._pauses.get(key)
        if pause is None or now >= pause.until:
            return
        if now > pause.since + IN_FLIGHT:
            left = pause.until - now
            where = f"chat {key}" if key else "every chat"
            self._violations.append(f"{method} {left:.1f} s before the wait in {where} was over")
            pause.until += SHORTEST_WAIT
        raise flooded(math.ceil(pause.until - now))

    def _of(self, chat: Chat, now: float) -> Bucket:
        """A private chat takes bursts of 6 and 1 a second; a group 20 a minute."""
        capacity, rate = (6, 1.0) if chat.kind == "private" else (20, 1 / 3)
        return self._buckets.setdefault(chat.id, Bucket(capacity, rate, capacity, now))

    def _all(self, now: float) -> Bucket:
        return self._buckets.setdefault(EVERYWHERE, Bucket(30, 30.0, 30, now))
