"""A model API on loopback. `python -m tests.fakes.model` runs it alone."""

from tests.fakes.model.brain import converse
from tests.fakes.model.script import Answer, Fault, ModelRequest, Reply
from tests.fakes.model.server import MODEL, ModelServer

__all__ = ["MODEL", "Answer", "Fault", "ModelRequest", "ModelServer", "Reply", "converse"]
