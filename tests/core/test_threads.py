"""Threads for work that blocks."""

import threading

import pytest

from core.threads import Threads
from tests.core import rows


async def test_work_after_the_end_is_refused_and_hangs_nobody() -> None:
    threads = Threads("trial", 2)
    assert await threads.submit(lambda: 7) == 7
    threads.stop()

    async def ended() -> bool:
        return "trial" not in {each.name for each in threading.enumerate()}

    await rows.until(ended)
    with pytest.raises(RuntimeError, match="the threads of the trial have ended"):
        threads.submit(lambda: 7)
