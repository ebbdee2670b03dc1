"""The tables, each owned by one module of layer 4. Constraints enforce every rule that they can."""

from datetime import UTC, date, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    bindparam,
    exists,
    or_,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Key = BigInteger().with_variant(Integer, "sqlite")
"""A big integer key that every engine, SQLite too, counts up by itself."""


class Instant(TypeDecorator[datetime]):
    """A point in time; in Python it is aware and in UTC, on every engine."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return a time in UTC; SQLite stores it without zone. ValueError for a naive time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return a stored time as an aware one in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of all tables; it names constraints so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain dict
        datetime: Instant,
        str: Text,
        dict[str, Any]: JSON,
    }


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows that meet a condition.

    Only migrations read the condition. A keyword of one engine, such as `postgresql_where`, would
    load that engine's dialect in every process: 2.3 MB.
    """
    return Index(name, *columns, unique=unique, info={"where": where})


def table(row: type[Base]) -> Table:
    """Return the table of a mapped class; statements on a table cost less than on a class."""
    return cast("Table", row.__table__)


class User(Base):
    """A person."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    created_at: Mapped[datetime]
    exported_at: Mapped[datetime | None]
    """The time of the last `/export`."""
    requests: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """The requests that made no turn, such as edits, in the minute that began at `requests_at`."""
    requests_at: Mapped[datetime | None]


class Identity(Base):
    """One account of a person on a platform."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("platform", "account_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    platform: Mapped[str]
    account_id: Mapped[str]
    name: Mapped[str]


