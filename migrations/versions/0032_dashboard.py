"""Keep figures by hour and the reasons of failed turns, and let operators into the dashboard.

Revision 0032, follows 0031, 2026-11-29.

The tables are new, and the new columns are empty in older rows. The weeks of people are summed up
from their days, of which those of nine days are kept. The index has no rows yet; on
PostgreSQL it is built beside the writers, outside of the transaction. A try that was cut off there
is taken up again.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

INDEX = "ix_turns_reason"
HAS_REASON = sa.text("reason IS NOT NULL")
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


MONDAYS = {
    "postgresql": "CAST(date_trunc('week', first) AS date)",
    "sqlite": "date(first, '-6 days', 'weekday 1')",
}
WEEKS = """
    INSERT INTO spendings (span, first, user_id, answers, tokens, cost)
    SELECT 'week', {monday}, user_id, sum(answers), sum(tokens), sum(cost)
    FROM spendings WHERE span = 'day' GROUP BY {monday}, user_id
    ON CONFLICT DO NOTHING
"""
ACTIVES = """
    INSERT INTO actives (span, first, people)
    SELECT span, first, count(*) FROM spendings
    WHERE span IN ('week', 'month') AND answers > 0 GROUP BY span, first
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    again = op.get_bind().dialect.name == "postgresql" or None
    op.add_column("turns", sa.Column("reason", sa.Text), if_not_exists=again)
    op.add_column("turns", sa.Column("model_ms", sa.Integer), if_not_exists=again)
    op.create_table(
        "hours",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", "hour", "step", name="pk_hours"),
        if_not_exists=True,
    )
    op.create_table(
        "actives",
        sa.Column("span", sa.Text, nullable=False),
        sa.Column("first", sa.Date, nullable=False),
        sa.Column("people", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("span", "first", name="pk_actives"),
        if_not_exists=True,
    )
    op.execute(WEEKS.format(monday=MONDAYS[op.get_bind().dialect.name]))
    op.execute(ACTIVES)
    op.create_table(
        "logins",
        sa.Column("id", KEY, nullable=False),
        sa.Column("browser", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("platform", "account_id")),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("salt", "digest")),
        sa.Column("wrong", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_logins"),
        if_not_exists=True,
    )
    for column in ("browser", "account_id", "created_at"):
        op.create_index(f"ix_logins_{column}", "logins", [column], if_not_exists=True)
    op.create_table(
        "visits",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("platform", "account_id")),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=False)
            for name in ("began_at", "seen_at")
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_visits"),
        if_not_exists=True,
    )
    with outside() as how:
        op.drop_index(INDEX, "turns", if_exists=True, **how)
        op.create_index(
            INDEX, "turns", ["id"], postgresql_where=HAS_REASON, sqlite_where=HAS_REASON, **how
        )


def downgrade() -> None:
    with outside() as how:
        op.drop_index(INDEX, "turns", if_exists=True, **how)
    for table in ("visits", "logins", "actives", "hours"):
        op.drop_table(table)
    op.execute("DELETE FROM spendings WHERE span = 'week'")
    for column in ("model_ms", "reason"):
        op.drop_column("turns", column)


@contextmanager
def outside() -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL, to work beside the writers; yield how to do it."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"postgresql_concurrently": True}
