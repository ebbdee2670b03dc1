"""Python's search for garbage, which goes through all objects that are not frozen."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unsought() -> Iterator[None]:
    """Load modules in this context; to look for garbage meanwhile takes a fifth of a start.

    Modules that are loaded already are frozen already.
    """
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if len(sys.modules) > before:
            freeze()


def freeze() -> None:
    """Look for garbage now, and later only among what comes from now on.

    Each search through the modules would hold answers up by 60 ms.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
