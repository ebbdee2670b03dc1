"""A turn is answered, and the answer delivered: the two steps of its life."""

from core.chat._chat import Chat
from core.chat._ends import Answered
from core.chat._terms import Terms

__all__ = ["Answered", "Chat", "Terms"]
