"""Tool calls that a model writes into its answer as text: they are found, and never shown."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.messages import Text

LONGEST = 20_000
"""The most characters that are held back; a longer text is an answer."""

_TAGS = (
    "<tool_call",
    "<tool_calls",
    "<function_call",
    "<function=",
    "<xai:function_call",
    "<invoke name=",
    "<|tool_call",
    "<|python_tag|>",
    "<\uff5ctool\u2581call",
    "[TOOL_CALLS]",
)
"""The beginnings of written calls, which answers do not have at the start of a line."""
DEPTH = 5
"""The depth of objects and lists in which a call is looked for; services use three."""
_FENCE = "```json"
LONGEST_KEY = 50
_KEYS = ("name", "function", "tool", "tool_name", "tool_calls", "function_call", "type", "id")
"""The first key of a call that is bare JSON."""

_NAMED = re.compile(
    r"<(?:function=|(?:xai:)?function_call name=\"?|invoke name=\"?)([A-Za-z0-9_-]{1,64})\"?\s*>"
)
_JSON = re.compile(r"[\[{]")
_PARAMETER = re.compile(r"<parameter(?:=| name=\")([A-Za-z0-9_-]{1,64})\"?\s*>")


@dataclass(slots=True)
class Written:
    """The text of an answer, looked through for calls of the offered tools."""

    tools: Sequence[Mapping[str, Any]]
    is_invalid: bool = False
    """True if a call was written that fits no tool; it is left out."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """The names and arguments of the calls, known at the end; arguments are JSON text."""
    _held: str = ""
    _begun: bool = False
    """True once anything was said."""
    _in_code: bool = False

    def feed(self, text: str) -> Iterator[Text]:
        """Take a piece of text and yield as much as is no call."""
        if not self.tools:
            yield Text(text)
            return
        self._held += text
        at = self._free()
        if known := self._held[:at]:
            self._begun = self._begun or not known.isspace()
            if known.count("```") % 2:
                self._in_code = not self._in_code
            yield Text(known)
        self._held = self._held[at:]

    def _free(self) -> int:
        """Return the length of the held text that cannot be part of a call."""
        if len(self._held) > LONGEST:
            return len(self._held)
        if not self._begun and _may_be_bare(self._held):
            return 0
        at = 0 if not self._begun else self._held.find("\n")
        while at >= 0:
            line = self._held[at:].lstrip()
            is_call = any(line.startswith(tag) or tag.startswith(line) for tag in _TAGS)
            if is_call and not self._is_code(at):
                return at
            at = self._held.find("\n", at + 1)
        return len(self._held)

    def _is_code(self, at: int) -> bool:
        return (self._held.count("```", 0, at) % 2 == 1) != self._in_code

    def end(self) -> Iterator[Text]:
        """Find the calls in what was held back, or yield it if it is none."""
        held, self._held = self._held, ""
        is_tagged = held.lstrip().startswith(_TAGS)
        self.calls = list(_calls(held, self.tools)) if held else []
        if is_tagged:
            self.is_invalid = not self.calls
        elif held and not self.calls:
            yield Text(held)


def _may_be_bare(text: str) -> bool:
    """Return whether an answer that begins so may be calls in bare JSON, alone or in a fence."""
    rest = text.lstrip()
    if rest.startswith(_FENCE):
        rest = rest.removeprefix(_FENCE).lstrip()
    elif _FENCE.startswith(rest):
        return True
    rest = rest.removeprefix("```").lstrip().removeprefix("[").lstrip()
    if not rest.startswith("{"):
        return not rest
    quote, key = rest[1:].lstrip()[:1], rest[1:].lstrip()[1:LONGEST_KEY]
    if quote != '"':
        return not quote
    name, ends, _ = key.partition('"')
    return name in _KEYS if ends else any(each.startswith(name) for each in _KEYS)


def _calls(text: str, tools: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the calls in a text that fit the tools on offer."""
    schemas = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in tools}
    for name, arguments in _candidates(text):
        schema = schemas.get(name)
        if schema is None or not isinstance(arguments, dict):
            continue
        if {*schema.get("required", ())} <= arguments.keys():
            yield name, json.dumps(arguments, ensure_ascii=False)


def _candidates(text: str) -> Iterator[tuple[str, Any]]:
    if names := list(_NAMED.finditer(text)):
        ends = [each.start() for each in names[1:]] + [len(text)]
        for named, end in zip(names, ends, strict=True):
            body = text[named.end() : end]
            found = next(_objects(body), None)
            yield named[1], _parameters(body) if found is None else found
        return
    for value in _objects(text):
        yield from _named(value)


def _named(value: Any, depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    """Yield the name and arguments of a call in any of its JSON forms, or of a list of calls."""
    if not depth:
        return
    if isinstance(value, list):
        for each in value[:50]:
            yield from _named(each, depth - 1)
    if not isinstance(value, dict):
        return
    if nested := value.get("tool_calls") or value.get("function_call"):
        yield from _named(nested, depth - 1)
    elif isinstance(function := value.get("function"), dict):
        yield from _named(function, depth - 1)
    else:
        keys = ("name", "function", "tool", "tool_name")
        name = next((value[key] for key in keys if isinstance(value.get(key), str)), "")
        keys = ("arguments", "parameters", "args", "input")
        arguments: Any = next((value[key] for key in keys if key in value), {})
        yield name, _parsed(arguments) if isinstance(arguments, str) else arguments


def _parameters(body: str) -> dict[str, str]:
    """Return the parameters that stand in tags of their own."""
    found = list(_PARAMETER.finditer(body))
    values = [body[each.end() :].partition("</parameter>")[0].strip() for each in found[:20]]
    return {each[1]: value for each, value in zip(found, values, strict=False)}


def _objects(text: str) -> Iterator[Any]:
    """Yield the JSON objects and lists in a text, one after the other."""
    decoder, at, tries = json.JSONDecoder(strict=False), 0, 0
    while (found := _JSON.search(text, at)) and tries < 20:
        try:
            value, at = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            at, tries = found.end(), tries + 1
        else:
            yield value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
