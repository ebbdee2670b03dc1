"""Numbers, amounts of money and times as the current language writes them.

English needs no help. For other languages Babel knows them, which takes 6 MB from its first use on.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from core import money
from core.text import write_moment
from core.words._language import ENGLISH, language

_UNITS: tuple[tuple[int, Literal["day", "hour", "minute"]], ...] = (
    (86_400, "day"),
    (3600, "hour"),
    (60, "minute"),
)
"""Units of time and their seconds; each is used from two of it on."""


def number(value: float) -> str:
    """Return a number with at most two digits behind the point: "1,234"."""
    if language() == ENGLISH:
        return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")
    from babel.numbers import format_decimal  # noqa: PLC0415 - see above

    return format_decimal(value, "#,##0.##", locale=language())


def percent(value: int) -> str:
    """Return a number of hundredths: "42%"."""
    if language() == ENGLISH:
        return f"{value}%"
    from babel.numbers import format_percent  # noqa: PLC0415 - see above

    return format_percent(Decimal(value) / 100, locale=language())


def price(amount: int) -> str:
    """Return micro-dollars as an exact amount: "$1.00", "$0.005"."""
    if language() == ENGLISH:
        return money.price(amount)
    from babel.numbers import format_currency  # noqa: PLC0415 - see above

    value = Decimal(amount) / money.MICRO
    return format_currency(value, "USD", locale=language(), decimal_quantization=False)


def moment(at: datetime) -> str:
    """Return a point in time, in the reader's own time where the platform can show it."""
    return write_moment(f"{at:%Y-%m-%d %H:%M} UTC", at)


def until(moment: datetime, now: datetime) -> str:
    """Return the time that is left until a moment: "in 40 seconds", in the reader's own time."""
    return write_moment(_left(moment, now), moment)


def _left(moment: datetime, now: datetime) -> str:
    seconds = max(int((moment - now).total_seconds()) + 1, 1)
    size: int
    unit: Literal["day", "hour", "minute", "second"]
    size, unit = next((each for each in _UNITS if seconds >= 2 * each[0]), (1, "second"))
    units = round(seconds / size)
    if language() == ENGLISH:
        return f"in {units:,} {unit}{'s' * (units != 1)}"
    from babel.dates import format_timedelta  # noqa: PLC0415 - see above

    time = timedelta(seconds=units * size)
    return format_timedelta(
        time,
        granularity=unit,
        threshold=units,
        add_direction=True,
        locale=language(),
    )


def listed(names: list[str]) -> str:
    """Return some things in one row: "images, files and voice messages"."""
    if language() == ENGLISH:
        return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    from babel.lists import format_list  # noqa: PLC0415 - see above

    return format_list(names, locale=language())
