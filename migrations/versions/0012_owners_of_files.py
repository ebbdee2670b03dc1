"""A file's use tells whose it is and how large: the stored bytes of a person have a limit.

Revision 0012, follows 0011, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# The previous release stores uses without an owner; they count towards nobody's limit.

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("attachment_uses", sa.Column("user_id", key, nullable=True))
    op.add_column(
        "attachment_uses", sa.Column("size", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_index("ix_attachment_uses_user_id", "attachment_uses", ["user_id"])


def downgrade() -> None:
    op.drop_index("ix_attachment_uses_user_id", "attachment_uses")
    op.drop_column("attachment_uses", "size")
    op.drop_column("attachment_uses", "user_id")
