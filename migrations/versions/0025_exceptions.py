"""Give people and groups limits of their own, and grants, which bring an allowance below zero.

Revision 0025, follows 0024, 2026-11-29.

The previous release knows no group and counts its calls for their people alone. On PostgreSQL each
table is changed in a transaction of its own, so that no lock on one waits for the other.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BELOW_ZERO = op.f("ck_allowances_used")
OF_GROUP = "ix_calls_group"
HAS_GROUP = sa.text("group_id IS NOT NULL")


def upgrade() -> None:
    with alone() as how:
        op.add_column("calls", sa.Column("group_id", KEY, nullable=True), **how.missing)
    with alone() as how:
        # An attempt that was cut off leaves an index that is not valid.
        op.drop_index(OF_GROUP, "calls", if_exists=True, **how.beside)
        columns = ["group_id", "created_at"]
        op.create_index(
            *(OF_GROUP, "calls", columns),
            **how.beside,
            postgresql_where=HAS_GROUP,
            sqlite_where=HAS_GROUP,
        )
    op.create_table(
        "exceptions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("chat", sa.Text(), nullable=True),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (chat IS NULL)", name=op.f("ck_exceptions_person_or_group")
        ),
        sa.CheckConstraint(
            "(platform IS NULL) = (chat IS NULL)", name=op.f("ck_exceptions_whole_address")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_exceptions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exceptions")),
        sa.UniqueConstraint("platform", "chat", name=op.f("uq_exceptions_platform_chat")),
        sa.UniqueConstraint("user_id", name=op.f("uq_exceptions_user_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "corrections",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner_id", KEY, nullable=False),
        sa.Column("source_id", KEY, nullable=True),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("turns", "charged", "charged_tokens")
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index("ix_corrections_owner", "corrections", ["owner_id", "created_at"])
    op.create_index("ix_corrections_source_id", "corrections", ["source_id"])
    with op.batch_alter_table("allowances") as allowances:
        allowances.drop_constraint(BELOW_ZERO, type_="check")


def downgrade() -> None:
    with alone() as how:
        op.drop_index(OF_GROUP, "calls", if_exists=True, **how.beside)
    with alone() as how:
        op.drop_column("calls", "group_id", **how.existing)
    # The ledger restores them, as far as the release before knows it.
    op.execute("DELETE FROM allowances WHERE used < 0 OR owner_id < 0")
    op.execute("DELETE FROM days WHERE user_id < 0")
    with op.batch_alter_table("allowances") as allowances:
        allowances.create_check_constraint(BELOW_ZERO, "used >= 0")
    op.drop_table("corrections")
    op.drop_table("exceptions")


class How:
    """The words by which PostgreSQL takes up a try that was cut off, and holds nobody up."""

    def __init__(self, *, alone: bool) -> None:
        self.missing: dict[str, Any] = {"if_not_exists": True} if alone else {}
        self.existing: dict[str, Any] = {"if_exists": True} if alone else {}
        self.beside: dict[str, Any] = {"postgresql_concurrently": True} if alone else {}


@contextmanager
def alone() -> Iterator[How]:
    """Leave the transaction on PostgreSQL; yield how a statement is carried out."""
    if op.get_bind().dialect.name != "postgresql":
        yield How(alone=False)
        return
    with op.get_context().autocommit_block():
        yield How(alone=True)
