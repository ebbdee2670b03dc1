"""The question in the form that the model gets (pure): the same bytes at every attempt."""

from collections.abc import Sequence

from core.memory import Context
from core.messages import Block, ChatMessage, user
from core.turns import Turn


def question_of(turn: Turn, context: Context, files: Sequence[Block] = ()) -> ChatMessage:
    """Return a message with the day if it changed, the quote, the author's text, and the files.

    In a group, the author's name stands before the text.
    """
    question, day = turn.question, turn.created_at.date()
    told = f"[{day:%A}, {day.day} {day:%B %Y}]" if day != context.day else ""
    quote = "\n".join(f"> {line}" for line in question.quote.splitlines())
    said = question.text if question.private else f"{question.name}: {question.text}"
    unread = f"[Sent along, but you cannot read it: {question.unreadable}]"
    blocks = (told, quote, said, unread if question.unreadable else "")
    text = "\n\n".join(block for block in blocks if block)
    if not files:
        return user(text)
    return {"role": "user", "content": [{"type": "text", "text": text}, *files]}
