"""The systemd unit as data."""

from collections import defaultdict

from tests.bot import ROOT

PATH = ROOT / "docs" / "parley.service"


def directives() -> dict[str, list[str]]:
    """Return the values of each directive; an assertion fails for a line that is none."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in PATH.read_text().splitlines():
        if not line or line.startswith(("#", "[")):
            continue
        name, equals, value = line.partition("=")
        assert equals, line
        assert name.isalnum(), line
        found[name].append(value)
    return dict(found)


def one(name: str) -> str:
    """Return the value of a directive that stands there once."""
    [value] = directives()[name]
    return value
