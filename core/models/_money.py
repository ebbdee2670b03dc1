"""What was spent, and what may be spent. Money is in micro-dollars."""

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
    text,
)

from core.models._schema import Instant, Key, metadata

allowances = Table(
    "allowances",
    metadata,
    Column("owner_id", Key, primary_key=True, autoincrement=False),
    Column("unit", Text, primary_key=True),
    Column("window", Text, primary_key=True),
    Column("window_start", Instant, nullable=False),
    Column("used", BigInteger, nullable=False),
    CheckConstraint("used >= 0", name="used"),
)
"""The amount of a limit that an owner has used in the window that began at `window_start`.

The owner is a user's id, or 0 for the deployment. Reservations count as used.
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
    # The limit in the operator's words: "10 turns/minute", or "budget 20 usd/month".
    Column("bound", Text, primary_key=True),
    Column("until", Instant, nullable=False),
)
"""A refusal that a person was told in a conversation; before `until` it is not told again."""

calls = Table(
    "calls",
    metadata,
    Column("id", Key, primary_key=True),
    Column("turn_id", ForeignKey("turns.id", ondelete="SET NULL"), index=True),
    Column("attempt", Integer, nullable=False),
    Column("user_id", Key, nullable=False),
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
)
"""One request to the model, a row of the ledger; it is open until `settled_at` is set.

The deployment pays `cost`; `charged` is the person's share of it, which is 0 after a crash. While a
call is open it counts as `reserved`; its tokens and `cost` tell how far it has come. `estimated` is
True if the API told no usage.

`created_at` is the moment in whose windows it counts for its person: a turn belongs to the windows
in which it was asked.
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
"""The sums of a person's calls of one day, kept when the calls are deleted."""
