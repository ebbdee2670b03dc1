"""Whole numbers in orders."""

DIGITS = 18
"""The most digits of a number; the database holds no longer ones."""


def number_in(text: str) -> int:
    """Return the number that a text is; -1 for any other text, and for a number without end."""
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) <= DIGITS else -1
