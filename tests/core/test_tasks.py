"""Work in the background: a failure is told and the work starts again."""

import asyncio
import logging
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.tasks import SHORTEST_PAUSE, keep, tell_of_end
from tests.core.test_db import reserved_port
from tests.dialogs.stages import TelegramStage, World, ask
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "core.tasks"]


@pytest.mark.slow
async def test_a_retention_that_fails_is_told_and_starts_again(
    model: ModelServer,
    telegram_server: TelegramServer,
    postgres_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = TelegramStage(World(model, postgres_url, tmp_path), telegram_server)
    records = stage.records
    async with stage.running():
        await ask(stage, "Hello")
    await records.write("UPDATE messages SET created_at = created_at - interval '3 days'")
    await records.write("ALTER TABLE summaries RENAME TO elsewhere")
    async with stage.running(retention_days=1):
        await eventually(lambda: bool(told(caplog)))
        assert records.one("SELECT count(*) FROM messages") == 2
        await records.write("ALTER TABLE elsewhere RENAME TO summaries")
        await eventually(lambda: records.one("SELECT count(*) FROM messages") == 0)
        assert "How can I help you?" in await ask(stage, "Hello")
    first = told(caplog)[0]
    assert first.getMessage() == (
        'deleting what is not needed failed: ProgrammingError: relation "summaries" does not exist;'
        f" it starts again in {SHORTEST_PAUSE:g} s"
    )
    assert first.exc_info, "what only a change of the schema can mend comes with its traceback"


@pytest.mark.slow
async def test_tables_that_are_missing_for_a_while_end_neither_listening_nor_answering(
    model: ModelServer,
    telegram_server: TelegramServer,
    postgres_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = TelegramStage(World(model, postgres_url, tmp_path), telegram_server)
    records = stage.records

    def is_told(work: str, table: str) -> bool:
        begin = f'{work} failed: ProgrammingError: relation "{table}" does not exist'
        return any(record.getMessage().startswith(begin) for record in told(caplog))

    async with stage.running():
        await ask(stage, "Hello")
        for table in ("turns", "listeners"):
            await records.write(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
        await eventually(lambda: is_told("answering", "turns"))
        # The lease is not renewed, then it ends, then it cannot be taken.
        await eventually(lambda: is_told("listening on telegram", "listeners"))
        for table in ("turns", "listeners"):
            await records.write(f"ALTER TABLE {table}_elsewhere RENAME TO {table}")
        await stage.say("say well")
        await eventually(lambda: records.turns() == 2)
        await records.idle(2)
    assert [message.text for message in stage.server.answers(stage.chat)][1:] == ["well"]
    assert records.drift() == []


async def test_what_an_operator_has_to_change_is_not_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse() -> None:
        raise SettingsError("TOKEN: not accepted")

    with pytest.raises(SettingsError):
        await keep("listening", refuse)
    assert not told(caplog)


async def test_work_starts_again_after_growing_pauses_until_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with reserved_port() as reserved:
        host, port = reserved.getsockname()

        async def greet() -> None:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()

        kept = asyncio.create_task(keep("greeting", greet))
        async with asyncio.timeout(60):
            while len(told(caplog)) < 2:  # noqa: ASYNC110 - a log has no events
                await asyncio.sleep(0.01)
            server = await asyncio.start_server(lambda _, writer: writer.close(), sock=reserved)
            async with server:
                await kept
    lines = [record.getMessage() for record in told(caplog)]
    assert all(line.startswith("greeting failed: ConnectionRefusedError: ") for line in lines)
    # On a slow machine it fails a third time.
    assert [line.rpartition(" again in ")[2] for line in lines][:2] == ["0.5 s", "1 s"]
    assert not any(record.exc_info for record in told(caplog)), "the world's failure is no bug"


async def test_the_end_of_a_task_that_nobody_waits_for_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse() -> None:
        raise SettingsError("TOKEN: not accepted")

    async def succeed() -> None:
        pass

    tasks = [asyncio.create_task(keep(each.__name__, each)) for each in (refuse, succeed)]
    for task in tasks:
        tell_of_end(task, "watching")
    await asyncio.wait(tasks)
    await eventually(lambda: bool(told(caplog)))
    [line] = told(caplog)
    assert line.getMessage() == "watching has ended: SettingsError: TOKEN: not accepted"


async def test_a_cancellation_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    began = asyncio.Event()

    async def wait() -> None:
        began.set()
        await asyncio.Event().wait()

    kept = asyncio.create_task(keep("waiting", wait))
    await began.wait()
    kept.cancel()
    with pytest.raises(asyncio.CancelledError):
        await kept
    assert not told(caplog)
