"""Memory: an append-only tree of messages. A turn sees one path through it.

A message that was sent once is sent again byte for byte, so that the provider's prompt cache pays.
"""

from core.memory._context import Context, Marks
from core.memory._conversation import (
    choose_model,
    instructions,
    is_empty,
    is_head,
    model_of,
    reset,
)
from core.memory._estimate import estimate
from core.memory._newest import (
    answer_in,
    answer_of,
    is_held,
    is_last,
    messages_of,
    turn_before,
    turn_of_old,
)
from core.memory._recall import recall
from core.memory._remember import instruct, remember
from core.memory._summaries import INSTRUCTED, summarise
from core.turns import IDS_PER_TURN

__all__ = [
    "IDS_PER_TURN",
    "INSTRUCTED",
    "Context",
    "Marks",
    "answer_in",
    "answer_of",
    "choose_model",
    "estimate",
    "instruct",
    "instructions",
    "is_empty",
    "is_head",
    "is_held",
    "is_last",
    "messages_of",
    "model_of",
    "recall",
    "remember",
    "reset",
    "summarise",
    "turn_before",
    "turn_of_old",
]
