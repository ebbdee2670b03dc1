"""A turn knows the attempt after which its person asked last.

Revision 0011, follows 0010, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("asked", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("turns", "asked")
