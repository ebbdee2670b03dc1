"""The way in: every event is stored once, before the platform may forget it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy.exc import DBAPIError

from core import (
    commands,
    identity,
    inbox,
    memory,
    mutes,
    operations,
    pieces,
    posts,
    presses,
    quota,
    speech,
    words,
)
from core.access import EVERYBODY, Rules
from core.adapter import (
    NEW,
    Access,
    Change,
    ChangeKind,
    Copy,
    Event,
    InboundMessage,
    Membership,
    Move,
    Opening,
)
from core.db import TRANSIENT, Session, Sessions, may_pass, reason, transact
from core.errands import Errand
from core.errors import place
from core.events import cleaned
from core.intake._changes import Changes
from core.intake._doors import Doors
from core.intake._entries import Accepted, answered, asking, entry_of, notice_of
from core.outages import is_broken, timed_out
from core.requests import Bounds, Reason, Turnstile
from core.signals import EventTaken, Tell, nobody
from core.turns import Enclosure, Speaker, Stranger

log = logging.getLogger(__name__)

LOOKS = 5
"""The number of tries to store an event before it is passed over."""
LOOK_AGAIN = 0.05
"""The seconds between two of these tries."""

BOUNDS = Bounds()
"""The bounds without settings of their own."""
PIECES = 10
"""The pieces of a question that count as one more request: an album costs none."""


class Intake:
    """The way in for the events of all platforms."""

    def __init__(
        self,
        sessions: Sessions,
        offer: commands.Offer,
        *,
        now: Callable[[], datetime],
        accepted: Callable[[datetime | None], None],
        changed: Callable[[], None],
        bounds: Bounds = BOUNDS,
        forgot: Callable[[], None] = lambda: None,
        rules: Rules = EVERYBODY,
        errand: Callable[[Errand], None] = lambda _: None,
        tell: Tell = nobody,
    ) -> None:
        """Make an intake.

        `accepted` wakes a worker at a time, and `changed` makes it look at its running turns.
        `forgot` wakes the upkeep, which deletes what was forgotten; by itself it comes hourly.
        `rules` tell who may speak to the bot, and `errand` takes the calls that make no turn.
        `tell` hears of every event that is stored.
        """
        self._sessions = sessions
        self._offer = offer
        self._now = now
        self._accepted = accepted
        self._changed = changed
        self._bounds = bounds
        self._turnstile = Turnstile(bounds)
        self._forgot = forgot
        self._aside = pieces.Aside()
        self._doors = Doors(rules, offer)
        self._errand = errand
        self._tell = tell
        self._changes = Changes(offer, bounds, now, self._doors)

    async def handle(self, event: Event) -> str:
        """Store an event; it is safe when this returns. Wait while the database is away.

        Return a sentence for the person who pressed a button, "" if there is none.

        An event that cannot be stored for a reason of its own is logged and passed over. Raises
        DBAPIError when the tables are broken, and keeps nothing then.
        """
        try:
            event = cleaned(event)
        except (TypeError, ValueError) as error:
            log.error("event %s is not as it should be: %s", event.event_id, place(error))
            await self._pass_over(event)
            return ""
        if not self._may_pass(event):
            return ""
        if isinstance(event, InboundMessage) and self._doors.seem_open(event):
            self._aside.put(event)
        done = await self._stored(event)
        self._tell(EventTaken(event.address.platform, type(event).__name__))
        if done.changed:
            self._changed()
        self._accepted(done.ready_at)
        if done.forgot:
            self._forgot()
        if done.errand is not None:
            self._errand(done.errand)
        return done.told

    def _may_pass(self, event: Event) -> bool:
        """Return whether an event is part of no flood. Deletions follow messages, which count."""
        match event:
            case Change(kind=ChangeKind.DELETED) | Move() | Access() | Membership() | Copy():
                return True
            case InboundMessage() | Change():
                return self._turnstile.lets(event.author, self._now())

    async def _stored(self, event: Event) -> Accepted:
        tries, store, heavy = 0, partial(self._store, event=event), _is_heavy(event)
        while True:
            try:
                return await transact(self._sessions, store, heavy=heavy)
            except (DBAPIError, *TRANSIENT) as error:
                if is_broken(error):
                    raise  # the tables are at fault, and the platform sends the event again later
                # Another process may have stored the same event meanwhile; the next try finds it.
                tries += timed_out(error) or not may_pass(error)
                log.warning("event %s is not stored: %s", event.event_id, reason(error))
            except Exception as error:  # one event must not stop the others
                tries += 1
                log.error("event %s is not stored: %s", event.event_id, place(error))
                log.debug("event %s", event.event_id, exc_info=True)
            if tries == LOOKS:
                await self._pass_over(event)
                return Accepted()
            await asyncio.sleep(LOOK_AGAIN)

    async def _pass_over(self, event: Event) -> None:
        """Note an event as seen, so that the platform does not send it for ever."""
        log.error("event %s cannot be stored: it is passed over", event.event_id)
        try:
            await transact(
                self._sessions,
                lambda session: inbox.note(session, event.address, event.event_id),
            )
        except Exception as error:  # an event that cannot be noted must not stop the others
            log.error("event %s cannot be noted as seen: %s", event.event_id, place(error))
            log.debug("event %s", event.event_id, exc_info=True)

    async def _store(self, session: Session, event: Event) -> Accepted:
        if not await self._doors.are_open(session, event):
            return self._doors.turn_away(event)
        match event:
            case Change():
                return await self._change(session, event)
            case Move():
                return await self._move(session, event)
            case Access():
                await mutes.relax(session, event.address, now=self._now())
            case Copy():
                return await self._changes.store_copy(session, event)
            case InboundMessage():
                return await self._message(session, event)
        return Accepted()

    async def _change(self, session: Session, change: Change) -> Accepted:
        """Store a change; an edit that adds the bot's name to an unknown message is a question."""
        person = None
        if not change.of_copy:
            person = await self._doors.person_of(session, change, self._now())
        if isinstance(person, Stranger):
            return Accepted()
        if change.message is not None:
            turn_id = await posts.turn_of(session, change.address, change.message_id)
            if turn_id is None:
                return await self._message(session, change.message)
        return await self._changes.store(session, change, person)

    async def _message(self, session: Session, message: InboundMessage) -> Accepted:
        now = self._now()
        if not message.addressed:
            return await self._unaddressed(session, message, now)
        speaker = await self._doors.admit(session, message, now)
        if isinstance(speaker, Stranger):
            with words.spoken_in(self._language_of(message.author.language, message)):
                return await self._doors.hear_stranger(session, message, speaker, now)
        with words.spoken_in(self._language_of(speaker.language, message)):
            if code := self._doors.code_in(message):
                if reached := self._bounds.reached(speaker.activity):
                    return await self._hold_off(session, message, speaker, reached, now)
                return await self._doors.redeem(session, message, speaker, code, now)
            return await self._heard(session, message, speaker, now)

    def _language_of(self, known: str, message: InboundMessage) -> str:
        return words.nearest(known, message.language) or self._offer.language

    async def _heard(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> Accepted:
        operator = presses.operator(message.author, self._offer, now=now)
        if operator is not None and message.private and (wish := operations.wish_in(message)):
            return await self._operate(session, message, wish, operator, speaker, now)
        question = speech.question_in(message)
        if question is not None and message.command != NEW:
            return await self._said(session, question, speaker, now)
        match message.command:
            case "retry":
                return await self._again(session, message, speaker, now)
            case _:
                return await self._command(session, message, speaker, now)

    async def _unaddressed(
        self, session: Session, message: InboundMessage, now: datetime
    ) -> Accepted:
        """Store a message that does not name the bot if it is a piece of one that does."""
        speaker = await self._doors.find(session, message, now)
        if speaker is None:
            return Accepted()
        whole = await self._begun(session, message, speaker, now)
        if whole is None:
            return Accepted()
        with words.spoken_in(self._language_of(speaker.language, message)):
            return await self._piece(session, message, speaker, whole, now)

    async def _begun(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> inbox.Record | None:
        """Return the question of which a message is a further piece, if there is one."""
        last = await inbox.latest(session, speaker, message.address)
        if last is not None and pieces.goes_on(last.question, message):
            return last
        if last is None or not message.album:
            return None
        # A slow photo of an album may come behind its author's next question.
        since = now - pieces.LATE
        return await inbox.of_album(session, speaker, message.address, message.album, since=since)

    async def _said(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> Accepted:
        """Add a message to its author's last question, or store a question of its own."""
        may_go_on = message.album or message.forwarded or speaker.may_go_on
        if may_go_on and not message.ticket:  # a ticket waits for an answer of its own
            whole = await self._begun(session, message, speaker, now)
            if whole is not None:
                return await self._piece(session, message, speaker, whole, now)
        follows_id = None
        if not message.private and message.reply_to is not None:
            # In a group a reply branches from its message; a private chat stays one line.
            follows_id = await posts.turn_of(session, message.address, message.reply_to)
        return await self._question(session, message, speaker, now, follows_id)

    async def _piece(
        self,
        session: Session,
        message: InboundMessage,
        speaker: Speaker,
        last: inbox.Record,
        now: datetime,
    ) -> Accepted:
        """Add a piece to the last question; if that takes no more, store a turn that follows it."""
        ready_at = _ready_at(message, now)
        growth = await inbox.extend(session, last.id, message, ready_at=ready_at, now=now)
        if growth is None:
            follows_id = None if message.private else last.id
            return await self._question(session, message, speaker, now, follows_id)
        if last.question.pieces % PIECES == 0:
            await identity.count(session, speaker.user_id, now=now)
        if growth is inbox.Growth.RESTARTED:
            await quota.abandon(session, [last.id], self._offer.rules, now=now)
            return Accepted(changed=True, ready_at=ready_at)
        return Accepted(ready_at=ready_at)

    async def _question(
        self,
        session: Session,
        message: InboundMessage,
        speaker: Speaker,
        now: datetime,
        follows_id: int | None,
    ) -> Accepted:
        if reached := self._bounds.reached(speaker.activity):
            return await self._hold_off(session, message, speaker, reached, now)
        ready_at = _ready_at(message, now)
        entry = replace(entry_of(message, speaker, ready_at), follows_id=follows_id)
        if message.opening != Opening() and await memory.is_empty(session, speaker):
            entry = replace(entry, question=entry.question.opened_by(message.opening))
        before = self._aside.before(message)
        answer = entry.question.ready_answer
        if answer and not (before or pieces.gathers(message)):  # another piece may ask something
            entry = answered(entry, answer)
        turn_id = await inbox.accept(session, message.event_id, entry, now=now)
        if turn_id is not None:
            for piece in before:
                await inbox.extend(session, turn_id, piece, ready_at=ready_at, now=now)
        return Accepted(ready_at=ready_at)

    async def _command(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> Accepted:
        """Carry out a command and store its turn with the answer; only its delivery is left."""
        if not await inbox.is_new(session, message.address, message.event_id, message.message_id):
            return Accepted()
        if reached := self._bounds.reached(speaker.activity, urgent=message.command == "stop"):
            return await self._hold_off(session, message, speaker, reached, now)
        request = commands.Request(
            speaker,
            message.text,
            message.private,
            message.admin,
            self._offer,
            now,
            author=message.author,
            address=message.address,
            confidential=message.private or message.confidential,
        )
        result = await commands.run(session, message.command or "", request)
        question = speech.question_in(message)
        if question is not None and result.epoch is not None:
            return await self._anew(session, question, speaker, result, now)
        entry = answered(entry_of(message, result.speaker or speaker, now), result.text)
        entry = replace(entry, question=asking(entry.question, result))
        turn_id = await inbox.accept(session, message.event_id, entry, now=now)
        if result.instructions is not None and turn_id is not None:
            await memory.instruct(session, speaker, turn_id, result.instructions, now=now)
        return Accepted(changed=result.stopped, forgot=result.forgot)

    async def _operate(
        self,
        session: Session,
        message: InboundMessage,
        wish: str,
        order: operations.Order,
        speaker: Speaker,
        now: datetime,
    ) -> Accepted:
        """Carry out what an operator orders, and store its turn with the answer."""
        if not await inbox.is_new(session, message.address, message.event_id, message.message_id):
            return Accepted()
        if reached := self._bounds.reached(speaker.activity):
            return await self._hold_off(session, message, speaker, reached, now)
        order = replace(order, user_id=speaker.user_id)
        answer = await operations.carry_out(session, wish, order)
        entry = answered(entry_of(message, speaker, now), answer.text)
        asks, encloses = wish if answer.asks else "", Enclosure.STATS if answer.charts else None
        if asks or encloses:
            question = replace(entry.question, asks=asks, encloses=encloses)
            entry = replace(entry, question=question)
        await inbox.accept(session, message.event_id, entry, now=now)
        return Accepted(changed=answer.stopped)

    async def _anew(
        self,
        session: Session,
        question: InboundMessage,
        speaker: Speaker,
        result: commands.Result,
        now: datetime,
    ) -> Accepted:
        """Store the first question of a conversation that has just begun."""
        speaker = replace(speaker, epoch=result.epoch or 0)
        if result.instructions is not None:
            # They precede the question in memory, as the message of a turn that says nothing.
            silent = answered(entry_of(question, speaker, now), "")
            silent = replace(silent, message_id=None, ticket="")
            turn_id = await inbox.say(session, silent, now=now)
            await memory.instruct(session, speaker, turn_id, result.instructions, now=now)
        return await self._question(session, question, speaker, now, None)

    async def _again(
        self, session: Session, message: InboundMessage, speaker: Speaker, now: datetime
    ) -> Accepted:
        """Ask the person's last question again; the new answer replaces the old one in memory."""
        if reached := self._bounds.reached(speaker.activity):
            return await self._hold_off(session, message, speaker, reached, now)
        last = await inbox.last_question(session, speaker)
        entry = entry_of(message, speaker, now)
        if last is None:
            entry = answered(entry, words.NOTHING_ASKED)
        elif last.outcome is None:
            entry = answered(entry, words.STILL_ANSWERING)
        elif last.forgotten:
            entry = answered(entry, words.FORGOTTEN)
        else:
            question = replace(last.question, again=False)
            entry = replace(entry, question=question, follows_id=last.follows_id)
            for asked_id in filter(None, (last.id, last.replaces_id)):
                if await memory.is_head(session, speaker.conversation_id, asked_id):
                    entry = replace(entry, replaces_id=asked_id)
        await inbox.accept(session, message.event_id, entry, now=now)
        return Accepted()

    async def _hold_off(
        self,
        session: Session,
        message: InboundMessage,
        speaker: Speaker,
        reached: Reason,
        now: datetime,
    ) -> Accepted:
        """Tell a person once to wait; of their further messages, only note that they came."""
        bounds, activity = self._bounds, speaker.activity
        is_told = bounds.is_told(activity, reached, now)
        notice = "" if is_told else bounds.notice(reached, now)
        if notice or (message.ticket and not bounds.reached(activity, urgent=True)):
            # An empty answer ends whatever shows that an answer is on its way.
            entry = notice_of(entry_of(message, speaker, now), reached, notice)
            await inbox.accept(session, message.event_id, entry, now=now)
        else:
            await inbox.note(session, message.address, message.event_id)
        return Accepted()

    async def _move(self, session: Session, move: Move) -> Accepted:
        """Move everything that is stored of a chat to its new id; a known event changes nothing."""
        if await inbox.note(session, move.address, move.event_id):
            await self._doors.note_move(session, move)
            await identity.move(session, move.address, move.chat)
            await inbox.move(session, move.address, move.chat)
            await quota.move(session, move.address, move.chat)
        return Accepted()


def _is_heavy(event: Event) -> bool:
    """Return whether an event may be an operator's order, which adds up thousands of rows."""
    match event:
        case InboundMessage():
            return event.command is not None or operations.wish_in(event) is not None
        case Change():
            is_confirmed = event.kind is ChangeKind.CONFIRM
            return is_confirmed or (event.message is not None and _is_heavy(event.message))
        case _:
            return False


def _ready_at(message: InboundMessage, now: datetime) -> datetime:
    """Return the time from which a question may be answered: now, or after its pieces."""
    return now + pieces.GATHER if pieces.gathers(message) else now
