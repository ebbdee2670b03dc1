"""Whatever the tables tell of a person goes with them when their accounts are linked."""

import pytest
from sqlalchemy import Table, insert, select

from core import linking, models
from core.db import Session, Sessions
from core.quota import Rules
from tests.core import rows
from tests.core.rows import BOB, NOW, commit, later

NAMES = ("user_id", "owner_id", "author_id", "source_id")
"""The names of columns that hold a person."""
COLUMNS = [
    (table, column.name)
    for table in models.metadata.sorted_tables
    for column in table.c
    if column.name in NAMES
]
OWN = {
    # Gone at a link.
    "links",
    # The count of wrong codes belongs to whoever sent them; it ends in ten minutes.
    "guesses",
}
_NAMED = {"day": NOW.date(), "first": NOW.date(), "span": "day"}
_VALUES = {"NUMERIC": 1, "INTEGER": 1, "BIGINT": 1, "TEXT": "x", "BOOLEAN": False, "JSON": {}}


async def fill(session: Session, table: Table, column: str, person: int, known: int) -> None:
    """Store a row of a table that belongs to a person."""
    row: dict[str, object] = {column: person}
    for each in table.c:
        name, kind = each.name, each.type
        if name == column or (each.nullable and not each.foreign_keys) or name == "id":
            continue
        if isinstance(kind, models.Instant):
            row[name] = NOW
        elif name in _NAMED:
            row[name] = _NAMED[name]
        elif name == "turn_id" and each.foreign_keys:
            row[name] = known
        elif each.foreign_keys or each.nullable:
            continue
        elif each.server_default is None:
            row[name] = _value(kind)
    await session.execute(insert(table), row)


def _value(kind: object) -> object:
    name = type(kind).__name__.upper()
    return {"KEY": 1, "VARIANT": 1, "LARGEBINARY": b"x"}.get(name, _VALUES.get(name, 1))


@pytest.mark.parametrize("rival", [False, True], ids=["alone", "beside a row of the other person"])
async def test_nothing_belongs_to_a_person_who_is_gone(sessions: Sessions, rival: bool) -> None:
    ada, bob = await rows.speaker(sessions), await rows.speaker(sessions, BOB)
    bob_asked = await rows.ask(sessions, bob, "bob", now=NOW)
    await rows.ask(sessions, ada, "ada", now=later(1))
    simple = ("standings", "spendings", "days", "corrections", "calls", "exceptions")

    async def store(session: Session) -> None:
        for table, column in COLUMNS:
            if table.name in simple:
                people = (bob, ada) if rival else (bob,)
                for each in people:
                    await fill(session, table, column, each.user_id, bob_asked)

    await commit(sessions, store)

    async def join(session: Session) -> linking.Joined:
        await linking.lock(session, ada.user_id, bob.user_id)
        return await linking.join(session, ada.user_id, bob.user_id, Rules((), ()), now=NOW)

    joined = await commit(sessions, join)
    assert joined.speaker == ada
    for table, column in COLUMNS:
        if table.name in OWN:
            continue
        left = await commit(
            sessions,
            lambda s, t=table, c=column: s.scalar(  # type: ignore[misc]
                select(t.c[c]).where(t.c[c] == bob.user_id).limit(1)
            ),
        )
        assert left is None, f"{table.name}.{column} still names a person who is gone"


def test_every_table_that_names_a_person_is_thought_of() -> None:
    """A new one belongs into `linking.join`, and then into this list."""
    assert {f"{table.name}.{column}" for table, column in COLUMNS} == {
        "allowances.owner_id",
        "attachment_uses.user_id",
        "calls.user_id",
        "conversations.owner_id",
        "conversations.user_id",
        "corrections.owner_id",
        "corrections.source_id",
        "days.user_id",
        "exceptions.user_id",
        "guesses.user_id",
        "identities.user_id",
        "links.user_id",
        "messages.author_id",
        "notices.user_id",
        "recipients.user_id",
        "redemptions.user_id",
        "spendings.user_id",
        "standings.user_id",
        "turns.user_id",
    }
