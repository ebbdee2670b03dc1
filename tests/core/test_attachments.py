"""Files become parts of the question by their content; their bytes are kept once and sent again."""

import asyncio
import base64
import io
import json
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import delete, select

from bots.trust import trust
from core import attachments, models
from core.adapter import Attachment
from core.attachments import LIMIT, Room
from core.attachments._content import understand
from core.attachments._store import PIECE, keep
from core.db import Sessions
from core.errors import AttachmentError, ModelBroke
from core.llm._body import Body
from core.messages import Block, ChatMessage, assistant, system, user
from core.turns import Question, Turn
from tests.core import rows
from tests.core.rows import NOW, commit, count, statements
from tests.fakes.model import MODEL, ModelServer

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "image/jpeg", {}),
    ("JPEG", "image/jpeg", {"progressive": True, "exif": b"Exif\0\0" + b"x" * 5000}),
    ("PNG", "image/png", {}),
    ("GIF", "image/gif", {}),
    ("WEBP", "image/webp", {}),
    ("WEBP", "image/webp", {"lossless": True}),
    ("WEBP", "image/webp", {"exif": b"Exif\0\0"}),
]

Loading = Callable[..., Awaitable[list[Block]]]


class Files:
    """The files of a platform, handed out by name as an adapter does, with the calls for them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.asked: list[str] = []

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        self.asked.append(attachment.name)
        data = self._files.get(attachment.name)
        if data is None or len(data) > limit:
            raise AttachmentError(f"“{attachment.name}” is gone or has more than {limit} bytes.")
        return data


@pytest.fixture
async def turn(sessions: Sessions) -> Turn:
    return await asked(sessions, "look")


async def asked(sessions: Sessions, text: str, number: str = "1", *files: Attachment) -> Turn:
    """A claimed turn."""
    question = Question(text, attachments=files)
    await rows.ask(sessions, await rows.speaker(sessions), number, question=question, lane=None)
    return await rows.claimed(sessions)


async def load(
    sessions: Sessions,
    files: Mapping[str, bytes] | Files,
    *claims: tuple[str, int | None],
    text: str = "look",
    number: str = "1",
) -> list[Block]:
    """Ask with these files, or with files of which the platform claims a name and a size."""
    if not isinstance(files, Files):
        claims = claims or tuple((name, len(data)) for name, data in files.items())
        files = Files(files)
    given = [Attachment(name, name, "application/octet-stream", size) for name, size in claims]
    turn = await asked(sessions, text, number, *given)
    return await loaded(sessions, turn, files)


async def loaded(
    sessions: Sessions, turn: Turn, files: Files, room: Room | None = None, most: int = 10**9
) -> list[Block]:
    room = room or Room(attachments.ARRIVING)
    return await attachments.load(sessions, turn, files.download, room=room, most=most, now=NOW)


async def expand(
    sessions: Sessions, *messages: ChatMessage, room: Room | None = None
) -> list[ChatMessage]:
    """Messages as the model API gets them."""
    room = room or Room(attachments.ARRIVING)
    expanded = await attachments.expand(sessions, messages, room=room)
    body = Body({"messages": list(expanded)})
    sent = b"".join([piece async for piece in body])
    assert len(sent) == len(body)
    assert room.free == room.size
    told: list[ChatMessage] = json.loads(sent)["messages"]
    return told


def question(*parts: Block) -> ChatMessage:
    return {"role": "user", "content": list(parts)}


def image(kind: str = "PNG", size: tuple[int, int] = (7, 5), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, kind, **options)
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of some bytes that claims to be enormous."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + chunk + check


# Kinds


@pytest.mark.parametrize(("kind", "media_type", "options"), KINDS)
async def test_an_image_is_sent_as_a_data_url_of_its_own_bytes(
    sessions: Sessions, kind: str, media_type: str, options: dict[str, Any]
) -> None:
    data = image(kind, **options)
    [part] = await load(sessions, {"misnamed.txt": data})
    assert len(str(part)) < 200
    url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    assert await expand(sessions, question(part)) == [
        question({"type": "image_url", "image_url": {"url": url}})
    ]


async def test_a_pdf_is_sent_as_a_file(sessions: Sessions) -> None:
    [part] = await load(sessions, {"report.bin": PDF})
    file = {"filename": "report.bin", "file_data": base64.b64encode(PDF).decode()}
    assert await expand(sessions, question(part)) == [question({"type": "file", "file": file})]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1251", "koi8-r"],
)
async def test_a_text_of_any_encoding_is_inlined(sessions: Sessions, encoding: str) -> None:
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю.\n" * 20
    [part] = await load(sessions, {"notes.md": text.replace("\n", "\r\n").encode(encoding)})
    assert part == {"type": "text", "text": f"notes.md:\n```md\n{text.rstrip()}\n```"}
    assert await count(sessions, models.attachments) == 0


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("昨日、東京でラーメンを食べた。とても美味しかったです。", "shift_jis"),
        ("Élève à Paris, où est la forêt ? Ça va très bien.", "cp1252"),
        ("Perché è così bello? È la città più antica.", "latin-1"),
        ("Zażółć gęślą jaźń i pójdź do łóżka. Więcej światła, proszę.", "cp1250"),
    ],
)
async def test_an_encoding_without_a_sign_is_guessed(
    sessions: Sessions, text: str, encoding: str
) -> None:
    long = text * 2000
    [part] = await load(sessions, {"a": long.encode(encoding)})
    assert part["text"] == f"a:\n```\n{long}\n```"


async def test_a_fence_is_longer_than_any_in_the_text(sessions: Sessions) -> None:
    [part] = await load(sessions, {"doc.md": b"````\ncode\n````"})
    assert part["text"] == "doc.md:\n`````md\n````\ncode\n````\n`````"


async def test_parts_come_in_the_order_of_the_files(sessions: Sessions) -> None:
    parts = await load(sessions, {"a.csv": b"1,2", "b": image(), "c.json": b"{}"})
    assert [part["type"] for part in parts] == ["text", "image_url", "text"]
    assert "a.csv" in parts[0]["text"]
    assert "c.json" in parts[2]["text"]


# What cannot be read


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"PK\x03\x04" + bytes(range(256)) * 10, "PDF and text", id="zip"),
        pytest.param(b"\x7fELF" + bytes(1000), "PDF and text", id="program"),
        pytest.param(image("BMP"), "images (JPEG, PNG, GIF, WEBP)", id="bmp"),
        pytest.param(zlib.compress(bytes(range(256)) * 999), "PDF and text", id="packed"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(image("JPEG")[:20], "damaged", id="cut jpeg"),
        pytest.param(b"\xff\xd8" + b"\xff" * 100, "damaged", id="only padding"),
        pytest.param(b"\xff\xd8" + b"\xff" * 20_000 + image("JPEG")[2:], "damaged", id="padded"),
        pytest.param(image("PNG")[:18], "damaged", id="cut png"),
        pytest.param(b"RIFF\0\0\0\0WEBPnone", "damaged", id="webp without size"),
        pytest.param(bomb(100_000, 100_000), "100000 × 100000 pixels", id="bomb"),
        pytest.param(bomb(0, 5), "0 × 5 pixels", id="flat"),
        pytest.param(b"a" * 400_001, "up to 400,000 characters", id="long"),
        pytest.param(b"\xfc" * 400_001, "up to 400,000 characters", id="long latin"),
    ],
)
async def test_an_unreadable_file_is_explained(
    sessions: Sessions, data: bytes, sentence: str
) -> None:
    with pytest.raises(AttachmentError, match="thing") as told:
        await load(sessions, {"thing.png": data}, text="")
    assert sentence in str(told.value)
    assert await count(sessions, models.attachments) == 0
    # With a question there is something to answer, and the model knows what it did not see.
    [part] = await load(sessions, {"thing.png": data}, text="what is it?", number="2")
    assert part == {"type": "text", "text": f"[{told.value}]"}


async def test_the_caption_of_an_unreadable_file_can_be_answered(sessions: Sessions) -> None:
    """Somebody forwards the file, or replies to it: its caption is a quote."""
    file = Attachment("thing.zip", "thing.zip", "application/zip", 1)
    asked_about = Question("", quote="Bob wrote:\nmy cats", attachments=(file,))
    await rows.ask(sessions, await rows.speaker(sessions), "1", question=asked_about, lane=None)
    turn = await rows.claimed(sessions)
    [part] = await loaded(sessions, turn, Files({"thing.zip": b"\0"}))
    assert part["text"].startswith("[I cannot read “thing.zip”")


async def test_the_rest_is_read_when_one_file_cannot_be(sessions: Sessions) -> None:
    parts = await load(sessions, {"good": image(), "bad": b"\0"}, text="")
    assert [part["type"] for part in parts] == ["image_url", "text"]
    assert parts[1]["text"].startswith("[I cannot read “bad”")


async def test_a_file_of_2_gb_is_not_even_asked_for(sessions: Sessions) -> None:
    files = Files({"huge": b"?", "small": b"text"})
    parts = await load(sessions, files, ("huge", 2 << 30), ("small", 4))
    assert files.asked == ["small"]
    assert parts[0]["text"] == (
        "[“huge” is too large: the files of a message may have 20 MB together.]"
    )
    assert "text" in parts[1]["text"]


async def test_the_files_of_a_message_share_a_limit(sessions: Sessions) -> None:
    half = image() + bytes(LIMIT // 2 - 1000)
    names = ("a", "b", "c")
    parts = await load(sessions, dict.fromkeys(names, half))
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    # A file that is larger than it claims is stopped by the room that is left for it.
    parts = await load(
        sessions, Files(dict.fromkeys(names, half)), ("a", LIMIT - 10), ("b", 10), number="2"
    )
    assert [part["type"] for part in parts] == ["image_url", "text"]


async def test_no_more_than_ten_files_are_read(sessions: Sessions) -> None:
    files = Files({f"{number}.txt": b"text" for number in range(12)})
    claims = [(f"{number}.txt", 4) for number in range(12)]
    parts = await load(sessions, files, *claims)
    assert len(files.asked) == 10
    assert parts[10]["text"] == "[“10.txt” is left out: I read 10 files at a time.]"
    assert parts[11]["text"] == "[“11.txt” is left out: I read 10 files at a time.]"


# Kept bytes


async def test_bytes_are_kept_once_however_often_they_come(sessions: Sessions) -> None:
    await load(sessions, {"a": image(), "b": image(), "c": PDF})
    await load(sessions, {"again": image()}, number="2")
    assert await count(sessions, models.attachments) == 2
    assert await count(sessions, models.attachment_uses) == 3


async def test_a_second_attempt_of_a_turn_gives_the_same_parts(sessions: Sessions) -> None:
    given = Attachment("a", "a", "", None)
    turn = await asked(sessions, "look", "1", given)
    files = Files({"a": image()})
    first = await loaded(sessions, turn, files)
    assert await loaded(sessions, turn, files) == first
    assert await count(sessions, models.attachment_uses) == 1


async def test_bytes_go_with_the_last_turn_that_has_them(sessions: Sessions) -> None:
    [shared] = await load(sessions, {"a": image()})
    _, alone = await load(sessions, {"a": image(), "b": PDF}, number="2")
    await attachments.tidy(sessions)
    assert await count(sessions, models.attachments) == 2
    await commit(sessions, lambda s: s.execute(delete(models.turns).where(models.turns.c.id == 2)))
    await attachments.tidy(sessions)
    assert await count(sessions, models.attachments) == 1
    [kept, gone] = await expand(sessions, question(shared), question(alone))
    assert "base64" in str(kept)
    assert gone == question(
        {"type": "text", "text": "[The file “b” was here; it is no longer attached.]"}
    )


async def test_bytes_that_a_turn_takes_up_again_are_not_swept(postgres_sessions: Sessions) -> None:
    sessions = postgres_sessions
    await load(sessions, {"a": image()})
    await commit(sessions, lambda s: s.execute(delete(models.turns)))
    turn = await asked(sessions, "look", "2")
    async with rows.begin(sessions) as session:
        await keep(session, turn, [understand("a", image())], now=NOW)
        tidying = asyncio.create_task(attachments.tidy(sessions))
        await rows.locked(sessions)
    await tidying
    assert await count(sessions, models.attachments) == 1
    assert await count(sessions, models.attachment_uses) == 1


async def test_bytes_that_a_turn_is_about_to_use_are_not_swept(
    postgres_sessions: Sessions,
) -> None:
    sessions = postgres_sessions
    unused, used = sorted(
        [understand("a", image()), understand("b", PDF)], key=lambda content: content.digest
    )
    first = await asked(sessions, "look", "1")
    await commit(sessions, lambda s: keep(s, first, [unused], now=NOW))
    await commit(sessions, lambda s: s.execute(delete(models.attachment_uses)))
    turn = await asked(sessions, "look", "2")
    await commit(sessions, lambda s: keep(s, turn, [used], now=NOW))
    async with rows.begin(sessions) as session:
        # Held up here, the turn has found the unused bytes and not yet said that it uses them.
        hold = (
            select(models.attachments.c.digest)
            .where(models.attachments.c.digest == used.digest)
            .with_for_update()
        )
        await session.execute(hold)
        keeping = asyncio.create_task(
            commit(sessions, lambda s: keep(s, turn, [used, unused], now=NOW))
        )
        await rows.locked(sessions)
        tidying = asyncio.create_task(attachments.tidy(sessions))
        await rows.locked(sessions, 2)
    await asyncio.gather(keeping, tidying)
    assert await count(sessions, models.attachments) == 2


# Requests


async def test_a_request_looks_for_its_files_with_one_statement(sessions: Sessions) -> None:
    parts = await load(sessions, {"a": image(), "b": PDF, "c": b"text"})
    calling: ChatMessage = {"role": "assistant", "tool_calls": []}
    said = [system("be kind"), question(*parts), calling, question(parts[0])]
    with statements(sessions) as seen:
        await attachments.expand(sessions, said, room=Room(attachments.ARRIVING))
    assert len(seen) == 1
    first = await expand(sessions, *said)
    assert (await expand(sessions, *said, user("go on")))[:4] == first
    assert first[0] == said[0]
    with statements(sessions) as seen:
        await expand(sessions, system("be kind"), user("hello"), calling)
    assert seen == []


async def test_the_model_api_accepts_the_expanded_messages(
    sessions: Sessions, model: ModelServer
) -> None:
    kinds = {f"{kind} {at}": image(kind, **options) for at, (kind, _, options) in enumerate(KINDS)}
    parts = await load(sessions, {**kinds, "paper": PDF, "notes": b"text"})
    body = {"model": MODEL, "messages": await expand(sessions, question(*parts))}
    headers = {"Authorization": "Bearer test-key"}
    async with httpx.AsyncClient(headers=headers, verify=trust()) as client:
        answer = await client.post(f"{model.url}/chat/completions", json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.slow
async def test_the_oldest_files_make_room_and_the_beginning_stays(sessions: Sessions) -> None:
    """Messages of 1 MB: the sixth passes the limit, and two are left; so does the tenth."""
    said: list[ChatMessage] = []
    dropped = []
    before: list[ChatMessage] = []
    changes = []
    for number in range(12):
        data = image(size=(number + 1, 1)) + bytes(1_000_000)
        said += [question(*await load(sessions, {"a": data}, number=str(number))), assistant("ok")]
        request = await expand(sessions, *said)
        dropped.append(sum("no longer attached" in str(message)[:200] for message in request))
        changes.append(request[: len(before)] != before)
        before = request
        assert "base64" in str(request[-2])[:200]
    assert dropped == [0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9]
    assert [number for number, change in enumerate(changes) if change] == [4, 7, 10]
    # The rule needs no memory of its own: from the stored messages alone it comes to the same.
    assert await expand(sessions, *said) == before


async def test_small_files_are_left_out_when_they_are_many(sessions: Sessions) -> None:
    said: list[ChatMessage] = []
    sent = []
    for number in range(14):
        parts = await load(sessions, {"a": image(size=(number + 1, 1))}, number=str(number))
        said += [question(*parts), assistant("ok")]
        sent.append(str(await expand(sessions, *said)).count("base64"))
    assert sent == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 5, 6, 7, 8]


async def test_a_large_file_is_sent_with_its_question_only(sessions: Sessions) -> None:
    small = question(*await load(sessions, {"a": image()}))
    paper = question(*await load(sessions, {"b": PDF + bytes(5_000_000)}, number="2"))
    first = await expand(sessions, small, assistant("ok"), paper)
    # The calls for tools belong to the same question.
    calling: ChatMessage = {"role": "assistant", "tool_calls": []}
    assert (await expand(sessions, small, assistant("ok"), paper, calling))[:3] == first
    later = [small, assistant("ok"), paper, assistant("fine"), user("hi")]
    second = await expand(sessions, *later)
    assert second[:2] == first[:2]
    assert len(str(second)) < 1000
    assert "“b” was here" in str(second[2])
    # From then on nothing changes any more.
    third = await expand(sessions, *later, assistant("hi"), user("hello"))
    assert third[: len(second)] == second


@pytest.mark.slow
async def test_the_files_of_the_newest_message_are_always_sent(sessions: Sessions) -> None:
    old = await load(sessions, {"a": image() + bytes(12_000_000)})
    new = await load(
        sessions, {name: image() + bytes(4_900_000) for name in ("a", "b", "c", "d")}, number="2"
    )
    first, second = await expand(sessions, question(*old), question(*new))
    assert first == question(
        {"type": "text", "text": "[An image was here; it is no longer attached.]"}
    )
    assert str(second).count("base64") == 4


async def test_a_file_is_read_in_pieces_while_it_is_sent(sessions: Sessions) -> None:
    data = image() + bytes(range(256)) * 30_000
    room = Room(4 * PIECE)
    messages = [question(*await load(sessions, {"a": data}))]
    messages = list(await attachments.expand(sessions, messages, room=room))
    body, sizes = Body({"messages": messages}), []
    async for piece in body:
        sizes.append(len(piece))
        # Only while a piece of the file is on its way, room is taken.
        assert room.free == (0 if len(piece) > 1000 else room.size)
    assert sum(sizes) == len(body)
    assert max(sizes) == PIECE // 3 * 4 < len(data)


async def test_a_request_that_is_cut_off_gives_its_room_back(sessions: Sessions) -> None:
    room = Room(4 * PIECE)
    messages = [question(*await load(sessions, {"a": image() + bytes(100)}))]
    body = Body({"messages": await attachments.expand(sessions, messages, room=room)})
    pieces = aiter(body)
    await anext(pieces)
    await anext(pieces)
    assert room.free == 0
    await body.aclose()
    assert room.free == room.size


async def test_a_file_that_is_deleted_while_it_is_sent_breaks_the_request(
    sessions: Sessions,
) -> None:
    messages = [question(*await load(sessions, {"a": image()}))]
    body = Body(
        {"messages": await attachments.expand(sessions, messages, room=Room(attachments.ARRIVING))}
    )
    await commit(sessions, lambda s: s.execute(delete(models.attachments)))
    with pytest.raises(ModelBroke):
        _ = [piece async for piece in body]


# Room


async def test_turns_with_files_wait_for_room(sessions: Sessions) -> None:
    """Two messages of 10 bytes fit; the third is loaded when one of them is done."""
    room, started, go = Room(20), asyncio.Semaphore(0), asyncio.Event()
    loading = 0

    async def download(attachment: Attachment, limit: int) -> bytes:
        nonlocal loading
        loading += limit
        assert loading <= 20
        started.release()
        await go.wait()
        loading -= limit
        return b"0123456789"

    tasks = []
    for number in range(5):
        turn = await asked(sessions, "look", str(number), Attachment("a", "a.txt", "", 10))
        task = attachments.load(sessions, turn, download, room=room, most=100, now=NOW)
        tasks.append(asyncio.create_task(task))
    await started.acquire()
    await started.acquire()
    assert room.free == 0
    go.set()
    await asyncio.gather(*tasks)
    assert room.free == 20


async def test_room_is_given_in_the_order_of_asking() -> None:
    room, order = Room(10), []

    async def take(name: str, size: int) -> None:
        async with room.take(size):
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        # The small one would fit beside the first, but must not overtake the large one for ever.
        for name, size in (("first", 6), ("large", 10), ("small", 2), ("too large", 99)):
            tasks.create_task(take(name, size))
    assert order == ["first", "large", "small", "too large"]
    assert room.free == 10


async def test_who_stops_waiting_takes_no_room() -> None:
    room = Room(10)

    async def take(size: int) -> None:
        async with room.take(size):
            await asyncio.sleep(0)

    async with room.take(6):
        large, small = asyncio.create_task(take(10)), asyncio.create_task(take(4))
        await asyncio.sleep(0)
        large.cancel()
        await asyncio.wait([large])
        await small  # it waited behind the large one only
    last = asyncio.create_task(take(10))
    await asyncio.sleep(0)
    last.cancel()  # it holds the room by now
    await asyncio.wait([last])
    assert room.free == 10


async def test_who_is_cancelled_when_room_comes_gives_it_on() -> None:
    room = Room(10)

    async def take(size: int) -> None:
        async with room.take(size):
            await asyncio.sleep(0)

    async with room.take(10):
        waiting = asyncio.create_task(take(10))
        await asyncio.sleep(0)
    waiting.cancel()  # it was let in, but does not know it yet
    await asyncio.wait([waiting])
    await take(10)
    assert room.free == 10


async def test_holder_and_waiter_can_be_cancelled_together() -> None:
    room = Room(10)

    async def hold() -> None:
        async with room.take(10):
            await asyncio.Event().wait()

    holder, waiter = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0)
    holder.cancel()
    waiter.cancel()
    await asyncio.wait([holder, waiter])
    assert holder.cancelled()
    assert waiter.cancelled()
    async with room.take(10):
        assert room.free == 0
    assert room.free == 10


async def test_files_that_are_not_read_take_no_room(sessions: Sessions) -> None:
    room, free = Room(2 * LIMIT), []

    async def download(attachment: Attachment, limit: int) -> bytes:
        free.append(room.free)
        return b"text"

    files = [Attachment(str(n), f"{n}.txt", "", LIMIT - 1) for n in range(3)]
    turn = await asked(sessions, "look", "1", *files)
    await attachments.load(sessions, turn, download, room=room, most=10**9, now=NOW)
    assert free == [LIMIT]
