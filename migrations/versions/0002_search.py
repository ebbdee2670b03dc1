"""Full-text search over messages.

Revision 0002, follows 0001, 2026-11-24.

On SQLite triggers keep an FTS5 table `search` with the text of each message. On PostgreSQL messages
get a generated column `search`. `core/search.py` reads both. The search finds the words of people
and of the model, but no instructions and no results of tools.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# On SQLite a batch operation copies `messages` and drops the old table with its triggers: such a
# migration makes the two triggers anew.

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQLITE = (
    # Marks belong to words, as in Hindi, where they are vowels; the default drops them.
    """
    CREATE VIRTUAL TABLE search
    USING fts5(text, tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'")
    """,
    # The content of a message is a string, or a list of blocks, some of them text.
    """
    CREATE TRIGGER search_added AFTER INSERT ON messages
    WHEN json_extract(new.body, '$.role') IN ('user', 'assistant')
    BEGIN
        INSERT INTO search (rowid, text)
        SELECT new.id, group_concat(atom, char(10)) FROM json_tree(new.body, '$.content')
        WHERE type = 'text' AND (fullkey = '$.content' OR key = 'text');
    END
    """,
    """
    CREATE TRIGGER search_deleted AFTER DELETE ON messages
    BEGIN
        DELETE FROM search WHERE rowid = old.id;
    END
    """,
    """
    INSERT INTO search (rowid, text)
    SELECT id, (
        SELECT group_concat(atom, char(10)) FROM json_tree(body, '$.content')
        WHERE type = 'text' AND (fullkey = '$.content' OR key = 'text')
    )
    FROM messages WHERE json_extract(body, '$.role') IN ('user', 'assistant')
    """,
)

POSTGRESQL = (
    # PostgreSQL cannot hold some texts, such as one with a NUL, but stores their JSON. The search
    # does not find such a text, but its message is remembered all the same.
    r"""
    CREATE FUNCTION search_text(body json) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        IF body ->> 'role' NOT IN ('user', 'assistant') THEN
            RETURN NULL;
        ELSIF json_typeof(body -> 'content') = 'array' THEN
            RETURN (
                SELECT string_agg(part ->> 'text', E'\n')
                FROM json_array_elements(body -> 'content') AS part
                WHERE part ->> 'type' = 'text'
            );
        END IF;
        RETURN body ->> 'content';
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END $$
    """,
    # Without accents and ASCII punctuation: PostgreSQL would take file.txt or a-b for one word.
    # A tsvector holds at most 1 MB; the words of 100,000 characters always fit.
    r"""
    CREATE FUNCTION search_words(words text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT to_tsvector(
            'simple',
            left(
                regexp_replace(
                    regexp_replace(normalize(words, NFKD), '[\u0300-\u036f]', '', 'g'),
                    '[!-/:-@\[-`{-~]', ' ', 'g'
                ),
                100000
            )
        )
    $$
    """,
    # Stored, because ranking reads it for every match.
    """
    ALTER TABLE messages ADD COLUMN search tsvector
    GENERATED ALWAYS AS (search_words(search_text(body))) STORED
    """,
    "CREATE INDEX search_messages ON messages USING gin (search)",
)


def upgrade() -> None:
    for statement in SQLITE if is_sqlite() else POSTGRESQL:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    if is_sqlite():
        op.execute("DROP TRIGGER search_deleted")
        op.execute("DROP TRIGGER search_added")
        op.execute("DROP TABLE search")
    else:
        op.execute("ALTER TABLE messages DROP COLUMN search")
        op.execute("DROP FUNCTION search_words")
        op.execute("DROP FUNCTION search_text")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
