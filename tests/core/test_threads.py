"""Threads for work that blocks."""

import asyncio
from threading import Event

import pytest

from core.threads import Threads


async def test_work_after_the_end_is_refused_and_hangs_nobody() -> None:
    threads, ended = Threads("trial", 2), Event()
    assert await threads.submit(lambda: 7) == 7
    threads.stop(ended.set)
    await asyncio.to_thread(ended.wait)
    with pytest.raises(RuntimeError, match="the threads of the trial have ended"):
        threads.submit(lambda: 7)
