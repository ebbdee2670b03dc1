"""The core's side of the dashboard: `Dashboard` is the `core.desk.Desk` of a process."""

from core.overview._desk import Dashboard

__all__ = ["Dashboard"]
