"""Keep the tokens that a call reserves, and those that its person pays, for limits in tokens.

Revision 0024, follows 0023, 2026-11-29.

Rows of older releases tell no share of the person; all of their tokens count. On PostgreSQL each
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

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SHARE = "charged_tokens"


def upgrade() -> None:
    with alone() as how:
        reserved = sa.Column("reserved_tokens", sa.BigInteger, nullable=False, server_default="0")
        op.add_column("calls", reserved, **how)
    for table in ("calls", "days"):
        with alone() as how:
            op.add_column(table, sa.Column(SHARE, sa.BigInteger, nullable=True), **how)


def downgrade() -> None:
    for table in ("calls", "days"):
        with alone(exists=True) as how:
            op.drop_column(table, SHARE, **how)
    with alone(exists=True) as how:
        op.drop_column("calls", "reserved_tokens", **how)


@contextmanager
def alone(*, exists: bool = False) -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL; yield how a try that was cut off is taken up again."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"if_exists": True} if exists else {"if_not_exists": True}
