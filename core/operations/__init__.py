"""Everything that operators ask and order, in their private chats and on the command line."""

from core.operations._audit import BACKUP, note
from core.operations._figures import highest, names, picture
from core.operations._order import Answer, NotDone, Order, Parameter, Verb
from core.operations._people import Person, find, people
from core.operations._records import (
    LONG,
    STATES,
    CallRecord,
    State,
    Trouble,
    TurnRecord,
    calls_of,
    list_troubles,
    list_turns,
    show,
)
from core.operations._turns import find_forgotten, read, retry
from core.operations._verbs import CATALOGUE, carry_out, run, wish_in

__all__ = [
    "BACKUP",
    "CATALOGUE",
    "LONG",
    "STATES",
    "Answer",
    "CallRecord",
    "NotDone",
    "Order",
    "Parameter",
    "Person",
    "State",
    "Trouble",
    "TurnRecord",
    "Verb",
    "calls_of",
    "carry_out",
    "find",
    "find_forgotten",
    "highest",
    "list_troubles",
    "list_turns",
    "names",
    "note",
    "people",
    "picture",
    "read",
    "retry",
    "run",
    "show",
    "wish_in",
]
