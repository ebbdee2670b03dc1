"""Alerts: the operators are told of what they have to see to, once for each matter and hour."""

from core.alerts._matters import Matter, end, open_ones, tell
from core.alerts._watch import EVERY, Watch

__all__ = ["EVERY", "Matter", "Watch", "end", "open_ones", "tell"]
