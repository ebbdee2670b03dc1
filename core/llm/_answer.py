"""An answer, put together from the chunks of a stream."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from core.characters import MARKS, clean
from core.errors import ModelBroke, ModelBusy, ModelError
from core.llm._faults import TryOnce, words
from core.messages import Finish, Text, ToolCall, Unseen, Usage
from core.money import MICRO


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers; this event precedes everything it says."""

    model: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that failed after some of its answer had come, so that it is charged."""

    model: str
    usage: Usage | None
    """The usage, if the server reported it."""
    received: str
    """All text that came, thoughts and tool calls included, in no particular form."""


@dataclass(frozen=True, slots=True)
class Again:
    """The model is about to be asked once more, after a loss."""


Event = Answering | Text | Unseen | ToolCall | Usage | Finish | Lost | Again

THOUGHTS = ("reasoning_content", "reasoning")
"""The fields in which servers put the model's thoughts."""
MOST_TOOL_CALLS = 128
"""The most tool calls of one answer that are kept; models make a handful."""
LONGEST_ID = 200
"""The most characters of a tool call's id that are kept."""
MOST_TOKENS = 1_000_000_000
MOST_DOLLARS = 1_000_000
"""Larger figures are taken for errors and ignored."""

# Not strict: raw control characters in a text do no harm.
_decode = json.JSONDecoder(strict=False).decode
_UNSOUND = re.compile("[\0\ud800-\udfff]")
_TOOL_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True)
class _ToolCallSoFar:
    """A tool call, as much of it as has come."""

    index: object
    id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Answer:
    """An answer, as much of it as has come. A whole body is one chunk."""

    secret: str
    said: Callable[[], str] = str
    """Returns the texts of the request, which no error may quote."""
    cost: int | None = None
    """The cost in micro-dollars, if the server reported it."""
    done: bool = False
    """Nothing useful follows."""
    moves: int = 0
    """The number of pieces that brought the answer forward."""
    finish_reason: str = ""
    _told: bool = False
    _refused: bool = False
    _usage: Usage | None = None
    _tool_calls: list[_ToolCallSoFar] = field(default_factory=list)
    _received: list[str] = field(default_factory=list)
    _half: str = ""
    """The first half of a surrogate pair whose second half has not come yet."""
    _tail: str = ""
    """The end of the text so far, which tells how many combining marks go on."""

    def feed(self, data: str) -> Iterator[Text | Unseen]:
        """Take a chunk and yield its text, and the pieces that are not shown.

        Raises ModelBusy or ModelBroke if the chunk reports an error, and ValueError if it does
        not have the shape of a chunk.
        """
        if data == "[DONE]":
            self.done = True
        if self.done or not data:
            return
        chunk = _object(_parse(data))
        if error := chunk.get("error"):
            told = words({"error": error}, self.secret, self.said())
            raise self.fault(f"the server reports: {told}")
        self._count(chunk)
        for choice in _list(chunk.get("choices")):
            yield from self._read_choice(_object(choice))

    def _read_choice(self, choice: dict[str, Any]) -> Iterator[Text | Unseen]:
        delta = _object(choice.get("delta") or choice.get("message"))
        for thought in filter(None, (_thought(delta.get(key)) for key in THOUGHTS)):
            self._received.append(thought)
            yield Unseen(thought)
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
            if unseen := self._collect(_object(piece)):
                yield Unseen(unseen)
        if reason := choice.get("finish_reason"):
            self._stop(_string(reason))

    def _stop(self, reason: str) -> None:
        if reason == "error":
            raise self.fault("the model failed")
        self.moves += 1
        self.finish_reason = reason

    def _sound(self, text: str) -> str:
        """Return text that every database and platform can hold.

        JSON may split a surrogate pair: its first half is kept for the next piece.
        """
        text = self._half + text
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        sound = clean(text.removesuffix(self._half), after=self._tail)
        self._tail = (self._tail + sound)[-MARKS:]
        return sound

    def _collect(self, piece: dict[str, Any]) -> str:
        """Add a piece to its tool call, and return the text of the piece."""
        function = _object(piece.get("function"))
        arguments = function.get("arguments")
        call_id = clean(_string(piece.get("id"))[:LONGEST_ID])
        call = self._tool_call_of(piece.get("index"), call_id)
        name = _string(function.get("name"))
        call.name = name or call.name
        # Some servers send an object instead of its JSON text.
        more = json.dumps(arguments) if isinstance(arguments, dict) else _string(arguments)
        call.arguments.append(more)
        self._received += filter(None, (name, more))
        return name + more

    def _tool_call_of(self, index: object, call_id: str) -> _ToolCallSoFar:
        """Return the tool call that a piece belongs to, or begin a new one.

        Servers that send whole tool calls may leave out the index, or always send 0.
        """
        for call in reversed(self._tool_calls):
            if index in (None, call.index) and call_id in ("", call.id):
                return call
        new = _ToolCallSoFar(index, call_id or f"call_{len(self._tool_calls)}")
        if len(self._tool_calls) < MOST_TOOL_CALLS:
            self._tool_calls.append(new)
        return new

    def _count(self, chunk: dict[str, Any]) -> None:
        """Note usage and cost. Ignore figures that make no sense."""
        if told := chunk.get("usage"):
            self._usage = _usage(told) or self._usage
        if meta := chunk.get("meta"):
            cost = micro_dollars(_fields(_fields(meta).get("usage")).get("usd_spent"))
            self.cost = self.cost if cost is None else cost

    @property
    def is_whole(self) -> bool:
        """True once the answer is complete, even if the connection breaks afterwards."""
        return self.done or bool(self.finish_reason)

    def end(self) -> Iterator[Event]:
        """Yield the tool calls, the usage and the finish, which are known only at the end.

        Raises ModelBusy or ModelBroke if the stream ended too soon.
        """
        if not self.is_whole:
            raise self.fault("the stream ended in the middle")
        if not self._told and not self._tool_calls and self._reason() in ("stop", "refusal"):
            raise TryOnce("an empty answer")
        # Check all of them before the first is yielded: one fault makes the others void.
        yield from [self._tool_call(call) for call in self._tool_calls]
        if (usage := self._used()) is not None:
            yield usage
        yield Finish(self._reason())

    def lost(self, model: str) -> Iterator[Lost]:
        """Yield the loss to charge for an answer that failed, if any of it came."""
        usage = self._used()
        if usage is not None or self.moves or self._received:
            yield Lost(model, usage, "".join(self._received))

    def _used(self) -> Usage | None:
        if self._usage is None:
            return None
        prompt, completion = self._usage.prompt_tokens, self._usage.completion_tokens
        return Usage(prompt, completion, self._usage.cached_tokens, self.cost)

    def _tool_call(self, call: _ToolCallSoFar) -> ToolCall:
        if not _TOOL_NAME.fullmatch(call.name):
            raise self.fault("a tool call without a proper name")
        return ToolCall(call.id, call.name, _mended("".join(call.arguments)) or "{}")

    def _reason(self) -> str:
        if self._refused:
            return "refusal"
        if self.finish_reason in ("length", "content_filter"):
            return self.finish_reason
        return "tool_calls" if self._tool_calls else "stop"

    def fault(self, message: str) -> ModelError:
        """Return the error for an answer that fails now: ModelBroke after its first text."""
        return ModelBroke(message) if self._told else ModelBusy(message)


def _thought(value: object) -> str:
    return value if isinstance(value, str) else ""


def micro_dollars(value: object) -> int | None:
    """Return micro-dollars, rounded up, from dollars as a number or as text, else None."""
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
    """Remove NUL from a text, join surrogate pairs and replace lone surrogates."""
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
    """Return the fields of an object; an empty dict for anything else."""
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
