"""The model: turn one request into a stream of events, and retry it until its first token."""

from core.llm._answer import Again, Answering, Event, Lost
from core.llm._client import LIMITS, LLM, Endpoint

__all__ = ["LIMITS", "LLM", "Again", "Answering", "Endpoint", "Event", "Lost"]
