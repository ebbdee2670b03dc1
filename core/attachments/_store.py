"""The bytes of attachments: kept once, sent again unchanged, gone with the last turn of theirs."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, delete, exists, select

from core.attachments._content import REFERENCE, Content, text_part
from core.db import Session, insert, insert_missing
from core.errors import LeaseLost
from core.messages import ChatMessage, Part
from core.models import AttachmentUse, Blob, table
from core.models import Turn as TurnRow
from core.turns import Turn

_turns = table(TurnRow)

LIMIT = 20_000_000
"""Bytes of the files of one message, and of all files of one request."""


async def keep(session: Session, turn: Turn, contents: Iterable[Content], *, now: datetime) -> None:
    """Store the bytes of a turn's files, each only once; again changes nothing.

    LeaseLost when the turn is another attempt's by now, or its conversation was forgotten.
    """
    # Locked until the commit: who forgets the conversation meanwhile finds the files and deletes
    # them.
    mine = select(_turns.c.id).where(_turns.c.id == turn.id, _turns.c.attempt == turn.attempt)
    if await session.scalar(mine.with_for_update(key_share=True)) is None:
        raise LeaseLost
    by_digest = {content.digest: content for content in contents}
    for digest, content in sorted(by_digest.items()):
        blob = insert(session, Blob).values(
            digest=digest, media_type=content.media_type, data=content.data, created_at=now
        )
        # The update of a row that is there already keeps `sweep` away from it until the commit.
        touch = blob.on_conflict_do_update(index_elements=["digest"], set_={"created_at": now})
        await session.execute(touch)
    uses = [{"turn_id": turn.id, "digest": digest} for digest in by_digest]
    await session.execute(insert_missing(session, AttachmentUse).values(uses))


async def sweep(session: Session) -> None:
    """Delete the bytes that no turn holds any more."""
    unused = ~exists().where(AttachmentUse.digest == Blob.digest)
    # Locked first, then looked at again: a turn may just have begun to use them.
    locked = select(Blob.digest).where(unused).order_by(Blob.digest).with_for_update()
    if digests := (await session.scalars(locked)).all():
        await session.execute(delete(Blob).where(Blob.digest.in_(digests), unused))


async def expand(session: Session, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages with bytes in the place of references: a request, the same each time.

    Files past the limit are replaced by a text, the oldest first; see `_first_kept`.
    """
    first = _first_kept([_weight(message) for message in messages])
    digests = {digest for message in messages[first:] for digest, _ in _references(message)}
    blobs = await _blobs(session, digests)
    return [
        _expanded(message, blobs if place >= first else {})
        for place, message in enumerate(messages)
    ]


def _first_kept(weights: Sequence[int]) -> int:
    """From which message on files are sent.

    When the limit is passed, files are left out down to half of it: the beginning of the prompt
    then stays as it is for many turns, and the provider's cache pays. As the rule looks from the
    oldest message on, it comes to the same with every message that follows.
    """
    first = total = 0
    for place, weight in enumerate(weights):
        total += weight
        if total > LIMIT:
            while first < place and total > LIMIT // 2:
                total -= weights[first]
                first += 1
    return first


def _weight(message: ChatMessage) -> int:
    return sum(size for _, size in _references(message))


def _references(message: ChatMessage) -> list[tuple[str, int]]:
    """Digest and size of each file of a message."""
    content = message.get("content")
    if not isinstance(content, list):
        return []
    found = (REFERENCE.fullmatch(_place(part)) for part in content)
    return [(match[1], int(match[2])) for match in found if match]


def _place(part: Part) -> str:
    """Where in a part its bytes stand."""
    match part:
        case {"type": "image_url", "image_url": {"url": str(place)}}:
            return place
        case {"type": "file", "file": {"file_data": str(place)}}:
            return place
    return ""


async def _blobs(session: Session, digests: Iterable[str]) -> dict[str, Row[str, str, bytes]]:
    if not digests:
        return {}
    columns = select(Blob.digest, Blob.media_type, Blob.data)
    rows = await session.execute(columns.where(Blob.digest.in_(sorted(digests))))
    return {row.digest: row for row in rows}


def _expanded(message: ChatMessage, blobs: Mapping[str, Row[str, str, bytes]]) -> ChatMessage:
    content = message.get("content")
    if not _references(message) or not isinstance(content, list):
        return message
    return {**message, "content": [_part(part, blobs) for part in content]}


def _part(part: Part, blobs: Mapping[str, Row[str, str, bytes]]) -> Part:
    match = REFERENCE.fullmatch(_place(part))
    if match is None:
        return part
    blob = blobs.get(match[1])
    if part["type"] == "file":
        name = part["file"]["filename"]
        if blob is None:
            return text_part(f"[The file “{name}” was here; it is no longer attached.]")
        return {"type": "file", "file": {"filename": name, "file_data": _base64(blob.data)}}
    if blob is None:
        return text_part("[An image was here; it is no longer attached.]")
    url = f"data:{blob.media_type};base64,{_base64(blob.data)}"
    return {"type": "image_url", "image_url": {"url": url}}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
