"""The messages of a delivered answer: their buttons, and the answer that gets its place back."""

from dataclasses import dataclass

from core import memory, posts, words
from core.adapter import Button, ChangeKind
from core.db import Session
from core.turns import Outcome, Turn

TRY_AGAIN = (Button(ChangeKind.REGENERATE, words.TRY_AGAIN),)
REGENERATE = (Button(ChangeKind.REGENERATE, words.REGENERATE),)


@dataclass(frozen=True, slots=True)
class Standing:
    """The buttons below an answer, and the messages whose buttons it ends."""

    owner_id: int
    """The turn in memory whose answer stands there; the replaced one if no other answer came."""
    buttons: tuple[Button, ...] = ()
    ended: tuple[str, ...] = ()
    """The ids of messages with the buttons of older answers."""


async def stand(session: Session, turn: Turn) -> Standing:
    """Return how the answer of a turn stands once it is delivered."""
    if turn.question.asks:
        confirm = Button(ChangeKind.CONFIRM, words.CONFIRMS[turn.question.asks])
        return Standing(turn.id, (confirm, Button(ChangeKind.CANCEL, words.CANCEL)))
    if turn.kind != "chat":
        return Standing(turn.id)
    owner_id = await owner(session, turn)
    if owner_id == turn.id and turn.outcome in (Outcome.FAILED, Outcome.REFUSED):
        return Standing(turn.id, TRY_AGAIN)
    if not await memory.is_last(session, owner_id):
        return Standing(owner_id)
    return Standing(owner_id, REGENERATE, await _ended(session, turn))


async def owner(session: Session, turn: Turn) -> int:
    """Return the turn whose answer stands in a turn's messages: itself, or the one it replaces."""
    if turn.question.again and turn.replaces_id is not None:
        return turn.id if await memory.is_held(session, turn.id) else turn.replaces_id
    return turn.id


async def _ended(session: Session, turn: Turn) -> tuple[str, ...]:
    """Return the last messages of the answers that are not the newest any more."""
    if turn.question.again:
        return ()  # the answer that it replaces had ended them, and its own messages are these
    older = [await memory.turn_before(session, turn.id), turn.replaces_id]
    found = [await posts.last(session, turn.address, each) for each in older if each is not None]
    return tuple(message_id for message_id in found if message_id is not None)


async def give_back(session: Session, turn: Turn) -> None:
    """Give the messages back to the turn whose answer stands in them."""
    owner_id = await owner(session, turn)
    if owner_id != turn.id:
        await posts.hand_on(session, turn.id, owner_id)
