"""Delivers the stored answers of a process, or gives them up."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from core import inbox, mutes, quota, words
from core.adapter import Address
from core.db import Session, Sessions, transact
from core.delivery import _line
from core.delivery._enclosures import Enclosures
from core.delivery._standing import give_back, known_standing, look_up_standing, regenerate
from core.errors import DeliveryError, Muted, TooLate, Undeliverable, kind
from core.quota import Rules
from core.reply import Reply, Tally
from core.turns import Outcome, Turn

log = logging.getLogger(__name__)

EXCUSED = 3
"""The refusals to write at an address, one after the other, that cost nobody but the deployment."""


class Delivery:
    """The way of stored answers to their platforms."""

    def __init__(self, sessions: Sessions, rules: Rules, *, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._rules = rules
        self._now = now
        self._enclosures = Enclosures(sessions, rules, now=now)

    async def deliver(self, turn: Turn, reply: Reply, *, last: bool = False) -> bool:
        """Post the stored answer on the platform, in the messages of earlier attempts if any.

        `last` means that no attempt follows: a file that fails alone is left. Return whether
        another turn may have waited for it. Raises the errors of `Reply.deliver`.
        """
        assert turn.answer is not None
        assert turn.outcome is not None
        standing = reply.standing or known_standing(turn)
        if standing is None:
            standing = await transact(self._sessions, lambda s: look_up_standing(s, turn))
        await reply.deliver(turn.answer, standing.buttons, whom=turn.whom, last=last)
        await self._enclosures.enclose(turn, reply, last=last)
        # Before the turn ends, so that a crash in between loses none of it.
        await reply.unbutton(standing.ended)
        outcome = turn.outcome

        async def work(session: Session) -> tuple[bool, Tally | None, datetime]:
            now = self._now()
            if turn.muted_until is not None and not turn.ticket:
                await mutes.unmute(session, turn.address)
            is_restored = await give_back(session, turn)
            keeps_answer = not (is_restored or turn.question.fleeting)
            is_followed = await inbox.delivered(
                session, turn, outcome, now=now, keeps_answer=keeps_answer
            )
            return is_followed, await _line.tally_of(session, turn, reply), now

        is_followed, tally, at = await transact(self._sessions, work)
        _line.write(turn, reply, outcome, tally, at)
        if standing.buttons == regenerate() and not turn.question.private:
            # Somebody else's answer may have been stored meanwhile, and found no button here.
            now = await transact(self._sessions, lambda s: look_up_standing(s, turn))
            await reply.unbutton(reply.messages.ids[-1:] if not now.buttons else ())
        return is_followed

    async def give_up(self, turn: Turn, reply: Reply, error: Undeliverable) -> bool:
        """End a turn that cannot be delivered; it costs the person nothing.

        If the bot may write nothing there, try nothing for a while, and tell the person once in the
        chat around, if it is a thread; otherwise tell them there. Who locks the bot out in the
        middle of an answer, or again and again, pays for it: else that would be a way to read, or
        to spend, for nothing. Nobody can hasten the end of a ticket, so an answer that comes too
        late for its ticket is always free. Return whether another turn may have waited for it.
        Raises LeaseLost when another attempt owns the turn.
        """
        around = None
        is_asked = turn.message_id is not None  # a notice that fails is told by no further notice
        if isinstance(error, Muted) and turn.muted_until is None and is_asked:
            around = await _around(reply)

        async def work(session: Session) -> bool:
            now, is_excused = self._now(), True
            await give_back(session, turn)
            is_followed = await inbox.give_up(session, turn, now=now, reason=kind(error))
            if isinstance(error, Muted):
                if not isinstance(error, TooLate):  # the next ticket may be written with
                    times = await mutes.mute(session, turn.address, now=now)
                    is_excused = times <= EXCUSED and not reply.messages.length
                if around is not None:
                    there = replace(turn, address=around, ticket="")
                    told = words.NOT_WRITTEN.format(name=turn.question.name)
                    await inbox.tell(session, there, told, now=now)
            elif is_asked:
                told = words.with_reference(words.NOT_DELIVERED, turn.reference)
                await inbox.tell(session, turn, told, now=now)
            if is_excused:
                await quota.excuse(session, turn, self._rules, now=now)
            return is_followed

        is_followed = await transact(self._sessions, work)
        _line.write(turn, reply, Outcome.UNDELIVERABLE, reply.tally, self._now())
        return is_followed


async def _around(reply: Reply) -> Address | None:
    """Return the address of the chat around a closed thread, if the platform tells it now."""
    try:
        return await reply.adapter.around(reply.turn.address)
    except DeliveryError as error:
        log.info("turn %s: no chat around its thread: %s", reply.turn.reference, error)
        return None
