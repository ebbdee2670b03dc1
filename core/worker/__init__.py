"""Turns are claimed, carried out side by side, kept leased, and handed back at the end."""

from core.worker._worker import AGE, FAULTS, Worker

__all__ = ["AGE", "FAULTS", "Worker"]
