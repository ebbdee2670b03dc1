"""How figures and times are said to people."""

from datetime import datetime
from decimal import Decimal

from core.settings import MICRO

CENT = Decimal("0.01")


def dollars(amount: int) -> str:
    """Micro-dollars as people write money, to the cent."""
    value = Decimal(amount) / MICRO
    return "less than $0.01" if 0 < value < CENT else f"${value:.2f}"


def price(amount: int) -> str:
    """Micro-dollars as an operator set them: "$1.00", "$0.005"."""
    value = Decimal(amount) / MICRO
    return f"${value:.2f}" if value == round(value, 2) else f"${value.normalize():f}"


def until(moment: datetime, now: datetime) -> str:
    """How long it is until a moment, in words: "in 40 seconds"."""
    seconds = max(int((moment - now).total_seconds()) + 1, 1)
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"in {count(round(seconds / size), unit)}"
    return f"in {count(seconds, 'second')}"


def count(number: int, noun: str) -> str:
    """A number of things: "1 answer", "2 answers"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
