"""The dialect of a model: the forms of its requests and answers, as far as they were learnt.

Services that call themselves compatible differ in a few places. A request starts in the most
common form. A refusal that names such a place is answered once with the other form there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from core.messages import Block, ChatMessage

Body = dict[str, Any]

IMAGE_LEFT_OUT = "[An image was attached, but you cannot see images: say so.]"
FILE_LEFT_OUT = "[A file was attached, but you cannot read files: say so.]"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The forms that one model of one endpoint is known to use."""

    cap: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The name of the most tokens of an answer."""
    counts: bool = True
    """True if a stream is asked for its usage."""
    samples: bool = True
    """True if the model takes the operator's `temperature` and `top_p`."""
    tools: bool = True
    """True if the model may be offered tools. Without, earlier calls are told as text."""
    repeats_tools: bool = False
    """True if a request with earlier tool calls must offer the tools again."""
    empty: Literal["left out", "null", "text"] = "left out"
    """The content beside tool calls that came without any: no key, null, or a text of a blank."""
    thoughts: bool = False
    """True if tool calls are sent back together with the thoughts that led to them."""
    images: bool = True
    files: bool = True
    """Whether the model looks at images, and whether it reads files, which are PDFs."""
    tells_end: bool | None = None
    """True once the model has given a reason for an end: an end without one is then an accident.
    False once an answer has ended without a reason twice. None until one of them is known."""
    begins_thinking: bool = False
    """True if answers begin with thoughts, without a tag that opens them."""


def body_of(
    dialect: Dialect,
    messages: Sequence[ChatMessage],
    tools: Sequence[Mapping[str, Any]],
    *,
    may_call: bool,
) -> Body:
    """Return the messages and the tools of a request in a dialect.

    The model may call the tools now, or only earlier messages called them.
    """
    body: Body = {"messages": [_message(dialect, message) for message in messages]}
    if tools and dialect.tools:
        if may_call:
            body["tools"] = tools
        elif dialect.repeats_tools and _has_called(body):
            body |= {"tools": tools, "tool_choice": "none"}
    if dialect.counts:
        body["stream_options"] = {"include_usage": True}
    return body


def _message(dialect: Dialect, message: ChatMessage) -> Mapping[str, Any]:
    """Return a message as the model takes it; the very same one if nothing has to change."""
    changed: dict[str, Any] = {**message}
    if not dialect.thoughts:
        changed.pop("reasoning_content", None)
    if isinstance(content := message.get("content"), list):
        changed["content"] = [_block(dialect, block) for block in content]
    elif "tool_calls" in message and not content and dialect.empty != "left out":
        changed["content"] = None if dialect.empty == "null" else " "
    if dialect.tools:
        return changed
    if calls := changed.pop("tool_calls", ()):
        told = [f"[{call['function']['name']}({call['function']['arguments']})]" for call in calls]
        changed["content"] = "\n".join([str(content), *told] if content else told)
    elif message["role"] == "tool":
        changed = {"role": "user", "content": f"[The result: {content}]"}
    return changed


def _block(dialect: Dialect, block: Block) -> Block:
    if block["type"] == "image_url" and not dialect.images:
        return {"type": "text", "text": IMAGE_LEFT_OUT}
    if block["type"] == "file" and not dialect.files:
        return {"type": "text", "text": FILE_LEFT_OUT}
    return block


def left_out(dialect: Dialect, messages: Sequence[ChatMessage]) -> tuple[bool, bool]:
    """Return whether images and whether files of these messages are left out."""
    body = {"messages": messages}
    images, files = _has_block("image_url")(body), _has_block("file")(body)
    return images and not dialect.images, files and not dialect.files


def learn(dialect: Dialect, told: str, own: str, body: Body) -> Dialect | None:
    """Return the dialect with the other form of what a refusal names; None if it names nothing.

    `told` are the server's words in lower case, `own` those that do not quote the request, and
    `body` is the refused request.
    """
    for form in _FORMS:
        if form.names.search(own if form.is_loss else told) and form.is_used(body):
            return form.other(dialect)
    return None


@dataclass(frozen=True, slots=True)
class _Form:
    """A place in which services differ."""

    names: re.Pattern[str]
    """The words with which a refusal names it."""
    is_used: Callable[[Body], bool]
    """Tells whether the refused request has it."""
    other: Callable[[Dialect], Dialect]
    """Returns a dialect with the other form."""
    is_loss: bool = False
    """True if the other form takes something from everybody: then no quoted word teaches it."""


def _has(*names: str) -> Callable[[Body], bool]:
    return lambda body: any(name in body for name in names)


def _has_called(body: Body) -> bool:
    return any("tool_calls" in message for message in body["messages"])


def _has_block(kind: str) -> Callable[[Body], bool]:
    def is_used(body: Body) -> bool:
        contents = [message.get("content") for message in body["messages"]]
        lists = [content for content in contents if isinstance(content, list)]
        return any(block["type"] == kind for content in lists for block in content)

    return is_used


def _other_cap(dialect: Dialect) -> Dialect:
    is_new = dialect.cap == "max_completion_tokens"
    return replace(dialect, cap="max_tokens" if is_new else "max_completion_tokens")


_NEXT: Mapping[str, Literal["left out", "null", "text"]] = {"left out": "null", "null": "text"}


def _other_empty(dialect: Dialect) -> Dialect:
    return replace(dialect, empty=_NEXT.get(dialect.empty, "left out"))


_FORMS = (
    _Form(
        re.compile("max_completion_tokens|max_tokens"),
        _has("max_completion_tokens", "max_tokens"),
        _other_cap,
    ),
    _Form(
        re.compile("stream_options|include_usage"),
        _has("stream_options"),
        lambda dialect: replace(dialect, counts=False),
    ),
    _Form(
        re.compile("temperature|top_p"),
        _has("temperature", "top_p"),
        lambda dialect: replace(dialect, samples=False),
    ),
    _Form(
        re.compile("reasoning_content"),
        _has_called,
        lambda dialect: replace(dialect, thoughts=not dialect.thoughts),
    ),
    _Form(
        re.compile("tools"),
        lambda body: _has_called(body) and "tools" not in body,
        lambda dialect: replace(dialect, repeats_tools=True),
    ),
    _Form(
        re.compile("image|vision|multimodal"),
        _has_block("image_url"),
        lambda dialect: replace(dialect, images=False),
        is_loss=True,
    ),
    _Form(
        re.compile(r"\bfiles?\b|pdf|document|content (?:part|type)"),
        _has_block("file"),
        lambda dialect: replace(dialect, files=False),
        is_loss=True,
    ),
    _Form(
        re.compile(r"\btools?\b|\bfunctions?\b|tool_choice|tool_calls"),
        lambda body: "tools" in body or _has_called(body),
        lambda dialect: replace(dialect, tools=False),
        is_loss=True,
    ),
    _Form(re.compile("content"), _has_called, _other_empty),
)
