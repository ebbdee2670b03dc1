"""Access: decisions of operators, invites, and groups that have moved."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, Table, Text, text

from core.models._schema import Instant, Key, metadata

standings = Table(
    "standings",
    metadata,
    Column("user_id", Key, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("allowed_at", Instant),
    Column("blocked_at", Instant),
    Column("since", Instant),
    Column("told_at", Instant),
    Column("platform", Text),
    Column("bot_id", Text),
    Column("chat", Text),
    Column("thread", Text),
    Column("guesses", Integer, nullable=False, server_default=text("0")),
    Column("guesses_at", Instant),
)
"""What operators have decided of a person; who has no row is neither let in nor blocked.

`since` is the time of the last unblocking: messages from before it are not answered. `told_at` is
the time at which they were told that they are not let in, and the address is that of the private
chat in which they asked. `guesses` counts wrong invites in the hour that began at `guesses_at`.
"""

invites = Table(
    "invites",
    metadata,
    Column("id", Key, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("used", Integer, nullable=False, server_default=text("0")),
    Column("until", Instant),
    Column("tier", Text, nullable=False, server_default=text("''")),
    Column("made_by", Text, nullable=False, server_default=text("''")),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    CheckConstraint("used <= uses", name="used"),
)
"""The invites. `digest` is the SHA-256 of a code, and `hint` its first characters, for lists."""

redemptions = Table(
    "redemptions",
    metadata,
    Column("invite_id", Key, ForeignKey("invites.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "user_id", Key, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
    Column("created_at", Instant, nullable=False),
)
"""The people who have used an invite; each uses one of its uses once."""

moved_groups = Table(
    "moved_groups",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("chat", Text, primary_key=True),
    Column("formerly", Text, nullable=False),
)
"""The allowed groups that have another id now than the one by which the operator named them."""
