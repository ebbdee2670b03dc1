"""Changes of known messages: pressed buttons, edits and deletions, and copies in their place."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from core import commands, identity, inbox, memory, posts, presses, quota, words
from core.adapter import Change, ChangeKind, Copy
from core.db import Session
from core.intake._doors import Doors, Person
from core.intake._entries import Accepted, answered, asking, instead, notice_of
from core.requests import Bounds, Reason
from core.turns import Activity, Outcome, Question, Stranger


class Changes:
    """The way in for changes of messages that belong to a turn."""

    def __init__(
        self,
        offer: commands.Offer,
        bounds: Bounds,
        now: Callable[[], datetime],
        doors: Doors,
    ) -> None:
        self._offer = offer
        self._bounds = bounds
        self._now = now
        self._doors = doors

    async def store(
        self, session: Session, change: Change, person: Person | Stranger | None
    ) -> Accepted:
        """Store a change of a known message, or pass it over.

        `person` made it; None for an account that never spoke, and if a copy was changed.
        """
        spoken = await identity.language(session, change.author) if change.is_press else ""
        with words.spoken_in(spoken or self._offer.language):
            return await self._stored(session, change, person)

    async def _stored(
        self, session: Session, change: Change, person: Person | Stranger | None
    ) -> Accepted:
        turn_id = await posts.turn_of(session, change.address, change.message_id)
        record = None if turn_id is None else await inbox.get(session, turn_id)
        if record is not None and change.of_copy:
            whose = await identity.author_of(session, record.user_id, change.author)
            change = replace(change, author=whose)
            person = await self._doors.person_of(session, change, self._now())
        if record is None or not presses.concerns(change, record):
            return Accepted(told=presses.unknown(change.kind))
        if told := await self._hindrance(session, change, record, person):
            return told  # nothing is stored of what strangers press
        if not await inbox.note(session, change.address, change.event_id):
            return Accepted()
        match change.kind:
            case ChangeKind.REGENERATE:
                done = await self._regenerate(session, change, record)
            case ChangeKind.CONFIRM | ChangeKind.CANCEL:
                done = await self._decide(session, change, record)
            case ChangeKind.EDITED:
                done = await self._edited(session, change, record)
            case _:
                done = await self._stop(session, change, record)
        return done

    async def store_copy(self, session: Session, copy: Copy) -> Accepted:
        """Let a copy take the place of a question; its person is still the one who asked."""
        now, turn_id = self._now(), await posts.turn_of(session, copy.address, copy.message_id)
        if turn_id is None or not await inbox.note(session, copy.address, copy.event_id):
            return Accepted()
        if await inbox.copied(session, turn_id, copy, now=now):
            await quota.abandon(session, [turn_id], self._offer.rules, now=now)
        return Accepted(changed=True)

    async def _hindrance(
        self,
        session: Session,
        change: Change,
        record: inbox.Record,
        person: Person | Stranger | None,
    ) -> Accepted | None:
        """Count a change; return an end for one that its author may not make, else None.

        Tell them once to wait.
        """
        if isinstance(person, Stranger):
            return Accepted()
        there = record.conversation_id, change.address
        if change.is_press and await identity.has_left(session, *there):
            return Accepted(told=words.MOVED_ON)  # nothing can be written there any more
        now = self._now()
        # In a private chat it was theirs, but their account was unlinked since.
        sentence = words.MOVED_ON if record.question.private else words.NOT_YOURS
        not_theirs = Accepted(told=sentence if change.is_press else "")
        if person is None:
            return not_theirs
        user_id, activity, _ = person
        is_theirs = record.user_id == user_id
        if change.kind is ChangeKind.DELETED:  # there are no more deletions than messages
            return None if is_theirs else not_theirs
        reached = self._reached(change, record, activity)
        if reached is None:
            await identity.count(session, user_id, now=now)
            return None if is_theirs else not_theirs
        if is_theirs and not self._bounds.is_told(activity, reached, now):
            entry = instead(change, record, record.question, now)
            with words.spoken_in(record.question.language):
                notice = notice_of(entry, reached, self._bounds.notice(reached, now))
            await inbox.say(session, notice, now=now)
        return Accepted()

    def _reached(self, change: Change, record: inbox.Record, activity: Activity) -> Reason | None:
        reached = self._bounds.reached(activity, urgent=change.kind is ChangeKind.STOP)
        if reached is Reason.PENDING and record.outcome is None:
            return None  # a turn that waits is changed, and there is none the more
        return reached

    async def _regenerate(self, session: Session, change: Change, record: inbox.Record) -> Accepted:
        """Answer a question once more: the new answer takes the place of the old one.

        The old one stays if no other comes. Only the newest answer can be replaced, because what
        was said after it rests on it.
        """
        now = self._now()
        if record.outcome in (Outcome.REFUSED, Outcome.STOPPED) and not record.forgotten:
            waiting = await quota.waiting(session, record.id)
            if waiting is not None:
                return await self._go_on(session, change, record, waiting)
        if record.outcome in (Outcome.FAILED, Outcome.REFUSED) and not record.forgotten:
            refusal = await inbox.answer_of(session, record.id)
            await inbox.requeue(session, record.id, ticket=change.ticket, now=now)
            await self._stand(session, change, record, refusal)
            return Accepted()
        if told := await presses.hindrance(session, change, record):
            return Accepted(told=told)
        question = replace(record.question, again=True, language=words.language())
        entry = instead(change, record, question, now)
        await self._stay(session, change, await inbox.replace(session, entry, now=now))
        return Accepted(changed=True)

    async def _stop(self, session: Session, change: Change, record: inbox.Record) -> Accepted:
        """Stop the answer to a question; one that was deleted does not wait to be asked again."""
        if change.kind is ChangeKind.DELETED:
            await inbox.let_go(session, [record.id])
        stopped = await inbox.cancel(session, [record.id])
        return Accepted(changed=stopped, told="" if stopped else words.NOTHING_TO_STOP)

    async def _go_on(
        self, session: Session, change: Change, record: inbox.Record, waiting: quota.Waiting
    ) -> Accepted:
        """Ask again what waits under a notice, once enough is left of every limit.

        The questions are answered in their order, each in reply to its own message.
        """
        now, rules = self._now(), self._offer.rules
        payer = await quota.payer_of(session, record.user_id, record.conversation_id)
        needs = waiting.unit, waiting.needed
        later = await quota.resumes_at(session, payer, rules, *needs, now=now)
        if waiting.turn_ids and later is not None:
            return Accepted(told=words.WAITS.format(until=words.until(later, now)))
        notice = await inbox.answer_of(session, record.id)
        await quota.end_wait(session, waiting.notice_id)
        for turn_id in waiting.turn_ids:
            await inbox.requeue(session, turn_id, ticket=change.ticket, now=now)
        if record.id in waiting.turn_ids:
            await self._stand(session, change, record, notice)
        else:
            await self._take_off(session, change, record, notice)
        return Accepted(told="" if waiting.turn_ids else words.NOTHING_WAITS)

    async def _stand(
        self, session: Session, change: Change, record: inbox.Record, refusal: str
    ) -> None:
        """Let the answer to a question that was refused stand in the place of the refusal.

        If only its person sees that, the answer stands in a message of its own.
        """
        if change.hidden is None:
            await self._stay(session, change, record.id)
        else:
            await self._take_off(session, change, record, refusal)

    async def _take_off(
        self, session: Session, change: Change, record: inbox.Record, text: str
    ) -> None:
        """Let a text stand in the messages of an answer, without its button."""
        now = self._now()
        question = record.question.aside(whispered=True)
        entry = answered(instead(change, record, question, now), text or words.EMPTY)
        ticket = change.ticket if change.hidden is None else change.hidden
        entry = replace(entry, lane=None, ticket=ticket, replaces_id=record.id)
        await self._stay(session, change, await inbox.take_over(session, entry, record.id, now=now))

    async def _decide(self, session: Session, change: Change, record: inbox.Record) -> Accepted:
        """Carry out a command that asked for a confirmation, or leave it.

        The outcome takes the place of the question.
        """
        now = self._now()
        # Another process may have answered a press at the same moment.
        owner_id = await posts.turn_of(session, change.address, change.message_id)
        if presses.is_decided(record) or owner_id != record.id:
            return Accepted(told=words.DECIDED)
        result = await presses.decide(session, change, record, self._offer, now=now)
        private, spoken = record.question.private, words.language()
        question = asking(Question("", private=private, language=spoken), result)
        entry = answered(instead(change, record, question, now), result.text)
        if (speaker := result.speaker) is not None:
            entry = replace(
                entry,
                user_id=speaker.user_id,
                conversation_id=speaker.conversation_id,
                epoch=speaker.epoch,
            )
        await inbox.replace(session, replace(entry, replaces_id=record.id), now=now)
        return Accepted(changed=True, forgot=result.forgot)

    async def _stay(self, session: Session, change: Change, turn_id: int) -> None:
        """Let the answer of a turn stay in the pressed message if no other can be edited."""
        if change.ticket:
            await posts.narrow(session, turn_id, change.message_id)

    async def _edited(self, session: Session, change: Change, record: inbox.Record) -> Accepted:
        """Answer an edited question anew, but only while its answer is the newest."""
        now = self._now()
        question = replace(record.question, text=change.text, again=False)
        if record.forgotten or question.pieces > 1 or question == record.question:
            return Accepted()
        if question.ready_answer:  # nothing of it is left
            return Accepted()
        if record.outcome in (None, Outcome.FAILED, Outcome.REFUSED):
            await inbox.amend(session, record.id, question, now=now)
            await quota.abandon(session, [record.id], self._offer.rules, now=now)
            return Accepted(changed=True)
        if await memory.is_head(session, record.conversation_id, record.id):
            await inbox.replace(session, instead(change, record, question, now), now=now)
            return Accepted(changed=True)
        return Accepted()
