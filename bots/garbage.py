"""Python's search for garbage, which goes through all objects that are not frozen."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unsought() -> Iterator[None]:
    """Load modules in this context; to look for garbage meanwhile takes a fifth of a start."""
    gc.disable()
    try:
        yield
    finally:
        freeze()


def freeze() -> None:
    """Look for garbage among what is loaded by now, once, and from now on among what comes later.

    Each search through the modules would hold answers up by 60 ms.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
