"""The client of one endpoint: it asks the right model in its dialect, until it answers."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx

from core.errors import ModelBroke, ModelBusy, ModelError, ModelGone
from core.llm import _account as account
from core.llm._account import KeyState
from core.llm._answer import Answer
from core.llm._body import Body
from core.llm._catalogue import Catalogue, read
from core.llm._dialect import Dialect, body_of, learn, left_out
from core.llm._exchange import Endpoint, build, exchange
from core.llm._faults import Costly, HungUp, NotFound, Unsuitable, texts_of
from core.llm._lookout import Lookout
from core.llm._stopwatch import Stopwatch
from core.llm._stream import Again, Answering, Event, LeftOut, Lost, Waiting
from core.messages import ChatMessage, Unseen
from core.signals import Tell, nobody

log = logging.getLogger(__name__)

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Limits of the connection pool. An unbounded keep-alive pool makes httpx quadratic."""

LONGEST_PAUSE = 15.0
LONGEST_WAIT = 60.0
"""The longest pause before a try, and the longest wait that a server may ask for; in seconds."""
COSTLY_PAUSES = (0.5, 5.0, 15.0, 45.0, 120.0, 300.0)
"""The seconds before a request is repeated that fails slowly or at a cost; then always the last."""


class LLM:
    """The models behind an OpenAI-compatible API."""

    def __init__(
        self,
        way: httpx.AsyncBaseTransport,
        endpoint: Endpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
        tell: Tell = nobody,
    ) -> None:
        """Make a client; `tell` hears of every request when it has ended.

        Its requests go through a transport that somebody else closes. There is no client of httpx
        between, because nothing is needed of what it does, such as cookies and redirects.
        """
        self._way = way
        self._tell = tell
        self._endpoint = endpoint
        self._clock = clock
        self._lookout = Lookout((endpoint.model, *endpoint.fallbacks), clock)
        self._dialects: dict[str, Dialect] = {}
        self._contexts: dict[str, int] = {}
        """The most tokens that a model takes, where the endpoint tells it."""
        self._cut: deque[str] = deque(maxlen=1000)
        """The requests whose answers ended without a reason. One that does so again is whole."""

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        may_call: bool = True,
        request_id: str,
        model: str | None = None,
        patience: float | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Yield the answer as it comes: Answering, Text, ToolCall, Usage if reported, Finish.

        Unseen may come at any time, also before Answering: the model may yet answer nothing.

        `model`, if given, is asked before the endpoint's own models; `patience` are the seconds in
        which failed tries are repeated. Waiting tells that the model is away. A request that fails
        after a part of its answer yields Lost; then follows an error, or Again and an answer.

        Raises ModelUnavailable or ModelRejected at once, ModelBusy when patience ends before the
        first text, and ModelBroke after it.
        """
        seconds = self._endpoint.patience_seconds if patience is None else patience
        tries = _Tries(self._clock() + seconds, self._pauses())
        while True:
            async for waiting in self._until_admitted(tries, model):
                yield waiting
            lost = False
            ask = _Ask(messages, tools, request_id, may_call)
            try:
                async with aclosing(self._try(ask, tries)) as events:
                    async for event in events:
                        lost = lost or isinstance(event, Lost)
                        yield event
                return
            except (ModelBusy, ModelGone) as error:
                pause = self._after(error, tries, model)
            except _Learnt:
                pause = 0.0
            if lost:
                yield Again()
            if pause:
                yield Waiting(self._lookout.told(tries.model))
            log.debug("%s: asking again in %.2f s", request_id, pause)
            await asyncio.sleep(pause)

    async def _try(self, ask: "_Ask", tries: "_Tries") -> AsyncGenerator[Event, None]:
        """Send one request to the chosen model and yield its answer.

        Raises _Learnt if a refusal has taught another form, and any ModelError.
        """
        model, dialect = tries.model, self._dialect(tries.model)
        told = self._told(model, dialect, ask)
        body = Body(told)
        request = build(self._endpoint, body, ask.request_id)
        answer = self._new_answer(tries, ask)
        stopwatch = Stopwatch(model, self._clock)
        if any(left := left_out(dialect, ask.messages)):
            yield LeftOut(*left)
        try:
            stream = exchange(self._way, self._endpoint, request, answer)
            async with aclosing(body), aclosing(stream) as events:
                async for event in events:
                    stopwatch.hear(event)
                    if not (tries.is_answering or isinstance(event, Unseen | Lost)):
                        tries.is_answering = True
                        self._lookout.answered(model)
                        yield Answering(model)
                    yield event
        except Unsuitable as error:
            stopwatch.failed(error)
            self._dialects[model] = tries.other(learn(dialect, error.told, error.own, told), error)
            raise _Learnt from error
        except ModelError as error:
            stopwatch.failed(error)
            if isinstance(error, ModelBroke) and answer.gave_no_reason:
                self._cut.append(ask.request_id)
            raise
        finally:
            self._tell(stopwatch.told())
        # Not what was known when it began: other answers may have learnt something since.
        self._dialects[model] = answer.taught(self._dialect(model))

    async def _until_admitted(
        self, tries: "_Tries", chosen: str | None
    ) -> AsyncGenerator[Waiting, None]:
        """Choose the model to ask, and wait until it may be asked.

        Raises ModelBusy when patience ends before, and ModelGone if no model is left.
        """
        while True:
            model = self._lookout.current(chosen, tries.given_up)
            if model is None:
                raise ModelGone(
                    "MODEL is wrong: its models are unknown or retired; set another one"
                )
            seconds = self._lookout.take(model, first=model not in tries.asked)
            if not seconds:
                tries.ask(model)
                return
            left = tries.give_up - self._clock()
            if left <= 0:
                raise tries.last or ModelBusy(f"model {model} is away")
            yield Waiting(self._lookout.told(model))
            await self._lookout.wait(model, min(seconds, left))

    def _after(self, error: ModelBusy | ModelGone, tries: "_Tries", chosen: str | None) -> float:
        """Return the seconds until the next try, or raise the error if there is to be none."""
        if isinstance(error, HungUp) and not tries.is_forgiven:
            tries.is_forgiven = True  # a server may close an idle connection at any moment
            return 0.0
        pause = None
        if isinstance(error, ModelGone):
            self._lookout.gone(tries.model, error, for_good=not isinstance(error, NotFound))
        else:
            self._lookout.failed(tries.model, error)
            pause = tries.pause(error, self._clock())
        if pause is None:
            tries.given_up.add(tries.model)
        if (model := self._lookout.current(chosen, tries.given_up)) is None:
            raise error
        # A model that is away has pauses of its own, which all answers share.
        return pause or 0.0 if model in tries.asked and not self._lookout.is_away(model) else 0.0

    def _pauses(self) -> Iterator[float]:
        """Growing pauses with jitter, without end."""
        pause = self._endpoint.pause_seconds
        while True:
            yield pause * random.uniform(0.5, 1.5)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _new_answer(self, tries: "_Tries", ask: "_Ask") -> Answer:
        dialect = self._dialect(tries.model)
        is_usual = dialect.tells_end is None and ask.request_id in self._cut
        return Answer(
            tries.model,
            self._endpoint.key,
            partial(texts_of, ask.messages),
            ask.tools if ask.may_call else (),
            begins_thinking=dialect.begins_thinking,
            tells_end=False if is_usual else dialect.tells_end,
            is_last_try=tries.costly > 0,
        )

    def _dialect(self, model: str) -> Dialect:
        sees = self._endpoint.sees
        images = sees if isinstance(sees, bool) else model in sees
        return self._dialects.get(model) or Dialect(images=images)

    def _told(self, model: str, dialect: Dialect, ask: "_Ask") -> dict[str, Any]:
        endpoint = self._endpoint
        body: dict[str, Any] = {
            "model": model,
            **body_of(dialect, ask.messages, ask.tools, may_call=ask.may_call),
        }
        body |= {dialect.cap: endpoint.max_completion_tokens, "stream": True}
        samples = {"temperature": endpoint.temperature, "top_p": endpoint.top_p}
        if dialect.samples:
            body |= {name: value for name, value in samples.items() if value is not None}
        return body

    def is_gone(self, model: str) -> bool:
        """Return whether the endpoint does not know a model any more."""
        return self._lookout.is_gone(model)

    @property
    def answered_ago(self) -> float | None:
        """The seconds since a model answered; None if none did."""
        at = self._lookout.answered_at
        return None if at is None else self._clock() - at

    @property
    def away_for(self) -> float | None:
        """The seconds for which no model has answered those who ask; None if one does."""
        return self._lookout.away_for

    def context(self, model: str | None) -> int | None:
        """Return the most tokens of a prompt and its answer, for a model or the one in its place.

        None if the endpoint does not tell it.
        """
        return self._contexts.get(self._lookout.current(model) or "")

    @property
    def names(self) -> tuple[str, ...]:
        """Return every model that may answer."""
        return self._endpoint.models

    async def look_up(self) -> Catalogue:
        """Ask for the catalogue of models, and take to heart what it tells of those in use.

        A model that is withdrawn is asked no more. One that cannot look at images gets none.
        """
        catalogue = await read(self._way, self._endpoint)
        for model in self._endpoint.models:
            withdrawal, offer = catalogue.withdrawal(model), catalogue.offer(model)
            if withdrawal is not None and withdrawal.is_gone:
                self._lookout.gone(model, catalogue.complaint(model), for_good=True)
            if offer is not None:
                dialect = self._dialect(model)
                images = dialect.images and offer.images is not False
                files = dialect.files and offer.files is not False
                self._dialects[model] = replace(dialect, images=images, files=files)
                if offer.context is not None:
                    self._contexts[model] = offer.context
        return catalogue

    async def account(self, *, seconds: float = 5.0) -> KeyState:
        """Return what the endpoint tells of the key, without spending credits."""
        return await account.read(self._way, self._endpoint, seconds=seconds)

    async def check(self, *, seconds: float = 5.0) -> str | None:
        """Check the key and the URL without spending credits.

        Return a sentence for the operator if one is wrong. Return None if both are right, or if
        the endpoint has no billing to ask about.
        """
        return (await self.account(seconds=seconds)).complaint


class _Learnt(Exception):
    """A refusal has taught another form of the request."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """A request, in no model's dialect yet."""

    messages: Sequence[ChatMessage]
    tools: Sequence[Mapping[str, Any]]
    request_id: str
    may_call: bool


