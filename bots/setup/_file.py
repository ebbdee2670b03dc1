"""The file `.env`: its values, and how it is changed without losing a line."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dotenv import dotenv_values, set_key

from core.errors import SettingsError

_BEGINNING = "# Made by `parley init`. docs/settings.md names every setting.\n"
_APART = ("'", "\\", "${", "\n", "\r")
"""Signs that the programs which read such files take differently."""
CANNOT_HOLD = (
    "has a sign that not every program reads alike from .env: ', \\ or ${;"
    " in a URL, write it as %27, %5C or %24{"
)


def check(value: str) -> None:
    """Raise ValueError for a value that programs read differently from `.env`."""
    if any(sign in value for sign in _APART):
        raise ValueError(CANNOT_HOLD)


class EnvFile:
    """A file of settings, which may not be there yet."""

    def __init__(self, path: Path) -> None:
        """Read a file; raises SettingsError if that cannot be."""
        self.path = path
        try:
            found = dotenv_values(path, encoding="utf-8") if path.exists() else {}
        except OSError as error:
            told = f"{path}: cannot be read: {error.strerror}; let this user read and write it"
            raise SettingsError(told) from None
        except UnicodeDecodeError:
            raise SettingsError(f"{path}: not a text in UTF-8; save it as one") from None
        self.values = {name: value for name, value in found.items() if value is not None}
        """The values of its lines, by the names of their variables."""

    def write(self, changes: Mapping[str, str]) -> None:
        """Set values and keep all other lines; only the owner may read the file.

        The file changes at once or not at all. Raises SettingsError if it cannot be written.
        """
        target = self.path.resolve()
        try:
            with TemporaryDirectory(prefix=".env-", dir=target.parent) as folder:
                draft = Path(folder) / target.name
                draft.touch(mode=0o600)
                draft.write_bytes(target.read_bytes() if target.exists() else _BEGINNING.encode())
                for name, value in changes.items():
                    set_key(draft, name, value, encoding="utf-8")
                draft.chmod(0o600)
                _flush(draft)
                draft.replace(target)
        except OSError as error:
            told = f"{self.path}: cannot be written: {error.strerror}; let this user write there"
            raise SettingsError(told) from None


def _flush(path: Path) -> None:
    """Write a file to the disk before its name changes."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
