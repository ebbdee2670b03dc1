"""The owners and sizes of the files that are stored already.

Revision 0013, follows 0012, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# One statement is enough: the uses of files are few, and nobody else updates them.

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE attachment_uses SET"
        " user_id = (SELECT user_id FROM turns WHERE turns.id = attachment_uses.turn_id),"
        " size = (SELECT length(data) FROM attachments"
        " WHERE attachments.digest = attachment_uses.digest)"
        " WHERE user_id IS NULL"
    )


def downgrade() -> None:
    pass
