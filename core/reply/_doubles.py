"""Doubles: messages of ours that a create with an unknown outcome made, and that nobody knows."""

from functools import partial

from core import posts
from core.db import transact
from core.reply._way import Way


async def find(
    way: Way, part: int, *, after: str | None, before: str | None, text: str | None
) -> list[str]:
    """Return the ids of our own unknown messages between two messages of a chat.

    They are doubles of a part; if no message is known before it, messages in other chats tell about
    when it was made.

    They show `text` from then on; None looks for files. Ids of known messages are never touched,
    nor those of messages that other turns are making.
    """
    turn, adapter = way.turn, way.adapter
    # What is made later has a higher id than `before`.
    await way.gates.of(turn.address).created()
    recent = await transact(way.sessions, lambda s: posts.recent(s, turn.address), single=True)
    earlier: list[tuple[str, str]] = []
    if after is None:
        earlier = await transact(way.sessions, lambda s: posts.earlier(s, turn, part), single=True)
    look_for = partial(
        adapter.suspects,
        turn.address,
        after=after,
        before=before,
        known=recent,
        earlier=earlier,
    )
    suspects = await way.insist(lambda: way.make(look_for))
    known = await transact(
        way.sessions, lambda s: posts.known(s, turn.address, suspects), single=True
    )
    found = []
    for suspect in suspects:
        if suspect in known:
            continue
        look = partial(adapter.is_ours, turn.address, suspect, text)
        if await way.insist(partial(way.make, look)):
            found.append(suspect)
    return found
