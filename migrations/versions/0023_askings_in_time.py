"""Note when a question was asked, and when the budget paid a call that was answered much later.

Revision 0023, follows 0022, 2026-11-29.

Both columns are empty in ordinary rows. On PostgreSQL each is added in a transaction of its own, so
that no lock on one table waits for the other.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

COLUMNS = {"turns": "asked_at", "calls": "spent_at"}


def upgrade() -> None:
    for table, name in COLUMNS.items():
        with alone() as how:
            op.add_column(table, sa.Column(name, sa.DateTime(timezone=True), nullable=True), **how)


def downgrade() -> None:
    for table, name in COLUMNS.items():
        with alone(exists=True) as how:
            op.drop_column(table, name, **how)


@contextmanager
def alone(*, exists: bool = False) -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL; yield how a try that was cut off is taken up again."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"if_exists": True} if exists else {"if_not_exists": True}
