"""The values of an interview: what the environment sets, what `.env` has, what was typed."""

import os
from collections.abc import Mapping

from bots.loading import load, parted, recover
from bots.platform import Platform
from core.errors import SettingsError
from core.settings import Settings


class Answers:
    """Values by the names of variables. The environment wins over all others, as in the bot."""

    def __init__(self, stored: Mapping[str, str]) -> None:
        self._stored = dict(stored)
        self._environment = {name.upper(): value for name, value in os.environ.items() if value}
        self.typed: dict[str, str] = {}
        """The answers so far."""

    def fixed(self, name: str) -> str:
        """Return the value that the environment sets; "" if it sets none."""
        return self._environment.get(name, "").strip()

    def stored(self, name: str) -> str:
        """Return the value in `.env`; "" if there is none."""
        return self._stored.get(name, "").strip()

    def is_stored(self, name: str) -> bool:
        """Return whether `.env` has a line for a setting, which may be empty."""
        return name in self._stored

    def value(self, name: str) -> str:
        """Return the value that the bot would use; "" for its default."""
        return self.fixed(name) or self.typed.get(name, self.stored(name))

    def complaint(self, name: str, value: str) -> str:
        """Return what the settings say about a value; "" if it is right."""
        return self._complaints({**self._all(), name: value}).get(name, "")

    def complaints(self) -> dict[str, str]:
        """Return what the settings say about all values, by the names of the settings."""
        return self._complaints(self._all())

    def load(self) -> tuple[Settings, list[Platform]]:
        """Return the settings of the answers so far; those that are wrong have their defaults."""
        loaded, platforms, _ = recover(None, **_fields(self._all()))
        return loaded, platforms

    def changes(self) -> dict[str, str]:
        """Return the answers that are not in `.env` yet."""
        return {
            name: value for name, value in self.typed.items() if value != self._stored.get(name)
        }

    def _all(self) -> dict[str, str]:
        names = {*self._stored, *self.typed}
        return {name: self.value(name) for name in names}

    def _complaints(self, values: Mapping[str, str]) -> dict[str, str]:
        try:
            load(None, **_fields(values))
        except SettingsError as error:
            return parted(error)
        return {}


def _fields(values: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in values.items()}
