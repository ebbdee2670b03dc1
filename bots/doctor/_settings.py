"""The checks of the settings and of the file that holds them."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from bots import permissions
from bots.platform import Platform
from bots.registry import PLATFORMS
from core.environment import Environment
from core.findings import Finding, fault, note, warning
from core.settings import Settings

KINDS: tuple[type[Environment], ...] = (Settings, *PLATFORMS)
NAMES = frozenset(
    str(field.validation_alias or name).upper()
    for kind in KINDS
    for name, field in kind.model_fields.items()
)
"""The settings of the core and of all platforms, as variables; `*` ends the name of a family."""
OF_MACHINE = frozenset(
    ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
)
"""Variables that Parley reads from the environment alone."""
ALIKE = 0.85
"""The likeness from which on a name counts as a misspelt setting."""


def wrong(faults: Mapping[str, str]) -> list[Finding]:
    """Return the findings of settings that are wrong, from the sentences about them."""
    return [_wrong(name, told) for name, told in faults.items()]


def _wrong(name: str, told: str) -> Finding:
    what, semicolon, remedy = told.rpartition("; ")
    if not semicolon:
        what, remedy = told, "correct it"
    return fault(f"settings.{name.lower()}", f"{name}: {what}", remedy)


def missing(loaded: Settings, platforms: Collection[Platform]) -> list[Finding]:
    """Return what is not set, but needed."""
    found = []
    if not any(platform.is_set for platform in platforms):
        names = " or ".join(kind.credential for kind in PLATFORMS if kind.credential)
        what = "no platform has a token, so there is nothing to run"
        found.append(fault("settings.platforms", what, f"run `parley init`, or set {names}"))
    if not loaded.model_api_key.get_secret_value():
        what = "MODEL_API_KEY: not set, so that nobody can be answered"
        remedy = "run `parley init`, or set it; keys are at https://aimlapi.com/app/keys"
        found.append(fault("settings.model_api_key", what, remedy))
    return found


def of_file(path: Path) -> list[Finding]:
    """Return what is wrong with the file of settings, which must be readable."""
    if not path.is_file():
        return [note("env.missing", f"there is no {path} here: only the environment counts")]
    found = []
    if permissions.open_ones(str(path)):
        what = f"other users of this machine can read {path}, and the tokens in it"
        found.append(warning("env.permissions", what, f"run: chmod 600 {path}"))
    with path.open(encoding="utf-8") as file:
        lines = list(parse_stream(file))
    return [*found, *_unreadable(path, lines), *_doubles(path, lines), *_unknown(path, lines)]


def _unreadable(path: Path, lines: list[Binding]) -> Iterator[Finding]:
    for each in lines:
        if each.error:
            what = f"{path}: line {each.original.line} is no setting, and is passed over"
            yield warning("env.line", what, "write it as NAME=value, or begin it with #")


def _doubles(path: Path, lines: list[Binding]) -> Iterator[Finding]:
    places = defaultdict(list)
    for each in lines:
        if each.key is not None:
            places[each.key.upper()].append(str(each.original.line))
    for name, numbers in places.items():
        if len(numbers) > 1:
            what = f"{path}: {name} stands in lines {' and '.join(numbers)}; the last one counts"
            yield warning("env.double", what, "remove the others")


def _unknown(path: Path, lines: list[Binding]) -> Iterator[Finding]:
    """Yield names that are misspelt, and those that have no effect in this file."""
    families = tuple(name.removesuffix("*") for name in NAMES if name.endswith("*"))
    for name in dict.fromkeys(each.key.upper() for each in lines if each.key):
        if name in NAMES or name.startswith(families):
            continue
        if name in OF_MACHINE and not (os.environ.get(name) or os.environ.get(name.lower())):
            what = f"{path}: Parley does not read {name} from this file"
            yield warning("env.place", what, "set it in the environment of the process")
        elif name not in OF_MACHINE and (meant := get_close_matches(name, NAMES, 1, ALIKE)):
            what = f"{path}: {name} is no setting, and is passed over"
            yield warning("env.unknown", what, f"write {meant[0]}, if you mean that")
