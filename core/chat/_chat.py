"""The first step of a turn: the model answers it, and the answer is stored."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import count

from sqlalchemy.exc import DBAPIError

from core import attachments, delivery, inbox, memory, quota, usage, words
from core.chat._attempt import Attempt, Ending, ending_with
from core.chat._terms import Means, Terms
from core.db import Session, Sessions, timed_out, transact
from core.errors import (
    AttachmentError,
    ContentRefused,
    FileRefused,
    ModelBroke,
    ModelBusy,
    ModelError,
    PromptTooLong,
    QuotaExceeded,
    kind,
)
from core.llm import LLM
from core.reply import Reply, Standing
from core.signals import Answered, Tell, nobody
from core.turns import Outcome, Turn

log = logging.getLogger(__name__)

REFUSALS = (QuotaExceeded, AttachmentError, ContentRefused, FileRefused, PromptTooLong)
"""The errors that lie in the question, so that no operator can mend them."""


class Chat:
    """The first step of a turn: `answer` asks the model, and stores what it said."""

    def __init__(
        self,
        sessions: Sessions,
        llm: LLM,
        terms: Terms,
        *,
        now: Callable[[], datetime],
        notice: Callable[[Exception], None] = lambda _: None,
        tell: Tell = nobody,
    ) -> None:
        """Make the first step of the turns of a process.

        `notice` hears every error that ends a turn, and `tell` of every answer that is stored.
        """
        self._means = Means(sessions, llm, terms, now)
        self._now = now
        self._notice = notice
        self._tell = tell

    async def answer(self, turn: Turn, reply: Reply) -> Turn:
        """Store and remember the whole answer of a turn, and settle its cost; return the new turn.

        Raises DeliveryError when the turn has to be tried again later, for a summary also ModelBusy
        and ModelBroke, and LeaseLost when another attempt owns it.
        """
        attempt = Attempt(self._means, turn, reply)
        try:
            if (ending := _ready(turn)) is not None:
                return await self._store(attempt, ending)
            async with attempt:
                return await self._store(attempt, await attempt.ask())
        except (QuotaExceeded, AttachmentError, ModelError) as error:
            if isinstance(error, ModelBusy | ModelBroke) and turn.kind == "summary":
                raise  # nobody waits for it
            return await self._store(attempt, self._refusal(error, turn, reply))

    def _refusal(
        self, error: QuotaExceeded | AttachmentError | ModelError, turn: Turn, reply: Reply
    ) -> Ending:
        """Return the ending for an error that another attempt would meet again."""
        names = [each.name for each in turn.question.attachments]
        self._notice(error)
        sentence = words.ended(error, self._now(), file=names[0] if len(names) == 1 else None)
        why = kind(error) if isinstance(error, ModelError) else None
        if isinstance(error, REFUSALS):
            log.info("turn %s: refused: %s", turn.reference, error)
            ending = ending_with(sentence, Outcome.REFUSED, turn, reply, why)
            return replace(ending, refusal=error) if isinstance(error, QuotaExceeded) else ending
        log.error("turn %s: no answer of the model: %s", turn.reference, error)
        return ending_with(sentence, Outcome.FAILED, turn, reply, why)

    async def fail(self, turn: Turn, reply: Reply) -> Turn:
        """Store a plain sentence with a reference as the answer of a turn that keeps failing."""
        log.error("turn %s: ends with a sentence after %d faults", turn.reference, turn.faults)
        attempt = Attempt(self._means, turn, reply)
        ending = ending_with(words.FAILED, Outcome.FAILED, turn, reply)
        return await self._store(attempt, ending)

    # Storing

    async def _store(self, attempt: Attempt, ending: Ending) -> Turn:
        """Store an answer; if it takes too long to remember it, end the turn with a sentence.

        To ask the model again would only cost more.
        """
        turn, reply = attempt.turn, attempt.reply
        try:
            return await self._commit(attempt, ending)
        except DBAPIError as error:
            if ending.outcome is Outcome.FAILED or not timed_out(error):
                raise
        log.error("turn %s: the database takes too long to remember it", turn.reference)
        return await self._commit(attempt, ending_with(words.FAILED, Outcome.FAILED, turn, reply))

    async def _commit(self, attempt: Attempt, ending: Ending) -> Turn:
        """Store the answer, remember it and settle its cost, all in one transaction."""
        turn, reply = attempt.turn, attempt.reply
        outcome = ending.outcome
        is_kept = outcome in (Outcome.OK, Outcome.STOPPED) and attempt.said and reply.text
        tries, ended = count(), replace(turn, outcome=outcome)

        async def work(session: Session) -> tuple[Turn, str, Standing | None]:
            now, standing = self._now(), delivery.known_standing(ended)
            if next(tries) and await inbox.is_answered(session, turn):
                # An earlier try was committed, and the database could not say so.
                stored = await inbox.current(session, ended)
                return stored, await inbox.answer_of(session, turn.id), None
            if turn.kind == "summary":
                answer = await self._summarise(session, attempt) if is_kept else ""
            elif turn.question.again and not is_kept:
                answer = await self._restored(session, turn, ending)
            else:
                answer = await self._worded(session, attempt, ending)
            older_id = (
                await delivery.older_turn(session, turn, attempt.context) if is_kept else None
            )
            stored, above = await inbox.answered(
                session,
                ended,
                answer,
                outcome,
                now=now,
                older_id=older_id,
                reason=ending.reason,
                model_ms=attempt.model_ms,
            )
            if turn.kind == "chat" and is_kept:
                is_newest = await self._remember(session, attempt, stored)
                if delivery.is_plain_answer(turn):
                    standing = delivery.standing_after(above, is_newest=is_newest)
            elif turn.question.attachments:
                await attachments.drop(session, turn)
            await self._settle(session, attempt, stored)
            may_warn = is_kept and attempt.calls.is_near
            shown = await self._warned(session, stored, answer) if may_warn else answer
            return stored, shown, standing

        heavy = bool(turn.question.attachments)  # whose texts are measured
        stored, answer, reply.standing = await transact(self._means.sessions, work, heavy=heavy)
        attempt.calls.close()
        tally = reply.tally = attempt.calls.tally
        self._tell(Answered(tally.model, tally.cached_tokens, tally.cost))
        return replace(stored, answer=answer)

    async def _remember(self, session: Session, attempt: Attempt, turn: Turn) -> bool:
        """Remember an exchange; return whether it is the newest of its conversation."""
        now = self._now()
        is_newest = await memory.remember(
            session, turn, attempt.context, attempt.said, attempt.counted, now=now
        )
        if attempt.is_long:
            await inbox.summarise(session, turn, now=now)
        return is_newest

    async def _settle(self, session: Session, attempt: Attempt, turn: Turn) -> None:
        """Settle the calls of a turn; a conversation whose model is gone gets the default."""
        await attempt.calls.settle(session)
        if attempt.reply.stopped or attempt.turn.attempt > 1:
            await attempt.calls.recover(session)
        if turn.model is not None and self._means.llm.is_gone(turn.model):
            await memory.choose_model(session, turn.conversation_id, None)

    async def _warned(self, session: Session, turn: Turn, answer: str) -> str:
        """Warn of each limit of which most is used by now; return the answer as people see it.

        The warning stands below the answer; one that concerns nobody else in a group, beside it.
        """
        if turn.kind != "chat":
            return answer
        now = self._now()
        for low in await quota.warn(session, turn, self._means.terms.rules, now=now):
            warning = usage.warning(low, now)
            if turn.question.private or low.whose == "group":
                answer = await inbox.add(session, turn, warning)
            else:
                # The answer has taken the place that a ticket holds.
                to = None if turn.ticket else turn.message_id
                await inbox.tell(
                    session, turn, warning, reply_to=to, whispered=True, follows=True, now=now
                )
        return answer

    async def _restored(self, session: Session, turn: Turn, ending: Ending) -> str:
        """Return the answer that no other one came to replace, and tell the person why."""
        assert turn.replaces_id is not None
        sentence = ending.sentence or ("" if ending.outcome is Outcome.STOPPED else ending.text)
        answer = await memory.answer_of(session, turn.replaces_id)
        if not answer:
            return ending.text  # it was deleted meanwhile
        if sentence and await self._is_news(session, turn, ending):
            await inbox.tell(
                session,
                turn,
                sentence,
                reply_to=turn.message_id,
                whispered=ending.outcome is Outcome.REFUSED,
                now=self._now(),
            )
        return answer

    async def _is_news(self, session: Session, turn: Turn, ending: Ending) -> bool:
        """Return whether an ending tells more than a refusal that the person was told before."""
        refusal = ending.refusal
        return refusal is None or await quota.tell(session, turn, refusal, now=self._now())

    async def _worded(self, session: Session, attempt: Attempt, ending: Ending) -> str:
        """Return the text of an ending; "" for a refusal that the person was told before."""
        turn, reply = attempt.turn, attempt.reply
        if turn.draft or reply.text or any(reply.messages.ids):
            return ending.text  # what people see stays
        return ending.text if await self._is_news(session, turn, ending) else ""

    async def _summarise(self, session: Session, attempt: Attempt) -> str:
        """Store the model's summary; return a notice for people the first time, then ""."""
        first = await memory.summarise(
            session, attempt.context, attempt.reply.text, now=self._now()
        )
        if not first:
            return ""
        return words.shortened(by_summary=True, can_search=self._means.terms.tools)


def _ready(turn: Turn) -> Ending | None:
    """Return the ending of a turn for which no model is asked; None for any other."""
    if turn.cancel:
        return Ending(turn.draft, Outcome.STOPPED)
    ready = turn.question.ready_answer if turn.kind == "chat" else None
    return Ending(ready, Outcome.OK) if ready else None
