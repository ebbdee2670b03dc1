"""An answer, put together from the chunks of a stream."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from core.characters import MARKS, clean
from core.errors import ModelBroke, ModelBusy, ModelError
from core.llm._dialect import Dialect
from core.llm._faults import Costly, reported
from core.llm._thoughts import Thinking, Unsaid
from core.llm._written import Written
from core.messages import Finish, Text, Thought, ToolCall, Unseen, Usage
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model does not answer at present; it is asked until it does, or patience ends."""

    seconds: float
    """The time for which the server asked to wait; 0 if it told none."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Short texts stand in the place of content that the model cannot take."""

    images: bool
    files: bool


Event = (
    Waiting
    | LeftOut
    | Answering
    | Text
    | Unseen
    | Unsaid
    | ToolCall
    | Usage
    | Finish
    | Lost
    | Again
)

THOUGHTS = ("reasoning_content", "reasoning")
"""The fields in which servers put the model's thoughts."""
TICKS = 10_000
"""The ticks of xAI's costs in a micro-dollar."""
TICKED = "cost_in_usd_ticks"
CREDITS = 2
"""The credits of AI/ML API in a micro-dollar."""
CUT_OFF = ("length", "max_tokens", "max_output_tokens", "model_length")
FILTERED = ("content_filter", "safety", "recitation", "prohibited_content", "sensitive")
"""The words of services for an answer that reached its longest, and for one that was ended."""
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

    model: str
    secret: str
    said: Callable[[], str] = str
    """Returns the texts of the request, which no error may quote."""
    tools: Sequence[Mapping[str, Any]] = ()
    """The tools that the model may call, also by writing a call into its text."""
    begins_thinking: bool = False
    """True if the model begins with thoughts without a tag that opens them."""
    is_last_try: bool = False
    """True if a written call that fits no tool is left out, instead of asking once more."""
    tells_end: bool | None = True
    """True if the model is known to say why it ends; if it has not, the end is an accident. None
    if nothing is known: then it is one if the chunks left room for a reason."""
    cost: int | None = None
    """The cost in micro-dollars, if the server reported it."""
    done: bool = False
    """Nothing useful follows."""
    moves: int = 0
    """The number of pieces that brought the answer forward."""
    finish_reason: str = ""
    is_silent: bool = False
    """True if the server ended it properly, but without a word."""
    _told_end: bool = False
    _has_room: bool = False
    """True if a choice has the field of the reason, though it may be empty."""
    _is_summed: bool = False
    """True if the usage came in a chunk of its own."""
    _is_unsaid: bool = False
    _told: bool = False
    _thought: bool = False
    _refused: bool = False
    _usage: Usage | None = None
    _tool_calls: list[_ToolCallSoFar] = field(default_factory=list)
    _received: list[str] = field(default_factory=list)
    _half: str = ""
    """The first half of a surrogate pair whose second half has not come yet."""
    _tail: str = ""
    """The end of the text so far, which tells how many combining marks go on."""
    _thinking: Thinking = field(init=False)
    _written: Written = field(init=False)

    def __post_init__(self) -> None:
        self._thinking = Thinking("</think>" if self.begins_thinking else "")
        self._written = Written(self.tools)

    def feed(self, data: str) -> Iterator[Text | Unseen | Unsaid]:
        """Take a chunk and yield its text, and the pieces that are not shown.

        Raises the ModelError that the chunk reports, and ValueError if it does not have the shape
        of a chunk.
        """
        if data == "[DONE]":
            self.done = self._told_end = True
        if self.done or not data:
            return
        parsed = _parse(data)
        chunk = _object(parsed[0] if isinstance(parsed, list) and parsed else parsed)
        if error := chunk.get("error"):
            raise self._reported(chunk if isinstance(error, str) else error)
        self._count(chunk)
        choices = _list(chunk.get("choices"))
        # A sum that comes alone is the last word.
        self._is_summed = self._is_summed or (not choices and bool(chunk.get("usage")))
        for choice in choices:
            yield from self._read_choice(_object(choice))

    def _read_choice(self, choice: dict[str, Any]) -> Iterator[Text | Unseen | Unsaid]:
        delta = _object(choice.get("delta") or choice.get("message"))
        yield from self._think(delta)
        for key in ("content", "refusal"):
            if said := _said(delta.get(key)):
                self.moves += 1
                self._refused = self._refused or key == "refusal"
                if text := self._sound(said):
                    self._received.append(text)
                    yield from self._take(self._thinking.feed(text))
        for piece in _list(delta.get("tool_calls")):
            self.moves += 1
            if unseen := self._collect(_object(piece)):
                yield Unseen(unseen)
        self._count(choice)
        self._has_room = self._has_room or "finish_reason" in choice
        if reason := choice.get("finish_reason"):
            self._stop(_string(reason))

    def _think(self, delta: dict[str, Any]) -> Iterator[Text | Unseen | Unsaid]:
        """Yield the thoughts that stand in a field of their own."""
        for thought in (*map(delta.get, THOUGHTS), _thought_in(delta.get("content"))):
            if isinstance(thought, str) and thought:
                self._received.append(thought)
                yield from self._take([Thought(_mended(thought))])

    def _take(self, known: Iterable[Text | Thought | Unsaid]) -> Iterator[Text | Thought | Unsaid]:
        """Pass on what was told, with the calls that are written into the text left out."""
        for each in known:
            match each:
                case Thought():
                    self.moves += 1
                    self._thought = True
                    yield each
                case Unsaid():
                    self._is_unsaid = self._thought = True
                    self._told = False
                    yield each
                case Text(text):
                    yield from self._say(self._written.feed(text))

    def _say(self, texts: Iterable[Text]) -> Iterator[Text]:
        for text in texts:
            self._told = self._told or not text.text.isspace()
            yield text

    def _stop(self, reason: str) -> None:
        reason = reason.lower()
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
        new = _ToolCallSoFar(index, call_id or _id_of(self._tool_calls))
        if len(self._tool_calls) < MOST_TOOL_CALLS:
            self._tool_calls.append(new)
        return new

    def _count(self, chunk: dict[str, Any]) -> None:
        """Note usage and cost. Ignore figures that make no sense."""
        told = _fields(chunk.get("usage"))
        self._usage = _usage(told) or self._usage
        cost = _cost(_fields(_fields(chunk.get("meta")).get("usage")), told)
        self.cost = self.cost if cost is None else cost

    @property
    def is_whole(self) -> bool:
        """True once the answer is complete, even if the connection breaks afterwards."""
        return self.done or bool(self.finish_reason)

    def close(self) -> None:
        """Take note that the server ended the response properly.

        Some servers never say that an answer is complete. Their clean end has to be enough.
        """
        self.is_silent = self._told
        may_be_cut = self.tells_end
        if may_be_cut is None:
            may_be_cut = self._has_room and not self._is_summed
        if self._told and not may_be_cut:
            self.done = True

    def end(self) -> Iterator[Event]:
        """Yield the rest of the text, and what is known only at the end: calls, usage and finish.

        Raises ModelBusy or ModelBroke if the stream ended too soon.
        """
        if not self.is_whole:
            raise self.fault("the stream ended in the middle")
        yield from self._take(self._thinking.end())
        yield from self._say(self._written.end())
        if not self._told and self._written.is_invalid and not self.is_last_try:
            raise Costly("a tool call in the text that fits no tool")
        for name, arguments in self._written.calls:
            call_id = _id_of(self._tool_calls)
            self._tool_calls.append(_ToolCallSoFar(None, call_id, name, [arguments]))
        reason = self._reason()
        if reason in ("stop", "refusal") and not (self._told or self._written.is_invalid):
            raise Costly("an empty answer")
        # Check all of them before the first is yielded: one fault makes the others void.
        yield from [self._tool_call(call) for call in self._tool_calls]
        if (usage := self._used()) is not None:
            yield usage
        yield Finish(reason)

    def taught(self, dialect: Dialect) -> Dialect:
        """Return a dialect with everything that this answer tells of its model."""
        tells_end = dialect.tells_end or self._told_end or bool(self.finish_reason)
        return replace(
            dialect,
            tells_end=tells_end or (False if self.is_silent else dialect.tells_end),
            begins_thinking=dialect.begins_thinking or self._is_unsaid,
        )

    def lost(self) -> Iterator[Lost]:
        """Yield the loss to charge for an answer that failed, if any of it came."""
        usage = self._used()
        if usage is not None or self.moves or self._received:
            yield Lost(self.model, usage, "".join(self._received))

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
        if self._thought and not (self._told or self._tool_calls):
            return "thoughts"
        if self.finish_reason in CUT_OFF:
            return "length"
        if self.finish_reason in FILTERED:
            return "content_filter"
        return "tool_calls" if self._tool_calls else "stop"

    def fault(self, message: str) -> ModelError:
        """Return the error for an answer that fails now: ModelBroke after its first text."""
        return ModelBroke(message) if self._told else ModelBusy(message)

    def _reported(self, error: object) -> ModelError:
        """Return the error for one that the server reports inside its answer."""
        fault = reported(error, self.model, self.secret, self.said)
        return ModelBroke(str(fault)) if self._told and isinstance(fault, ModelBusy) else fault


