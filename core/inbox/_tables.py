"""The tables of the inbox, and the conditions that several of its statements share.

Statements are built once, with bound parameters, because building one costs more than running it.
"""

from sqlalchemy import bindparam

from core import models
from core.models import table

turns = table(models.Turn)
events = table(models.Event)

IS_EVENT = (
    events.c.platform == bindparam("platform"),
    events.c.bot_id == bindparam("bot_id"),
    events.c.event_id == bindparam("event_id"),
)
