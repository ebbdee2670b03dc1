"""Pieces: several messages that are one question to their author.

Each question is stored with the facts that decide, so any process can join pieces after a restart.
Only pieces of groups that come before the one that names the bot wait in memory.
"""

from collections import deque
from datetime import timedelta

from core.adapter import InboundMessage
from core.turns import Question

SPLIT = timedelta(seconds=1)
"""The longest time from one piece of a split text to the next; clients send them all at once."""
FORWARD = timedelta(seconds=2)
"""The longest time between a forward and its comment or another forward."""
GATHER = timedelta(seconds=0.6)
"""The time that a question waits for its next piece, because a new start costs another call."""
BEFORE = timedelta(seconds=20)
"""The longest time from a forward in a group to the comment that names the bot, to be typed."""
ALBUM = timedelta(seconds=10)
"""The longest time from a piece of a group's album to the one that names the bot."""
LATE = timedelta(minutes=1)
"""The longest time from a question with photos of an album to a further photo behind others."""
MOST_ASIDE = 200
"""The most pieces that wait in memory for a message that names the bot."""


def gathers(message: InboundMessage) -> bool:
    """Return whether more pieces are likely to follow at once.

    Behind a bare mention of the bot comes perhaps a forward, of which it is the comment.
    """
    return message.partial or message.forwarded or bool(message.album) or _is_bare(message)


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


def _is_bare(message: InboundMessage) -> bool:
    return not (message.text or message.quote or message.attachments or message.unreadable)


class Aside:
    """Pieces of groups' albums, and forwards, that came before a message that names the bot.

    They are not stored: most of them are not for the bot.
    """

    def __init__(self) -> None:
        self._kept: deque[InboundMessage] = deque(maxlen=MOST_ASIDE)

    def put(self, message: InboundMessage) -> None:
        """Keep a message if it may be such a piece; drop old pieces."""
        while self._kept and self._kept[0].sent_at < message.sent_at - max(BEFORE, ALBUM):
            self._kept.popleft()
        if (message.album or message.forwarded) and not message.addressed:
            self._kept.append(message)

    def before(self, message: InboundMessage) -> list[InboundMessage]:
        """Return the pieces that came before a message to the bot, the last one first."""
        # A copy, because a transaction runs in another thread.
        return [piece for piece in reversed(self._kept.copy()) if _precedes(piece, message)]


def _precedes(piece: InboundMessage, message: InboundMessage) -> bool:
    if (piece.address, piece.author.account_id) != (message.address, message.author.account_id):
        return False
    apart = abs(message.sent_at - piece.sent_at)
    is_album = bool(piece.album) and piece.album == message.album and apart <= ALBUM
    return is_album or (piece.forwarded and apart <= BEFORE)
