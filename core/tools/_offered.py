"""The tools on offer. The model reads their docstrings, and every prompt pays for them."""

from dataclasses import replace
from functools import partial
from typing import Annotated, cast

from pydantic import Field

from core import search
from core.db import Sessions
from core.search import Found
from core.tools import _arithmetic
from core.tools._toolbox import Toolbox, tool

SEARCHES = 10
"""The most searches for one answer."""


def offer(sessions: Sessions, conversation_id: int) -> Toolbox:
    """Return the tools for a turn of a conversation."""
    bound = partial(search_history, sessions, conversation_id)
    return Toolbox([_CALCULATE, replace(_SEARCH, function=bound, most=SEARCHES)])


async def calculate(expression: str) -> str:
    """Exact arithmetic: + - * / // % ** ( ) sqrt abs round min max factorial, 15% of 80."""
    try:
        return _arithmetic.evaluate(expression)
    except ValueError as error:
        return str(error)


async def search_history(
    sessions: Sessions,
    conversation_id: int,
    query: Annotated[str, Field(description="keywords")],
) -> str:
    """Search all that was ever said in this chat, beyond what you see here."""
    found = await search.find(sessions, conversation_id, query)
    return "\n".join(map(_line, found)) or "Nothing was found."


def _line(found: Found) -> str:
    return f"[{found.said_at:%Y-%m-%d %H:%M} UTC] {found.role}: {found.excerpt}"


_CALCULATE = tool(calculate)
# Built once: a schema takes a millisecond, and it is the same in every conversation.
_SEARCH = tool(partial(search_history, cast("Sessions", None), 0))
