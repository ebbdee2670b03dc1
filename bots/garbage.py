"""Python's search for garbage, which goes through all objects that are not frozen."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unsought() -> Iterator[None]:
    """Load modules in this context: they are no garbage, and nobody looks for some among them.

    To look while they are loaded takes a fifth of a start; each look later would hold answers up by
    60 ms.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
