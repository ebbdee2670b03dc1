"""A turn is answered by the model, and its answer is delivered."""

from core.chat._chat import Chat
from core.chat._terms import Terms

__all__ = ["Chat", "Terms"]
