"""The worker: it claims turns, carries them out side by side, and hands them back at the end."""

from core.worker._attempts import AGE, FAULTS
from core.worker._worker import Worker

__all__ = ["AGE", "FAULTS", "Worker"]
