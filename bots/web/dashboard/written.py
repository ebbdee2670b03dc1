"""Figures as people read them on the pages."""

import re
from datetime import datetime, timedelta, tzinfo

from markupsafe import Markup, escape

from core.text import plain_moments

MICRO = 1_000_000
NO_BREAK = "\u00a0"
"""The space between a number and its unit."""
_MARKUP = re.compile(
    r"\*\*(?P<bold>(?:\\.|[^*\\])+)\*\*|`(?P<code>[^`]+)`|\\(?P<escaped>.)", re.DOTALL
)
_SIZES = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000))

MATTERS = {
    "budget_low": "Most of the budget is used up",
    "budget_spent": "The budget is used up: people get no answers",
    "key": "The model API refuses the key",
    "credit": "The account behind the key has no credit left",
    "gone": "The model is no longer offered",
    "refused": "The model API refuses what it is asked",
    "away": "The model does not answer",
    "leaving": "A model will be withdrawn",
    "leaving_on": "A model will be withdrawn",
    "replaced": "A model will be withdrawn",
    "unlisted": "A model is not on offer",
    "deaf": "Nobody hears a platform",
    "stuck": "Answers cannot be delivered",
    "errors": "Many questions fail",
    "disk": "The disk is nearly full",
    "disk_full": "The disk is full",
    "database": "The database takes nothing",
    "database_was": "The database took nothing for a while",
}
"""What the operators were told to see to, in a few words."""

REASONS = {
    "KeyRefused": "The model API refused the key",
    "CreditUsedUp": "The account behind the key had no credit",
    "ModelGone": "The model was not there",
    "ModelUnavailable": "The model API refused the request",
    "ModelBusy": "The model did not answer",
    "ModelBroke": "The model’s answer broke off",
    "ModelRejected": "The model refused the request",
    "ContentRefused": "The provider refused the content",
    "FileRefused": "The provider could not read a file",
    "PromptTooLong": "The prompt was too long",
    "Undeliverable": "The platform refused the answer",
    "Muted": "The bot may not write there",
    "TooLate": "The time to answer there was over",
    "Faults": "It failed again and again",
    "Discarded": "An operator ended it",
}
"""Kinds of errors, in a few words."""


def matter(kind: str) -> str:
    """Return a matter of the operators in a few words."""
    return MATTERS.get(kind, kind)


def reason(kind: str) -> str:
    """Return why a turn failed, in a few words."""
    return REASONS.get(kind, kind) if kind else "Not known"


def number(value: float) -> str:
    """Return a whole number: "12,345"."""
    return f"{value:,.0f}"


def several(value: int, what: str) -> str:
    """Return a number of things: "1 answer", "2 answers"."""
    return f"{number(value)} {what}{'' if value == 1 else 's'}"


def money(micro: int) -> str:
    """Return micro-dollars as dollars: "$3.11"; less than a cent with more digits."""
    dollars = micro / MICRO
    if 0 < dollars < 0.01:
        return f"${dollars:.4f}"
    return f"${dollars:,.0f}" if dollars >= 1000 else f"${dollars:,.2f}"


def percent(part: float, whole: float) -> str:
    """Return a share: "24 %"; a dash if there is no whole."""
    return f"{100 * part / whole:.0f}{NO_BREAK}%" if whole else "–"


def seconds(value: float | None) -> str:
    """Return a time that people waited: "0.57 s", "12 s"; a dash for none."""
    if value is None:
        return "–"
    digits = 2 if value < 1 else 1 if value < 10 else 0
    return f"{value:.{digits}f}{NO_BREAK}s"


def size(number: int) -> str:
    """Return a number of bytes: "770 MB"."""
    if number < 0:
        return f"−{size(-number)}"
    for unit, least in _SIZES:
        if number >= least:
            value = number / least
            return f"{value:,.{1 if value < 10 else 0}f}{NO_BREAK}{unit}"
    return f"{number}{NO_BREAK}B"


def amount(value: int, unit: str) -> str:
    """Return an amount of a limit in its unit."""
    return money(value) if unit == "usd" else f"{number(value)}{NO_BREAK}{unit}"


def span(time: timedelta) -> str:
    """Return a length of time in its largest unit: "12 s", "3 min", "5 h", "2 days"."""
    whole = max(int(time.total_seconds()), 0)
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length or (unit != "days" and whole >= length):
            return f"{whole // length}{NO_BREAK}{unit}"
    return f"{whole}{NO_BREAK}s"


def moment(at: datetime) -> str:
    """Return a point in time: "29 Nov, 12:30"."""
    return f"{at.day}{NO_BREAK}{at:%b}, {at:%H:%M}"


def exact(at: datetime, zone: tzinfo) -> str:
    """Return a point in time with its zone: "29 Nov, 12:30 UTC"."""
    here = at.astimezone(zone)
    return f"{moment(here)} {here.tzname()}"


def answer(markdown: str) -> Markup:
    """Return the Markdown of the operators' sentences as HTML: lines, bold words, codes."""
    lines = plain_moments(markdown).split("\n")
    return Markup("<br>").join(_line(each) for each in lines)


def _line(markdown: str) -> Markup:
    drawn, at = Markup(), 0
    for found in _MARKUP.finditer(markdown):
        drawn += escape(markdown[at : found.start()])
        if found["bold"]:
            drawn += Markup("<strong>{}</strong>").format(re.sub(r"\\(.)", r"\1", found["bold"]))
        elif found["code"]:
            drawn += Markup("<code>{}</code>").format(found["code"])
        else:
            drawn += escape(found["escaped"])
        at = found.end()
    return drawn + escape(markdown[at:])
