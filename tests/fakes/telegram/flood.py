"""Flood limits: the rates for a bot, and the penalty for calls during a wait."""

import math
from dataclasses import dataclass

from tests.fakes.telegram.errors import Refused, flooded
from tests.fakes.telegram.state import Chat

SHORTEST_WAIT = 3
"""Seconds of the shortest wait that is ever asked for."""
IN_FLIGHT = 0.25
"""Seconds after a refusal in which a call may have been under way already."""
EVERYWHERE = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """Calls that may follow each other at once, and how many more each second."""

    burst: int
    rate: float


CHAT, GROUP, TOKEN = Limit(6, 1), Limit(20, 1 / 3), Limit(30, 30)
"""The limits of every chat, of a group besides, and of all chats together."""


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a steady rate; a call takes one."""

    limit: Limit
    level: float
    at: float

    def take(self, now: float) -> float:
        """Take a token; 0, or the seconds until there is one."""
        self.level = min(self.limit.burst, self.level + (now - self.at) * self.limit.rate)
        self.at = now
        if self.level < 1:
            return (1 - self.level) / self.limit.rate
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
        self._buckets: dict[tuple[int, Limit], Bucket] = {}
        self._pauses: dict[int, Pause] = {}

    def admit(self, method: str, chat: Chat, now: float) -> None:
        """Let a call pass or refuse it; a call inside a wait prolongs the wait."""
        for key in (EVERYWHERE, chat.id):
            self._respect(method, key, now)
        if not self._enforced:
            return
        for key, limit in _limits(chat):
            wait = self._bucket(key, limit, now).take(now)
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

    def _bucket(self, key: int, limit: Limit, now: float) -> Bucket:
        return self._buckets.setdefault((key, limit), Bucket(limit, limit.burst, now))


def _limits(chat: Chat) -> list[tuple[int, Limit]]:
    """The limits that a call to a chat counts against."""
    in_group = [] if chat.kind == "private" else [(chat.id, GROUP)]
    return [(chat.id, CHAT), *in_group, (EVERYWHERE, TOKEN)]
