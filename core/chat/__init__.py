"""The first step of a turn: the model answers it, and the answer is stored."""

from core.chat._chat import Chat
from core.chat._terms import Terms

__all__ = ["Chat", "Terms"]
