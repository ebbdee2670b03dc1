"""Everything that operators ask and order, in their private chats and on the command line."""

from core.operations._figures import picture
from core.operations._order import Answer, NotDone, Order, Parameter, Verb
from core.operations._records import (
    STATES,
    CallRecord,
    State,
    Trouble,
    TurnRecord,
    list_troubles,
    list_turns,
    show,
)
from core.operations._turns import find_forgotten, read, retry
from core.operations._verbs import CATALOGUE, carry_out, run, wish_in

__all__ = [
    "CATALOGUE",
    "STATES",
    "Answer",
    "CallRecord",
    "NotDone",
    "Order",
    "Parameter",
    "State",
    "Trouble",
    "TurnRecord",
    "Verb",
    "carry_out",
    "find_forgotten",
    "list_troubles",
    "list_turns",
    "picture",
    "read",
    "retry",
    "run",
    "show",
    "wish_in",
]
