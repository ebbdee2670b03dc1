"""The figures of each day, and the record of what operators did."""

from sqlalchemy import BigInteger, Column, Date, Index, Integer, Table, Text

from core.models._schema import Instant, Key, metadata

tally_marks = Table(
    "tally_marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", BigInteger, nullable=False),
)
"""How far `core.tallies` has come: the last row of a table ("calls", "turns") that it counts."""

days_of_all = Table(
    "days_of_all",
    metadata,
    Column("day", Date, primary_key=True),
    Column("people", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("refusals", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
)
"""The figures of the deployment by day; see `core.tallies`. `cost` in micro-dollars."""

waits = Table(
    "waits",
    metadata,
    Column("day", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
)
"""How long people waited for the "first" text and the "whole" answer: how often a day each `step`
of `core.tallies` was reached."""

hours = Table(
    "hours",
    metadata,
    Column("name", Text, primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)
"""The figures of the deployment by hour, each under its name; see `core.tallies`.

`step` is that of a waiting time, and 0 for all other figures.
"""

actives = Table(
    "actives",
    metadata,
    Column("span", Text, primary_key=True),
    Column("first", Date, primary_key=True),
    Column("people", Integer, nullable=False),
)
"""The number of people who got an answer in a `span`, "week" or "month", by its first day."""

spendings = Table(
    "spendings",
    metadata,
    Column("span", Text, primary_key=True),
    Column("first", Date, primary_key=True),
    Column("user_id", Key, primary_key=True, autoincrement=False),
    Column("answers", Integer, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Index("ix_spendings_top", "span", "first", "cost"),
)
"""The figures of a person in a "day", "week" or "month" by its first day; `cost` as above."""

audits = Table(
    "audits",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("operator", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
)
"""Everything that operators did, written in the same transaction: who, when, what, to whom."""