def _id_of(calls: Sequence[object]) -> str:
    """Return an id for a tool call that came without one; some services want nine characters."""
    return f"call{len(calls):05d}"


def _cost(meta: Mapping[str, Any], usage: Mapping[str, Any]) -> int | None:
    """Return the cost that a service tells in micro-dollars, by whichever field it uses."""
    dollars = (meta.get("usd_spent"), usage.get("cost"))
    told = next((cost for each in dollars if (cost := micro_dollars(each)) is not None), None)
    if told is not None:
        return told
    for figure, share in ((meta.get("credits_used"), CREDITS), (usage.get(TICKED), TICKS)):
        if isinstance(figure, int | float) and 0 <= figure <= MOST_DOLLARS * MICRO * share:
            return math.ceil(figure / share)
    return None


def micro_dollars(value: object) -> int | None:
    """Return micro-dollars, rounded up, from dollars as a number or as text, else None."""
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        return None
    if not dollars.is_finite() or not 0 <= dollars <= MOST_DOLLARS:
        return None
    return int((dollars * MICRO).to_integral_value(rounding=ROUND_CEILING))


def _usage(fields: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a service tells.

    Some leave the tokens of thoughts out of `completion_tokens`; then `total_tokens` decides.
    """
    prompt = _tokens(fields.get("prompt_tokens"))
    completion = _tokens(fields.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = _fields(fields.get("prompt_tokens_details"))
    places = (details.get("cached_tokens"), fields.get("prompt_cache_hit_tokens"))
    cached = next((tokens for each in places if (tokens := _tokens(each)) is not None), 0)
    total = _tokens(fields.get("total_tokens")) or 0
    return Usage(prompt, max(completion, total - prompt), cached)


def _tokens(value: object) -> int | None:
    if isinstance(value, int | float) and 0 <= value <= MOST_TOKENS:
        return int(value)
    return None


def _said(content: object) -> str:
    """Return the text of a content, which is a string or a list of parts."""
    if isinstance(content, list):
        parts = [each if isinstance(each, str) else _object(each).get("text") for each in content]
        return "".join(map(_string, parts))
    return _string(content)


def _thought_in(content: object) -> str:
    """Return the thoughts in a content that is a list of parts."""
    parts = [_fields(each) for each in content] if isinstance(content, list) else []
    inner = [each.get("thinking") for each in parts if each.get("type") == "thinking"]
    return "".join(each if isinstance(each, str) else _said(each) for each in inner)


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
