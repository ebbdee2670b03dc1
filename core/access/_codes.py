"""The codes of invites (pure): twelve characters that nobody mistakes for others."""

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The digits and letters of a code. There is no I, L, O and U: what looks like a digit is one."""
LENGTH = 12
"""The characters of a code, 60 bits; people see them in three groups."""
SHOWN = 4
"""The first characters by which operators know an invite again."""

_LOOKALIKES = str.maketrans("ILO", "110")
_CODE = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_DIGIT = re.compile("[2-9]")
_IN_LINK = re.compile(r"\S*[?&]start=([A-Za-z0-9_-]+)\S*")
_LONGEST = 200
"""The most characters of a text in which a code is looked for."""


def new_code(choose: Callable[[Sequence[str]], str] = secrets.choice) -> str:
    """Return a new code, as people see it.

    It has a digit that nobody mistakes for a letter, so that no word is taken for a code.
    """
    code = ""
    while not _DIGIT.search(code):
        code = "".join(choose(ALPHABET) for _ in range(LENGTH))
    return "-".join(code[at : at + SHOWN] for at in range(0, LENGTH, SHOWN))


def code_in(text: str) -> str | None:
    """Return the code that a text consists of, alone or in a link to the bot; None for any other.

    The letters may be small, and the groups joined or parted by blanks.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    link = _IN_LINK.fullmatch(text)
    told = link[1] if link else text
    code = normal(told)
    return code if _DIGIT.search(told) and _CODE.fullmatch(code) else None


def normal(code: str) -> str:
    """Return a code without its groups, and in the letters of the alphabet."""
    return re.sub(r"[\s-]+", "", code).upper().translate(_LOOKALIKES)


def digest(code: str) -> str:
    """Return the form in which a code is stored, from which nobody can read it."""
    return hashlib.sha256(normal(code).encode()).hexdigest()
