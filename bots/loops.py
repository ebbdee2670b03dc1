"""Event loops in which psycopg can wait for its sockets, as it cannot in Windows' default."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result, for what is soon over."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main)


def fastest() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop of this system."""
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - there is none for Windows

        new_loop = uvloop.new_event_loop
    return new_loop()
