"""A message comes in: stored before the platform is told, and never twice."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from core import commands, fleet, identity, inbox, memory, posts, privacy, words
from core.adapter import (
    Account,
    Adapter,
    Address,
    Author,
    Change,
    ChangeKind,
    InboundMessage,
    Move,
)
from core.db import Session, Sessions, transact
from core.turns import Outcome, Question, Speaker

log = logging.getLogger(__name__)

GATHER = timedelta(seconds=0.6)
"""How long a message waits for its next part: the rest of a split text, of an album."""

LISTENING = timedelta(seconds=8)
"""How long the lease to listen for an account lasts; a dead process is replaced after it."""
STAND_BY = 1.0
"""Seconds between a standing-by process's attempts to take it."""
LOOKS = 5
"""How often an event is stored that another process seems to be storing too."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """A turn that waits for further parts of its message."""

    turn_id: int
    album: str
    ready_at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """What has to be told after the commit."""

    changed: bool = False
    """A turn that may be running was stopped or got another question."""
    forgot: bool = False
    """Words were deleted, and have to leave the database's file too."""
    gathering: Gathering | None = None


class Intake:
    """Where the events of all platforms go; `handle` returns when they are safe."""

    def __init__(
        self,
        sessions: Sessions,
        offer: commands.Offer,
        *,
        now: Callable[[], datetime],
        accepted: Callable[[datetime | None], None],
        changed: Callable[[], None],
    ) -> None:
        """`accepted` wakes a worker at a time, `changed` makes it look at the turns it has."""
        self._sessions = sessions
        self._offer = offer
        self._now = now
        self._accepted = accepted
        self._changed = changed
        # A hint only: a process that starts anew answers the parts one by one.
        self._gathering: dict[tuple[Address, Author], Gathering] = {}

    async def listen(self, adapter: Adapter, worker_id: str) -> None:
        """Handle what an account hears, while this is the one process that listens for it.

        Other processes stand by. Returns when there is nothing more to hear.
        """
        account = adapter.name, adapter.bot_id
        while True:
            await self._stand_by(account, worker_id)
            try:
                async with self._lease(account, worker_id), aclosing(adapter.listen()) as events:
                    log.info("listening on %s as %s", *account)
                    async for event in events:
                        await self.handle(event)
                return
            except TimeoutError:
                log.warning("another process listens on %s as %s now", *account)

    async def _stand_by(self, account: Account, worker_id: str) -> None:
        """Return when this process may listen for an account; say so once if it has to wait."""
        if await self._may_listen(account, worker_id):
            return
        log.warning("another process listens on %s as %s: this one waits for its end", *account)
        while not await self._may_listen(account, worker_id):  # noqa: ASYNC110 - a lease runs out
            await asyncio.sleep(STAND_BY)

    @asynccontextmanager
    async def _lease(self, account: Account, worker_id: str) -> AsyncIterator[None]:
        """The time in which an account is ours; TimeoutError as soon as it is another's."""
        async with asyncio.timeout(None) as lease:
            renewing = asyncio.create_task(self._renew(account, worker_id, lease))
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.wait([renewing])  # it may be in the middle of a transaction
                await transact(
                    self._sessions,
                    lambda session: fleet.stop_listening(session, account, worker_id),
                    patience=STAND_BY,
                )

    async def _renew(self, account: Account, worker_id: str, lease: asyncio.Timeout) -> None:
        while await self._may_listen(account, worker_id):  # noqa: ASYNC110 - in time, not on an event
            await asyncio.sleep(LISTENING.total_seconds() / 3)
        lease.reschedule(0)

    async def _may_listen(self, account: Account, worker_id: str) -> bool:
        now = self._now()
        return await transact(
            self._sessions,
            lambda session: fleet.may_listen(
                session, account, worker_id, now=now, lease_until=now + LISTENING
            ),
        )

    async def handle(self, event: InboundMessage | Change | Move) -> None:
        """Store an event. While the database is away this waits, and so does the platform."""
        match event:
            case Change():
                done = await self._stored(lambda session: self._change(session, event))
            case Move():
                done = await self._stored(lambda session: self._move(session, event))
            case InboundMessage():
                done = await self._stored(lambda session: self._message(session, event))
                self._gather(event, done.gathering)
        if done.changed:
            self._changed()
        self._accepted(done.gathering.ready_at if done.gathering else None)
        if done.forgot:
            await privacy.erase(self._sessions)

    async def _stored(self, work: Callable[[Session], Awaitable[Accepted]]) -> Accepted:
        for _ in range(LOOKS - 1):
            try:
                return await transact(self._sessions, work)
            except IntegrityError:
                # Another process stored the same event meanwhile; a second look finds it.
                log.info("an event came twice at once")
        return await transact(self._sessions, work)

    async def _message(self, session: Session, message: InboundMessage) -> Accepted:
        now = self._now()
        if part_of := self._part_of(message, now):
            ready_at = now + GATHER
            if await inbox.extend(session, part_of.turn_id, message, ready_at=ready_at):
                return Accepted(gathering=replace(part_of, ready_at=ready_at))
        speaker = await identity.resolve(
            session, message.author, message.address, private=message.private, now=now
        )
        if message.command == "retry":
            return await self._again(session, message, speaker, now)
        if message.command is not None:
            return await self._command(session, message, speaker, now)
        return await self._question(session, message, speaker, now)

    async def _question(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> Accepted:
        gathers = message.partial or bool(message.album)
        ready_at = now + GATHER if gathers else now
        entry = _entry(message, speaker, ready_at)
        answer = entry.question.ready_answer
        if answer and not gathers:  # else the parts that follow may hold what can be answered
            entry = _said(entry, answer)
        elif not message.private and message.reply_to is not None:
            # In a group a reply branches from what it answers; a private talk stays one line.
            follows_id = await posts.turn_of(session, message.address, message.reply_to)
            entry = replace(entry, follows_id=follows_id)
        turn_id = await inbox.accept(session, message.event_id, entry, now=now)
        if turn_id is None or not gathers:
            return Accepted()
        return Accepted(gathering=Gathering(turn_id, message.album, ready_at))

    async def _command(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> Accepted:
        """A command is a turn that is answered when it is accepted; only its delivery is left."""
        if not await inbox.is_new(session, message.address, message.event_id, message.message_id):
            return Accepted()
        call = commands.Call(
            speaker, message.text, message.private, message.admin, self._offer, now
        )
        result = await commands.run(session, message.command or "", call)
        entry = _said(_entry(message, speaker, now), result.text)
        if result.export:
            entry = replace(entry, question=replace(entry.question, export=True))
        turn_id = await inbox.accept(session, message.event_id, entry, now=now)
        if result.instructions is not None and turn_id is not None:
            await memory.instruct(session, speaker, turn_id, result.instructions, now=now)
        return Accepted(changed=result.stopped, forgot=result.forgot)

    async def _again(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> Accepted:
        """`/retry`: the person's last question once more, in place of its answer in memory."""
        last = await inbox.last_question(session, speaker)
        entry = _entry(message, speaker, now)
        if last is None:
            entry = _said(entry, words.NOTHING_ASKED)
        elif last.outcome is None:
            entry = _said(entry, words.STILL_ANSWERING)
        elif last.forgotten:
            entry = _said(entry, words.FORGOTTEN)
        else:
            entry = replace(entry, question=last.question, follows_id=last.follows_id)
            if await memory.is_head(session, speaker.conversation_id, last.id):
                entry = replace(entry, replaces_id=last.id)
        await inbox.accept(session, message.event_id, entry, now=now)
        return Accepted()

    async def _move(self, session: Session, move: Move) -> Accepted:
        """What is stored of a chat belongs to another one; told again, nothing is left to move."""
        if await inbox.note(session, move.address, move.event_id):
            await identity.move(session, move.address, move.chat)
            await inbox.move(session, move.address, move.chat)
        return Accepted()

    async def _change(self, session: Session, change: Change) -> Accepted:
        if not await inbox.note(session, change.address, change.event_id):
            return Accepted()
        turn_id = await posts.turn_of(session, change.address, change.message_id)
        record = None if turn_id is None else await inbox.get(session, turn_id)
        if record is None or record.user_id != await identity.user_of(session, change.author):
            return Accepted()
        match change.kind:
            case ChangeKind.STOP | ChangeKind.DELETED:
                return Accepted(changed=await inbox.cancel(session, [record.id]))
            case ChangeKind.REGENERATE:
                return await self._regenerate(session, change, record)
            case ChangeKind.EDITED:
                return await self._edited(session, change, record)

    async def _regenerate(self, session: Session, change: Change, record: inbox.Record) -> Accepted:
        now = self._now()
        if record.forgotten:
            entry = _instead(change, record, record.question, now)
            await inbox.say(session, _said(entry, words.FORGOTTEN), now=now)
        elif record.outcome in (Outcome.FAILED, Outcome.REFUSED):
            await inbox.requeue(session, record.id, now=now)
        elif record.outcome is None:
            pass
        elif await memory.is_head(session, record.conversation_id, record.id):
            await inbox.replace(session, _instead(change, record, record.question, now), now=now)
            return Accepted(changed=True)
        else:
            entry = _instead(change, record, record.question, now)
            await inbox.say(session, _said(entry, words.MOVED_ON), now=now)
        return Accepted()

    async def _edited(self, session: Session, change: Change, record: inbox.Record) -> Accepted:
        """An edited question is answered anew while its answer is the newest; else it stays."""
        now = self._now()
        question = replace(record.question, text=change.text)
        if record.forgotten or question.parts > 1 or question == record.question:
            return Accepted()
        if record.outcome in (None, Outcome.FAILED, Outcome.REFUSED):
            await inbox.amend(session, record.id, question, now=now)
            return Accepted(changed=True)
        if await memory.is_head(session, record.conversation_id, record.id):
            await inbox.replace(session, _instead(change, record, question, now), now=now)
            return Accepted(changed=True)
        return Accepted()

    def _part_of(self, message: InboundMessage, now: datetime) -> Gathering | None:
        """The turn that this message continues: the same album, or a text that was split."""
        gathering = self._gathering.get((message.address, message.author))
        if gathering is None or gathering.ready_at <= now or message.command is not None:
            return None
        return gathering if gathering.album == message.album else None

    def _gather(self, message: InboundMessage, gathering: Gathering | None) -> None:
        """Remember what waits for further parts; anything else said in between ends the wait."""
        key = message.address, message.author
        self._gathering.pop(key, None)
        if gathering is None:
            return
        now = self._now()
        for other, begun in list(self._gathering.items()):
            if begun.ready_at > now:
                break  # the oldest come first
            del self._gathering[other]
        self._gathering[key] = gathering


def _entry(message: InboundMessage, speaker: Speaker, ready_at: datetime) -> inbox.Entry:
    lane = f"{speaker.conversation_id}"
    return inbox.Entry(
        kind="chat",
        address=message.address,
        message_id=message.message_id,
        ticket=message.ticket,
        user_id=speaker.user_id,
        conversation_id=speaker.conversation_id,
        epoch=speaker.epoch,
        # A private chat is one lane; in a group each person has one.
        lane=lane if message.private else f"{lane}/{speaker.user_id}",
        question=Question.of(message),
        ready_at=ready_at,
    )


def _instead(
    change: Change, record: inbox.Record, question: Question, now: datetime
) -> inbox.Entry:
    """A turn that answers in place of another one."""
    return inbox.Entry(
        kind="chat",
        address=change.address,
        message_id=record.message_id,
        user_id=record.user_id,
        conversation_id=record.conversation_id,
        epoch=record.epoch,
        lane=record.lane,
        question=question,
        ready_at=now,
        follows_id=record.follows_id,
        replaces_id=record.id,
    )


def _said(entry: inbox.Entry, text: str) -> inbox.Entry:
    """A turn that needs no model: it is answered already and waits for nothing."""
    return replace(entry, kind="command", lane=None, follows_id=None, replaces_id=None, answer=text)