class Conversation(Base):
    """The messages that share memory: a person's own, or those at a group's address.

    A forgotten one belongs to nobody and has no address, so nobody can reach what it holds. One
    that another took the place of, because accounts were linked, has an owner: nothing is said in
    it any more, but it is searched, exported and forgotten with the person's own.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("platform", "bot_id", "chat", "thread"),
        CheckConstraint("(user_id IS NULL) <> (chat IS NULL)", name="person_or_address"),
        partial_index(
            "ix_conversations_forgotten",
            "id",
            where="forgotten_at IS NOT NULL AND cleared_at IS NULL",
        ),
        partial_index("ix_conversations_owner", "owner_id", where="owner_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), unique=True
    )
    owner_id: Mapped[int | None] = mapped_column(Key)
    """The person to whom it belongs, if it was the own one of an account that was linked."""
    platform: Mapped[str | None]
    bot_id: Mapped[str | None]
    chat: Mapped[str | None]
    thread: Mapped[str | None]
    epoch: Mapped[int] = mapped_column(default=0)
    head_id: Mapped[int | None] = mapped_column(
        Key, ForeignKey("messages.id", use_alter=True, ondelete="SET NULL"), index=True
    )
    model: Mapped[str | None]
    instructed_id: Mapped[int | None] = mapped_column(Key)
    """The message with the current instructions; retention does not delete it."""
    created_at: Mapped[datetime]
    forgotten_at: Mapped[datetime | None]
    """The time of `/forget`, after which `privacy.clear` deletes what it holds."""
    cleared_at: Mapped[datetime | None]
    """The time at which nothing was left of it but turns without texts."""


class Message(Base):
    """One entry of memory in the API's form. `id` is made of its turn's id and its position there.

    `tokens` is its own size. `total` is the size of the whole context up to and including it, from
    the API's own usage; only answers have it.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_newest", "conversation_id", "id"),
        partial_index("ix_messages_author", "author_id", "id", where="author_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    turn_id: Mapped[int] = mapped_column(Key)
    """Its turn, which may be deleted already."""
    author_id: Mapped[int | None] = mapped_column(Key)
    """The person whose question in a group it is, once its turn is deleted."""
    parent_id: Mapped[int | None] = mapped_column(
        Key, ForeignKey("messages.id", ondelete="SET NULL"), index=True
    )
    body: Mapped[dict[str, Any]]
    tokens: Mapped[int | None]
    total: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(index=True)


class Summary(Base):
    """The text that replaces the path up to and including a message; "" only cuts the path off."""

    __tablename__ = "summaries"

    message_id: Mapped[int] = mapped_column(
        Key, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True
    )
    content: Mapped[str]
    since: Mapped[datetime | None]
    """The time of the oldest message that it tells of; None in a row of an older release."""
    created_at: Mapped[datetime]


class Turn(Base):
    """A question and its answer, or a command and its reply: the inbox.

    Its columns tell its state: waiting (no worker), running (a worker), answered, delivered.
    `attempt` is the fencing token of every write.
    """

    __tablename__ = "turns"
    __table_args__ = (
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
        Index("ix_turns_latest", "conversation_id", "user_id", "id"),
        Index("ix_turns_asked", "user_id", "created_at"),
        CheckConstraint("kind IN ('chat', 'command', 'summary')", name="kind"),
        CheckConstraint("delivered_at IS NULL OR answered_at IS NOT NULL", name="order"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    kind: Mapped[str]
    lane: Mapped[str | None]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    epoch: Mapped[int]
    platform: Mapped[str]
    bot_id: Mapped[str]
    chat: Mapped[str]
    thread: Mapped[str]
    message_id: Mapped[str | None]
    ticket: Mapped[str] = mapped_column(default="", server_default=text("''"))
    """An opaque value that the adapter gets back with the answer; "" once that is delivered."""
    input: Mapped[dict[str, Any]]
    follows_id: Mapped[int | None] = mapped_column(Key)
    """The turn that it replies to: it waits for that answer and follows it in memory."""
    replaces_id: Mapped[int | None] = mapped_column(Key)
    """The turn that it replaces: both have the same parent in memory."""
    attempt: Mapped[int] = mapped_column(default=0)
    asked: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """The attempt after which its person asked last, by an edit, a further piece or Try again. Each
    asking counts as a turn."""
    faults: Mapped[int] = mapped_column(default=0)
    deaths: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """The number of processes that died while they had it in hand."""
    line: Mapped[int | None] = mapped_column(server_default=text("0"))
    """The line in which it waits for a worker, see `core.lines`; None while an earlier turn of its
    lane, or the answer that it replies to, is not delivered."""
    worker_id: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    ready_at: Mapped[datetime]
    cancel: Mapped[bool] = mapped_column(default=False)
    draft: Mapped[str] = mapped_column(default="")
    answer: Mapped[str | None]
    outcome: Mapped[str | None]
    forgotten: Mapped[bool] = mapped_column(server_default=text("false"))
    """True once its texts are deleted; it cannot be asked again."""
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    """The time of the message by the platform's clock, if it came to us later than in its minute.
    """
    answered_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]


class Event(Base):
    """An accepted event; when it comes again, it changes nothing."""

    __tablename__ = "events"
    __table_args__ = (partial_index("ix_events_noted", "noted_at", where="turn_id IS NULL"),)

    platform: Mapped[str] = mapped_column(primary_key=True)
    bot_id: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    turn_id: Mapped[int | None] = mapped_column(
        ForeignKey("turns.id", ondelete="CASCADE"), index=True
    )
    noted_at: Mapped[datetime | None]
    """The time of an event without a turn, by the database's clock; the others go with theirs."""


class Post(Base):
    """A message seen or sent, or the intent to send one, which has no `message_id` yet.

    Only messages of ours have a `part`.
    """

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("platform", "bot_id", "chat", "message_id"),
        UniqueConstraint("turn_id", "part"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    platform: Mapped[str]
    bot_id: Mapped[str]
    chat: Mapped[str]
    message_id: Mapped[str | None]
    turn_id: Mapped[int] = mapped_column(ForeignKey("turns.id", ondelete="CASCADE"))
    part: Mapped[int | None]
    doubtful: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """True if a create of it had an unknown outcome, and its double is not looked for yet."""


class Blob(Base):
    """The bytes of an attachment, stored once for each SHA-256."""

    __tablename__ = "attachments"

    digest: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class AttachmentUse(Base):
    """The use of an attachment by a turn; the bytes go when the last use is deleted."""

    __tablename__ = "attachment_uses"

    turn_id: Mapped[int] = mapped_column(
        ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[str] = mapped_column(
        ForeignKey("attachments.digest", ondelete="CASCADE"), primary_key=True, index=True
    )
    user_id: Mapped[int | None] = mapped_column(Key, index=True)
    """The person of the turn; None in a row of an older release."""
    size: Mapped[int] = mapped_column(server_default=text("0"))
    """The bytes of the attachment."""


class Allowance(Base):
    """The amount of a limit that an owner has used in the window that began at `window_start`.

    The owner is a user's id, or 0 for the deployment. Reservations count as used.
    """

    __tablename__ = "allowances"
    __table_args__ = (CheckConstraint("used >= 0", name="used"),)

    owner_id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    unit: Mapped[str] = mapped_column(primary_key=True)
    window: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime]
    used: Mapped[int] = mapped_column(BigInteger)


class Notice(Base):
    """A refusal that a person was told in a conversation; before `until` it is not told again."""

    __tablename__ = "notices"

    user_id: Mapped[int] = mapped_column(
        Key, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    conversation_id: Mapped[int] = mapped_column(
        Key, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    bound: Mapped[str] = mapped_column(primary_key=True)
    """The limit in the operator's words: "10 turns/minute", or "budget 20 usd/month"."""
    until: Mapped[datetime]


class Call(Base):
    """One request to the model, a row of the ledger; it is open until `settled_at` is set.

    Money is in micro-dollars. The deployment pays `cost`; `charged` is the person's share of it,
    which is 0 after a crash. While a call is open it counts as `reserved`; its tokens and `cost`
    tell how far it has come. `estimated` is True if the API told no usage.

    `created_at` is the moment in whose windows it counts for its person: a turn belongs to the
    windows in which it was asked.
    """

    __tablename__ = "calls"
    __table_args__ = (Index("ix_calls_user", "user_id", "created_at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    turn_id: Mapped[int | None] = mapped_column(
        ForeignKey("turns.id", ondelete="SET NULL"), index=True
    )
    attempt: Mapped[int]
    user_id: Mapped[int] = mapped_column(Key)
    model: Mapped[str]
    turns: Mapped[int]
    reserved: Mapped[int] = mapped_column(BigInteger)
    reserved_tokens: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    cached_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
    cost: Mapped[int] = mapped_column(BigInteger, default=0)
    charged: Mapped[int] = mapped_column(BigInteger, default=0)
    charged_tokens: Mapped[int | None] = mapped_column(BigInteger)
    """The person's share of the tokens; None in a row of an older release."""
    estimated: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]
    """The moment in whose windows it counts for the deployment; None if that is `created_at`."""
    settled_at: Mapped[datetime | None]


class Day(Base):
    """The sums of a person's calls of one day, kept when the calls are deleted.

    Money is as in a call.
    """

    __tablename__ = "days"

    user_id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    turns: Mapped[int]
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int] = mapped_column(BigInteger)
    charged: Mapped[int] = mapped_column(BigInteger)
    charged_tokens: Mapped[int | None] = mapped_column(BigInteger)
    """The person's share of the tokens; None in a row of an older release."""


class WorkerRow(Base):
    """A live worker process; it is dead if it was not seen for the time of a lease."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]


class Listener(Base):
    """The lease of the one process that listens for an account of ours."""

    __tablename__ = "listeners"

    platform: Mapped[str] = mapped_column(primary_key=True)
    bot_id: Mapped[str] = mapped_column(primary_key=True)
    worker_id: Mapped[str]
    lease_until: Mapped[datetime]


class Pause(Base):
    """A flood limit of a chat: before `until`, no process sends anything there."""

    __tablename__ = "pauses"

    platform: Mapped[str] = mapped_column(primary_key=True)
    bot_id: Mapped[str] = mapped_column(primary_key=True)
    chat: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


class Mute(Base):
    """An address where the bot may write nothing; before `until`, nothing is tried there."""

    __tablename__ = "mutes"

    platform: Mapped[str] = mapped_column(primary_key=True)
    bot_id: Mapped[str] = mapped_column(primary_key=True)
    chat: Mapped[str] = mapped_column(primary_key=True)
    thread: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int]
    """The number of tries that were refused, one after the other."""
    until: Mapped[datetime]


NOWHERE = ""
"""The chat of a conversation in which nothing is said any more; no chat of a platform has this id.
"""

links = Table(
    "links",
    Base.metadata,
    # The person who got a code, with the account and the chat that they got it in.
    Column("user_id", Key, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("identity_id", Key, nullable=False),
    Column("bot_id", Text, nullable=False),
    Column("chat", Text, nullable=False),
    Column("thread", Text, nullable=False),
    # The first characters of the code are its name; of the others only a salted hash is stored.
    Column("name", Text, nullable=False, unique=True),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("wrong", Integer, nullable=False, server_default=text("0")),
    # The account that sent the code, and its chat.
    Column("guest_id", Key),
    Column("guest_bot_id", Text),
    Column("guest_chat", Text),
    Column("guest_thread", Text),
    # The turn that asks the person who got the code, once the guest has said yes.
    Column("turn_id", Key),
    Column("until", Instant, nullable=False),
)
"""The codes by which people link their accounts, one for each person."""

guesses = Table(
    "guesses",
    Base.metadata,
    Column("user_id", Key, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("until", Instant, nullable=False),
)
"""The wrong codes that people have sent; they count until a time."""

FORGOTTEN = or_(
    table(Turn).c.forgotten,
    exists().where(
        table(Conversation).c.id == table(Turn).c.conversation_id,
        table(Conversation).c.forgotten_at.is_not(None),
    ),
)
"""The condition of a turn with texts that are deleted, or that nobody may read any more."""

FENCED = (
    table(Turn).c.id == bindparam("the_turn"),
    table(Turn).c.attempt == bindparam("the_attempt"),
)
"""The condition of every write of an attempt: no newer attempt has begun.

`Turn.fence` has its parameters."""
