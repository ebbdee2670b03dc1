"""The messages of one turn: they show its answer as it grows, and then the whole of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from core import posts, words
from core.adapter import Adapter, Button, ChangeKind
from core.db import Sessions, transact, undivided
from core.errors import (
    DeliveryError,
    LeaseLost,
    MessageGone,
    Muted,
    RetryAfter,
    Undeliverable,
    Unreachable,
)
from core.gates import SPARE, Gates, happens
from core.posts import FILE, Part
from core.reply import _doubles
from core.reply._calls import TRIES, Calls, Lease
from core.text import split
from core.turns import Turn

log = logging.getLogger(__name__)

STOP = (Button(ChangeKind.STOP, words.STOP),)

TYPING_AFTER = 0.15
"""The seconds before typing is shown; a quick first text needs none."""
TYPING_EVERY = 4.5
"""The seconds between two calls that show typing."""


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
    calls: Calls = field(init=False)
    _file: str | None = None
    """The message id of the file that goes with the answer."""
    _doubtful: set[int] = field(default_factory=set)
    """Parts that may be posted already, with an unknown text, or stand twice."""
    _gone: set[int] = field(default_factory=set)
    """Parts with a message that somebody else deleted."""
    _refusal: Muted | None = None
    """The refusal of the platform to let the bot write here."""
    _scope: asyncio.Timeout | None = None
    _shown: list[_Shown] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Make the way to the platform."""
        self.calls = Calls(self.adapter, self.gates, self.sessions, self.turn, self.lease, self.now)

    def resume(self, parts: Mapping[int, Part]) -> None:
        """Go on in existing messages; they are assumed to show the text that was saved last."""
        again = self.turn.attempt > 1
        self._doubtful = {
            number
            for number, part in parts.items()
            if part.doubtful or (again and part.message_id is None)
        }
        self._file = parts.get(FILE, Part()).message_id
        self.posts = [part.message_id for number, part in parts.items() if number != FILE]
        texts = split(self.turn.draft, self.adapter.fits)
        self._shown = [
            _Shown(texts[part] if part < len(texts) else None) for part in range(len(self.posts))
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
        self._end_scope()

    def _end_scope(self) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(self.lease.clock())

    @asynccontextmanager
    async def until_stopped(self) -> AsyncIterator[None]:
        """Run the body until it ends or `stop` ends it, which raises no error.

        Raises Muted as soon as the platform lets the bot write nothing here.
        """
        self._check()
        try:
            async with asyncio.timeout(0 if self.stopped else None) as self._scope:
                yield
        except TimeoutError:
            self._check()
            if not self.stopped:
                raise
        finally:
            self._scope = None

    def _check(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    @asynccontextmanager
    async def growing(self) -> AsyncIterator[None]:
        """Show typing and previews while the body runs; at the end no such call is under way.

        Raises Muted if the platform lets the bot write nothing here.
        """
        self.gates.streams += 1
        painter = asyncio.create_task(self._paint())
        try:
            yield
        finally:
            self.gates.streams -= 1
            self._grown.set()
            self._changed.set()
            await painter
        self._check()

    async def _paint(self) -> None:
        try:
            await self._type()
            while not self._grown.is_set():
                try:
                    await self._preview()
                except RetryAfter as limit:
                    await self.calls.pause(limit)
                except (Unreachable, MessageGone) as error:
                    log.debug("turn %s: preview: %s", self.turn.reference, error)
                await happens(self._grown, self.gates.interval(self.turn.address))
                await self._changed.wait()
        except Muted as refusal:
            self._refusal = refusal
            self._end_scope()
        except (Undeliverable, LeaseLost):
            return  # the delivery will fail in the same way, and decide

    async def _type(self) -> None:
        """Show typing until there is text; only a refusal for good matters."""
        pause = TYPING_AFTER
        while not await happens(self._changed, pause):
            if self.gates.wait(self.turn.address, SPARE) == 0:
                await self._type_once()
            pause = TYPING_EVERY

    async def _type_once(self) -> None:
        self.gates.count(self.turn.address)
        try:
            await self.adapter.typing(self.turn.address)
            self.gates.worked()
        except Muted:
            raise
        except RetryAfter as limit:
            await self.calls.pause(limit)
        except DeliveryError as error:
            log.debug("turn %s: typing: %s", self.turn.reference, error)

    async def _preview(self) -> None:
        """Show the text so far, unless the answer is whole before the gates open."""
        spare = SPARE if self.posts and self.posts[0] is not None else 0
        while seconds := max(self.gates.wait(self.turn.address, spare), self.calls.rest):
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

    async def deliver(
        self, answer: str, buttons: tuple[Button, ...] = (), *, last: bool = False
    ) -> None:
        """Post or edit every part of the answer until it stands, and delete surplus messages.

        In the `last` attempt a message that cannot be deleted is left. Raises RetryAfter when the
        platform wants a long pause, Unreachable when it does not answer, Undeliverable when it
        refuses for good, and LeaseLost when another attempt owns the turn.
        """
        self.calls.is_delivery = True
        parts = split(answer, self.adapter.fits)
        for part, text in enumerate(parts):
            shown = buttons if part == len(parts) - 1 else ()
            await self.calls.insist(partial(self._stand, part, text, shown))
        try:
            await self._tidy(parts)
        except Unreachable as error:
            if not last:
                raise
            log.warning("turn %s: a message is left: %s", self.turn.reference, error)

    async def _tidy(self, parts: list[str]) -> None:
        """Delete messages that the answer does not need, and let nothing wait for one."""
        for part in sorted(self._doubtful - {FILE}):
            await self._single(part, parts[part] if part < len(parts) else words.EMPTY)
        await self._withdraw(len(parts))
        if not parts and self.turn.message_id is not None:
            await self.calls.insist(partial(self.calls.make, self._dismiss))

    async def attach(self, name: str, data: bytes) -> None:
        """Post a file, once; raises the errors of `deliver`."""
        self.calls.is_delivery = True
        await self.calls.insist(partial(self._upload, name, data))
        if FILE in self._doubtful:
            await self._single(FILE, None)

    async def _upload(self, name: str, data: bytes) -> None:
        if self._file is not None:
            return
        await transact(self.sessions, lambda session: posts.intend(session, self.turn, FILE))

        async def upload() -> str:
            return await self.adapter.upload(
                self.turn.address,
                name,
                data,
                reply_to=self.turn.message_id,
                nonce=f"{self.turn.id}-file",
            )

        self._file = await self._create(FILE, upload)

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

    async def _single(self, part: int, text: str | None) -> None:
        """Delete the doubles of a part; `text` is the text that it shows, None for a file."""
        texts = range(len(self.posts)) if part == FILE else range(part)
        earlier = [self.posts[each] for each in texts]
        after = next((each for each in reversed(earlier) if each), self.turn.message_id)
        before = self._file if part == FILE else self.posts[part]
        for message_id in await _doubles.find(self.calls, after=after, before=before, text=text):
            log.info("turn %s: part %d stood twice", self.turn.reference, part)
            await self.calls.insist(partial(self._delete, message_id))
        await transact(
            self.sessions, lambda session: posts.doubt(session, self.turn, part, doubtful=False)
        )
        self._doubtful.discard(part)

    async def _withdraw(self, parts: int) -> None:
        """Delete the messages from part `parts` on, which a shorter answer does not need."""
        surplus = self.posts[parts:]
        if not surplus:
            return
        for message_id in surplus:
            if message_id is not None:
                await self.calls.insist(partial(self._delete, message_id))
        await transact(self.sessions, lambda session: posts.withdraw(session, self.turn, parts))
        del self.posts[parts:], self._shown[parts:]

    async def _delete(self, message_id: str) -> None:
        """Delete a message; if the platform does not let us, replace its text by `words.EMPTY`."""
        address = self.turn.address
        try:
            await self.calls.make(lambda: self.adapter.delete(address, message_id))
        except Undeliverable as error:
            log.info("turn %s: a message cannot be deleted: %s", self.turn.reference, error)
            with suppress(MessageGone, Undeliverable):
                await self.calls.make(
                    lambda: self.adapter.edit(address, message_id, words.EMPTY, final=True)
                )

    async def _dismiss(self) -> None:
        """Tell the platform that no answer will come."""
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
            self._shown[part] = _Shown() if part in self._doubtful else wanted
        if self._shown[part] != wanted:
            await self.calls.make(
                lambda: self.adapter.edit(
                    self.turn.address, message_id, text, final=final, buttons=buttons
                )
            )
            self._shown[part] = wanted

    async def _post(self, part: int, wanted: _Shown) -> str:
        if part == len(self.posts):
            await transact(self.sessions, lambda session: posts.intend(session, self.turn, part))
            self.posts.append(None)
            self._shown.append(_Shown())

        async def send() -> str:
            return await self.adapter.send(
                self.turn.address,
                wanted.text or "",
                final=bool(wanted.final),
                reply_to=self.turn.message_id if part == 0 else None,
                ticket=self.turn.ticket if part == 0 else "",
                buttons=wanted.buttons or (),
                nonce=self._nonce(part),
            )

        return await self._create(part, send)

    async def _create(self, part: int, call: Callable[[], Awaitable[str]]) -> str:
        """Make a message at the gates' pace, and store and return its id."""
        await self.calls.enter()
        return await undivided(self._created(part, call))

    async def _created(self, part: int, call: Callable[[], Awaitable[str]]) -> str:
        with self.gates.of(self.turn.address).creating():
            try:
                message_id = await self.calls.watch(call())
            except Unreachable as error:
                if error.maybe_done:
                    await self._doubt(part)
                raise
            if part != FILE:
                self.posts[part] = message_id
            doubtful = part in self._doubtful
            ours = await transact(
                self.sessions,
                lambda s: posts.confirm(s, self.turn, part, message_id, doubtful=doubtful),
            )
        if not ours:
            raise LeaseLost(f"turn {self.turn.reference}")
        return message_id

    async def _doubt(self, part: int) -> None:
        """Note that a part may have been posted."""
        self._doubtful.add(part)
        await transact(
            self.sessions, lambda session: posts.doubt(session, self.turn, part, doubtful=True)
        )

    def _nonce(self, part: int) -> str:
        """Return a part's nonce: the same at each attempt, but a new one after a deletion."""
        nonce = f"{self.turn.id}-{part}"
        return f"{nonce}-{self.turn.attempt}" if part in self._gone else nonce
