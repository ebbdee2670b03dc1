"""Files that people send on a platform: seen by the model, kept once, sent again unchanged."""

import base64
import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
LETTER = "Liebe Grüße aus Köln, für 5 € – “schön”!\nDein Bär und die süße Möwe über dem Fluß.\n" * 5
KINDS = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".txt": "text/plain",
    ".zip": "application/zip",
}


def photo(colour: str) -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(file, "JPEG")
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that claims 50,000 × 50,000 pixels."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10_000)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("inside.txt", "hidden")
    return file.getvalue()


def image_part(data: bytes, media_type: str = "image/jpeg") -> dict[str, Any]:
    """A picture as the model gets it."""
    url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


class TelegramFiles(TelegramStage):
    """Ada sends files on Telegram: pictures as photos, all else as documents."""

    async def bring(self, text: str, *files: tuple[str, bytes]) -> None:
        """Files with one caption: an album if they are several."""
        album = "album" if len(files) > 1 else None
        for number, (name, data) in enumerate(files):
            caption = "" if number else text
            if name.endswith(".jpg"):
                await self.server.photo(self.chat, self.ada, data, caption, album)
            else:
                kind = KINDS[Path(name).suffix]
                await self.server.document(self.chat, self.ada, data, name, kind, caption, album)


class DiscordFiles(DiscordStage):
    """Ada sends files on Discord."""

    async def bring(self, text: str, *files: tuple[str, bytes]) -> None:
        """Files with one text."""
        sent = [(name, data, KINDS[Path(name).suffix]) for name, data in files]
        await self.server.say(self.channel, self.ada, text, attachments=sent)


Files = TelegramFiles | DiscordFiles


@pytest.fixture
def telegram(world: World, telegram_server: TelegramServer) -> TelegramFiles:
    return TelegramFiles(world, telegram_server)


@pytest.fixture(params=["telegram", "discord"])
def stage(request: pytest.FixtureRequest, world: World) -> Files:
    """Both platforms in turn."""
    if request.param == "telegram":
        return TelegramFiles(world, request.getfixturevalue("telegram_server"))
    return DiscordFiles(world, request.getfixturevalue("discord_server"))


async def bring(stage: Files, text: str, *files: tuple[str, bytes]) -> str:
    """Send files, and hear what is answered."""
    turns, place = stage.records.turns(), stage.place()
    await stage.bring(text, *files)
    await stage.records.idle(turns + 1)
    return stage.heard(place)


def parts(model: ModelServer, request: int = -1) -> list[dict[str, Any]]:
    """The question of a request in its parts."""
    content: list[dict[str, Any]] = model.requests[request].messages[-1]["content"]
    return content


async def test_a_picture_is_kept_once_and_sent_again_unchanged(
    stage: Files, model: ModelServer
) -> None:
    data = photo("red")
    async with stage.running():
        await bring(stage, "What is this?", ("a.jpg", data))
        await ask(stage, "Are you sure?")
        await bring(stage, "And this?", ("b.jpg", data))
    [text, image] = parts(model, 0)
    assert text["text"].endswith("What is this?")
    assert image == image_part(data)
    assert model.requests[1].messages[1] == model.requests[0].messages[1]
    assert parts(model)[1] == image
    stored = stage.records.all("SELECT digest, data FROM attachments")
    assert [(row.digest, bytes(row.data)) for row in stored] == [
        (hashlib.sha256(data).hexdigest(), data)
    ]
    assert stage.records.one("SELECT count(*) FROM attachment_uses") == 2
    assert base64.b64encode(data[:60]).decode() not in str(stage.records.memory())
    assert stage.records.drift() == []


async def test_a_pdf_and_a_text_of_an_old_system_are_read(stage: Files, model: ModelServer) -> None:
    async with stage.running():
        await bring(stage, "Sum up.", ("paper.pdf", PDF))
        await bring(stage, "Translate.", ("letter.txt", LETTER.encode("cp1252")))
    [_, pdf] = parts(model, 0)
    assert pdf["type"] == "file"
    assert pdf["file"]["filename"] == "paper.pdf"
    assert base64.b64decode(pdf["file"]["file_data"].rpartition(",")[2]) == PDF
    [_, letter] = parts(model, 1)
    assert letter["text"] == f"letter.txt:\n```txt\n{LETTER.strip()}\n```"


UNREADABLE = {
    "secrets.zip": (archive(), "I cannot read “secrets.zip”, only images"),
    "bomb.png": (bomb(), "“bomb.png” is 50000 × 50000 pixels large"),
    "empty.txt": (b"", "“empty.txt” is empty."),
}


