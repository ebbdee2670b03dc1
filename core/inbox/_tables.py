"""The tables of the inbox, and the conditions that several of its statements share.

Statements are built once, with bound parameters, because building one costs more than running it.
"""

from sqlalchemy import bindparam

from core import models
from core.turns import IDS_PER_TURN

turns = models.turns
events = models.events
messages = models.messages

IS_QUESTION = messages.c.id == turns.c.id * IDS_PER_TURN
"""The condition of the message in memory that holds the question of a turn."""

IS_EVENT = (
    events.c.platform == bindparam("platform"),
    events.c.bot_id == bindparam("bot_id"),
    events.c.event_id == bindparam("event_id"),
)
