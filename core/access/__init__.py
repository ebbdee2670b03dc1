"""Access: who may speak to the bot, and in which groups.

The operator's settings are `Rules`. What operators decide of single people is their standing. An
invite lets in whoever has its code.
"""

from core.access._codes import code_in
from core.access._groups import former_id, note_move
from core.access._invites import (
    Invite,
    Redeemed,
    invite,
    invites,
    may_guess,
    note_guess,
    redeem,
    revoke,
)
from core.access._rules import EVERYBODY, MARGIN, Mode, Rules, Verdict
from core.access._standing import (
    block,
    join,
    let_in,
    note_told,
    part,
    remember_place,
    shut_out,
    standing_of,
    unblock,
)

__all__ = [
    "EVERYBODY",
    "MARGIN",
    "Invite",
    "Mode",
    "Redeemed",
    "Rules",
    "Verdict",
    "block",
    "code_in",
    "former_id",
    "invite",
    "invites",
    "join",
    "let_in",
    "may_guess",
    "note_guess",
    "note_move",
    "note_told",
    "part",
    "redeem",
    "remember_place",
    "revoke",
    "shut_out",
    "standing_of",
    "unblock",
]
