"""The chat: the model answers turns, and the answers are delivered."""

from core.chat._chat import Chat
from core.chat._delivery import EXCUSED
from core.chat._terms import Terms

__all__ = ["EXCUSED", "Chat", "Terms"]
