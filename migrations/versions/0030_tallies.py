"""Keep the figures of each day, the spending of people, and what operators do.

Revision 0030, follows 0029, 2026-11-29.

The tables are new, and a new column of posts is empty in older rows. The bot fills the figures
beside its work, from all calls and turns that are still stored. On PostgreSQL the index is built
beside the writers, outside of the transaction.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


INDEX = "ix_identities_account_id"


def upgrade() -> None:
    with outside() as how:
        op.drop_index(INDEX, "identities", if_exists=True, **how)
        op.create_index(INDEX, "identities", ["account_id"], **how)
    marks = op.create_table(
        "tally_marks",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tally_marks"),
    )
    op.bulk_insert(marks, [{"name": name, "id": 0} for name in ("calls", "turns")])
    op.create_table(
        "days_of_all",
        sa.Column("day", sa.Date, nullable=False),
        *(_number(name) for name in ("people", "answers", "refusals", "failures", "calls")),
        *(_sum(name) for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "cost")),
        sa.PrimaryKeyConstraint("day", name="pk_days_of_all"),
    )
    op.create_table(
        "waits",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        _number("step"),
        _number("number"),
        sa.PrimaryKeyConstraint("day", "kind", "step", name="pk_waits"),
    )
    op.create_table(
        "spendings",
        sa.Column("span", sa.Text, nullable=False),
        sa.Column("first", sa.Date, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        _number("answers"),
        _sum("tokens"),
        _sum("cost"),
        sa.PrimaryKeyConstraint("span", "first", "user_id", name="pk_spendings"),
    )
    op.create_index("ix_spendings_top", "spendings", ["span", "first", "cost"])
    op.create_table(
        "audits",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("operator", "verb", "subject", "before", "after")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_audits"),
    )
    op.add_column("posts", sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("posts", "posted_at")
    for table in ("audits", "spendings", "waits", "days_of_all", "tally_marks"):
        op.drop_table(table)
    with outside() as how:
        op.drop_index(INDEX, "identities", if_exists=True, **how)


@contextmanager
def outside() -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL, to work beside the writers; yield how to do it."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"postgresql_concurrently": True}


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _sum(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)
