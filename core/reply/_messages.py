"""The messages of one answer: each part of its text stands in one, and a file in another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from core import posts, words
from core.adapter import Address, Button
from core.db import transact, undivided
from core.errors import LeaseLost, MessageGone, Undeliverable, Unreachable
from core.posts import FILE, Part
from core.reply import _doubles
from core.reply._way import TRIES, Way
from core.text import Growing
from core.turns import Turn

log = logging.getLogger(__name__)

PARTS = 50
"""The most messages of one answer; an answer that needs more ends with a note."""
LONG = 6_000
"""The characters from which a text is cut outside of the event loop."""

RECENT = 2 * 86_400.0
"""The seconds after a question in which doubles of its answer are sought; later, Telegram would not
delete one anyway."""


class NoRoom(Exception):
    """An answer may have no more messages."""


@dataclass(slots=True)
class _Shown:
    """The text and the buttons that a message shows; None for anything unknown here."""

    text: str | None = None
    buttons: tuple[Button, ...] | None = None
    final: bool | None = None


@dataclass(slots=True)
class Messages:
    """The messages of one answer, and what they show."""

    way: Way
    ids: list[str | None] = field(default_factory=list)
    """The message id of each part; None for a part with an unconfirmed intent to post it."""
    shown: list[_Shown] = field(default_factory=list)
    doubtful: set[int] = field(default_factory=set)
    """Parts that may be posted already, with an unknown text, or stand twice."""
    whom: str | None = None
    """The account of the one person for whom the answer is; see `Adapter.send`."""
    answered_id: str | None = None
    """The message that the answer replies to; None for the turn's own."""
    _file: str | None = None
    """The message id of the file that goes with the answer."""
    _gone: set[int] = field(default_factory=set)
    """Parts with a message that somebody else deleted."""

    @property
    def address(self) -> Address:
        """The address of all of them."""
        return self.turn.address

    @property
    def turn(self) -> Turn:
        """The turn that they answer."""
        return self.way.turn

    @property
    def room(self) -> int:
        """The most messages of the answer.

        Where a double of a message cannot be found, a message that may have been posted already is
        posted no more, nor any after it. A file has taken their place if there is one.
        """
        leeway = self.way.adapter.leeway(self.turn.ticket)
        most = PARTS if leeway.parts is None else leeway.parts
        if leeway.repeatable:
            return most
        posted = [max(len(self.ids), 1)] if self._file is not None else []
        return min(most, *posted, *self.doubtful - {0, FILE}, PARTS)

    @property
    def length(self) -> int:
        """The characters that people see, as far as this is known."""
        return sum(len(shown.text or "") for shown in self.shown)

    async def resume(self, parts: Mapping[int, Part]) -> None:
        """Go on in existing messages; they are assumed to show the text that was saved last."""
        self.doubtful = {
            number
            for number, part in parts.items()
            if part.doubtful or (self.turn.attempt > 1 and part.message_id is None)
        }
        self._file = parts.get(FILE, Part()).message_id
        self.ids = [part.message_id for number, part in parts.items() if number != FILE]
        texts = await cut(Growing(self.way.adapter.fits), self.turn.draft)
        self.shown = [
            _Shown(texts[part] if part < len(texts) else None) for part in range(len(self.ids))
        ]

    async def upload(self, name: str, data: bytes, *, picture: bool = False) -> None:
        """Post a file, unless an earlier attempt has."""
        if self._file is not None:
            return
        await transact(self.way.sessions, lambda s: posts.intend(s, self.turn, FILE), single=True)

        async def upload() -> str:
            return await self.way.adapter.upload(
                self.address,
                name,
                data,
                reply_to=self.answered_id or self.turn.message_id,
                ticket=self.turn.ticket,
                picture=picture,
                nonce=f"{self.turn.id}-file",
            )

        self._file = await self._create(FILE, upload)

    async def stand(self, part: int, text: str, buttons: tuple[Button, ...]) -> None:
        """Make a part show its final text, in a new message if somebody deleted the old one."""
        for left in reversed(range(TRIES)):
            try:
                await self.show(part, text, buttons, final=True)
            except MessageGone:
                if not left:
                    raise
                self.ids[part] = None
                self._gone.add(part)
            else:
                return

    async def single(self, part: int, text: str | None) -> None:
        """Delete the doubles of a part; `text` is the text that it shows, None for a file.

        The answer to an old question may stand anew: messages from long ago, which the bot has
        forgotten, are between the two and are left alone.
        """
        asked_at = self.turn.question.sent_at or self.turn.created_at.timestamp()
        if asked_at + RECENT > self.way.now().timestamp():
            await self._delete_doubles(part, text)
        await transact(
            self.way.sessions,
            lambda s: posts.doubt(s, self.turn, part, doubtful=False),
            single=True,
        )
        self.doubtful.discard(part)

    async def _delete_doubles(self, part: int, text: str | None) -> None:
        texts = range(len(self.ids)) if part == FILE else range(part)
        earlier = [self.ids[each] for each in texts]
        after = next((each for each in reversed(earlier) if each), self.turn.message_id)
        before = self._file if part == FILE else self.ids[part]
        between = {"after": after, "before": before}
        for message_id in await _doubles.find(self.way, part, **between, text=text):
            log.info("turn %s: part %d stood twice", self.turn.reference, part)
            await self.way.insist(partial(self._delete, message_id))

    async def withdraw(self, parts: int) -> None:
        """Delete the messages from part `parts` on, which a shorter answer does not need."""
        surplus = self.ids[parts:]
        if not surplus:
            return
        for message_id in surplus:
            if message_id is not None:
                await self.way.insist(partial(self._delete, message_id))
        await transact(self.way.sessions, lambda s: posts.withdraw(s, self.turn, parts))
        del self.ids[parts:], self.shown[parts:]

    async def _delete(self, message_id: str) -> None:
        """Delete a message; if the platform does not let us, replace its text by `words.EMPTY`."""
        address = self.address
        try:
            await self.way.make(
                lambda: self.way.adapter.delete(address, message_id, ticket=self.turn.ticket)
            )
        except Undeliverable as error:
            log.info("turn %s: a message cannot be deleted: %s", self.turn.reference, error)
            with suppress(MessageGone, Undeliverable):
                await self.way.make(
                    lambda: self.way.adapter.edit(
                        address, message_id, words.EMPTY, final=True, ticket=self.turn.ticket
                    )
                )

    async def show(self, part: int, text: str, buttons: tuple[Button, ...], *, final: bool) -> None:
        """Make a part show a text: edit its message, or post one if there is none."""
        wanted = _Shown(text, buttons, final)
        message_id = self.ids[part] if part < len(self.ids) else None
        if message_id is None:
            message_id = await self._post(part, wanted)
            # A platform that knows the nonce returns the message of an earlier try.
            self.shown[part] = _Shown() if part in self.doubtful else wanted
        if self.shown[part] != wanted:
            await self.way.make(
                lambda: self.way.adapter.edit(
                    self.address,
                    message_id,
                    text,
                    final=final,
                    ticket=self.turn.ticket,
                    buttons=buttons,
                )
            )
            self.shown[part] = wanted

    async def _post(self, part: int, wanted: _Shown) -> str:
        if part >= self.room:
            raise NoRoom
        if part == len(self.ids):
            await transact(
                self.way.sessions, lambda s: posts.intend(s, self.turn, part), single=True
            )
            self.ids.append(None)
            self.shown.append(_Shown())

        async def send() -> str:
            return await self.way.adapter.send(
                self.address,
                wanted.text or "",
                final=bool(wanted.final),
                reply_to=(self.answered_id or self.turn.message_id) if part == 0 else None,
                ticket=self.turn.ticket,
                whom=self.whom,
                buttons=wanted.buttons or (),
                nonce=self._nonce(part),
            )

        return await self._create(part, send)

    async def _create(self, part: int, call: Callable[[], Awaitable[str]]) -> str:
        """Make a message at the gates' pace, and store and return its id."""
        await self.way.enter()
        return await undivided(self._created(part, call))

    async def _created(self, part: int, call: Callable[[], Awaitable[str]]) -> str:
        with self.way.gates.of(self.address).creating():
            try:
                message_id = await self.way.watch(call())
            except Unreachable as error:
                if error.maybe_done:
                    await self._doubt(part)
                raise
            if part != FILE:
                self.ids[part] = message_id
            doubtful = part in self.doubtful
            ours = await transact(
                self.way.sessions,
                partial(
                    posts.confirm,
                    turn=self.turn,
                    part=part,
                    message_id=message_id,
                    doubtful=doubtful,
                    now=self.way.now(),
                ),
                single=True,
            )
        if not ours:
            raise LeaseLost(f"turn {self.turn.reference}")
        return message_id

    async def _doubt(self, part: int) -> None:
        """Note that a part may have been posted."""
        self.doubtful.add(part)
        await transact(
            self.way.sessions,
            lambda s: posts.doubt(s, self.turn, part, doubtful=True),
            single=True,
        )

    def _nonce(self, part: int) -> str:
        """Return a part's nonce: the same at each attempt, but a new one after a deletion."""
        nonce = f"{self.turn.id}-{part}"
        return f"{nonce}-{self.turn.attempt}" if part in self._gone else nonce


async def cut(growing: Growing, text: str) -> list[str]:
    """Return the parts of a text, at most `PARTS`."""
    is_long = len(text) - growing.settled > LONG
    parts = await asyncio.to_thread(growing.split, text) if is_long else growing.split(text)
    return parts if len(parts) <= PARTS else [*parts[: PARTS - 1], words.ENDED_LENGTH]
