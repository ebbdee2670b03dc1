"""Linking: several accounts of one person share what the bot knows of them, and their limits.

A person gets a code on one account and sends it from another one. Both have to say yes.
"""

from core.linking._accounts import Side, chats, home, others, side_of
from core.linking._codes import VALID, Draw, digest, draw, is_code, normal, shown
from core.linking._join import Joined, join, lock
from core.linking._offers import (
    Link,
    Refused,
    agree,
    asked,
    claim,
    is_blocked,
    offer,
    took,
    void,
    waits,
)
from core.linking._part import part

__all__ = [
    "VALID",
    "Draw",
    "Joined",
    "Link",
    "Refused",
    "Side",
    "agree",
    "asked",
    "chats",
    "claim",
    "digest",
    "draw",
    "home",
    "is_blocked",
    "is_code",
    "join",
    "lock",
    "normal",
    "offer",
    "others",
    "part",
    "shown",
    "side_of",
    "took",
    "void",
    "waits",
]
