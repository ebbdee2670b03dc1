"""Everything that operators ask and order, in their private chats and on the command line."""

from core.operations._figures import picture
from core.operations._order import Answer, NotDone, Order, Parameter, Verb
from core.operations._turns import (
    CallRecord,
    Trouble,
    TurnRecord,
    find_forgotten,
    list_troubles,
    replay,
    show,
)
from core.operations._verbs import CATALOGUE, carry_out, run, wish_in

__all__ = [
    "CATALOGUE",
    "Answer",
    "CallRecord",
    "NotDone",
    "Order",
    "Parameter",
    "Trouble",
    "TurnRecord",
    "Verb",
    "carry_out",
    "find_forgotten",
    "list_troubles",
    "picture",
    "replay",
    "run",
    "show",
    "wish_in",
]
