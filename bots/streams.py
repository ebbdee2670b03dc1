"""The standard streams of a process, which may be closed, or lead to nobody.

A file or a socket that is opened while one of them is closed gets its number, and would be written
by whatever writes to that stream.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

UNREAD = 1
"""The exit status of a command that nobody reads to its end; what it was to do may be done."""


def open_closed() -> None:
    """Let standard streams that are closed lead to nowhere."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above


@contextmanager
def ending_quietly() -> Iterator[None]:
    """End the process without a traceback when nobody reads what it writes.

    The interpreter flushes the streams at its end, too, and would complain.
    """
    try:
        yield
    except BrokenPipeError:
        sys.exit(UNREAD)
    finally:
        _flush(sys.stderr)  # a log that nobody reads changes nothing
        if not _flush(sys.stdout):
            sys.exit(UNREAD)


def _flush(stream: TextIO) -> bool:
    """Write what waits in a stream; if nobody reads it, let it lead to nowhere and return False."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True
