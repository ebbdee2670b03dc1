"""What the chunks of one answer add up to."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from core.errors import ModelBroke, ModelBusy, ModelError
from core.llm._faults import TryOnce, words
from core.messages import Finish, Text, ToolCall, Usage
from core.settings import MICRO


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers, told before anything it says."""

    model: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that came to nothing although something of it came, so that it is charged."""

    model: str
    usage: Usage | None
    """As far as it was told."""
    received: str
    """All that came, in no particular form."""


@dataclass(frozen=True, slots=True)
class Again:
    """After a loss: the model is about to be asked once more."""


Event = Answering | Text | ToolCall | Usage | Finish | Lost | Again

THOUGHTS = ("reasoning_content", "reasoning")
"""Where servers put what the model thinks before it answers."""
MOST_TOKENS = 1_000_000_000
MOST_DOLLARS = 1_000_000
"""Figures beyond these are no figures."""

# Not strict: a raw control character in a text does no harm.
_decode = json.JSONDecoder(strict=False).decode
_UNSOUND = re.compile("[\0\ud800-\udfff]")
_TOOL_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True)
class _Call:
    """A tool call as far as its pieces have come."""

    index: object
    id: str
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Answer:
    """An answer as far as its chunks have come. A whole body is a chunk like any other."""

    secret: str
    cost: int | None = None
    """Micro-dollars, if they were told."""
    done: bool = False
    """Nothing of use comes any more."""
    moves: int = 0
    """Chunks that brought the answer forward."""
    finish_reason: str = ""
    _told: bool = False
    _refused: bool = False
    _usage: Usage | None = None
    _calls: list[_Call] = field(default_factory=list)
    _received: list[str] = field(default_factory=list)
    _half: str = ""
    """The first half of a surrogate pair whose second is to come."""

    def feed(self, data: str) -> Iterator[Text]:
        """What a chunk says; ModelBusy or ModelBroke if it reports an error.

        ValueError when it has not the shape of a chunk."""
        if data == "[DONE]":
            self.done = True
        if self.done or not data:
            return
        chunk = _object(_parse(data))
        if error := chunk.get("error"):
            raise self.fault(f"the server reports: {words(error, self.secret)}")
        self._count(chunk)
        for choice in _list(chunk.get("choices")):
            yield from self._choose(_object(choice))

    def _choose(self, choice: dict[str, Any]) -> Iterator[Text]:
        delta = _object(choice.get("delta") or choice.get("message"))
        # What a model thinks is shown to nobody, and yet charged.
        self._received += filter(None, (_thought(delta.get(key)) for key in THOUGHTS))
        for key in ("content", "refusal"):
            if said := delta.get(key):
                self.moves += 1
                self._refused = self._refused or key == "refusal"
                if text := self._sound(_string(said)):
                    self._told = True
                    self._received.append(text)
                    yield Text(text)
        for piece in _list(delta.get("tool_calls")):
            self.moves += 1
            self._collect(_object(piece))
        if reason := choice.get("finish_reason"):
            self._stop(_string(reason))

    def _stop(self, reason: str) -> None:
        if reason == "error":
            raise self.fault("the model failed")
        self.moves += 1
        self.finish_reason = reason

    def _sound(self, text: str) -> str:
        """Text that every database and platform can hold; JSON may part a surrogate pair."""
        if not self._half and not _UNSOUND.search(text):
            return text
        text = self._half + text
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return _mended(text.removesuffix(self._half))

    def _collect(self, piece: dict[str, Any]) -> None:
        function = _object(piece.get("function"))
        arguments = function.get("arguments")
        call = self._call(piece.get("index"), _string(piece.get("id")))
        name = _string(function.get("name"))
        call.name = name or call.name
        # Some servers send the arguments as an object instead of its JSON.
        more = json.dumps(arguments) if isinstance(arguments, dict) else _string(arguments)
        call.arguments += more
        self._received += filter(None, (name, more))

    def _call(self, index: object, call_id: str) -> _Call:
        """The call that a piece belongs to: whole calls may come without index, or all with 0."""
        for call in reversed(self._calls):
            if index in (None, call.index) and call_id in ("", call.id):
                return call
        self._calls.append(_Call(index, call_id or f"call_{len(self._calls)}"))
        return self._calls[-1]

    def _count(self, chunk: dict[str, Any]) -> None:
        """Take note of usage and cost. Figures that make no sense are no reason to fail."""
        if told := chunk.get("usage"):
            self._usage = _usage(told) or self._usage
        if meta := chunk.get("meta"):
            cost = micro_dollars(_fields(_fields(meta).get("usage")).get("usd_spent"))
            self.cost = self.cost if cost is None else cost

    @property
    def is_whole(self) -> bool:
        """Whether the answer stands, whatever becomes of the connection."""
        return self.done or bool(self.finish_reason)

    def end(self) -> Iterator[Event]:
        """The events that stand only when the stream is over; a fault when it ended too soon."""
        if not self.is_whole:
            raise self.fault("the stream ended in the middle")
        if not self._told and not self._calls and self._reason() in ("stop", "refusal"):
            raise TryOnce("an empty answer")
        # All of them first: none of an answer that went wrong must be carried out.
        yield from [self._tool_call(call) for call in self._calls]
        if (usage := self._used()) is not None:
            yield usage
        yield Finish(self._reason())

    def lost(self, model: str) -> Iterator[Lost]:
        """What is charged of an answer that went wrong, if anything of it came."""
        usage = self._used()
        if usage is not None or self.moves or self._received:
            yield Lost(model, usage, "".join(self._received))

    def _used(self) -> Usage | None:
        if self._usage is None:
            return None
        prompt, completion = self._usage.prompt_tokens, self._usage.completion_tokens
        return Usage(prompt, completion, self._usage.cached_tokens, self.cost)

    def _tool_call(self, call: _Call) -> ToolCall:
        if not _TOOL_NAME.fullmatch(call.name):
            raise self.fault("a tool call without a proper name")
        return ToolCall(call.id, call.name, _mended(call.arguments) or "{}")

    def _reason(self) -> str:
        if self._refused:
            return "refusal"
        if self.finish_reason in ("length", "content_filter"):
            return self.finish_reason
        return "tool_calls" if self._calls else "stop"

    def fault(self, message: str) -> ModelError:
        """The error for an answer that went wrong here."""
        return ModelBroke(message) if self._told else ModelBusy(message)


def _thought(value: object) -> str:
    return value if isinstance(value, str) else ""


def micro_dollars(value: object) -> int | None:
    """Micro-dollars, rounded up, from dollars as a number or its text; None if it is neither."""
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        return None
    if not dollars.is_finite() or not 0 <= dollars <= MOST_DOLLARS:
        return None
    return int((dollars * MICRO).to_integral_value(rounding=ROUND_CEILING))


def _usage(told: object) -> Usage | None:
    fields = _fields(told)
    prompt, completion = (
        _tokens(fields.get("prompt_tokens")),
        _tokens(fields.get("completion_tokens")),
    )
    cached = _tokens(_fields(fields.get("prompt_tokens_details")).get("cached_tokens"))
    if prompt is None or completion is None:
        return None
    return Usage(prompt, completion, cached or 0)


def _tokens(value: object) -> int | None:
    if isinstance(value, int | float) and 0 <= value <= MOST_TOKENS:
        return int(value)
    return None


def _mended(text: str) -> str:
    """The text without NUL, its surrogates joined in pairs or replaced."""
    if not _UNSOUND.search(text):
        return text
    pairs = text.replace("\0", "").encode("utf-16-le", "surrogatepass")
    return pairs.decode("utf-16-le", "replace")


def _parse(data: str) -> object:
    try:
        value: object = _decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _fields(value: object) -> dict[str, Any]:
    """An object's fields; of anything else none."""
    return value if isinstance(value, dict) else {}


def _object(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("no object where one belongs")
    return value


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("no list where one belongs")
    return value


def _string(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("no text where one belongs")
    return value
