"""Index the first 100,000 characters of a message, and cut it before anything else is done to it.

Revision 0018, follows 0017, 2026-11-29.

Messages that are stored already keep their words.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WORDS = r"""
CREATE OR REPLACE FUNCTION search_words(words text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT to_tsvector(
        'simple',
        left(
            regexp_replace(
                regexp_replace(normalize({words}, NFKD), '[\u0300-\u036f]', '', 'g'),
                '[!-/:-@\[-`{{-~]', ' ', 'g'
            ),
            100000
        )
    )
$$
"""
ADDED = """
CREATE TRIGGER search_added AFTER INSERT ON messages
WHEN json_extract(new.body, '$.role') IN ('user', 'assistant')
BEGIN
    INSERT INTO search (rowid, text, conversation)
    SELECT new.id, {text}, new.conversation_id
    FROM json_tree(new.body, '$.content')
    WHERE type = 'text' AND (fullkey = '$.content' OR key = 'text');
END
"""
WHOLE = "group_concat(atom, char(10))"


def upgrade() -> None:
    replace(text=f"substr({WHOLE}, 1, 100000)", words="left(words, 100000)")


def downgrade() -> None:
    replace(text=WHOLE, words="words")


def replace(*, text: str, words: str) -> None:
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        bind.exec_driver_sql("DROP TRIGGER search_added")
        bind.exec_driver_sql(ADDED.format(text=text))
    else:
        bind.exec_driver_sql(WORDS.format(words=words))
