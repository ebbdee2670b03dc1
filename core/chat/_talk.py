"""Talking with the model: one call after another, each begun anew when its stream breaks."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from core import attachments
from core.chat._exchange import Exchange
from core.chat._ledger import Ledger
from core.chat._question import blinded
from core.chat._terms import Terms
from core.db import Sessions, transact
from core.errors import ModelBroke, ModelError
from core.llm import LLM, Again
from core.messages import ChatMessage, ToolCall

log = logging.getLogger(__name__)

Schema = Mapping[str, Any]
"""A tool as the API is told of it."""

PAUSES = (0.5, 2.0)
"""Seconds after which a call is begun anew when its stream broke: what broke it may last."""


class Talk:
    """What is said to the model, and how the answer grows with what it says."""

    def __init__(self, sessions: Sessions, llm: LLM, ledger: Ledger, terms: Terms) -> None:
        self._sessions = sessions
        self._llm = llm
        self._ledger = ledger
        self._terms = terms

    async def call(self, exchange: Exchange, tools: Sequence[Schema]) -> None:
        """One call, begun anew when its stream breaks; ModelBroke when none comes to an end."""
        request = await self._expanded(exchange.request)
        for pause in (*PAUSES, None):
            try:
                await self._listen(exchange, request, tools)
                exchange.close()
                return
            except ModelBroke as error:
                log.warning("turn %s: %s", exchange.turn.reference, error)
                if pause is None:
                    raise
                await asyncio.sleep(pause)
                if exchange.reply.stopped:
                    exchange.close()
                    return
            except ModelError:
                if exchange.received is None:
                    # Nothing came, so nothing is charged.
                    await self._ledger.release(exchange)
                else:
                    await self._ledger.close(exchange)
                raise
            await self._ledger.again(exchange)

    async def _listen(
        self, exchange: Exchange, request: Sequence[ChatMessage], tools: Sequence[Schema]
    ) -> None:
        """Let the answer grow with what the model says, until its end or until it is stopped."""
        turn = exchange.turn
        stream = self._llm.stream(
            request,
            tools,
            request_id=f"turn-{turn.reference}",
            model=self._terms.chosen(turn),
        )
        async with exchange.reply.until_stopped(), aclosing(stream) as events:
            async for event in events:
                match event:
                    case Again():
                        await self._ledger.again(exchange)
                    case ToolCall() if not tools:
                        pass  # what was not offered cannot be used
                    case _:
                        exchange.hear(event)

    async def _expanded(self, messages: list[ChatMessage]) -> list[ChatMessage]:
        """The request itself: with the bytes of files in it, as far as the model can see them."""
        if not any(isinstance(message.get("content"), list) for message in messages):
            return messages
        if not self._terms.vision:
            messages = [blinded(message) for message in messages]
        return await transact(self._sessions, lambda s: attachments.expand(s, messages))
