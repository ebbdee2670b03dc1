"""Alerts to the operators, and their announcements to everybody."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Integer, Table, Text, text

from core.models._schema import Instant, Key, metadata

alerts = Table(
    "alerts",
    metadata,
    Column("matter", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("over_at", Instant),
)
"""The matters that the operators were told of, since when they last, and when they were over.

Before `until`, a matter is not told again. `subject` tells two matters of one kind apart.
"""

announcements = Table(
    "announcements",
    metadata,
    Column("id", Key, primary_key=True),
    Column("text", Text, nullable=False),
    Column("by_id", Key),
    Column("platform", Text),
    Column("state", Text, nullable=False),
    Column("people", Integer, nullable=False),
    Column("last_user_id", Key, nullable=False),
    Column("last_turn_id", Key, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("state IN ('running', 'stopped', 'done')", name="state"),
)
"""The texts that an operator sends to all people, or to those of one platform.

It goes to the people known when it began, of whom the last one is `last_user_id`, in the chats of
their newest turns by then, which are not newer than `last_turn_id`.
"""

walks = Table(
    "walks",
    metadata,
    Column(
        "announcement_id", Key, ForeignKey("announcements.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("platform", Text, primary_key=True),
    Column("bot_id", Text, primary_key=True),
    Column("after_id", Key, nullable=False),
    Column("fed_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
"""The way of an announcement past all people, for each account of ours.

Everybody up to the user `after_id` has been looked at.
"""

recipients = Table(
    "recipients",
    metadata,
    Column(
        "announcement_id", Key, ForeignKey("announcements.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("user_id", Key, primary_key=True, autoincrement=False),
    Column("turn_id", Key, ForeignKey("turns.id", ondelete="SET NULL"), index=True),
    Column("left_out", Boolean, nullable=False, server_default=text("false")),
)
"""The people to whom an announcement goes in a turn, and those who are left out, each once."""
