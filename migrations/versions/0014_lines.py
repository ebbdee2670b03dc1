"""Turns wait in lines, and a crash is told apart from a fault.

Revision 0014, follows 0013, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("line", sa.Integer(), nullable=True, server_default="0"))
    op.add_column("turns", sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("users", sa.Column("requests", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("users", sa.Column("requests_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "requests_at")
    op.drop_column("users", "requests")
    op.drop_column("turns", "deaths")
    op.drop_column("turns", "line")
