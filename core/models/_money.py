"""Spending and allowances. Money is in micro-dollars."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from core.models._schema import Instant, Key, metadata, partial_index

allowances = Table(
    "allowances",
    metadata,
    Column("owner_id", Key, primary_key=True, autoincrement=False),
    Column("unit", Text, primary_key=True),
    Column("window", Text, primary_key=True),
    Column("window_start", Instant, nullable=False),
    Column("used", BigInteger, nullable=False),
    # The beginning of the window in which its owner was told that most of the limit is used.
    Column("warned_at", Instant),
)
"""The amount of a limit that an owner has used in the window that began at `window_start`.

The owner is a user's id, the negative id of a group's exception, or 0 for the deployment.
Reservations count as used. A grant can bring it below zero.
"""

exceptions = Table(
    "exceptions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("user_id", Key, ForeignKey("users.id", ondelete="CASCADE"), unique=True),
    Column("platform", Text),
    Column("chat", Text),
    Column("terms", Text, nullable=False),
    UniqueConstraint("platform", "chat"),
    CheckConstraint("(user_id IS NULL) <> (chat IS NULL)", name="person_or_group"),
    CheckConstraint("(platform IS NULL) = (chat IS NULL)", name="whole_address"),
    sqlite_autoincrement=True,
)
"""The terms of a person or a group that differ from the default.

`terms` is the name of a tier, limits of its own, or "unlimited"; "" means the default. The rows of
groups stay: allowances and calls name them by their ids, which are never used twice.
"""

corrections = Table(
    "corrections",
    metadata,
    Column("id", Key, primary_key=True),
    Column("owner_id", Key, nullable=False),
    Column("source_id", Key, index=True),
    Column("turns", BigInteger, nullable=False),
    Column("charged", BigInteger, nullable=False),
    Column("charged_tokens", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_corrections_owner", "owner_id", "created_at"),
)
"""Amounts that count in an owner's limits besides their calls, in the windows around `created_at`.

A grant is negative. A copy of what another person has used names that person in `source_id`. The
deployment, the sums by day and all statistics know nothing of them.
"""

notices = Table(
    "notices",
    metadata,
    Column("user_id", Key, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "conversation_id",
        Key,
        ForeignKey("conversations.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    # The limit in the operator's words: "10 turns/minute", "group 50 turns/day", or
    # "budget 20 usd/month".
    Column("bound", Text, primary_key=True),
    Column("until", Instant, nullable=False),
    # The turn whose answer is the notice; None if it was told beside an answer that stays.
    Column("turn_id", Key),
)
"""A refusal that a person was told in a conversation; before `until` it is not told again."""

waiting = Table(
    "waiting",
    metadata,
    Column(
        "turn_id",
        Key,
        ForeignKey("turns.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    # The turn whose answer is the notice: the first question that was refused.
    Column("notice_id", Key, nullable=False, index=True),
    # What it needs, in the unit of the limit that refused it.
    Column("unit", Text, nullable=False),
    Column("needed", BigInteger, nullable=False),
)
"""A question that a limit refused; a button below the notice asks it again when enough is left."""

calls = Table(
    "calls",
    metadata,
    Column("id", Key, primary_key=True),
    Column("turn_id", ForeignKey("turns.id", ondelete="SET NULL"), index=True),
    Column("attempt", Integer, nullable=False),
    Column("user_id", Key, nullable=False),
    # The exception of the group that it counts for, too.
    Column("group_id", Key),
    Column("model", Text, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("reserved_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("cached_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("cost", BigInteger, nullable=False, default=0),
    Column("charged", BigInteger, nullable=False, default=0),
    # The person's share of the tokens; None in a row of an older release.
    Column("charged_tokens", BigInteger),
    Column("estimated", Boolean, nullable=False, default=False),
    Column("created_at", Instant, nullable=False),
    # The moment in whose windows it counts for the deployment; None if that is `created_at`.
    Column("spent_at", Instant),
    Column("settled_at", Instant),
    Index("ix_calls_user", "user_id", "created_at"),
    partial_index("ix_calls_group", "group_id", "created_at", where="group_id IS NOT NULL"),
)
"""One request to the model, a row of the ledger; it is open until `settled_at` is set.

The deployment pays `cost`; `charged` is the person's share of it, which is 0 after a crash. While a
call is open it counts as `reserved`; its tokens and `cost` tell how far it has come. `estimated` is
True if the API told no usage.

`created_at` is the moment in whose windows it counts for its person and its group: a turn belongs
to the windows in which it was asked.
"""

days = Table(
    "days",
    metadata,
    Column("user_id", Key, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("turns", Integer, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("charged", BigInteger, nullable=False),
    # The person's share of the tokens; None in a row of an older release.
    Column("charged_tokens", BigInteger),
)
"""The sums of a person's calls of one day, kept when the calls are deleted.

Those of a group have the negative id of its exception as `user_id`, and repeat what the rows of its
members count.
"""
