"""The second step of a turn: its stored answer is posted, or given up."""

from core.delivery._delivery import EXCUSED, Delivery
from core.delivery._standing import is_plain_answer, known_standing, older_turn, standing_after

__all__ = [
    "EXCUSED",
    "Delivery",
    "is_plain_answer",
    "known_standing",
    "older_turn",
    "standing_after",
]
