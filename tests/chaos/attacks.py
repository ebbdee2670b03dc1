"""Attacks of one hostile person, who sends as fast as the platform lets."""

import asyncio
import json
import struct
import zlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy.exc import OperationalError

from tests.chaos.fronts import PDF, Front, Place
from tests.chaos.villain import ANSWERS, CHINESE, PREFIX, ZALGO
from tests.records import Records

MEGABYTES = 19.9
"""The size of a large file; Telegram hands out files of up to 20 MB."""
STORED, BATCH = 20_000, 500
"""The messages of a long conversation, and those that are stored at a time."""
_BATCHES = count(10**9)


Act = Callable[[Front, Place, Records], Coroutine[Any, Any, None]]
"""Acts for a person, who is in a private chat with the bot."""


@dataclass(frozen=True)
class Attack:
    """A kind of attack; with `files` a process may have 300 MB, else 200 MB."""

    name: str
    begin: Act
    files: bool = False
    prepare: Act | None = None
    """Comes before the attack and is not measured."""


async def _edits(front: Front, place: Place, records: Records) -> None:
    """Edit a question in a burst."""
    message = await front.say(place, f"{PREFIX} slow")
    for number in range(60):
        await front.edit(message, f"{PREFIX} slow {number}")
        await asyncio.sleep(0.03)


async def _pictures(front: Front, place: Place, records: Records) -> None:
    """Send pictures that the model refuses."""
    for number in range(8):
        await front.file(place, "Look", f"{number}.png", "image/png", png(3_000_000 + number))


async def _personas(front: Front, place: Place, records: Records) -> None:
    """Set one persona after another, as long as may be, and ask in between."""
    for number in range(60):
        await front.command(place, "persona", f"{number} " + "be kind " * (front.longest // 10))
    await front.say(place, "Hello")


async def _marks(front: Front, place: Place, records: Records) -> None:
    """Put combining marks on letters, in texts and in a text file."""
    for _ in range(5):
        await front.say(place, "a" + "\u0301\u0316" * (front.longest // 2 - 10))
    await front.say(place, ZALGO * (front.longest // len(ZALGO) - 1))
    data = ("a" + "\u0301\u0316" * 100_000).encode()
    await front.file(place, "Read this", "marks.txt", "text/plain", data)


async def _pieces(front: Front, place: Place, records: Records) -> None:
    """Paste one text in 300 pieces."""
    for number in range(300):
        await front.say(place, f"{number} ".ljust(front.longest + 50, "x"))


async def _files(front: Front, place: Place, records: Records) -> None:
    """Send large files in eight places at once."""
    data = b"%PDF-1.4\n" + b"\0" * int(MEGABYTES * 1e6 - 9)
    for each in front.groups(place, 8):
        await front.file(each, "Read this", "large.pdf", PDF, data)


async def _search(front: Front, place: Place, records: Records) -> None:
    """Let the model search a long conversation again and again."""
    for _ in range(3):
        await front.say(place, f"{PREFIX} search")


async def _export(front: Front, place: Place, records: Records) -> None:
    """Export a long conversation several times, then delete it."""
    for _ in range(5):
        await front.command(place, "export")
    await asyncio.sleep(1)
    await front.command(place, "forget", "yes")


_GROW = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :batch)
INSERT INTO messages (id, conversation_id, turn_id, body, created_at)
SELECT :base + i, t.conversation_id, t.id, :body, t.created_at FROM n, turns t WHERE t.id = (
    SELECT max(turns.id) FROM turns JOIN identities ON identities.user_id = turns.user_id
    WHERE identities.account_id = :account
)
"""


async def _grow_long(front: Front, place: Place, records: Records) -> None:
    """Give a person a long conversation in Chinese."""
    batches = [next(_BATCHES) for _ in range(STORED // BATCH)]
    tag = f"q{batches[0]}"
    await front.say(place, f"{tag} short, please")
    await front.wait(place, tag, 10)
    on_postgresql = records.url.startswith("postgres")
    grow = _GROW.replace(":body", "CAST(:body AS json)") if on_postgresql else _GROW
    body = json.dumps({"role": "user", "content": CHINESE * 10}, ensure_ascii=False)
    values = {"batch": BATCH, "account": str(place.who.id), "body": body}
    for batch in batches:
        # The bot may be at work: SQLite gives up after five seconds.
        for left in reversed(range(6)):
            try:
                await records.write(grow, base=BATCH * batch, **values)
                break
            except OperationalError:
                if not left:
                    raise


async def _commands(front: Front, place: Place, records: Records) -> None:
    """Give hundreds of commands in two places."""
    [group] = front.groups(place, 1)
    for _ in range(150):
        for each in (place, group):
            await front.command(each, "help")
            await front.command(each, "usage")


async def _questions(front: Front, place: Place, records: Records) -> None:
    """Ask hundreds of questions at once."""
    for number in range(300):
        await front.say(place, f"Question {number}")


async def _hostile_events(front: Front, place: Place, records: Records) -> None:
    """Send events with missing, wrong and hostile fields."""
    for number in range(1000):
        front.push(number)
        if number % 50 == 0:
            await asyncio.sleep(0)


async def _locked(front: Front, place: Place, records: Records) -> None:
    """Ask where the bot may not answer."""
    [*groups] = front.groups(place, 2)
    for each in (place, *groups):
        front.lock(each)
    for number in range(30):
        for each in (place, *groups):
            await front.say(each, f"{PREFIX} endless {number}")


async def _presses(front: Front, place: Place, records: Records) -> None:
    """Press Stop below the answer to somebody else, hundreds of times."""
    other = front.private("Other")
    [group] = front.groups(other, 1, place)
    await front.say(group, f"{PREFIX} slow")
    for _ in range(300):
        await asyncio.sleep(0.005)
        await front.press(group, place, "Stop")


async def _retries(front: Front, place: Place, records: Records) -> None:
    """Ask for another answer, over and over."""
    await front.say(place, f"{PREFIX} slow")
    for _ in range(100):
        await front.command(place, "retry")
        await front.command(place, "stop")


def _saying(name: str) -> Attack:
    """Let the model say something, in three places."""

    async def begin(front: Front, place: Place, records: Records) -> None:
        for each in (place, *front.groups(place, 2)):
            await front.say(each, f"{PREFIX} {name}")

    return Attack(f"answer: {name}", begin)


ATTACKS = (
    Attack("edits", _edits),
    Attack("personas", _personas),
    Attack("marks", _marks),
    Attack("pieces", _pieces),
    *map(_saying, ANSWERS),
    Attack("search", _search, prepare=_grow_long),
    _saying("sums"),
    Attack("export, forget", _export, prepare=_grow_long),
    Attack("commands", _commands),
    Attack("questions", _questions),
    Attack("events", _hostile_events),
    Attack("locked chats", _locked),
    Attack("presses", _presses),
    Attack("retries", _retries),
    # The last ones: a process keeps some of the memory that it has used.
    Attack("pictures", _pictures, files=True),
    Attack("files", _files, files=True),
)
KINDS: Mapping[str, Attack] = {attack.name: attack for attack in ATTACKS}


def png(size: int) -> bytes:
    """A picture of about so many bytes; no two sizes have the same content."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", 100, 100, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (100 * 301))
    filler = str(size).encode().ljust(size, b"\0")
    parts = (chunk(b"IHDR", head), chunk(b"teXt", filler), chunk(b"IDAT", pixels))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")
