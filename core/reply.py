"""The reply: an answer while it grows on a platform, and its delivery."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from core import fleet, posts, words
from core.adapter import Adapter, Button, ChangeKind
from core.db import Sessions, transact, undivided
from core.errors import (
    DeliveryError,
    LeaseLost,
    MessageGone,
    RetryAfter,
    Undeliverable,
    Unreachable,
)
from core.gates import SPARE, Clock, Gates, happens
from core.quota import Progress
from core.text import split
from core.turns import Turn

log = logging.getLogger(__name__)

STOP = (Button(ChangeKind.STOP, words.STOP),)

MARGIN = 3.0
"""The seconds of lease that must be left when a call to the platform starts."""
TYPING_AFTER = 0.15
"""The seconds before typing is shown; a quick first text needs none."""
TYPING_EVERY = 4.5
"""The seconds between two calls that show typing."""
LOOK_EVERY = 0.1
"""The seconds between two checks for a renewal of the lease."""
SHORT_WAIT = 10.0
"""The longest flood limit, in seconds, that is waited out here; a longer one ends the attempt."""
TRIES = 4
"""The most tries of one call of the delivery while the platform does not answer."""


@dataclass(slots=True)
class Lease:
    """The lease of a turn, until a time of the event loop's clock; the worker renews it."""

    until: float
    clock: Clock
    lost: bool = False

    def check(self) -> None:
        """Raise LeaseLost if a call could outlast the lease."""
        if self.lost or self.is_short():
            raise LeaseLost

    def is_short(self) -> bool:
        """Return whether a renewal must come before the next call; a lost lease is never short."""
        return not self.lost and self.until - self.clock() < MARGIN


@dataclass(slots=True)
class _Shown:
    """The text and the buttons that a message shows; None for anything unknown here."""

    text: str | None = None
    buttons: tuple[Button, ...] | None = None
    final: bool | None = None


