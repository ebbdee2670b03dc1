"""Background work: it starts again when it fails, or it is done in small steps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import func, select

from core import db
from core.errors import ParleyError, SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""The seconds before failed work starts again; each pause is twice the one before."""

LOCK = 0x5061726C657A
"""The key of PostgreSQL's advisory lock for a step of `repeat`."""
REST = 2.0
"""The length of the pause after a step of `repeat`, as a multiple of the step's time."""
_WAIT_FOR_OTHERS = select(func.pg_advisory_xact_lock(LOCK))


async def keep(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` until it ends by itself, and start it again whenever it fails.

    Each failure is logged in one line with its reason; a bug is logged with its traceback. After a
    run longer than the longest pause, the next pause is the shortest. Cancellation passes through,
    and so does SettingsError, because the operator has to change something.
    """
    clock = asyncio.get_running_loop().time
    pause = SHORTEST_PAUSE
    while True:
        began = clock()
        try:
            await work()
        except SettingsError:
            raise
        except Exception as error:  # a background task that fails begins again
            if clock() - began > LONGEST_PAUSE:
                pause = SHORTEST_PAUSE
            log.error(
                "%s failed: %s: %s; it starts again in %g s",
                name,
                type(error).__name__,
                db.reason(error),
                pause,
                exc_info=error if _is_bug(error) else None,
            )
        else:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def tell_of_end(task: asyncio.Task[None], name: str) -> None:
    """Log the error by which a task ends while nobody waits for it."""
    task.add_done_callback(partial(_tell_of_end, name))


def _tell_of_end(name: str, task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        why = db.reason(error)
        trace = error if _is_bug(error) else None
        log.error("%s has ended: %s: %s", name, type(error).__name__, why, exc_info=trace)


def _is_bug(error: Exception) -> bool:
    """Return whether the error is in the code or the schema, and not in the world around them."""
    if isinstance(error, db.TRANSIENT):
        return not db.may_pass(error)
    return not isinstance(error, (ParleyError, OSError))


async def repeat(sessions: db.Sessions, step: Callable[[db.Session], Awaitable[bool]]) -> None:
    """Carry out a step again and again, each time in a transaction of its own, while it is True.

    The pauses are longer than the steps, so that the bot goes on beside them. One step at a time
    runs on a database, also when several processes have work of this kind.
    """
    while await _step(sessions, step):
        pass


async def walk(
    sessions: db.Sessions, step: Callable[[db.Session, T], Awaitable[T | None]], start: T
) -> None:
    """Carry out a step at `start`, then at the place that it returns, until that is None.

    Transactions and pauses are as in `repeat`.
    """
    at: T | None = start
    while at is not None:
        at = await _step(sessions, partial(_at, step=step, at=at))


async def _at(
    session: db.Session, *, step: Callable[[db.Session, T], Awaitable[T | None]], at: T
) -> T | None:
    return await step(session, at)


async def _step(sessions: db.Sessions, step: db.Work[T]) -> T:
    """Carry out a step, then pause if there may be more to do."""
    clock = asyncio.get_running_loop().time
    began = clock()
    result = await db.transact(sessions, partial(_alone, step=step))
    if result:
        await asyncio.sleep(REST * (clock() - began))
    return result


async def _alone(session: db.Session, *, step: db.Work[T]) -> T:
    if session.dialect == "postgresql":
        await session.execute(_WAIT_FOR_OTHERS)
    return await step(session)
