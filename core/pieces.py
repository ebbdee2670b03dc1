"""Pieces: several messages that are one question to the person who sent them (pure).

What tells so is stored with the question, so that any process joins them, also after a restart.
"""

from datetime import timedelta

from core.adapter import InboundMessage
from core.turns import Question

SPLIT = timedelta(seconds=1)
"""How much later the rest of a split text is sent, at most: a client sends all of it at once."""
FORWARD = timedelta(seconds=2)
"""How far a forward is from its comment, or from another forward, at most."""
GATHER = timedelta(seconds=0.6)
"""How long a question waits for its next piece: a second start would cost another call."""
MOST = 100
"""Pieces of one question; Telegram forwards no more at once."""


def gathers(message: InboundMessage) -> bool:
    """Whether more pieces are likely to follow at once."""
    return message.partial or message.forwarded or bool(message.album)


def goes_on(question: Question, message: InboundMessage) -> bool:
    """Whether a message is a further piece of the last question that its author asked there."""
    if message.command is not None or question.pieces >= MOST:
        return False
    if message.album and message.album == question.album:
        return True
    apart = timedelta(seconds=abs(message.sent_at.timestamp() - question.sent_at))
    if message.forwarded or question.forwarded:
        return apart <= FORWARD
    return question.partial and not message.album and apart <= SPLIT
