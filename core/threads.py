"""Threads for work that blocks: first come, first served."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Some threads with one queue.

    A process that ends does not wait for them; it would wait for those of `concurrent.futures`.
    """

    def __init__(self, name: str, number: int) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._number = number
        self._name = name
        self._has_stopped = False
        self._start(number)

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Return the future result of `work`, which runs in the context of its caller.

        To cancel the future does not stop the work. Raises RuntimeError after `stop`.
        """
        if self._has_stopped:
            raise RuntimeError(f"the threads of the {self._name} have ended")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def carry_out() -> None:
            try:
                end = partial(future.set_result, work())
            except BaseException as error:  # noqa: BLE001 - the future raises it
                end = partial(future.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(_end, future, end)

        self._queue.put(partial(copy_context().run, carry_out))
        return future

    def stop(self) -> None:
        """End each thread when the queued work is done."""
        self._has_stopped = True
        for _ in range(self._number):
            self._queue.put(None)

    def _start(self, number: int) -> None:
        """Start a thread, which starts the next: one at a time.

        A debugger or a coverage tool traces each new thread, and fails for two at the same moment.
        """
        if number:
            Thread(target=self._run, args=(number - 1,), name=self._name, daemon=True).start()

    def _run(self, left: int) -> None:
        self._start(left)
        while (work := self._queue.get()) is not None:
            work()


def _end(future: asyncio.Future[Any], end: Callable[[], None]) -> None:
    if not future.done():
        end()
