"""The core's side of the dashboard, for the composition root."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from core.clock import Clock
from core.db import Sessions
from core.quota import Rules
from core.settings import Settings
from core.worker import Worker

if TYPE_CHECKING:
    from core.overview import Dashboard


def desk_of(
    loaded: Settings,
    sessions: Sessions,
    worker: Worker,
    rules: Rules,
    clock: Clock,
    language: str,
) -> "Dashboard | None":
    """Return the desk of a process, if there is a dashboard.

    `language` is for operators of whom none is known.
    """
    if not (loaded.port and loaded.admins and loaded.dashboard):
        return None
    from core.overview import Dashboard  # noqa: PLC0415 - not needed without a dashboard

    return Dashboard(
        sessions,
        worker.id,
        rules,
        loaded.admins,
        adapters=lambda: worker.adapters,
        now=clock.now,
        changed=partial(_look, worker),
        language=language,
    )


def tasks_of(desk: "Dashboard | None") -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the background work of a desk, by its name in the log."""
    return {} if desk is None else {"sending codes for the dashboard": desk.run}


def _look(worker: Worker) -> None:
    """Let a worker look at what an operator has changed."""
    worker.wake()
    worker.look()
