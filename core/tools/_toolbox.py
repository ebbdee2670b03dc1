"""A tool is a typed function with a docstring; a toolbox runs the model's calls of it.

A tool must be safe to run twice: a turn that starts again calls it again.
"""

import asyncio
import inspect
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from core import memory
from core.characters import clean
from core.messages import ChatMessage, ToolCall, system

log = logging.getLogger(__name__)

Function = Callable[..., Awaitable[str]]
"""Returns the text for the model. `partial` binds the arguments that the model may not choose."""

LIMIT = 8_000
"""The length of one result in characters: about 2,000 tokens, which every later turn pays for."""
CUT = "\n[The result is cut here.]"


MOST = 16
"""The number of calls that run in one round; the model is told that the others did not run."""
TOO_MANY = f"Not run: only the first {MOST} calls of a round are."
ENOUGH = "Not run: {name} may be called {most} times for one answer. Answer with what you have."


@dataclass(frozen=True, slots=True)
class Tool:
    """A function on offer, with the schema that describes it to the model."""

    name: str
    schema: dict[str, Any]
    function: Function
    most: int | None = None
    """The number of calls that one turn may make; None for any number."""

    def call(self, arguments: str) -> Awaitable[str]:
        """Call the function with a JSON object. Raise ValidationError if that does not fit."""
        return _adapter(self.function).validate_json(arguments)


def tool(function: Function) -> Tool:
    """Make a tool of a function: its name, its docstring and the types of its arguments."""
    plain = function.func if isinstance(function, partial) else function
    description = inspect.getdoc(plain)
    if not description:
        raise TypeError(f"{plain.__name__} has no docstring to tell the model what it does")
    wire = {
        "name": plain.__name__,
        "description": description,
        "parameters": _adapter(function).json_schema(schema_generator=_WithoutTitles),
    }
    return Tool(plain.__name__, {"type": "function", "function": wire}, function)


def _adapter(function: Function) -> TypeAdapter[Awaitable[str]]:
    """Return an adapter that calls the function when it validates JSON."""
    return TypeAdapter(cast("Any", function))


class _WithoutTitles(GenerateJsonSchema):
    """A schema without titles: they repeat the names, and every prompt would pay for them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Toolbox:
    """The tools on offer in one turn; each tool call may take `seconds`."""

    def __init__(self, tools: Sequence[Tool], *, seconds: float = 20) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._seconds = seconds
        self._called: Counter[str] = Counter()
        self.schemas = tuple(tool.schema for tool in tools)
        """The form of the API. The same tools give the same bytes, so the prompt cache holds."""

    @property
    def tokens(self) -> int:
        """The size of the tools in a prompt, as an estimate."""
        return memory.estimate(system(json.dumps(self.schemas))) if self.schemas else 0

    async def run_all(self, calls: Sequence[ToolCall]) -> list[ChatMessage]:
        """Run calls side by side. Return a message for each, in order, also for a failed one."""
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._run(call)) for call in calls[:MOST]]
        results = [_kept(task.result()) for task in running] + [TOO_MANY] * len(calls[MOST:])
        return [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(calls, results, strict=True)
        ]

    async def _run(self, call: ToolCall) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            return f"There is no tool {call.name}. On offer: {', '.join(self._tools) or 'none'}."
        self._called[tool.name] += 1
        if tool.most is not None and self._called[tool.name] > tool.most:
            return ENOUGH.format(name=tool.name, most=tool.most)
        try:
            try:
                # Some models send an empty text when there are no arguments.
                answer = tool.call(call.arguments or "{}")
            except ValidationError as error:
                return _misfit(tool, error)
            async with asyncio.timeout(self._seconds):
                return await answer
        except TimeoutError:
            log.warning("tool %s: no result within %g s", tool.name, self._seconds)
            return f"{tool.name} took longer than {self._seconds:g} seconds and was stopped."
        except Exception:  # a failing tool must not end the turn
            log.exception("tool %s failed", tool.name)
            return f"{tool.name} failed unexpectedly."


def _misfit(tool: Tool, error: ValidationError) -> str:
    """Tell the model what is wrong with its arguments, so that it can call again."""
    faults = [
        ": ".join([*map(str, fault["loc"]), fault["msg"]])
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return f"The arguments do not fit {tool.name}: {'; '.join(faults)}."


def _kept(text: str) -> str:
    """Return a result as memory keeps it: it may repeat characters that no database takes."""
    return clean(text if len(text) <= LIMIT else text[: LIMIT - len(CUT)] + CUT)
