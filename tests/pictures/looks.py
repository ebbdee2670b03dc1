"""The colours and measures of the two clients."""

from dataclasses import dataclass


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
    is_bubble: bool
    follows_script: bool
    """Whether a text from right to left stands on the right."""


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
    is_bubble=False,
    follows_script=False,
)
