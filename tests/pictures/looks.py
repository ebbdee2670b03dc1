"""The colours and measures of the two clients."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Look:
    """The look of a client; colours are as in SVG, sizes in pixels."""

    name: str
    ground: str
    paper: str
    """The ground of a message."""
    mine: str
    """The ground of a message that the reader wrote."""
    ink: str
    faint: str
    link: str
    code: str
    """The ground of code."""
    code_size: float
    bar: str
    """The bar beside a quote, and names."""
    veil: str
    """The ground of hidden words."""
    quote: str
    """The ground of a quote in a bubble."""
    name_ink: str
    """The names of authors beside their pictures."""
    button: str
    is_bubble: bool
    follows_script: bool
    """True if a text from right to left stands on the right."""


@dataclass(frozen=True)
class Theme:
    """The looks of both clients in a picture."""

    telegram: Look
    discord: Look


TELEGRAM = Look(
    name="Telegram",
    ground="#cfdfe8",
    paper="#ffffff",
    mine="#e3fbcf",
    ink="#0f1419",
    faint="#6b7a85",
    link="#1d6fb8",
    code="#f0f3f5",
    code_size=14.2,
    bar="#3a90d9",
    veil="#b9c3ca",
    quote="#e8f1f9",
    name_ink="#0f1419",
    button="#9db4c2",
    is_bubble=True,
    follows_script=True,
)
DISCORD = Look(
    name="Discord",
    ground="#313338",
    paper="#313338",
    mine="#313338",
    ink="#dbdee1",
    faint="#a3a8b0",
    link="#2fb0f5",
    code="#202225",
    code_size=12.5,
    bar="#5a5d64",
    veil="#6a6d75",
    quote="#313338",
    name_ink="#ffffff",
    button="#4e5058",
    is_bubble=False,
    follows_script=False,
)
TELEGRAM_DARK = replace(
    TELEGRAM,
    ground="#0e1621",
    paper="#182533",
    mine="#2b5278",
    ink="#f1f5f8",
    faint="#8a9aa8",
    link="#6ab3f3",
    code="#0f1a26",
    bar="#5eb0ef",
    veil="#3c4b59",
    quote="#203448",
    button="#2f4358",
)
DISCORD_LIGHT = replace(
    DISCORD,
    ground="#f7f8fa",
    paper="#ffffff",
    mine="#ffffff",
    ink="#2e3338",
    faint="#6b717a",
    link="#0067d6",
    code="#ebedef",
    bar="#c4c9ce",
    veil="#c4c9ce",
    name_ink="#060607",
    button="#6d6f78",
)

USUAL = Theme(TELEGRAM, DISCORD)
"""The apps as they come: Telegram is light, and Discord is dark."""
LIGHT = Theme(TELEGRAM, DISCORD_LIGHT)
DARK = Theme(TELEGRAM_DARK, DISCORD)
