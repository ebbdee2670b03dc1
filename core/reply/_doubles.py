"""Doubles: messages of ours that a create with an unknown outcome made, and that nobody knows."""

from functools import partial

from core import posts
from core.db import transact
from core.reply._calls import Calls


async def find(
    calls: Calls, *, after: str | None, before: str | None, text: str | None
) -> list[str]:
    """Return the ids of our own unknown messages between two messages of a chat.

    They show `text` from then on; None looks for files. Ids of known messages are never touched,
    nor those of messages that other turns are making.
    """
    turn, adapter = calls.turn, calls.adapter
    # What is made later has a higher id than `before`.
    await calls.gates.of(turn.address).created()
    recent = await transact(calls.sessions, lambda s: posts.recent(s, turn.address))
    suspects = await calls.insist(
        lambda: calls.make(
            lambda: adapter.suspects(turn.address, after=after, before=before, known=recent)
        )
    )
    known = await transact(calls.sessions, lambda s: posts.known(s, turn.address, suspects))
    found = []
    for suspect in suspects:
        if suspect in known:
            continue
        look = partial(adapter.is_ours, turn.address, suspect, text)
        if await calls.insist(partial(calls.make, look)):
            found.append(suspect)
    return found
