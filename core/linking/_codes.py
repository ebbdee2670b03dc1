"""The codes by which accounts are linked (pure): easy to read, and hard to guess.

The first characters of a code are its name, by which it is found; the others are its secret. A code
ends after a few wrong secrets, whoever sends them, so many accounts guess no better than one.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta

VALID = timedelta(minutes=10)
"""The time for which a code can be used."""
LETTERS = "23456789ACDEFGHJKMNPQRTUVWXY"
"""The characters of a code. None looks like another: no 0 and O, 1 and I and L, 5 and S."""
GROUP, GROUPS = 3, 3
NAME = GROUP
"""The characters of a code that are its name; the 480 million secrets are the rest of it."""

Draw = Callable[[str], str]
"""Returns a random character of a text."""

_BETWEEN = re.compile(r"[\W_]+")


def draw(choose: Draw) -> str:
    """Return a new code."""
    return "".join(choose(LETTERS) for _ in range(GROUP * GROUPS))


def shown(code: str) -> str:
    """Return a code as people read it: "K7Q-3MD-FXR"."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def normal(text: str) -> str:
    """Return a text as a code: in capitals, without spaces and dashes; "" if it cannot be one."""
    code = _BETWEEN.sub("", unicodedata.normalize("NFKC", text[:100])).upper()
    return code if len(code) == GROUP * GROUPS and set(code) <= set(LETTERS) else ""


def digest(code: str, salt: bytes) -> bytes:
    """Return the salted hash of a code, which takes some milliseconds."""
    return hashlib.scrypt(code.encode(), salt=salt, n=2**12, r=8, p=1, dklen=32)


def is_code(code: str, salt: bytes, stored: bytes) -> bool:
    """Return whether a code has a stored hash."""
    return hmac.compare_digest(digest(code, salt), stored)
