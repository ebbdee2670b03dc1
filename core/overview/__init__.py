"""The core's side of the dashboard: `Counter` is the `core.desk.Desk` of a process."""

from core.overview._desk import Counter

__all__ = ["Counter"]
