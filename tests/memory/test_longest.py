"""An answer has a longest size, and a database that cannot keep up makes nobody pay twice."""

import pytest
from sqlalchemy import text

from core import db, schema
from core.chat._attempt import LONGEST
from core.words import ENDED_LENGTH, FAILED
from tests.fakes.model import ModelServer
from tests.memory.desk import desk
from tests.records import Records

SLOW = (
    """
    CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = '57014';
    END $$
    """,
    "CREATE TRIGGER sleep BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION sleep()",
)


@pytest.mark.slow
async def test_an_answer_ends_at_its_longest_with_a_note_and_is_paid(
    sqlite_url: str, model: ModelServer
) -> None:
    model.enqueue("A sentence of words. " * 20_000)
    async with desk(sqlite_url, model, max_completion_tokens=200_000) as ada:
        await ada.say("Never stop.")
        await ada.settled()
        told = "".join(words for _, words in ada.paper.posts.values())
        assert told.endswith(ENDED_LENGTH)
        assert len(told) < LONGEST + 200
    endless, *_ = Records(sqlite_url).all("SELECT * FROM calls ORDER BY id")
    assert endless.estimated
    assert endless.completion_tokens > LONGEST / 4
    assert endless.charged > 0
    assert Records(sqlite_url).drift() == []


async def test_an_answer_that_takes_too_long_to_remember_is_paid_once(
    postgres_url: str, model: ModelServer
) -> None:
    model.enqueue("Forty-two.", "Again.")
    async with desk(postgres_url, model) as ada:
        async with schema.serving(postgres_url) as sessions:
            await db.transact(sessions, _slow_down)
        told = await ada.ask("What is it?")
    assert told.startswith(f"Forty-two.\n\n{FAILED}")
    records = Records(postgres_url)
    assert len(model.requests) == 1
    assert [call.charged > 0 for call in records.all("SELECT * FROM calls")] == [True]
    assert records.drift() == []


async def _slow_down(session: db.Session) -> None:
    """Let the database take too long for every message."""
    for statement in SLOW:
        await session.execute(text(statement))
