"""Threads that coverage traces: one starts after the other.

Python cannot install the function that traces a new thread in two threads at the same moment; one
of them would end with an error, and its work would never be done.
"""

import threading
from threading import Event, Lock, Thread

PATIENCE = 10.0
"""The seconds after which a thread is not waited for any more; it may have failed."""


def start_one_by_one() -> None:
    """Let each thread of this process wait until the one before it runs, if threads are traced."""
    if threading.gettrace() is None:
        return
    start, starting = Thread.start, Lock()

    def start_alone(thread: Thread) -> None:
        begun, run = Event(), thread.run

        def run_traced() -> None:
            begun.set()
            del thread.run  # nothing is to hold a thread that has ended
            run()

        with starting:
            thread.run = run_traced  # type: ignore[method-assign]
            start(thread)
            begun.wait(PATIENCE)

    Thread.start = start_alone  # type: ignore[method-assign,assignment]
