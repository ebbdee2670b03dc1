"""The inbox: turns, the events that made them, and their messages on a platform."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    exists,
    or_,
    text,
)

from core.models._memory import conversations
from core.models._schema import Instant, Key, metadata, partial_index

turns = Table(
    "turns",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("lane", Text),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("platform", Text, nullable=False),
    Column("bot_id", Text, nullable=False),
    Column("chat", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("message_id", Text),
    # An opaque value that the adapter gets back with the answer; "" once that is delivered.
    Column("ticket", Text, nullable=False, default="", server_default=text("''")),
    Column("input", JSON, nullable=False),
    # The turn that it replies to: it waits for that answer and follows it in memory.
    Column("follows_id", Key),
    # The turn that it replaces: both have the same parent in memory.
    Column("replaces_id", Key),
    Column("attempt", Integer, nullable=False, default=0),
    # The attempt after which its person asked last, by an edit, a further piece or Try again. Each
    # asking counts as a turn.
    Column("asked", Integer, nullable=False, default=0, server_default=text("0")),
    Column("faults", Integer, nullable=False, default=0),
    # The number of processes that died while they had it in hand.
    Column("deaths", Integer, nullable=False, default=0, server_default=text("0")),
    # The line in which it waits for a worker, see `core.lines`; None while an earlier turn of its
    # lane, or the answer that it replies to, is not delivered.
    Column("line", Integer, server_default=text("0")),
    Column("worker_id", Text),
    Column("lease_until", Instant),
    Column("ready_at", Instant, nullable=False),
    Column("cancel", Boolean, nullable=False, default=False),
    Column("draft", Text, nullable=False, default=""),
    Column("answer", Text),
    Column("outcome", Text),
    # The kind of the error that ended it, see `errors.kind`; None if it went well.
    Column("reason", Text),
    # The milliseconds for which the model kept its first text waiting; None if it said nothing.
    Column("model_ms", Integer),
    # True once its texts are deleted; it cannot be asked again.
    Column("forgotten", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    # The time of the message by the platform's clock, if it came to us later than in its minute.
    Column("asked_at", Instant),
    Column("answered_at", Instant),
    Column("delivered_at", Instant),
    # Guards the order in a lane: workers hold at most one undelivered turn of it.
    partial_index(
        "uq_turns_in_hand",
        "lane",
        unique=True,
        where="worker_id IS NOT NULL AND delivered_at IS NULL",
    ),
    partial_index("ix_turns_lane", "lane", "id", where="delivered_at IS NULL"),
    # Claims read only turns that wait for nothing but a worker, in the order of service.
    partial_index(
        "ix_turns_waiting",
        *("platform", "bot_id", "line", "ready_at", "id"),
        where="worker_id IS NULL AND delivered_at IS NULL AND line IS NOT NULL",
    ),
    partial_index(
        "ix_turns_in_hand",
        *("platform", "bot_id", "chat"),
        where="worker_id IS NOT NULL AND delivered_at IS NULL",
    ),
    partial_index(
        "ix_turns_following",
        "follows_id",
        where="follows_id IS NOT NULL AND delivered_at IS NULL",
    ),
    partial_index("ix_turns_pending", "user_id", "line", where="delivered_at IS NULL"),
    # The turns that still have text, for `RETENTION_DAYS`.
    partial_index("ix_turns_kept", "created_at", where="NOT forgotten"),
    # Turns that ended with an error. The predicate names no column that a turn without one changes:
    # PostgreSQL then writes no index for such a turn.
    partial_index("ix_turns_reason", "id", where="reason IS NOT NULL"),
    Index("ix_turns_latest", "conversation_id", "user_id", "id"),
    Index("ix_turns_asked", "user_id", "created_at"),
    CheckConstraint("kind IN ('chat', 'command', 'summary')", name="kind"),
    CheckConstraint("delivered_at IS NULL OR answered_at IS NOT NULL", name="order"),
)
"""A question and its answer, or a command and its reply.

Its columns tell its state: waiting (no worker), running (a worker), answered, delivered. `attempt`
is the fencing token of every write.
"""

other_turns = turns.alias("other")
"""Another turn in a statement. All statements share it, because its columns take 90 KB."""

events = Table(
    "events",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("bot_id", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("turn_id", ForeignKey("turns.id", ondelete="CASCADE"), index=True),
    # The time of an event without a turn, by the database's clock; the others go with theirs.
    Column("noted_at", Instant),
    partial_index("ix_events_noted", "noted_at", where="turn_id IS NULL"),
)
"""An accepted event; when it comes again, it changes nothing."""

posts = Table(
    "posts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("bot_id", Text, nullable=False),
    Column("chat", Text, nullable=False),
    Column("message_id", Text),
    Column("turn_id", ForeignKey("turns.id", ondelete="CASCADE"), nullable=False),
    Column("part", Integer),
    # True if a create of it had an unknown outcome, and its double is not looked for yet.
    Column("doubtful", Boolean, nullable=False, default=False, server_default=text("false")),
    # The time at which a message of ours stood there; None in a row of an older release.
    Column("posted_at", Instant),
    UniqueConstraint("platform", "bot_id", "chat", "message_id"),
    UniqueConstraint("turn_id", "part"),
)
"""A message seen or sent, or the intent to send one, which has no `message_id` yet.

Only messages of ours have a `part`.
"""

FORGOTTEN = or_(
    turns.c.forgotten,
    exists().where(
        conversations.c.id == turns.c.conversation_id,
        conversations.c.forgotten_at.is_not(None),
    ),
)
"""The condition of a turn with texts that are deleted, or that nobody may read any more."""

WAITING = (turns.c.line.is_not(None), turns.c.worker_id.is_(None), turns.c.delivered_at.is_(None))
"""The conditions of a turn that waits for nothing but a worker, as the index of such turns has."""

FENCED = (
    turns.c.id == bindparam("the_turn"),
    turns.c.attempt == bindparam("the_attempt"),
)
"""The condition of every write of an attempt: no newer attempt has begun.

`Turn.fence` has its parameters."""
