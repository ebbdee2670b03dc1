"""The second step of a turn: its stored answer is posted, or given up."""

from core.delivery._delivery import EXCUSED, Delivery
from core.delivery._standing import after, is_plain, known, older

__all__ = ["EXCUSED", "Delivery", "after", "is_plain", "known", "older"]
