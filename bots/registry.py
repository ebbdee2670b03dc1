"""The registry of platforms. Each platform is a package beside this file, and one line here."""

from pkgutil import resolve_name

from bots.platform import Platform

PLATFORMS: tuple[type[Platform], ...] = tuple(
    resolve_name(name)
    for name in (
        "bots.telegram:Telegram",
        "bots.discord:Discord",
        "bots.console:Console",
    )
)
"""All platforms, in the order in which messages name them."""
