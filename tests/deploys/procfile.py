"""The Procfile and `.env`, as honcho reads them."""

from honcho import environ  # type: ignore[import-untyped]

from tests.bot import ROOT


def processes() -> dict[str, str]:
    """Return the commands of the Procfile by the names of their processes."""
    found: dict[str, str] = environ.parse_procfile((ROOT / "Procfile").read_text()).processes
    return found


def settings(text: str) -> dict[str, str]:
    """Return the variables that a file `.env` gives to the processes."""
    found: dict[str, str] = environ.parse(text)
    return found
