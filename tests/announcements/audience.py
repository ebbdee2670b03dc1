"""An audience: people who have each a private chat with the bot, in the database and on a fake."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, text

from core import announcements, models
from core.db import Session, Sessions
from tests.core.rows import commit
from tests.fakes.telegram import TelegramServer

TEXT = "Tomorrow I am away **between two and three**."
SHOWN = "Tomorrow I am away between two and three."
FIRST = 5000
"""The number of the first person's account."""


async def gather(sessions: Sessions, server: TelegramServer, people: int) -> list[int]:
    """Store people who have said something once; return the numbers of their chats."""
    numbers = [FIRST + each for each in range(people)]
    said = {}
    for number in numbers:
        person = server.person(number, f"P{number}")
        # The bot has heard it already.
        said[number] = str(server._state.post(server.private(person), person, "Hello").message_id)
    await commit(sessions, lambda s: _store(s, server.token.partition(":")[0], said))
    return numbers


async def _store(session: Session, bot_id: str, said: dict[int, str]) -> None:
    numbers = [*said]
    then = datetime.now(UTC) - timedelta(days=3)
    users = [{"id": number, "created_at": then} for number in numbers]
    identities = [
        {"user_id": number, "platform": "telegram", "account_id": str(number), "name": "P"}
        for number in numbers
    ]
    conversations = [
        {"id": number, "user_id": number, "epoch": 0, "created_at": then} for number in numbers
    ]
    turns = [
        {
            "id": number,
            "kind": "chat",
            "lane": f"{number}/telegram/{bot_id}",
            "conversation_id": number,
            "user_id": number,
            "epoch": 0,
            "platform": "telegram",
            "bot_id": bot_id,
            "chat": str(number),
            "thread": "",
            "message_id": said[number],
            "input": {"text": "Hello"},
            "attempt": 1,
            "faults": 0,
            "cancel": False,
            "draft": "",
            "ready_at": then,
            "created_at": then,
            "answer": "Hello!",
            "outcome": "ok",
            "answered_at": then,
            "delivered_at": then,
        }
        for number in numbers
    ]
    stored = {
        models.users: users,
        models.identities: identities,
        models.conversations: conversations,
        models.turns: turns,
        models.posts: [
            {"platform": "telegram", "bot_id": bot_id, "chat": str(number), "turn_id": number}
            | {"message_id": said[number], "part": None}
            for number in numbers
        ],
    }
    for model, rows in stored.items():
        await session.execute(insert(model), rows)
    if session.dialect == "postgresql":  # the next ones get numbers behind these
        for name in ("users", "conversations", "turns"):
            await session.execute(text(f"SELECT setval('{name}_id_seq', {numbers[-1]})"))


async def begin(sessions: Sessions, words: str = TEXT) -> int:
    """Begin an announcement, as an operator does who has no chat with the bot."""
    now = datetime.now(UTC)
    return await commit(sessions, lambda s: announcements.begin(s, words, None, now))


def received(server: TelegramServer, numbers: list[int], shown: str = SHOWN) -> Counter[int]:
    """Return how often the announcement stands in each chat."""
    found: Counter[int] = Counter()
    for number in numbers:
        chat = server.private(server.person(number, ""))
        found[number] += sum(message.text == shown for message in server.answers(chat))
    return found
