"""Discord's rate limits: a window per route and channel, and one over the whole token."""

import hashlib
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.discord.refusals import Refusal

WINDOW, PER_WINDOW = 5.0, 5
"""Seconds, and calls of one route in one channel within them."""
GLOBAL_WINDOW, GLOBAL_CALLS = 1.0, 50

Headers = dict[str, str]


@dataclass(slots=True)
class Bucket:
    """One route in one channel; its window opens with the first call."""

    resets_at: float = 0.0
    remaining: int = PER_WINDOW

    def take(self, now: float) -> bool:
        """Use one call of the window, or tell that none is left."""
        if now >= self.resets_at:
            self.resets_at, self.remaining = now + WINDOW, PER_WINDOW
        if self.remaining == 0:
            return False
        self.remaining -= 1
        return True


def _ceil(seconds: float) -> float:
    """Round milliseconds up, so that waiting that long is enough."""
    return math.ceil(seconds * 1000) / 1000


class Limited(Refusal):
    """429, with the headers a client reads."""

    def __init__(self, retry_after: float, scope: str, headers: Headers) -> None:
        everything = scope == "global"
        message = "You are being rate limited."
        super().__init__(429, message, retry_after=_ceil(retry_after), **{"global": everything})
        self.retry_after = retry_after
        self.headers = {
            **headers,
            "Retry-After": str(int(retry_after) + 1),
            "X-RateLimit-Scope": scope,
            # discord.py takes a 429 without it for a ban by the network in front.
            "Via": "1.1 google",
            **({"X-RateLimit-Global": "true"} if everything else {}),
        }
        del self.body["code"]


class Limits:
    """Counts calls and says no; every no is a violation, and so is not to wait after it."""

    def __init__(
        self,
        enabled: bool,
        violations: list[str],
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._enabled = enabled
        self._violations = violations
        self._clock = clock
        self._now = now
        self._recent: deque[float] = deque()
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._waits: dict[str, float] = {}

    def arrive(self, call: str, counted: bool) -> None:
        """Count a call against the token; `call` names method and path."""
        now = self._clock()
        if now < self._waits.get(call, 0.0):
            self._violations.append(f"{call}: called before retry_after had passed")
        if not self._enabled or not counted:
            return
        while self._recent and now - self._recent[0] >= GLOBAL_WINDOW:
            self._recent.popleft()
        if len(self._recent) >= GLOBAL_CALLS:
            raise self._limited(call, self._recent[0] + GLOBAL_WINDOW - now, "global", {})
        self._recent.append(now)

    def take(self, call: str, bucket: str, major: str) -> Headers:
        """Count a call against its route and channel, and return the rate-limit headers."""
        if not self._enabled:
            return {}
        now = self._clock()
        window = self._buckets.setdefault((bucket, major), Bucket())
        free = window.take(now)
        after = window.resets_at - now
        headers = self._headers(bucket, window.remaining, after)
        if not free:
            raise self._limited(call, after, "user", headers)
        return headers

    def order_to_wait(self, call: str, retry_after: float) -> Limited:
        """A 429 out of turn, as a test asked for it."""
        self._waits[call] = self._clock() + retry_after
        return Limited(retry_after, "shared", {})

    def _limited(self, call: str, after: float, scope: str, headers: Headers) -> Limited:
        self._violations.append(f"{call}: over the {scope} limit")
        self._waits[call] = self._clock() + after
        return Limited(after, scope, headers)

    def _headers(self, bucket: str, remaining: int, after: float) -> Headers:
        return {
            "X-RateLimit-Limit": str(PER_WINDOW),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": f"{self._now() + _ceil(after):.3f}",
            "X-RateLimit-Reset-After": f"{_ceil(after):.3f}",
            "X-RateLimit-Bucket": hashlib.blake2s(bucket.encode(), digest_size=16).hexdigest(),
        }
