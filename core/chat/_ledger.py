"""The money of a turn: every call is reserved before it is made, and settled after it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count

from core import memory, quota
from core.chat._exchange import Exchange
from core.chat._question import ask
from core.chat._terms import Terms
from core.db import Session, Sessions, transact
from core.memory import Context
from core.messages import Part
from core.quota import Reservation
from core.turns import Turn


class Ledger:
    """The calls of turns, each of them open until it is known what it cost."""

    def __init__(self, sessions: Sessions, terms: Terms, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._terms = terms
        self._now = now

    def prompt_tokens(self, turn: Turn, context: Context) -> int:
        """About how long the prompt is: as the API counted it last, and an estimate of the rest."""
        question = memory.estimate(ask(turn, context))
        if context.total is not None:
            return context.total + question
        return question + sum(memory.estimate(each) for each in self._terms.prompt(context))

    async def begin(
        self, session: Session, turn: Turn, context: Context, *, again: bool
    ) -> Reservation:
        """Reserve the first call; QuotaExceeded. The person's turn counts once.

        `again` where one may be open that nobody knows of: its process died, or the database
        committed it and could not say so.
        """
        is_counted = again and await quota.is_counted(session, turn)
        turns = 1 if turn.kind == "chat" and not is_counted else 0
        tokens = self.prompt_tokens(turn, context)
        return await self._reserve(session, turn, tokens, turns=turns, again=again)

    async def widen(self, exchange: Exchange, parts: Sequence[Part]) -> None:
        """Reserve for the files too: how large they are is known only now."""
        exchange.prompt_tokens += memory.estimate({"role": "user", "content": [*parts]})
        turns = exchange.call.turns
        await self.release(exchange)
        exchange.call = await self._another(exchange.turn, exchange.prompt_tokens, turns=turns)

    async def next(self, exchange: Exchange, prompt_tokens: int) -> None:
        """Settle the call that is over and reserve another one below it."""
        # Two transactions: settling and reserving lock the same rows in different orders.
        await self.close(exchange)
        call = await self._another(exchange.turn, prompt_tokens)
        exchange.open(call, prompt_tokens)

    async def again(self, exchange: Exchange) -> None:
        """Settle a call that came to nothing and reserve another one in its place."""
        begun = exchange.begun
        await self.next(exchange, exchange.prompt_tokens)
        exchange.begun = begun
        exchange.reply.rewind(begun)

    async def close(self, exchange: Exchange) -> None:
        """Settle the call that is over in a transaction of its own."""
        await transact(self._sessions, lambda s: self.settle(s, exchange))
        self.count(exchange)

    def count(self, exchange: Exchange) -> None:
        """Add the call that is settled to the tally."""
        usage = exchange.used
        exchange.tally.count(exchange.model, usage, self._terms.cost(usage))

    async def settle(self, session: Session, exchange: Exchange) -> None:
        """Replace what was reserved by what the call cost."""
        usage = exchange.used
        await quota.settle(
            session,
            exchange.call,
            self._terms.rules,
            usage,
            self._terms.cost(usage),
            model=exchange.model,
            estimated=exchange.usage is None,
            now=self._now(),
        )

    async def release(self, exchange: Exchange) -> None:
        """Give back what was reserved: nothing came of the call, so nothing is charged."""
        await transact(
            self._sessions,
            lambda s: quota.release(s, exchange.call, self._terms.rules, now=self._now()),
        )

    async def recover(self, session: Session, turn: Turn) -> None:
        """Close what earlier attempts left open."""
        await quota.recover(session, turn, self._terms.rules, now=self._now())

    async def _another(self, turn: Turn, prompt_tokens: int, *, turns: int = 0) -> Reservation:
        tries = count()
        return await transact(
            self._sessions,
            lambda s: self._reserve(s, turn, prompt_tokens, turns=turns, again=next(tries) > 0),
        )

    async def _reserve(
        self, session: Session, turn: Turn, prompt_tokens: int, *, turns: int, again: bool
    ) -> Reservation:
        if again:
            await self.recover(session, turn)
        return await quota.reserve(
            session,
            turn,
            self._terms.rules,
            model=self._terms.chosen(turn) or self._terms.model,
            cost=self._terms.estimate(prompt_tokens),
            turns=turns,
            now=self._now(),
        )
