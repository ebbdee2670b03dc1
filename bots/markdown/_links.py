"""Links in the model's text (pure): a label must not hide where its link leads.

Only web pages and mail are linked. Deep links into a client, such as `tg://` or `discord://`, and
mentions of people are shown as plain text.
"""

import re
import unicodedata
from urllib.parse import unquote, urlsplit

from core.characters import JOINER

WEB = re.compile(r"https?://[a-z0-9_-]+(\.[a-z0-9_-]+)+(:[1-9]\d{0,3})?([/?#]\S*)?", re.IGNORECASE)
"""A URL that every platform takes for a link. Telegram refuses a whole message for one link that
it cannot read."""

_SCHEME = re.compile(r"\b(?!https?:|mailto:)([a-z][a-z0-9+.-]{0,31}:)(?=//)", re.IGNORECASE)
_MARKS = re.compile(r"[*_~`\\|]")
_ADDRESS = re.compile(
    r"(?:(?P<scheme>\b[a-z][a-z0-9+.-]{0,31})://)?"
    r"(?P<host>(?<![\w-])[\w-]{1,63}+(?:\.[\w-]{1,63}+)+)(?P<path>[/?#][^\s()]*)?"
)
_FILES = re.compile(
    "jsx?|tsx?|txt|json|ya?ml|toml|html?|css|[ch]pp|ini|cfg|pdf|csv|xml|sql|jpe?g|png|gif|svg"
)
"""The endings of names that look like a host and are none: no such top-level domain exists."""


def readable(target: str) -> str:
    """Return a link's target as people read it."""
    return unquote(target).removeprefix("mailto:")


def inert(text: str) -> str:
    """Return plain text in which no client finds a deep link into itself."""
    return _SCHEME.sub(rf"\1{JOINER}", text) if "://" in text else text


def deceives(label: str, target: str) -> bool:
    """Return True if a label names an address that is not, or does not begin, the target's."""
    if label.isascii() and "." not in label:
        return False
    try:
        parts = urlsplit(target)
        host = (parts.hostname or target.rpartition("@")[2]).removeprefix("www.")
    except ValueError:
        return True
    if not host:
        return False
    whole = _plain(host + unquote(target.partition(parts.netloc or host)[2]))
    return any(
        _is_address(found) and not _begins(found, host, whole)
        for found in _ADDRESS.finditer(_plain(label))
    )


def _is_address(found: re.Match[str]) -> bool:
    """Return False for a decimal number, an abbreviation and the name of a file."""
    host = found["host"]
    ending = host.rpartition(".")[2]
    if found["scheme"] or (ending.isdecimal() and host.count(".") == 3):
        return True
    return len(ending) > 1 and not ending.isdecimal() and not _FILES.fullmatch(ending)


def _begins(found: re.Match[str], host: str, whole: str) -> bool:
    named = found["host"].removeprefix("www.")
    if path := (found["path"] or "").rstrip("/.…"):
        return whole.startswith(named + path)
    return host == named or host.endswith(f".{named}")


def _plain(label: str) -> str:
    """Return a label without markup, in lower case, with dots in place of what looks like one."""
    folded = unicodedata.normalize("NFKC", _MARKS.sub("", label)).replace("\u3002", ".").casefold()
    return "".join(char for char in folded if unicodedata.category(char) != "Cf")
