"""The question in the form that the model gets (pure): the same bytes at every attempt."""

from collections.abc import Sequence

from core.memory import Context
from core.messages import Block, ChatMessage, user
from core.turns import Turn


def question_of(turn: Turn, context: Context, files: Sequence[Block] = ()) -> ChatMessage:
    """Return a message with the day if it changed, the quote, the author's text, and the files.

    In a group, the author's name stands before the text.
    """
    day = turn.created_at.date()
    told = f"[{day:%A}, {day.day} {day:%B %Y}]" if day != context.day else ""
    text = turn.question.in_words(told)
    if not files:
        return user(text)
    return {"role": "user", "content": [{"type": "text", "text": text}, *files]}
