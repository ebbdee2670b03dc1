"""A Bot API server that keeps files on this disk."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bots.telegram.adapter import connect
from core.adapter import Attachment
from core.errors import AttachmentError
from tests.bot import settings
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.memory.test_files import photo

TEXT = b"All that I know."


async def attachment(server: TelegramServer, data: bytes = TEXT) -> Attachment:
    """A file that Ada sends."""
    ada = server.person(1001, "Ada")
    sent = await server.document(server.private(ada), ada, data, "a.txt", "text/plain")
    return Attachment(sent.content["document"]["file_id"], "a.txt", "text/plain", None)


async def test_a_picture_is_read_from_the_disk(
    model: ModelServer, telegram_server: TelegramServer, sqlite_url: str, tmp_path: Path
) -> None:
    server = telegram_server
    stage = TelegramStage(World(model, sqlite_url, tmp_path), server)
    folder = tmp_path / "files"
    folder.mkdir()
    server.go_local(folder)
    async with stage.running(telegram_files_dir=str(folder)):
        await server.photo(stage.chat, stage.ada, photo("red"), "What is that?")
        server.keep(folder)
        await stage.records.idle(1)
    assert "image_url" in str(model.requests[0].messages[-1])


async def test_without_the_setting_a_line_names_it(
    telegram_server: TelegramServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server, file = telegram_server, await attachment(telegram_server)
    server.go_local(tmp_path)
    server.keep(tmp_path)
    async with connect(server.token, server.url) as adapter:
        with pytest.raises(AttachmentError, match="does not hand out"):
            await adapter.download(file, 100)
    assert "TELEGRAM_FILES_DIR" in caplog.text
    assert server.token not in caplog.text


async def test_only_regular_files_of_the_folder_are_read_and_bounds_hold(
    telegram_server: TelegramServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server, file = telegram_server, await attachment(telegram_server)
    folder, secret = tmp_path / "files", tmp_path / "secret"
    secret.write_bytes(b"secret")
    [path] = server.keep(folder)
    async with connect(server.token, server.url, str(folder)) as adapter:
        server.go_local(folder)
        assert await adapter.download(file, len(TEXT)) == TEXT
        with pytest.raises(AttachmentError, match="larger"):
            await adapter.download(file, len(TEXT) - 1)
        makes: list[Callable[[], object]] = [
            lambda: path.symlink_to(secret),
            lambda: path.symlink_to(path),
            lambda: os.mkfifo(path),
            lambda: None,
            path.mkdir,
        ]
        for make in makes:
            path.unlink(missing_ok=True)
            make()
            with pytest.raises(AttachmentError, match="does not hand out"):
                await adapter.download(file, 100)
        server.keep(tmp_path / "files-of-others")
        for elsewhere in (f"{folder}/../files-of-others", f"{folder}-of-others", "/proc/self"):
            server.go_local(Path(elsewhere))
            with pytest.raises(AttachmentError, match="does not hand out"):
                await adapter.download(file, 100)
    assert server.token not in caplog.text


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(Exception, match="TELEGRAM_FILES_DIR"):
        settings(telegram_files_dir="/no/such/folder")
