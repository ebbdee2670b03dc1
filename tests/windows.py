"""Windows of time by the calendar, which are not to end in the middle of a test."""

import asyncio
import time


async def whole(seconds: int, *, needed: float) -> None:
    """Wait until no window of so many seconds ends soon, by the clock of the machine in UTC.

    `needed` is the time in seconds for which a test may go on in it. An hour stands for a day and
    a month as well, because they end with one.
    """
    left = seconds - time.time() % seconds
    if left < needed:
        await asyncio.sleep(left + 0.1)
