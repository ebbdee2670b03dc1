"""The way in: every event is stored once, before the platform may forget it."""

from core.intake._intake import LOOKS, Intake

__all__ = ["LOOKS", "Intake"]
