"""Fixtures: the time, which a test can move on."""

from tests.core.conftest import ahead

__all__ = ["ahead"]
