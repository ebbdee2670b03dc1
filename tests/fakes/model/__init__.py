"""A model API on loopback. `python -m tests.fakes.model` runs it alone."""

from tests.fakes.model.brain import converse
from tests.fakes.model.script import Answer, Fault, ModelRequest, Raw, Reply
from tests.fakes.model.server import MODEL, ModelServer
from tests.fakes.model.services import SERVICES, Service

__all__ = [
    "MODEL",
    "SERVICES",
    "Answer",
    "Fault",
    "ModelRequest",
    "ModelServer",
    "Raw",
    "Reply",
    "Service",
    "converse",
]
