"""A turn is answered, and the answer delivered: the two steps of its life."""

from core.chat._chat import Answered, Chat
from core.chat._terms import Terms

__all__ = ["Answered", "Chat", "Terms"]
