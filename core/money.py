"""Money: integer micro-dollars, never a float."""

from decimal import Decimal

MICRO = 1_000_000
"""Micro-dollars in a dollar."""
CENT = Decimal("0.01")


def dollars(amount: int) -> str:
    """Return micro-dollars as an amount rounded to the cent: "$0.25"."""
    value = Decimal(amount) / MICRO
    return "less than $0.01" if 0 < value < CENT else f"${value:.2f}"


def price(amount: int) -> str:
    """Return micro-dollars as an exact amount: "$1.00", "$0.005"."""
    value = Decimal(amount) / MICRO
    return f"${value:.2f}" if value == round(value, 2) else f"${value.normalize():f}"
