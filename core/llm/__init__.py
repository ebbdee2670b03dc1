"""The model: turn one request into a stream of events, and retry it until its first token."""

from core.llm._account import KeyState
from core.llm._catalogue import Catalogue, Offer
from core.llm._client import LIMITS, LLM
from core.llm._exchange import Endpoint
from core.llm._stream import Again, Answering, Event, LeftOut, Lost, Waiting
from core.llm._thoughts import Unsaid

__all__ = [
    "LIMITS",
    "LLM",
    "Again",
    "Answering",
    "Catalogue",
    "Endpoint",
    "Event",
    "KeyState",
    "LeftOut",
    "Lost",
    "Offer",
    "Unsaid",
    "Waiting",
]
