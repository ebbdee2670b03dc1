"""The messages of a delivered answer: their buttons, and the answer that gets its place back."""

from core import memory, posts, words
from core.adapter import Button, ChangeKind
from core.db import Session
from core.memory import Context
from core.reply import Standing
from core.turns import Outcome, Turn


def regenerate() -> tuple[Button, ...]:
    """Return the button below the newest answer."""
    return (Button(ChangeKind.REGENERATE, words.REGENERATE),)


def try_again() -> tuple[Button, ...]:
    """Return the button below a sentence that stands for an answer."""
    return (Button(ChangeKind.REGENERATE, words.TRY_AGAIN),)


def standing_after(message_id: str | None, *, is_newest: bool) -> Standing:
    """Return how an answer stands below one whose last message this is, if there is any."""
    return Standing(regenerate() if is_newest else (), tuple(filter(None, (message_id,))))


def known_standing(turn: Turn) -> Standing | None:
    """Return the standing of an answer if its turn tells it; None if memory has to be asked."""
    if turn.question.asks:
        confirm = Button(ChangeKind.CONFIRM, words.confirms(turn.question.asks))
        return Standing((confirm, Button(ChangeKind.CANCEL, words.CANCEL)))
    if turn.kind != "chat":
        return Standing()
    is_well = turn.outcome not in (Outcome.FAILED, Outcome.REFUSED)
    return None if is_well or turn.question.again else Standing(try_again())


async def look_up_standing(session: Session, turn: Turn) -> Standing:
    """Return how an answer stands; memory tells whether it is the newest."""
    if not await memory.is_last(session, await owner(session, turn)):
        return Standing()
    if turn.question.again:
        return Standing(regenerate())  # the answer that it replaces had ended the older buttons
    above = await memory.turn_before(session, turn.id) or await memory.turn_of_old(session, turn)
    older = [each for each in (above, turn.replaces_id) if each is not None]
    found = [await posts.last(session, turn.address, each) for each in older]
    return Standing(regenerate(), tuple(filter(None, found)))


def is_plain_answer(turn: Turn) -> bool:
    """Return whether an answer follows the one that its attempt saw, as in most private chats."""
    return turn.question.private and turn.replaces_id is None and turn.follows_id is None


async def older_turn(session: Session, turn: Turn, context: Context) -> int | None:
    """Return the turn whose buttons a plain answer ends."""
    if not is_plain_answer(turn):
        return None
    return context.turn_id or await memory.turn_of_old(session, turn)


async def owner(session: Session, turn: Turn) -> int:
    """Return the turn whose answer stands in a turn's messages: itself, or the one it replaces."""
    if turn.question.again and turn.replaces_id is not None:
        return turn.id if await memory.is_held(session, turn.id) else turn.replaces_id
    return turn.id


async def give_back(session: Session, turn: Turn) -> bool:
    """Give the messages back to the turn whose answer stands in them; return whether it is one."""
    owner_id = await owner(session, turn)
    if owner_id == turn.id:
        return False
    await posts.hand_on(session, turn.id, owner_id)
    return True
