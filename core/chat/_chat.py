"""The first step of a turn: the model answers it, and the answer is stored."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from sqlalchemy.exc import DBAPIError

from core import attachments, inbox, memory, quota, tools, usage, words
from core.chat._call import OpenCall
from core.chat._delivery import Delivery
from core.chat._question import question_of
from core.chat._standing import after, is_plain, known, older
from core.chat._terms import Terms
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
from core.llm import LLM, Again
from core.messages import Block, ToolCall
from core.reply import Reply, Standing
from core.signals import Answered, Tell, nobody
from core.tools import Toolbox
from core.turns import Outcome, Turn

log = logging.getLogger(__name__)

REFUSALS = (QuotaExceeded, AttachmentError, ContentRefused, FileRefused, PromptTooLong)
"""The errors that lie in the question, so that no operator can mend them."""
ROUNDS = 6
"""The most calls for one answer; the last of them offers no tools."""
PAUSES = (0.5, 2.0)
"""The seconds before a call is repeated because its stream broke."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """The text and the outcome with which an attempt ends."""

    text: str
    outcome: Outcome
    refusal: QuotaExceeded | None = None
    """The refusal that the text tells of."""
    sentence: str = ""
    """The sentence of the bot's own in the text."""
    reason: str | None = None
    """The kind of the error that the text tells of, if it is not one of a limit or a file."""