@dataclass(slots=True)
class Reply:
    """The messages of one turn. `write` only adds text; a task of its own shows it."""

    adapter: Adapter
    gates: Gates
    sessions: Sessions
    turn: Turn
    lease: Lease
    now: Callable[[], datetime]
    posts: list[str | None] = field(default_factory=list)
    """The message id of each part; None for a part with an unconfirmed intent to post it."""
    text: str = ""
    stopped: bool = False
    progress: Callable[[], Progress | None] = lambda: None
    """Tells how far the open call to the model has come, for the ledger."""
    _unsure: set[int] = field(default_factory=set)
    """Parts that may be posted already, with an unknown text."""
    _gone: set[int] = field(default_factory=set)
    """Parts with a message that somebody else deleted."""
    _is_whole: bool = False
    """True once the answer is stored and only its delivery is left."""
    _scope: asyncio.Timeout | None = None
    _shown: list[_Shown] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def resume(self, posts: Iterable[str | None]) -> None:
        """Go on in existing messages; they are assumed to show the text that was saved last."""
        self.posts = list(posts)
        if self.turn.attempt > 1:
            self._unsure = {part for part, post in enumerate(self.posts) if post is None}
        parts = split(self.turn.draft, self.adapter.fits)
        self._shown = [
            _Shown(parts[part] if part < len(parts) else None) for part in range(len(self.posts))
        ]

    # While the answer grows

    def write(self, text: str) -> None:
        """Add to the answer."""
        self.text += text
        self._changed.set()

    def rewind(self, length: int) -> None:
        """Cut the answer to a length; people see the old text until the new one is longer."""
        self.text = self.text[:length]

    def stop(self) -> None:
        """End the answer here, because the person asked to."""
        self.stopped = True
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(self.lease.clock())

    @asynccontextmanager
    async def until_stopped(self) -> AsyncIterator[None]:
        """Run the body until it ends or `stop` ends it, which raises no error."""
        try:
            async with asyncio.timeout(0 if self.stopped else None) as self._scope:
                yield
        except TimeoutError:
            if not self.stopped:
                raise
        finally:
            self._scope = None

    @asynccontextmanager
    async def growing(self) -> AsyncIterator[None]:
        """Show typing and previews while the body runs; at the end no such call is under way."""
        self.gates.streams += 1
        painter = asyncio.create_task(self._paint())
        try:
            yield
        finally:
            self.gates.streams -= 1
            self._grown.set()
            self._changed.set()
            await painter

    async def _paint(self) -> None:
        await self._type()
        while not self._grown.is_set():
            try:
                await self._preview()
            except RetryAfter as limit:
                await self._pause(limit)
            except (Unreachable, MessageGone) as error:
                log.debug("turn %s: preview: %s", self.turn.reference, error)
            except (Undeliverable, LeaseLost):
                return  # the delivery will fail in the same way, and decide
            await happens(self._grown, self.gates.interval(self.turn.address))
            await self._changed.wait()

    async def _type(self) -> None:
        """Show typing until there is text; a failure of it does not matter."""
        pause = TYPING_AFTER
        while not await happens(self._changed, pause):
            if self.gates.wait(self.turn.address, SPARE) == 0:
                await self._type_once()
            pause = TYPING_EVERY

    async def _type_once(self) -> None:
        self.gates.count(self.turn.address)
        try:
            await self.adapter.typing(self.turn.address)
        except RetryAfter as limit:
            await self._pause(limit)
        except DeliveryError as error:
            log.debug("turn %s: typing: %s", self.turn.reference, error)

    async def _preview(self) -> None:
        """Show the text so far, unless the answer is whole before the gates open."""
        spare = SPARE if self.posts and self.posts[0] is not None else 0
        while seconds := self.gates.wait(self.turn.address, spare):
            if await happens(self._grown, seconds):
                return
        self._changed.clear()
        if not self._is_longer():
            return
        parts = split(self.text, self.adapter.fits)
        for part, text in enumerate(parts):
            if self._grown.is_set():
                return
            is_last = part == len(parts) - 1
            await self._show(part, text, STOP if is_last else (), final=not is_last)

    def _is_longer(self) -> bool:
        """Return whether the text is longer than the one people see, which must not shrink."""
        return len(self.text) > sum(len(shown.text or "") for shown in self._shown)

    # When it is whole

    async def deliver(self, answer: str, buttons: tuple[Button, ...] = ()) -> None:
        """Post or edit every part of the answer until it stands, and delete surplus messages.

        Raises RetryAfter when the platform wants a long pause, Unreachable when it does not
        answer, Undeliverable when it refuses for good, and LeaseLost when another attempt owns the
        turn.
        """
        self._is_whole = True
        parts = split(answer, self.adapter.fits)
        for part, text in enumerate(parts):
            last = buttons if part == len(parts) - 1 else ()
            await self._insist(partial(self._stand, part, text, last))
        await self._withdraw(len(parts))
        if not parts and self.turn.message_id is not None:
            await self._insist(self._dismiss)

    async def attach(self, name: str, data: bytes) -> None:
        """Post a file; after a failure half-way it is posted again, perhaps for the second time."""

        async def upload() -> None:
            await self._enter()
            await self.adapter.upload(
                self.turn.address,
                name,
                data,
                reply_to=self.turn.message_id,
                nonce=f"{self.turn.id}-file",
            )

        await self._insist(upload)

    async def _insist(self, call: Callable[[], Awaitable[None]]) -> None:
        """Repeat a call while the platform does not answer or wants short pauses."""
        pause = 0.5
        for left in reversed(range(TRIES)):
            try:
                await call()
            except RetryAfter as limit:
                await self._pause(limit)
                if limit.retry_after > SHORT_WAIT or not left:
                    raise
            except Unreachable:
                if not left:
                    raise
                await asyncio.sleep(pause)
                pause *= 2
            else:
                return

    async def _stand(self, part: int, text: str, buttons: tuple[Button, ...]) -> None:
        """Make a part show its final text, in a new message if somebody deleted the old one."""
        for left in reversed(range(TRIES)):
            try:
                await self._show(part, text, buttons, final=True)
            except MessageGone:
                if not left:
                    raise
                self.posts[part] = None
                self._gone.add(part)
            else:
                return

    async def _withdraw(self, parts: int) -> None:
        """Delete the messages from part `parts` on, which a shorter answer does not need."""
        surplus = self.posts[parts:]
        if not surplus:
            return
        for message_id in surplus:
            if message_id is not None:
                await self._insist(partial(self._delete, message_id))
        await transact(self.sessions, lambda session: posts.withdraw(session, self.turn, parts))
        del self.posts[parts:], self._shown[parts:]

    async def _delete(self, message_id: str) -> None:
        """Delete a message; if the platform does not let us, replace its text by `words.EMPTY`."""
        await self._enter()
        try:
            await self.adapter.delete(self.turn.address, message_id)
        except Undeliverable as error:
            log.info("turn %s: a message cannot be deleted: %s", self.turn.reference, error)
            await self._enter()
            with suppress(MessageGone, Undeliverable):
                await self.adapter.edit(self.turn.address, message_id, words.EMPTY, final=True)

    async def _dismiss(self) -> None:
        """Tell the platform that no answer will come."""
        await self._enter()
        await self.adapter.dismiss(
            self.turn.address, reply_to=self.turn.message_id, ticket=self.turn.ticket
        )

    # One message

    async def _show(
        self, part: int, text: str, buttons: tuple[Button, ...], *, final: bool
    ) -> None:
        """Make a part show a text: edit its message, or post one if there is none."""
        wanted = _Shown(text, buttons, final)
        message_id = self.posts[part] if part < len(self.posts) else None
        if message_id is None:
            message_id = await self._post(part, wanted)
            # A platform that knows the nonce returns the message of an earlier try.
            self._shown[part] = _Shown() if part in self._unsure else wanted
            self._unsure.discard(part)
        if self._shown[part] != wanted:
            await self._enter()
            await self.adapter.edit(
                self.turn.address, message_id, text, final=final, buttons=buttons
            )
            self._shown[part] = wanted

    async def _post(self, part: int, wanted: _Shown) -> str:
        if part == len(self.posts):
            await transact(self.sessions, lambda session: posts.intend(session, self.turn, part))
            self.posts.append(None)
            self._shown.append(_Shown())
        await self._enter()
        return await undivided(self._send(part, wanted))

    async def _send(self, part: int, wanted: _Shown) -> str:
        """Post a part, and store and return its message id."""
        try:
            message_id = await self.adapter.send(
                self.turn.address,
                wanted.text or "",
                final=bool(wanted.final),
                reply_to=self.turn.message_id if part == 0 else None,
                ticket=self.turn.ticket if part == 0 else "",
                buttons=wanted.buttons or (),
                nonce=self._nonce(part),
            )
        except Unreachable:
            self._unsure.add(part)
            raise
        self.posts[part] = message_id
        ours = await transact(
            self.sessions, lambda session: posts.confirm(session, self.turn, part, message_id)
        )
        if not ours:
            raise LeaseLost(f"turn {self.turn.reference}")
        return message_id

    def _nonce(self, part: int) -> str:
        """Return a part's nonce: the same at each attempt, but a new one after a deletion."""
        nonce = f"{self.turn.id}-{part}"
        return f"{nonce}-{self.turn.attempt}" if part in self._gone else nonce

    # Gates and lease

    async def _pause(self, limit: RetryAfter) -> None:
        """Let no process send to this chat for as long as a flood limit tells."""
        self.gates.of(self.turn.address).pause(limit.retry_after)
        until = self.now() + timedelta(seconds=limit.retry_after)
        await transact(
            self.sessions, lambda session: fleet.pause(session, self.turn.address, until=until)
        )

    async def _enter(self) -> None:
        """Wait for the gates; raises RetryAfter if that takes longer than `SHORT_WAIT`."""
        await self._hold()
        seconds = self.gates.wait(self.turn.address)
        if seconds > SHORT_WAIT:
            raise RetryAfter(seconds)
        await self.gates.enter(self.turn.address, self.turn.user_id)
        await self._hold()

    async def _hold(self) -> None:
        """Raise LeaseLost if a call could outlast the lease.

        A delivery waits for the renewal instead: while the database is away, no other process
        takes the turn either.
        """
        while self._is_whole and self.lease.is_short():  # noqa: ASYNC110 - a renewal sets no event
            await asyncio.sleep(LOOK_EVERY)
        self.lease.check()
