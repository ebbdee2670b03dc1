"""On PostgreSQL, what adds up many rows or measures long texts has a thread: the loop goes on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as events

from core import commands, db, operations, privacy
from core.adapter import Change, ChangeKind, Event, InboundMessage
from core.db import Sessions
from core.intake import Intake
from core.overview import Dashboard
from core.quota import Rules
from tests.bench.queries import running
from tests.bench.stage import Stage
from tests.core import rows
from tests.core.rows import NOW, message
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer

RULES = Rules((), ())
LOOP = "MainThread"


@contextmanager
def threads(beginning: str = "") -> Iterator[set[str]]:
    """Collect the names of the threads that execute statements with a beginning."""
    seen = set[str]()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(beginning):
            seen.add(threading.current_thread().name)

    events.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        events.remove(Engine, "before_cursor_execute", note)


def changed(kind: ChangeKind, said: InboundMessage | None = None) -> Change:
    """Return a change of a message that nobody knows."""
    return Change("change", kind, rows.HOME, rows.ADA, "1", message=said)


@pytest.mark.parametrize(
    ("event", "thread"),
    [
        (message("1", text="hello"), LOOP),
        (message("1", text="", command="usage"), db.THREAD),
        (message("1", text="/stats"), db.THREAD),
        (changed(ChangeKind.EDITED, message("1", text="hello")), LOOP),
        (changed(ChangeKind.EDITED, message("1", text="/stats")), db.THREAD),
        (changed(ChangeKind.CONFIRM), db.THREAD),
    ],
)
async def test_orders(postgres_sessions: Sessions, event: Event, thread: str) -> None:
    intake = Intake(
        postgres_sessions,
        commands.Offer(RULES, "m"),
        now=lambda: NOW,
        accepted=lambda _: None,
        changed=lambda: None,
    )
    with threads() as seen:
        await intake.handle(event)
    assert seen == {thread}


async def test_pictures_exports_and_the_dashboard(postgres_sessions: Sessions) -> None:
    ada = await rows.speaker(postgres_sessions)
    desk = Dashboard(postgres_sessions, "here", RULES, (), dict, lambda: NOW, lambda: None)
    with threads() as seen:
        await operations.picture(postgres_sessions, "", RULES, now=NOW)
        await privacy.export(postgres_sessions, ada.user_id, BytesIO(), most=10**6)
        await desk.people("")
    assert seen == {db.THREAD}


@pytest.mark.parametrize(("is_file", "thread"), [(False, LOOP), (True, db.THREAD)])
async def test_answers_to_files(
    postgres_url: str, model: ModelServer, tmp_path: Path, *, is_file: bool, thread: str
) -> None:
    async with TelegramServer(flood=False) as server:
        stage = Stage("postgresql", postgres_url, tmp_path, model, server)
        [ada] = stage.people(1)
        with threads("INSERT INTO messages") as seen:
            async with running(stage):
                if is_file:
                    await server.document(ada.chat, ada.user, b"words", "a.txt", "text/plain")
                else:
                    await ada.say("words")
                await server.wait(ada.has_answer, timeout=60)
    assert seen == {thread}
