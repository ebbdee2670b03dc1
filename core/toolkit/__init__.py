"""The tools on offer. Their docstrings are read by the model, and paid for in every prompt."""

from dataclasses import replace
from functools import partial
from typing import Annotated, cast

from pydantic import Field

from core import history
from core.db import Sessions, transact
from core.history import Found
from core.toolkit import _arithmetic
from core.tools import Toolbox, tool


def toolbox(sessions: Sessions, conversation_id: int) -> Toolbox:
    """The tools for a turn of a conversation."""
    search = partial(search_history, sessions, conversation_id)
    return Toolbox([_CALCULATE, replace(_SEARCH, function=search)])


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
    found = await transact(
        sessions, lambda session: history.search(session, conversation_id, query)
    )
    return "\n".join(map(_line, found)) or "Nothing was found."


def _line(found: Found) -> str:
    return f"[{found.said_at:%Y-%m-%d %H:%M} UTC] {found.role}: {found.excerpt}"


_CALCULATE = tool(calculate)
# Made once: what the model is told is the same in every conversation, and costs a millisecond.
_SEARCH = tool(partial(search_history, cast("Sessions", None), 0))
