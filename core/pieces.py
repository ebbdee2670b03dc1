"""Pieces: several messages that are one question to their author (pure).

Each question is stored with the facts that decide, so any process can join pieces after a restart.
"""

from datetime import timedelta

from core.adapter import InboundMessage
from core.turns import Question

SPLIT = timedelta(seconds=1)
"""The longest time from one piece of a split text to the next; clients send them all at once."""
FORWARD = timedelta(seconds=2)
"""The longest time between a forward and its comment or another forward."""
GATHER = timedelta(seconds=0.6)
"""The time that a question waits for its next piece, because a new start costs another call."""


def gathers(message: InboundMessage) -> bool:
    """Return whether more pieces are likely to follow at once."""
    return message.partial or message.forwarded or bool(message.album)


def goes_on(question: Question, message: InboundMessage) -> bool:
    """Return whether a message is a further piece of its author's last question.

    It may be more than that question takes; then it is another one.
    """
    if message.command is not None:
        return False
    if message.album and message.album == question.album:
        return True
    apart = timedelta(seconds=abs(message.sent_at.timestamp() - question.sent_at))
    if message.forwarded or question.forwarded:
        return apart <= FORWARD
    return question.partial and not message.album and apart <= SPLIT