async def test_an_unreadable_file_is_answered_with_one_sentence(
    stage: Files, model: ModelServer
) -> None:
    async with stage.running():
        for name, (data, sentence) in UNREADABLE.items():
            assert sentence in await bring(stage, "", (name, data))
        assert model.requests == []
        # With a question there is something to answer; the model is told what it cannot see.
        await bring(stage, "say well", *((name, data) for name, (data, _) in UNREADABLE.items()))
    for part, (_, sentence) in zip(parts(model)[1:], UNREADABLE.values(), strict=True):
        assert sentence in part["text"]
    assert stage.records.one("SELECT count(*) FROM attachments") == 0
    assert stage.records.drift() == []


async def test_a_file_that_claims_two_gigabytes_is_not_downloaded(
    telegram: TelegramFiles, model: ModelServer
) -> None:
    server = telegram.server
    async with telegram.running():
        await server.document(
            telegram.chat, telegram.ada, b"x", "film.txt", "text/plain", size=2_000_000_000
        )
        await telegram.records.idle(1)
    assert "“film.txt” is too large" in telegram.heard()
    assert not [call for call in server.calls if call.method == "getFile"]
    assert model.requests == []


async def test_a_file_larger_than_it_claims_is_not_read_to_its_end(
    telegram: TelegramFiles, model: ModelServer
) -> None:
    server = telegram.server
    async with telegram.running():
        await server.document(
            telegram.chat, telegram.ada, b"x" * 21_000_000, "film.txt", "text/plain", size=1000
        )
        await telegram.records.idle(1)
    assert "“film.txt” is larger than announced" in telegram.heard()
    assert model.requests == []


async def test_a_compressed_download_is_not_unpacked(stage: Files, model: ModelServer) -> None:
    """A few bytes of it may become gigabytes, and nobody asked for it."""
    stage.server.pack_files()
    async with stage.running():
        heard = await bring(stage, "", ("notes.txt", b"0" * 1_000_000))
    assert "does not hand out “notes.txt”" in heard
    assert model.requests == []


async def test_an_album_with_one_caption_is_one_question(stage: Files, model: ModelServer) -> None:
    photos = [photo(colour) for colour in ("red", "green", "blue")]
    async with stage.running():
        await bring(stage, "Which is best?", *((f"{n}.jpg", data) for n, data in enumerate(photos)))
    assert stage.records.turns() == len(model.requests) == 1
    [text, *images] = parts(model)
    assert text["text"].endswith("Which is best?")
    assert images == [image_part(data) for data in photos]


async def test_a_model_without_eyes_is_told_so(stage: Files, model: ModelServer) -> None:
    async with stage.running(vision=False):
        await bring(stage, "What is this?", ("a.jpg", photo("red")))
        await ask(stage, "Are you sure?")
    assert "you cannot see images: say so" in str(parts(model, 0))
    assert "image_url" not in str([request.messages for request in model.requests])
    assert model.requests[1].messages[1] == model.requests[0].messages[1]


async def test_a_platform_that_hands_nothing_out_is_asked_again_later(
    world: World, discord_server: DiscordServer, model: ModelServer
) -> None:
    stage = DiscordFiles(world, discord_server)
    discord_server.fail("GET /channels/{id}/messages/{id}", status=503, times=3)
    async with stage.running(retry_seconds=6):
        await bring(stage, "What is this?", ("a.jpg", photo("red")))
    assert len(model.requests) == 1
    [turn] = stage.records.all("SELECT outcome, attempt FROM turns")
    assert (turn.outcome, turn.attempt) == ("ok", 2)
    assert stage.records.one("SELECT count(*) FROM calls WHERE estimated") == 0, "none was lost"
    assert stage.records.drift() == []


@pytest.mark.slow
async def test_the_cost_of_files_is_reserved_before_the_call(
    telegram: TelegramFiles, model: ModelServer
) -> None:
    """A text of 100,000 tokens is not read on an allowance that cannot pay for it."""
    paper = ("paper.txt", b"word " * 70_000)
    async with telegram.running(quota="0.01 usd/month"):
        assert "your limit is $0.01 a month" in await bring(telegram, "Sum up.", paper)
        assert model.requests == []
        await ask(telegram, "say well")
    assert len(model.requests) == 1
    assert telegram.records.drift() == []


async def test_the_cost_of_a_pdf_is_reserved_by_its_size(
    telegram: TelegramFiles, model: ModelServer
) -> None:
    paper = ("paper.pdf", b"%PDF-1.4\n" + b"x" * 500_000)
    async with telegram.running(quota="0.01 usd/month"):
        assert "your limit" in await bring(telegram, "Sum up.", paper)
    assert model.requests == []
    assert telegram.records.drift() == []
