"""Points in time in a text, which platforms show in each reader's own time.

In Markdown such a time is a link to `when:` with the seconds since 1970, and its label is for those
who cannot be shown more: `[in 12 minutes](when:1790000000)`.
"""

import re
from datetime import datetime

_LAST = 2**31
_TARGET = re.compile(r"when:(\d{1,10})")
_MOMENT = re.compile(r"\[([^\[\]]{0,80}+)\]\(when:\d{1,10}\)")


def write_moment(label: str, at: datetime) -> str:
    """Return a point in time as Markdown."""
    return f"[{label}](when:{int(at.timestamp())})"


def read_moment(target: str) -> int | None:
    """Return the seconds since 1970 that a link leads to; None for any other link."""
    found = _TARGET.fullmatch(target)
    return int(found[1]) if found and int(found[1]) < _LAST else None


def plain_moments(markdown: str) -> str:
    """Return a text with the label alone of each point in time."""
    return _MOMENT.sub(r"\1", markdown) if "](when:" in markdown else markdown
