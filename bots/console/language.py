"""The language of the person at the terminal."""

import os


def language() -> str:
    """Return the code of the language of the operating system's user, "" if it has none."""
    told = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    code = next(filter(None, told), "").partition(".")[0]
    return "" if code in ("C", "POSIX") else code
