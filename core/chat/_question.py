"""The question as the model sees it (pure): the same bytes at every attempt."""

from collections.abc import Sequence

from core.memory import Context
from core.messages import Block, ChatMessage, user
from core.turns import Outcome, Turn

UNSEEN = "[An image was attached, but you cannot see images: say so.]"


def ask(turn: Turn, context: Context, parts: Sequence[Block] = ()) -> ChatMessage:
    """The day when it changed, what the question refers to, who asks what, and the files."""
    question, day = turn.question, turn.created_at.date()
    told = f"[{day:%A}, {day.day} {day:%B %Y}]" if day != context.day else ""
    quote = "\n".join(f"> {line}" for line in question.quote.splitlines())
    said = question.text if question.private else f"{question.name}: {question.text}"
    unseen = f"[Sent along, but you cannot read it: {question.unreadable}]"
    pieces = (told, quote, said, unseen if question.unreadable else "")
    text = "\n\n".join(piece for piece in pieces if piece)
    if not parts:
        return user(text)
    return {"role": "user", "content": [{"type": "text", "text": text}, *parts]}


def without_model(turn: Turn) -> tuple[str, Outcome] | None:
    """The end of a turn for which there is nothing to ask: it was stopped, or holds no question."""
    if turn.cancel:
        return turn.draft, Outcome.STOPPED
    ready = turn.question.ready_answer if turn.kind == "chat" else None
    return (ready, Outcome.OK) if ready else None


def blinded(message: ChatMessage) -> ChatMessage:
    """A message for a model without eyes: it is told that there was an image."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_blinded(part) for part in content]}


def _blinded(part: Block) -> Block:
    return {"type": "text", "text": UNSEEN} if part["type"] == "image_url" else part
