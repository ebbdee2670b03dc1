"""Errands: small calls to a platform that belong to no turn.

A stranger is told once that they are not let in, whatever shows that an answer is on its way ends,
and a group is left. Nothing is stored before an errand is done: what is lost in a crash is begun
again by the next message there. A flood makes no queue: the same errand waits once, and at most
`MOST` wait.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from core.adapter import Account, Adapter, Address
from core.db import TRANSIENT, Session, Sessions, reason, transact
from core.errors import DeliveryError, RetryAfter, Undeliverable, place
from core.gates import happens

log = logging.getLogger(__name__)

MOST = 1000
"""The most errands that wait."""
PACE = 0.3
"""The seconds between two of them; answers need the rest of a platform's limits."""
TRIES = 5
"""The most tries of an errand whose platform does not answer."""
AWAY = 10.0
"""The seconds for which such a platform is left alone, and the most for one errand."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a person something in reply to a message of theirs, and then store that."""

    key: Hashable
    address: Address
    text: str
    reply_to: str
    ticket: str = field(default="", repr=False)
    then: Callable[[Session], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Dismiss:
    """End whatever shows that an answer to a message is on its way."""

    key: Hashable
    address: Address
    reply_to: str
    ticket: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Leave:
    """Say a sentence in a group, if the bot may, and leave it."""

    key: Hashable
    address: Address
    text: str


Errand = Tell | Dismiss | Leave


@dataclass(slots=True)
class _Task:
    errand: Errand
    tries: int = 0
    has_spoken: bool = False
    """True once nothing more is to be said: another attempt does only what is left."""
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex[:24])


class Errands:
    """The errands of one process, carried out one after the other."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._adapters: dict[Account, Adapter] = {}
        self._tasks: dict[Hashable, _Task] = {}
        self._free_at: dict[Account, float] = {}
        """The times until which accounts are left alone, on the event loop's clock."""
        self._came = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def serve(self, adapter: Adapter) -> None:
        """Carry out the errands of one more account from now on."""
        self._adapters[adapter.name, adapter.bot_id] = adapter

    def take(self, errand: Errand) -> None:
        """Take an errand, unless the same one waits or too many do."""
        if errand.key not in self._tasks and len(self._tasks) < MOST:
            self._tasks[errand.key] = _Task(errand)
            self._came.set()
            self._idle.clear()

    async def finish(self, seconds: float) -> None:
        """Wait until every errand is done, at most so many seconds."""
        await happens(self._idle, seconds)

    async def run(self) -> None:
        """Carry out errands for ever."""
        while True:
            task, wait = self._next()
            if task is None:
                self._came.clear()
                await happens(self._came, wait)
                continue
            await self._try(task)
            if not isinstance(task.errand, Dismiss) or task.errand.ticket:
                await asyncio.sleep(PACE)  # it was a call

    def _next(self) -> tuple[_Task | None, float | None]:
        """Return the next errand of an account that is not left alone, or the seconds to wait."""
        now = asyncio.get_running_loop().time()
        ends = [self._free_at.get(_account(task.errand), 0.0) for task in self._tasks.values()]
        for task, end in zip(self._tasks.values(), ends, strict=True):
            if end <= now:
                return task, None
        return None, min(ends) - now if ends else None

    async def _try(self, task: _Task) -> None:
        """Make one attempt; the errand stays for another one if somebody does not answer."""
        task.tries += 1
        account = _account(task.errand)
        pause: float | None = None
        try:
            async with asyncio.timeout(AWAY):
                await self._do(task, self._adapters[account])
        except Undeliverable as refusal:
            log.info("an errand on %s is refused: %s", account[0], refusal)
        except RetryAfter as limit:
            pause = limit.retry_after
        except TimeoutError:
            log.info("an errand on %s has to wait: no answer in %g s", account[0], AWAY)
            pause = AWAY
        except (DeliveryError, *TRANSIENT) as error:
            log.info("an errand on %s has to wait: %s", account[0], reason(error))
            pause = AWAY
        except Exception as error:  # noqa: BLE001 - one errand must not stop the others
            log.error("an errand on %s failed: %s", account[0], place(error))
        self._free_at[account] = asyncio.get_running_loop().time() + (pause or 0.0)
        del self._tasks[task.errand.key]
        if pause is not None and task.tries < TRIES:
            self._tasks[task.errand.key] = task  # behind the others, which may have more luck
        if not self._tasks:
            self._idle.set()

    async def _do(self, task: _Task, adapter: Adapter) -> None:
        match task.errand:
            case Tell():
                await self._tell(task, task.errand, adapter)
            case Dismiss(_, address, reply_to, ticket):
                await adapter.dismiss(address, reply_to=reply_to, ticket=ticket)
            case Leave():
                await self._leave(task, task.errand, adapter)

    async def _tell(self, task: _Task, errand: Tell, adapter: Adapter) -> None:
        if not task.has_spoken:
            try:
                await adapter.send(
                    errand.address,
                    errand.text,
                    final=True,
                    reply_to=errand.reply_to,
                    ticket=errand.ticket,
                    nonce=task.nonce,
                )
            except Undeliverable as refusal:  # it would be refused again
                log.info("an errand on %s is refused: %s", adapter.name, refusal)
            task.has_spoken = True
        if errand.then is not None:
            await transact(self._sessions, errand.then, patience=AWAY)

    async def _leave(self, task: _Task, errand: Leave, adapter: Adapter) -> None:
        if errand.address.chat and not task.has_spoken:
            task.has_spoken = True
            try:
                await adapter.send(errand.address, errand.text, final=True, nonce=task.nonce)
            except RetryAfter:
                task.has_spoken = False  # nothing was said
                raise
            except Undeliverable as refusal:
                log.info("a goodbye on %s is refused: %s", adapter.name, refusal)
        await adapter.leave(errand.address)
        log.info("left the group %s on %s", errand.address.places[-1], adapter.name)


def _account(errand: Errand) -> Account:
    return errand.address.platform, errand.address.bot_id
