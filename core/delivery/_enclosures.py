"""The files that go with answers: each is made when its answer is delivered, and posted once."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from tempfile import TemporaryFile

from core import inbox, operations, privacy, usage, words
from core.db import Sessions, transact
from core.errors import Muted, Undeliverable, Unreachable
from core.quota import Rules
from core.reply import Reply
from core.turns import Enclosure, Turn

log = logging.getLogger(__name__)

EXPORT, USAGE, STATS = "parley.json", "usage.png", "stats.png"
"""The names of the files."""


class Enclosures:
    """Makes and posts files, one export at a time.

    A file follows the text of its answer, so that a failing answer does not post it twice.
    """

    def __init__(self, sessions: Sessions, rules: Rules, *, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._rules = rules
        self._now = now
        self._exporting = asyncio.Semaphore(1)

    async def enclose(self, turn: Turn, reply: Reply, *, last: bool) -> None:
        """Post the file that goes with an answer, if there is one; raises as `Reply.deliver`.

        In the `last` attempt a file that fails alone is left.
        """
        if turn.question.encloses is None:
            return
        # Its person may have linked accounts since the claim.
        turn = await transact(self._sessions, lambda s: inbox.current(s, turn), single=True)
        match turn.question.encloses:
            case Enclosure.EXPORT:
                await self._export(turn, reply, last=last)
            case Enclosure.USAGE:
                await self._picture(USAGE, turn, reply, last=last)
            case Enclosure.STATS:
                await self._picture(STATS, turn, reply, last=last)

    async def _picture(self, name: str, turn: Turn, reply: Reply, *, last: bool) -> None:
        """Post a picture; without it, the text stands alone."""
        if not reply.adapter.leeway(turn.ticket).pictures:
            return
        try:
            data = await self._drawn(name, turn)
        except (ImportError, OSError, ValueError) as error:
            log.error("turn %s: no picture: %s: %s", turn.reference, type(error).__name__, error)
            return
        await self._attach(name, data, turn, reply, last=last)

    async def _drawn(self, name: str, turn: Turn) -> bytes:
        now = self._now()
        if name == USAGE:
            return await usage.picture(self._sessions, turn.payer, self._rules, now=now)
        return await operations.picture(self._sessions, turn.question.text, self._rules, now=now)

    async def _export(self, turn: Turn, reply: Reply, *, last: bool) -> None:
        """Post everything that is stored about a person, or tell why it cannot be sent."""
        most = reply.adapter.largest_file
        async with self._exporting:
            with TemporaryFile() as file:
                if not await privacy.export(self._sessions, turn.user_id, file, most=most):
                    log.warning("turn %s: more than %d bytes to export", turn.reference, most)
                    told = words.EXPORT_LARGE.format(megabytes=words.number(most / 1e6))
                    await reply.deliver(words.with_reference(told, turn.reference), last=last)
                    return
                file.seek(0)
                data = await asyncio.to_thread(file.read)
            if not await self._attach(EXPORT, data, turn, reply, last=last):
                await reply.deliver(words.with_reference(words.NOT_SENT, turn.reference), last=last)

    async def _attach(
        self, name: str, data: bytes, turn: Turn, reply: Reply, *, last: bool
    ) -> bool:
        """Post a file; return False if it cannot be posted."""
        try:
            await reply.attach(name, data, picture=name != EXPORT)
        except (Undeliverable, Unreachable) as error:
            if isinstance(error, Muted) or (isinstance(error, Unreachable) and not last):
                raise
            log.warning("turn %s: %d bytes not delivered: %s", turn.reference, len(data), error)
            return False
        return True