class Chat:
    """The two steps of a turn: `answer` stores the answer, and `delivery` posts it."""

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
        """Make the steps of a process.

        `notice` hears every error that ends a turn, and `tell` of every answer that is stored.
        """
        self.delivery = Delivery(sessions, terms.rules, now=now)
        self._sessions = sessions
        self._llm = llm
        self._terms = terms
        self._now = now
        self._notice = notice
        self._tell = tell
        self._arriving = attachments.Room(attachments.ARRIVING)
        # Those that were told what their model cannot take; after a restart they are told again.
        self._told: deque[tuple[int, str]] = deque(maxlen=1000)
        self._leaving = attachments.Room(attachments.LEAVING)

    async def answer(self, turn: Turn, reply: Reply) -> Turn:
        """Store and remember the whole answer of a turn, and settle its cost; return the new turn.

        Raises DeliveryError when the turn has to be tried again later, for a summary also ModelBusy
        and ModelBroke, and LeaseLost when another attempt owns it.
        """
        call = self._call(turn, reply)
        try:
            if turn.cancel:
                return await self._store(call, _Ending(turn.draft, Outcome.STOPPED))
            if turn.kind == "chat" and (ready := turn.question.ready_answer):
                return await self._store(call, _Ending(ready, Outcome.OK))
            async with call:
                if turn.kind == "summary":
                    ending = await self._ask_for_summary(call)
                else:
                    ending = await self._ask(call)
                return await self._store(call, ending)
        except (QuotaExceeded, AttachmentError, ModelError) as error:
            if isinstance(error, ModelBusy | ModelBroke) and turn.kind == "summary":
                raise  # nobody waits for it
            return await self._store(call, self._refusal(error, turn, reply))

    def _refusal(
        self, error: QuotaExceeded | AttachmentError | ModelError, turn: Turn, reply: Reply
    ) -> _Ending:
        """Return the ending for an error that another attempt would meet again."""
        names = [each.name for each in turn.question.attachments]
        self._notice(error)
        sentence = words.ended(error, self._now(), file=names[0] if len(names) == 1 else None)
        why = kind(error) if isinstance(error, ModelError) else None
        if isinstance(error, REFUSALS):
            log.info("turn %s: refused: %s", turn.reference, error)
            ending = _shown_with(sentence, Outcome.REFUSED, turn, reply, why)
            return replace(ending, refusal=error) if isinstance(error, QuotaExceeded) else ending
        log.error("turn %s: no answer of the model: %s", turn.reference, error)
        return _shown_with(sentence, Outcome.FAILED, turn, reply, why)

    async def fail(self, turn: Turn, reply: Reply) -> Turn:
        """Store a plain sentence with a reference as the answer of a turn that keeps failing."""
        log.error("turn %s: ends with a sentence after %d faults", turn.reference, turn.faults)
        call = self._call(turn, reply)
        ending = _shown_with(words.FAILED, Outcome.FAILED, turn, reply)
        return await self._store(call, ending)

    # Asking

    async def _ask(self, call: OpenCall) -> _Ending:
        """Ask the model and run the tools that it calls, until it has answered."""
        turn, reply = call.turn, call.reply
        async with reply.growing():
            files = await attachments.load(
                self._sessions,
                turn,
                reply.gates.paced(turn.user_id, reply.adapter.download),
                room=self._arriving,
                most=self._terms.file_bytes,
                now=self._now(),
            )
            call.said.append(question_of(turn, call.context, files))
            if files:
                await call.widen(files)
            for left in reversed(range(ROUNDS)):
                try:
                    await self._listen_shortened(call, files, may_call=left > 0)
                except ModelBroke as error:
                    why = kind(error)
                    return _shown_with(words.BROKE_OFF, Outcome.FAILED, turn, reply, why)
                if not call.wants_tools():
                    break
                results = await call.tools.run_all(call.tool_calls)
                call.said.extend(results)
                if not call.wants_tools():
                    break
                await call.go_on(results)
        if reply.stopped:
            return _Ending(reply.text, Outcome.STOPPED)
        notes = [words.note(call.finish_reason), *self._notes(call)]
        text = "\n\n".join(filter(None, (reply.text, *notes)))
        return _Ending(text or words.NOTHING_ANSWERED, Outcome.OK)

    def _notes(self, call: OpenCall) -> Iterator[str]:
        """Yield notes on what the model could not do, for each conversation and model once."""
        chosen = self._terms.chosen(call.turn)
        if chosen is not None and self._llm.is_gone(chosen):
            yield words.MODEL_REPLACED.format(gone=chosen, model=call.model)
        if call.left_out is not None and (call.turn.conversation_id, call.model) not in self._told:
            self._told.append((call.turn.conversation_id, call.model))
            yield words.unseen(call.model, images=call.left_out.images, files=call.left_out.files)

    async def _ask_for_summary(self, call: OpenCall) -> _Ending:
        """Ask for a summary of the older messages of a conversation, below the same prompt."""
        if call.context.cut_id is None or call.context.length <= call.marks.high:
            # The conversation is short enough, or another summary came first.
            await call.release()
        else:
            call.said.append(question_of(call.turn, call.context))
            # The model needs no tools here, but they belong to the same prompt.
            await self._listen(call, may_call=True)
        return _Ending("", Outcome.OK)

    async def _listen_shortened(
        self, call: OpenCall, files: Sequence[Block], *, may_call: bool
    ) -> None:
        """Listen to the model, and once more without the older messages if there are too many."""
        try:
            await self._listen(call, may_call=may_call)
        except PromptTooLong:
            if len(call.said) > 1 or not await call.shorten(files):
                raise
            await self._listen(call, may_call=may_call)

    async def _listen(self, call: OpenCall, *, may_call: bool) -> None:
        """Write the model's stream to the reply until it ends or the person stops it.

        A call whose stream breaks is repeated. Raises ModelBroke when the last try breaks too.
        """
        may_call = may_call and bool(call.tools.schemas)
        call.ask(offers_tools=may_call)
        for pause in (*PAUSES, None):
            request = await attachments.expand(self._sessions, call.request, room=self._leaving)
            stream = self._llm.stream(
                request,
                call.tools.schemas,
                may_call=may_call,
                request_id=f"turn-{call.turn.reference}",
                model=self._terms.chosen(call.turn),
                patience=min(self._terms.patience_seconds - call.seconds, call.reply.time),
            )
            try:
                async with call.reply.until_stopped(), aclosing(stream) as events:
                    async for event in events:
                        if isinstance(event, Again):
                            await call.again()
                        elif (may_call or not isinstance(event, ToolCall)) and call.hear(event):
                            break
                break
            except ModelBroke as error:
                log.warning("turn %s: %s", call.turn.reference, error)
                if pause is None:
                    raise
            finally:
                call.reply.wait(waits=False)
            await asyncio.sleep(pause)
            if call.reply.stopped:
                break
            await call.again()
        call.conclude()

    def _call(self, turn: Turn, reply: Reply) -> OpenCall:
        """Return the call of an attempt, which opens when it is entered."""
        conversation = turn.conversation_id
        toolbox = tools.offer(self._sessions, conversation) if self._terms.tools else Toolbox(())
        terms = self._terms.within(self._llm.context(self._terms.chosen(turn)))
        return OpenCall(self._sessions, terms, self._now, turn, reply, toolbox)

    # Storing

    async def _store(self, call: OpenCall, ending: _Ending) -> Turn:
        """Store an answer; if it takes too long to remember it, end the turn with a sentence.

        To ask the model again would only cost more.
        """
        turn, reply = call.turn, call.reply
        try:
            return await self._commit(call, ending)
        except DBAPIError as error:
            if ending.outcome is Outcome.FAILED or not timed_out(error):
                raise
        log.error("turn %s: the database takes too long to remember it", turn.reference)
        return await self._commit(call, _shown_with(words.FAILED, Outcome.FAILED, turn, reply))

    async def _commit(self, call: OpenCall, ending: _Ending) -> Turn:
        """Store the answer, remember it and settle its cost, all in one transaction."""
        turn, reply = call.turn, call.reply
        outcome = ending.outcome
        is_kept = outcome in (Outcome.OK, Outcome.STOPPED) and call.said and reply.text
        tries, ended = count(), replace(turn, outcome=outcome)

        async def work(session: Session) -> tuple[Turn, str, Standing | None]:
            now, standing = self._now(), known(ended)
            if next(tries) and await inbox.is_answered(session, turn):
                # An earlier try was committed, and the database could not say so.
                stored = await inbox.current(session, ended)
                return stored, await inbox.answer_of(session, turn.id), None
            if turn.kind == "summary":
                answer = await self._summarise(session, call) if is_kept else ""
            elif turn.question.again and not is_kept:
                answer = await self._restored(session, turn, ending)
            else:
                answer = await self._worded(session, call, ending)
            older_id = await older(session, turn, call.context) if is_kept else None
            stored, above = await inbox.answered(
                session,
                ended,
                answer,
                outcome,
                now=now,
                older_id=older_id,
                reason=ending.reason,
                model_ms=call.model_ms,
            )
            if turn.kind == "chat" and is_kept:
                is_newest = await self._remember(session, call, stored)
                if is_plain(turn):
                    standing = after(above, is_newest=is_newest)
            elif turn.question.attachments:
                await attachments.drop(session, turn)
            await self._settle(session, call, stored)
            may_warn = is_kept and call.is_near
            shown = await self._warned(session, stored, answer) if may_warn else answer
            return stored, shown, standing

        stored, answer, reply.standing = await transact(self._sessions, work)
        call.settled()
        tally = reply.tally = call.tally
        self._tell(Answered(tally.model, tally.cached_tokens, tally.cost))
        return replace(stored, answer=answer)

    async def _remember(self, session: Session, call: OpenCall, turn: Turn) -> bool:
        """Remember an exchange; return whether it is the newest of its conversation."""
        now = self._now()
        is_newest = await memory.remember(
            session, turn, call.context, call.said, call.counted, now=now
        )
        if call.is_long:
            await inbox.summarise(session, turn, now=now)
        return is_newest

    async def _settle(self, session: Session, call: OpenCall, turn: Turn) -> None:
        """Settle the calls of a turn; a conversation whose model is gone gets the default."""
        await call.settle(session)
        if call.reply.stopped or call.turn.attempt > 1:
            await call.recover(session)
        if turn.model is not None and self._llm.is_gone(turn.model):
            await memory.choose_model(session, turn.conversation_id, None)

    async def _warned(self, session: Session, turn: Turn, answer: str) -> str:
        """Warn of each limit of which most is used by now; return the answer as people see it.

        The warning stands below the answer; one that concerns nobody else in a group, beside it.
        """
        if turn.kind != "chat":
            return answer
        now = self._now()
        for low in await quota.warn(session, turn, self._terms.rules, now=now):
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

    async def _restored(self, session: Session, turn: Turn, ending: _Ending) -> str:
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

    async def _is_news(self, session: Session, turn: Turn, ending: _Ending) -> bool:
        """Return whether an ending tells more than a refusal that the person was told before."""
        refusal = ending.refusal
        return refusal is None or await quota.tell(session, turn, refusal, now=self._now())

    async def _worded(self, session: Session, call: OpenCall, ending: _Ending) -> str:
        """Return the text of an ending; "" for a refusal that the person was told before."""
        turn, reply = call.turn, call.reply
        if turn.draft or reply.text or any(reply.messages.ids):
            return ending.text  # what people see stays
        return ending.text if await self._is_news(session, turn, ending) else ""

    async def _summarise(self, session: Session, call: OpenCall) -> str:
        """Store the model's summary; return a notice for people the first time, then ""."""
        first = await memory.summarise(session, call.context, call.reply.text, now=self._now())
        if not first:
            return ""
        return words.shortened(by_summary=True, can_search=self._terms.tools)


def _shown_with(
    sentence: str, outcome: Outcome, turn: Turn, reply: Reply, reason: str | None = None
) -> _Ending:
    """Return an ending with a sentence below the text that people have seen."""
    if outcome is Outcome.FAILED:
        sentence = words.with_reference(sentence, turn.reference)
    shown = max(reply.text, turn.draft, key=len)  # an earlier attempt may have shown more
    return _Ending(words.below(shown, sentence), outcome, sentence=sentence, reason=reason)
