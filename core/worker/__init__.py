"""Claims turns, carries them out side by side, keeps them leased, and stops gently."""

from core.worker._worker import AGE, FAULTS, Worker

__all__ = ["AGE", "FAULTS", "Worker"]
