"""Waiting for one of several things that go on at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from bots.discord.arrivals import Arrivals, Event


async def next_unless_ended(arrivals: Arrivals, hearing: asyncio.Task[None]) -> Event | None:
    """Return the next event; if `hearing` ended, return None or raise its error.

    The event stays in the queue.
    """
    getting = asyncio.create_task(arrivals.first())
    try:
        await asyncio.wait((getting, hearing), return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        return hearing.result()
    finally:
        getting.cancel()


async def first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run coroutines side by side until one ends or fails, then cancel the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