@dataclass(slots=True)
class _Tries:
    """The tries for one answer so far."""

    give_up: float
    pauses: Iterator[float]
    model: str = ""
    """The model that is asked now."""
    is_answering: bool = False
    asked: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    last: ModelBusy | None = None
    costly: int = 0
    """The failures that were slow or charged."""
    is_forgiven: bool = False
    _dialects: set[tuple[str, Dialect]] = field(default_factory=set)

    def ask(self, model: str) -> None:
        """Note that a model is asked now."""
        self.model, self.is_answering = model, False
        self.asked.add(model)

    def other(self, dialect: Dialect | None, error: Unsuitable) -> Dialect:
        """Return a dialect to try instead; raise the error if there is none left."""
        if dialect is None or (self.model, dialect) in self._dialects:
            raise error
        self._dialects.add((self.model, dialect))
        return dialect

    def pause(self, error: ModelBusy, now: float) -> float | None:
        """Return the seconds to wait before asking the same model again, or None to give up."""
        self.last = error
        pause = next(self.pauses)
        if isinstance(error, Costly):
            pause = COSTLY_PAUSES[min(self.costly, len(COSTLY_PAUSES) - 1)]
            self.costly += 1
        # Spread the retries: the server may tell a thousand streams the same moment.
        pause += min(error.retry_after or 0.0, LONGEST_WAIT)
        return pause if now + pause <= self.give_up else None
