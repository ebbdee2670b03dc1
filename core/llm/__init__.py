"""The model: a stream of events out of one request, retried until its first token."""

from core.llm._answer import Again, Answering, Event, Lost
from core.llm._client import LIMITS, LLM, Endpoint

__all__ = ["LIMITS", "LLM", "Again", "Answering", "Endpoint", "Event", "Lost"]
