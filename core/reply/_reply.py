"""The messages of one turn: they show its answer as it grows, and then the whole of it."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from core import words
from core.adapter import Adapter, Button, ChangeKind
from core.db import Sessions
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
from core.quota import Progress
from core.reply._messages import Messages, NoRoom, cut
from core.reply._tally import Tally
from core.reply._way import Lease, Way
from core.signals import FirstText, Tell, nobody
from core.text import Growing
from core.turns import Turn

log = logging.getLogger(__name__)

TYPING_AFTER = 0.15
"""The seconds before typing is shown; a quick first text needs none."""
TYPING_EVERY = 4.5
"""The seconds between two calls that show typing."""
NOTICE_AFTER = 8.0
SENTENCE, GATHER = 40, 0.4
"""The characters that the first message of an answer waits for, and the most seconds for which it
does: a phone's notification shows what that message holds at first."""
IN_TIME = 30.0
"""The seconds before the end of a ticket at which its answer has to end."""
WHOLE = "answer.md"
"""The name of the file with an answer that has no room in messages."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The buttons below a delivered answer, and the messages whose buttons it ends."""

    buttons: tuple[Button, ...] = ()
    ended: tuple[str, ...] = ()
    """The ids of the last messages of older answers."""


@dataclass(slots=True)
class Reply:
    """The messages of one turn. `write` only adds text; a task of its own shows it."""

    adapter: Adapter
    gates: Gates
    sessions: Sessions
    turn: Turn
    lease: Lease
    now: Callable[[], datetime]
    text: str = ""
    stopped: bool = False
    progress: Callable[[], Progress | None] = lambda: None
    """Tells how far the open call to the model has come, for the ledger."""
    standing: Standing | None = None
    """The buttons once the answer is delivered; None until they are known."""
    waiting: Callable[[bool], None] = lambda _: None
    """Hears when nothing can be done but to wait for the model, and when that is over."""
    tally: Tally | None = None
    """The calls of the answer once this attempt has stored it, for the log."""
    first_text_at: datetime | None = None
    """The time at which people saw the first words of the answer."""
    notice_after: float = NOTICE_AFTER
    """The seconds without text after which a sentence in its place tells why."""
    tell: Tell = nobody
    """Hears of the first text, and of flood limits."""
    _notice: str = ""
    way: Way = field(init=False)
    messages: Messages = field(init=False)
    _growing: Growing = field(init=False)
    _refusal: Muted | None = None
    """The refusal of the platform to let the bot write here."""
    _waits: bool = False
    _is_growing: bool = False
    _noticed: str = ""
    """The notice that people see; "" if they see none."""
    _scope: asyncio.Timeout | None = None
    _began_at: float = 0.0
    """The time of the first text, by the event loop's clock."""
    _says: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once there is enough text for a notification, or no more will come."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Make the way to the platform."""
        self.way = Way(
            self.adapter, self.gates, self.sessions, self.turn, self.lease, self.now, self.tell
        )
        self.messages = Messages(self.way)
        self._growing = Growing(self.adapter.fits)

    async def resume(self, parts: Mapping[int, Part]) -> None:
        """Go on in the messages of earlier attempts."""
        await self.messages.resume(parts)

    # While the answer grows

    def write(self, text: str) -> None:
        """Add to the answer."""
        self.text += text
        self._began_at = self._began_at or self.lease.clock()
        if not self._says.is_set() and len(self.text.strip()) >= SENTENCE:
            self._says.set()
        self._changed.set()

    @property
    def notice(self) -> str:
        """The sentence that stands in the place of the answer while there is no text for long."""
        return self._notice or words.STILL_WORKING

    def explain(self, notice: str) -> None:
        """Tell another reason why there is no text yet, at once if people see the earlier one."""
        self._notice = notice
        if self._noticed:
            self._changed.set()

    def wait(self, *, waits: bool) -> None:
        """Tell whether the answer waits for a model that is away.

        Such an answer does nothing, so that others take its place in line.
        """
        if waits != self._waits:
            self._waits = waits
            if self._is_growing:
                self.gates.streams += -1 if waits else 1
            self.waiting(waits)

    @property
    def time(self) -> float:
        """The seconds that are left for the answer to grow."""
        until = self.adapter.leeway(self.turn.ticket).until
        return math.inf if until is None else (until - self.now()).total_seconds() - IN_TIME

    def rewind(self, length: int) -> None:
        """Cut the answer to a length; people see the old text until the new one is longer."""
        self.text = self.text[:length]
        if len(self.text.strip()) < SENTENCE:
            self._says.clear()
        if not self.text:
            self._began_at = 0.0

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
        self._is_growing = True
        painter = asyncio.create_task(self._paint())
        try:
            yield
        finally:
            self._is_growing = False
            self.gates.streams -= 1
            self._grown.set()
            self._says.set()
            self._changed.set()
            await painter
        self._check()

    async def _paint(self) -> None:
        try:
            await self._begin()
            while not self._grown.is_set():
                try:
                    await self._preview()
                except RetryAfter as limit:
                    await self.way.pause(limit)
                except (Unreachable, MessageGone) as error:
                    log.debug("turn %s: preview: %s", self.turn.reference, error)
                await happens(self._grown, self.gates.interval(self.turn.address))
                await self._changed.wait()
        except Muted as refusal:
            self._refusal = refusal
            self._end_scope()
        except (Undeliverable, LeaseLost):
            return  # the delivery will fail in the same way, and decide

    async def _begin(self) -> None:
        """Wait until a first message is worth it: for a sentence, or for a notice that tells why.

        A text that is not a sentence after `GATHER` seconds is shown as it is.
        """
        await self._type()
        while self.text and not any(self.messages.ids):
            await happens(self._says, self._began_at + GATHER - self.lease.clock())
            if self.text or self._grown.is_set():
                return
            self._changed.clear()  # what there was of it did not count
            await self._type()

    async def _type(self) -> None:
        """Show typing until there is text, or for so long that a notice has to tell why.

        Only a refusal for good matters.
        """
        clock = self.lease.clock
        ends_at = clock() + max(self.notice_after - self._waited, 0.0)
        pause = TYPING_AFTER
        while not await happens(self._changed, pause):
            if clock() >= ends_at:
                return
            if self.gates.wait(self.turn.address, SPARE) == 0:
                await self._type_once()
            pause = max(min(TYPING_EVERY, ends_at - clock()), 0.0)

    @property
    def _waited(self) -> float:
        """The seconds for which earlier attempts let the person wait."""
        if self.turn.attempt == 1:
            return 0.0
        return (self.now() - self.turn.created_at).total_seconds()

    async def _type_once(self) -> None:
        self.gates.count(self.turn.address)
        try:
            await self.way.type()
            self.gates.worked()
        except Muted:
            raise
        except RetryAfter as limit:
            await self.way.pause(limit)
        except DeliveryError as error:
            log.debug("turn %s: typing: %s", self.turn.reference, error)

    async def _preview(self) -> None:
        """Show the text so far, unless the answer is whole before the gates open."""
        spare = SPARE if any(self.messages.ids) else 0
        while seconds := max(self.gates.wait(self.turn.address, spare), self.way.rest):
            if await happens(self._grown, seconds):
                return
        self._changed.clear()
        if not self._is_news():
            return
        self._noticed = "" if self.text else self.notice
        parts = (await cut(self._growing, self.text or self.notice))[: self.messages.room]
        for part, text in enumerate(parts):
            if self._grown.is_set():
                return
            is_last = part == len(parts) - 1
            stop = (Button(ChangeKind.STOP, words.STOP),) if is_last else ()
            await self.messages.show(part, text, stop, final=not is_last)
            if not self._noticed:
                self._note_first_text()

    def _note_first_text(self) -> None:
        """Note when people saw the first text, and tell of it; an earlier attempt may have."""
        if self.first_text_at is not None:
            return
        self.first_text_at = self.now()
        if self.turn.kind == "chat" and not self.turn.draft:
            waited = (self.first_text_at - self.turn.created_at).total_seconds()
            self.tell(FirstText(self.turn.address.platform, waited))

    def _is_news(self) -> bool:
        """Return whether there is more to show than people see.

        Text takes the place of a notice; a notice takes the place of another one, but never of
        text, which must not shrink.
        """
        if self._noticed:
            return self._noticed != (self.text or self.notice)
        return len(self.text or self.notice) > self.messages.length

    # When it is whole

    async def deliver(
        self,
        answer: str,
        buttons: tuple[Button, ...] = (),
        *,
        whom: str | None = None,
        last: bool = False,
    ) -> None:
        """Post or edit every part of the answer until it stands, and delete surplus messages.

        `whom` is the account of the one person for whom it is, see `Adapter.send`.

        In the `last` attempt a message that cannot be deleted is left. Raises RetryAfter when the
        platform wants a long pause, Unreachable when it does not answer, Undeliverable when it
        refuses for good, and LeaseLost when another attempt owns the turn.
        """
        self.way.is_delivery = True
        self.messages.whom = whom
        parts = await self._stand(answer, buttons)
        try:
            await self._tidy(parts)
        except Unreachable as error:
            if not last:
                raise
            log.warning("turn %s: a message is left: %s", self.turn.reference, error)

    async def unbutton(self, message_ids: Iterable[str | None]) -> None:
        """Take the buttons off messages of older answers; one out of reach keeps them.

        Who presses such a button is told that it leads nowhere.
        """
        if not self.adapter.leeway(self.turn.ticket).reaches_older:
            return
        for message_id in filter(None, message_ids):
            call = partial(self.adapter.unbutton, self.turn.address, message_id)
            try:
                await self.way.insist(partial(self.way.make, call))
            except LeaseLost:
                raise
            except DeliveryError as error:
                log.info("turn %s: a button is left: %s", self.turn.reference, error)

    async def _stand(self, answer: str, buttons: tuple[Button, ...]) -> list[str]:
        """Make every part stand, and return the parts; a file holds what they have no room for."""
        while True:
            room = self.messages.room
            parts = await self._cut(answer, room)
            try:
                for part, text in enumerate(parts[:room]):
                    shown = buttons if part == min(len(parts), room) - 1 else ()
                    await self.way.insist(partial(self.messages.stand, part, text, shown))
                    self._note_first_text()
            except NoRoom:  # a message may stand or not, and must not be posted twice
                continue
            if len(parts) > room:
                upload = partial(self.messages.upload, WHOLE, answer.encode())
                await self.way.insist(upload)
            return parts[:room]

    async def _cut(self, answer: str, room: int) -> list[str]:
        """Return the parts of an answer; with more than `room`, the last of these has a note."""
        parts = await cut(Growing(self.adapter.fits), answer)
        if len(parts) <= room:
            return parts
        noted = partial(words.below, sentence=words.IN_FILE)
        parts = await cut(Growing(lambda text: self.adapter.fits(noted(text))), answer)
        return [*parts[: room - 1], noted(parts[room - 1]), *parts[room:]]

    async def _tidy(self, parts: list[str]) -> None:
        """Delete messages that the answer does not need, and let nothing wait for one."""
        for part in sorted(self.messages.doubtful - {FILE}):
            await self.messages.single(part, parts[part] if part < len(parts) else words.EMPTY)
        await self.messages.withdraw(len(parts))
        if not parts and self.turn.message_id is not None:
            await self.way.insist(partial(self.way.make, self._dismiss))

    async def attach(self, name: str, data: bytes, *, picture: bool = False) -> None:
        """Post a file, once; raises the errors of `deliver`."""
        self.way.is_delivery = True
        await self.way.insist(partial(self.messages.upload, name, data, picture=picture))
        if FILE in self.messages.doubtful:
            await self.messages.single(FILE, None)

    async def _dismiss(self) -> None:
        """Tell the platform that no answer will come."""
        await self.adapter.dismiss(
            self.turn.address, reply_to=self.turn.message_id, ticket=self.turn.ticket
        )
