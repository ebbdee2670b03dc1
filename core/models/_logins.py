"""The operators' way to the dashboard: codes that were asked for, and visits that are open."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text, text

from core.models._schema import Instant, Key, metadata

logins = Table(
    "logins",
    metadata,
    Column("id", Key, primary_key=True),
    # The SHA-256 of the browser's token: the code is good in that browser alone.
    Column("browser", LargeBinary, nullable=False, index=True),
    Column("platform", Text, nullable=False),
    Column("account_id", Text, nullable=False, index=True),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    # The wrong codes that this browser has sent.
    Column("wrong", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
)
"""The codes that operators were sent; only a salted hash of each is stored."""

visits = Table(
    "visits",
    metadata,
    # The SHA-256 of the token in the cookie.
    Column("digest", LargeBinary, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)
"""The operators who are at the dashboard."""
