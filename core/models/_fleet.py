"""The processes that work on one database, and what they tell each other."""

from sqlalchemy import Boolean, Column, Integer, Table, Text, text

from core.models._schema import Instant, metadata

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seen_at", Instant, nullable=False),
    # The number of its session, see `core.presence`; None if only its lease tells that it lives.
    Column("session", Integer),
    # True once it claims no more turns, and only ends those in its hand.
    Column("leaving", Boolean, nullable=False, default=False, server_default=text("false")),
)
"""A live worker process; it is dead if its session has ended, or if it was not seen for the time of
a lease."""

listeners = Table(
    "listeners",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("bot_id", Text, primary_key=True),
    Column("worker_id", Text, nullable=False),
    Column("lease_until", Instant, nullable=False),
)
"""The lease of the one process that listens for an account of ours."""

pauses = Table(
    "pauses",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("bot_id", Text, primary_key=True),
    Column("chat", Text, primary_key=True),
    Column("until", Instant, nullable=False),
)
"""A flood limit of a chat: before `until`, no process sends anything there."""

mutes = Table(
    "mutes",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("bot_id", Text, primary_key=True),
    Column("chat", Text, primary_key=True),
    Column("thread", Text, primary_key=True),
    # The number of tries that were refused, one after the other.
    Column("times", Integer, nullable=False),
    Column("until", Instant, nullable=False),
)
"""An address where the bot may write nothing; before `until`, nothing is tried there."""
