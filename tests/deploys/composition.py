"""`compose.yaml` as data: what each service runs, with which settings, and after what."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.bot import ROOT


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as the file tells it, with the settings of `.env` filled in."""

    told: Mapping[str, Any]
    settings: dict[str, str]
    """The settings that it has beside those of `.env`, which they override."""

    @property
    def command(self) -> list[str]:
        """The arguments behind the image's entry point."""
        return list(self.told.get("command", []))

    @property
    def after(self) -> dict[str, str]:
        """The services that it waits for, with what it waits for."""
        found = self.told.get("depends_on", {})
        return {name: each["condition"] for name, each in found.items()}


def composition() -> dict[str, Any]:
    """Return the whole file, as it is written."""
    told: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return told


def services(env: Mapping[str, str]) -> dict[str, Service]:
    """Return the services by name; LookupError for a variable that has to be set and is not."""
    return {
        name: Service(told, {key: _filled(value, env) for key, value in _settings(told).items()})
        for name, told in composition()["services"].items()
    }


def _settings(told: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = told.get("environment", {})
    return found


def _filled(text: str, env: Mapping[str, str]) -> str:
    """Return a text with the values of its variables, all of which are required."""

    def value(found: re.Match[str]) -> str:
        if not env.get(found["name"]):
            raise LookupError(found["name"], found["why"])
        return env[found["name"]]

    return re.sub(r"\$\{(?P<name>\w+):\?(?P<why>[^}]*)\}", value, text)
