"""No token of an interaction stays behind once it has served.

Revision 0010, follows 0009, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# Releases before 0007 wrote a command's token behind the id of its message, after a slash. Only
# commands on Discord have one. These statements lock no row but theirs.

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OLD_FORM = "platform = 'discord' AND message_id LIKE '%/%'"
PARTS = {
    "sqlite": (
        "substr(message_id, 1, instr(message_id, '/') - 1)",
        "substr(message_id, instr(message_id, '/') + 1)",
    ),
    "postgresql": ("split_part(message_id, '/', 1)", "split_part(message_id, '/', 2)"),
}


def upgrade() -> None:
    before, after = PARTS[op.get_bind().dialect.name]
    op.execute(
        f"UPDATE turns SET message_id = {before}, ticket = {after}"  # noqa: S608 - of constants
        f" WHERE {OLD_FORM}"
    )
    op.execute(f"UPDATE posts SET message_id = {before} WHERE {OLD_FORM}")  # noqa: S608 - as above
    op.execute("UPDATE turns SET ticket = '' WHERE ticket <> '' AND delivered_at IS NOT NULL")


def downgrade() -> None:
    """Leave the rows as they are: releases since 0007 read them too."""
