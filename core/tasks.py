"""Background work that is logged and started again when it fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from core import db
from core.errors import ParleyError, SettingsError

log = logging.getLogger(__name__)

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""The seconds before failed work starts again; each pause is twice the one before."""


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
        except Exception as error:
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


def _is_bug(error: Exception) -> bool:
    """Return whether the error is in the code or the schema, and not in the world around them."""
    if isinstance(error, db.TRANSIENT):
        return not db.may_pass(error)
    return not isinstance(error, (ParleyError, OSError))
