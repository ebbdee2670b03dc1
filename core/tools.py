"""Tools: a typed function with a docstring is what the model can call.

Only functions that may safely run twice are tools: a turn that is begun anew calls them again.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from core.messages import ChatMessage, ToolCall

log = logging.getLogger(__name__)

Function = Callable[..., Awaitable[str]]
"""What it returns is told to the model. What the model has no say in is bound by `partial`."""

LIMIT = 8_000
"""Characters of one result that the model is told: about 2,000 tokens, paid in every later turn."""
CUT = "\n[The result is cut here.]"


MOST = 16
"""Calls that are carried out of one round; the model is told of those that are not."""
TOO_MANY = f"Not carried out: only the first {MOST} calls at a time are."


@dataclass(frozen=True, slots=True)
class Tool:
    """A function on offer: how the model is told of it, and its call from JSON."""

    name: str
    schema: dict[str, Any]
    function: Function

    def call(self, arguments: str) -> Awaitable[str]:
        """Call the function with a JSON object; ValidationError if it does not fit."""
        return _adapter(self.function).validate_json(arguments)


def tool(function: Function) -> Tool:
    """The tool that a function is: its name, its docstring and the types of its arguments."""
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
    """Validating JSON against it is calling the function."""
    return TypeAdapter(cast("Any", function))


class _WithoutTitles(GenerateJsonSchema):
    """A title says again what the name says, and every prompt would pay for it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Toolbox:
    """The tools on offer in one turn; a call may take `seconds`."""

    def __init__(self, tools: Sequence[Tool], *, seconds: float = 20) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._seconds = seconds
        self.schemas = tuple(tool.schema for tool in tools)
        """As the API wants them: the same bytes for the same tools, or the prompt cache is lost."""

    async def run_all(self, calls: Sequence[ToolCall]) -> list[ChatMessage]:
        """Carry out calls side by side; a message for each, in their order. A failure is told."""
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._run(call)) for call in calls[:MOST]]
        results = [_cut(task.result()) for task in running] + [TOO_MANY] * len(calls[MOST:])
        return [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(calls, results, strict=True)
        ]

    async def _run(self, call: ToolCall) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            return f"There is no tool {call.name}. On offer: {', '.join(self._tools) or 'none'}."
        try:
            # A model that has nothing to say leaves the arguments empty.
            answer = tool.call(call.arguments or "{}")
        except ValidationError as error:
            return _misfit(tool, error)
        try:
            async with asyncio.timeout(self._seconds):
                return await answer
        except TimeoutError:
            log.warning("tool %s: no result within %g s", tool.name, self._seconds)
            return f"{tool.name} took longer than {self._seconds:g} seconds and was stopped."
        except Exception:  # whatever happens to a tool, the turn goes on
            log.exception("tool %s failed", tool.name)
            return f"{tool.name} failed unexpectedly."


def _misfit(tool: Tool, error: ValidationError) -> str:
    """What is wrong with the arguments, so that the model can call again."""
    faults = [
        ": ".join([*map(str, fault["loc"]), fault["msg"]])
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return f"The arguments do not fit {tool.name}: {'; '.join(faults)}."


def _cut(text: str) -> str:
    return text if len(text) <= LIMIT else text[: LIMIT - len(CUT)] + CUT
