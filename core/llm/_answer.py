"""An answer, put together from the chunks of a stream."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.characters import MARKS, clean
from core.errors import ModelBroke, ModelBusy, ModelError
from core.llm._chunk import (
    cost_of,
    fields_of,
    list_of,
    mended,
    object_of,
    parse,
    text_in,
    text_of,
    thought_in,
    usage_of,
)
from core.llm._dialect import Dialect
from core.llm._faults import Costly, reported
from core.llm._stream import Event, Lost
from core.llm._thoughts import Thinking, Unsaid
from core.llm._written import Written
from core.messages import Finish, Text, Thought, ToolCall, Unseen, Usage

THOUGHTS = ("reasoning_content", "reasoning")
"""The fields in which servers put the model's thoughts."""
CUT_OFF = ("length", "max_tokens", "max_output_tokens", "model_length")
FILTERED = ("content_filter", "safety", "recitation", "prohibited_content", "sensitive")
"""The words of services for an answer that reached its longest, and for one that was ended."""
MOST_TOOL_CALLS = 128
"""The most tool calls of one answer that are kept; models make a handful."""
LONGEST_ID = 200
"""The most characters of a tool call's id that are kept."""
_TOOL_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


class Reported(Exception):
    """An error that a server reports inside its answer, as it told it."""

    def __init__(self, body: object) -> None:
        super().__init__()
        self.body = body


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
    gave_no_reason: bool = False
    """True if text came and the server closed properly, but told no finish reason."""
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

        Raises Reported if the server reports an error in it, ModelError if the model failed, and
        ValueError if it does not have the shape of a chunk.
        """
        if data == "[DONE]":
            self.done = self._told_end = True
        if self.done or not data:
            return
        parsed = parse(data)
        chunk = object_of(parsed[0] if isinstance(parsed, list) and parsed else parsed)
        if error := chunk.get("error"):
            raise Reported(chunk if isinstance(error, str) else error)
        self._count(chunk)
        choices = list_of(chunk.get("choices"))
        # A sum that comes alone is the last word.
        self._is_summed = self._is_summed or (not choices and bool(chunk.get("usage")))
        for choice in choices:
            yield from self._read_choice(object_of(choice))

    def _read_choice(self, choice: dict[str, Any]) -> Iterator[Text | Unseen | Unsaid]:
        delta = object_of(choice.get("delta") or choice.get("message"))
        yield from self._think(delta)
        for key in ("content", "refusal"):
            if said := text_in(delta.get(key)):
                self.moves += 1
                self._refused = self._refused or key == "refusal"
                if text := self._sound(said):
                    self._received.append(text)
                    yield from self._take(self._thinking.feed(text))
        for piece in list_of(delta.get("tool_calls")):
            self.moves += 1
            if unseen := self._collect(object_of(piece)):
                yield Unseen(unseen)
        self._count(choice)
        self._has_room = self._has_room or "finish_reason" in choice
        if reason := choice.get("finish_reason"):
            self._stop(text_of(reason))

    def _think(self, delta: dict[str, Any]) -> Iterator[Text | Unseen | Unsaid]:
        """Yield the thoughts that stand in a field of their own."""
        for thought in (*map(delta.get, THOUGHTS), thought_in(delta.get("content"))):
            if isinstance(thought, str) and thought:
                self._received.append(thought)
                yield from self._take([Thought(mended(thought))])

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
        function = object_of(piece.get("function"))
        arguments = function.get("arguments")
        call_id = clean(text_of(piece.get("id"))[:LONGEST_ID])
        call = self._tool_call_of(piece.get("index"), call_id)
        name = text_of(function.get("name"))
        call.name = name or call.name
        # Some servers send an object instead of its JSON text.
        more = json.dumps(arguments) if isinstance(arguments, dict) else text_of(arguments)
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
        told = fields_of(chunk.get("usage"))
        self._usage = usage_of(told) or self._usage
        cost = cost_of(fields_of(fields_of(chunk.get("meta")).get("usage")), told)
        self.cost = self.cost if cost is None else cost

    @property
    def is_whole(self) -> bool:
        """True once the answer is complete, even if the connection breaks afterwards."""
        return self.done or bool(self.finish_reason)

    def close(self) -> None:
        """Take note that the server ended the response properly.

        Some servers never say that an answer is complete. Their clean end has to be enough.
        """
        self.gave_no_reason = self._told
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
            tells_end=tells_end or (False if self.gave_no_reason else dialect.tells_end),
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
        return ToolCall(call.id, call.name, mended("".join(call.arguments)) or "{}")

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

    async def fault_in(self, error: Reported) -> ModelError:
        """Return the error for one that the server reports inside its answer."""
        fault = await reported(error.body, self.model, self.secret, self.said)
        return ModelBroke(str(fault)) if self._told and isinstance(fault, ModelBusy) else fault


def _id_of(calls: Sequence[object]) -> str:
    """Return an id for a tool call that came without one; some services want nine characters."""
    return f"call{len(calls):05d}"
