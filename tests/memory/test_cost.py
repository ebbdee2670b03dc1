"""A conversation stays cheap, and its old messages can still be asked for."""

from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import make_url

from core import memory
from core.adapter import Address
from core.memory import IDS_PER_TURN, Marks
from core.settings import Settings
from core.turns import Question, Turn
from tests import postgres
from tests.core import rows
from tests.core.conftest import connected
from tests.fakes.model import ModelServer
from tests.memory import talk
from tests.memory.desk import BOT, PLATFORM, Desk, desk
from tests.records import Records, eventually

QUESTIONS = 120
ADDRESS = Address(PLATFORM, BOT, "100")


@pytest.fixture
async def ada(sqlite_url: str, model: ModelServer) -> AsyncIterator[Desk]:
    """Ada's desk, with the default settings."""
    model.respond = talk.respond
    async with desk(sqlite_url, model) as ada:
        yield ada


@pytest.mark.slow
async def test_a_long_conversation_costs_little_and_nothing_of_it_is_lost(
    ada: Desk, model: ModelServer, sqlite_url: str
) -> None:
    for number in range(1, QUESTIONS + 1):
        await ada.ask(talk.question(number))
    spent = sum((request.usd_spent for request in model.requests), Decimal())
    records = Records(sqlite_url)

    assert len(talk.question(1).split()) == 60
    assert len(model.requests) > QUESTIONS, "summaries are part of the price"
    assert spent <= Decimal("0.065")
    # The ledger rounds every call up to a micro-dollar.
    booked = Decimal(records.one("SELECT sum(cost) FROM calls")) / 1_000_000
    assert spent <= booked <= spent + Decimal("0.0002")
    assert records.drift() == []
    for number in (1, 60):
        looked_up = await ada.asking(f"What did I say of {talk.topic(number)}?")
        assert talk.question(number) not in str(looked_up[0].messages), "no longer word for word"
        result = looked_up[1].messages[-1]
        assert result["role"] == "tool"
        assert talk.question(number)[:100] in result["content"]


async def test_hi_is_a_short_prompt(ada: Desk) -> None:
    [request] = await ada.asking("hi")
    assert {tool["function"]["name"] for tool in request.body["tools"]} == {
        "calculate",
        "search_history",
    }
    assert request.prompt_tokens <= 300


def test_the_marks_keep_a_prompt_cheap_by_default() -> None:
    fields = Settings.model_fields
    assert fields["memory_high_tokens"].default == 12_000
    assert fields["memory_low_tokens"].default == 4_000


# What a turn asks of the database


def grow(url: str, messages: int, characters: int) -> None:
    """Let the one conversation there is have so many messages more, the last hundred seen.

    This takes as long as it takes: the limits of the bot's own connections do not hold here.
    """
    with psycopg.connect(postgres.conninfo(make_url(url))) as connection:
        heads = connection.execute("SELECT max(id), max(turn_id) FROM messages").fetchall()
        [(head, turn_id)] = heads
        values = {"head": head, "turn": turn_id, "many": messages, "size": characters // 5}
        connection.execute(GROW, values)
        last = head + messages
        connection.execute("UPDATE conversations SET head_id = %s", [last])
        # The ids of messages begin with their turn's.
        connection.execute("SELECT setval('turns_id_seq', %s)", [last // IDS_PER_TURN + 1])
        if messages > SEEN:
            connection.execute(CUT, [last - SEEN])


SEEN = 100
GROW = """
INSERT INTO messages (id, conversation_id, turn_id, parent_id, body, tokens, total, created_at)
SELECT %(head)s + n, 1, %(turn)s, %(head)s + n - 1,
    json_build_object(
        'role', CASE n %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
        'content', n || repeat(' word', %(size)s)
    ), %(size)s, CASE n %% 2 WHEN 0 THEN 2000 END, now()
FROM generate_series(1, %(many)s) AS n
"""
CUT = "INSERT INTO summaries (message_id, content, created_at) VALUES (%s, '', now())"
VISITED = """
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables
"""


OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


async def read_so_far(url: str) -> int:
    """Return the rows that were read, once all connections have closed and told of them."""
    await eventually(lambda: Records(url).one(OTHERS) == 0)
    return int(Records(url).one(VISITED))


async def visited(url: str, model: ModelServer, turns: int = 5) -> tuple[int, int]:
    """The least statements that one of some turns took, and the rows that all of them read.

    Workers look at the inbox now and then, more often in a longer time: the lesser of two figures
    counts.
    """
    statements, read = [], []
    for _ in range(2):
        with psycopg.connect(postgres.conninfo(make_url(url))) as connection:
            # The requests of a minute are counted from its turns: let those before be older.
            connection.execute("UPDATE turns SET created_at = created_at - interval '1 hour'")
        before = await read_so_far(url)
        async with desk(url, model) as ada:
            for _ in range(turns):
                with rows.statements(ada.sessions) as seen:
                    await ada.ask("Hello")
                statements.append(len(seen))
        read.append(await read_so_far(url) - before)
    return min(statements), min(read)


@pytest.mark.slow
async def test_a_turn_costs_the_same_after_a_hundred_thousand_messages(
    postgres_url: str, model: ModelServer
) -> None:
    name = make_url(postgres_url).database
    with psycopg.connect(postgres.conninfo(make_url(postgres_url))) as connection:
        # A small table is read as a whole although it has an index, and grows with each turn here.
        connection.execute(f'ALTER DATABASE "{name}" SET enable_seqscan = off')
    async with desk(postgres_url, model) as ada:
        await ada.ask("Hello")
    figures = []
    for messages in (SEEN, 100_000):
        grow(postgres_url, messages, 20)
        figures.append(await visited(postgres_url, model))
    (few_statements, few_rows), (many_statements, many_rows) = figures
    assert many_statements <= few_statements
    assert many_rows <= 1.2 * few_rows


async def test_sixty_thousand_tokens_are_read_by_one_statement(
    postgres_url: str, model: ModelServer
) -> None:
    async with desk(postgres_url, model) as ada:
        await ada.ask("Hello")
    grow(postgres_url, SEEN, 2400)
    turn = Turn(0, "chat", 1, 1, 0, ADDRESS, None, Question("hi"), 1, created_at=rows.NOW)
    async with connected(postgres_url) as sessions, rows.begin(sessions) as session:
        for marks, most in ((Marks(100_000, 1_000), 1), (Marks(900, 500), 3)):
            with rows.statements(sessions) as seen:
                context = await memory.recall(session, turn, marks, now=rows.NOW)
            assert len([each for each, _ in seen if "pg_catalog" not in each]) <= most
            assert (len(str(context.messages)) > 240_000) == (most == 1)
