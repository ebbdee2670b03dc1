"""The bytes of attachments: stored once, and deleted with the last turn that uses them."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, delete, exists, select

from core.attachments._content import REFERENCE, Content, text_block
from core.db import Session, Sessions, insert, insert_missing, transact
from core.errors import LeaseLost
from core.messages import Block, ChatMessage
from core.models import AttachmentUse, Blob, table
from core.models import Turn as TurnRow
from core.tasks import walk
from core.turns import Turn

_turns = table(TurnRow)

LIMIT = 20_000_000
"""The most bytes of the files of one message, and of all files of one request."""
SEEN, DELETED = 500, 5
"""The most files that a step of `sweep` looks at and deletes; they may be large."""
UNSEEN = text_block("[An image was attached, but you cannot see images: say so.]")


async def keep(session: Session, turn: Turn, contents: Iterable[Content], *, now: datetime) -> None:
    """Store the bytes of a turn's files once; a repetition changes nothing.

    Raises LeaseLost if another attempt owns the turn or its conversation was forgotten.
    """
    # Lock the turn until the commit: `privacy.forget` then waits, finds the files and deletes them.
    mine = select(_turns.c.id).where(_turns.c.id == turn.id, _turns.c.attempt == turn.attempt)
    if await session.scalar(mine.with_for_update(key_share=True)) is None:
        raise LeaseLost
    by_digest = {content.digest: content for content in contents}
    for digest, content in sorted(by_digest.items()):
        blob = insert(session, Blob).values(
            digest=digest, media_type=content.media_type, data=content.data, created_at=now
        )
        # Updating an existing row locks it, so that `sweep` cannot delete it before the commit.
        touch = blob.on_conflict_do_update(index_elements=["digest"], set_={"created_at": now})
        await session.execute(touch)
    uses = [{"turn_id": turn.id, "digest": digest} for digest in by_digest]
    await session.execute(insert_missing(session, AttachmentUse).values(uses))


async def sweep(sessions: Sessions) -> None:
    """Delete the bytes that no turn uses any more, in small steps."""
    await walk(sessions, _sweep, "")


async def _sweep(session: Session, after: str) -> str | None:
    """Delete unused bytes among the next digests; return the last of these, None at the end."""
    unused = ~exists().where(AttachmentUse.digest == Blob.digest)
    next_ones = select(Blob.digest, unused.label("is_unused")).where(Blob.digest > after)
    found = await session.execute(next_ones.order_by(Blob.digest).limit(SEEN))
    rows = found.all()
    gone = [row.digest for row in rows if row.is_unused][:DELETED]
    if gone:
        # Lock first, then look again: a turn may just have begun to use them.
        in_order = select(Blob.digest).where(Blob.digest.in_(gone)).order_by(Blob.digest)
        await session.execute(in_order.with_for_update())
        await session.execute(delete(Blob).where(Blob.digest.in_(gone), unused))
    if len(gone) == DELETED:
        return str(gone[-1])
    return str(rows[-1].digest) if len(rows) == SEEN else None


async def expand(
    sessions: Sessions, messages: Sequence[ChatMessage], *, vision: bool
) -> Sequence[ChatMessage]:
    """Replace the references in messages by bytes, with the same result each time.

    Texts replace the files past the limit, the oldest first; see `_first_kept`. For a model without
    `vision` a text replaces each image.
    """
    if not any(isinstance(message.get("content"), list) for message in messages):
        return messages
    if not vision:
        messages = [_without_images(message) for message in messages]
    return await transact(sessions, lambda s: _expand(s, messages))


def _without_images(message: ChatMessage) -> ChatMessage:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    blocks = [UNSEEN if block["type"] == "image_url" else block for block in content]
    return {**message, "content": blocks}


async def _expand(session: Session, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    first = _first_kept([_weight(message) for message in messages])
    digests = {digest for message in messages[first:] for digest, _ in _references(message)}
    blobs = await _blobs(session, digests)
    return [
        _expanded(message, blobs if index >= first else {})
        for index, message in enumerate(messages)
    ]


def _first_kept(weights: Sequence[int]) -> int:
    """Return the index of the first message whose files are sent.

    Past the limit, the oldest files are left out until half of it is left, so that the beginning
    of the prompt stays the same for many turns and the provider's cache pays. The rule starts
    from the oldest message, so that a new message does not change the earlier decisions.
    """
    first = total = 0
    for index, weight in enumerate(weights):
        total += weight
        if total > LIMIT:
            while first < index and total > LIMIT // 2:
                total -= weights[first]
                first += 1
    return first


def _weight(message: ChatMessage) -> int:
    return sum(size for _, size in _references(message))


def _references(message: ChatMessage) -> list[tuple[str, int]]:
    """Return the digest and the size of each file of a message."""
    content = message.get("content")
    if not isinstance(content, list):
        return []
    found = (REFERENCE.fullmatch(_reference(block)) for block in content)
    return [(match[1], int(match[2])) for match in found if match]


def _reference(block: Block) -> str:
    """Return the field of a block that may refer to bytes, "" if it has none."""
    match block:
        case {"type": "image_url", "image_url": {"url": str(reference)}}:
            return reference
        case {"type": "file", "file": {"file_data": str(reference)}}:
            return reference
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
    return {**message, "content": [_expanded_block(block, blobs) for block in content]}


def _expanded_block(block: Block, blobs: Mapping[str, Row[str, str, bytes]]) -> Block:
    match = REFERENCE.fullmatch(_reference(block))
    if match is None:
        return block
    blob = blobs.get(match[1])
    if block["type"] == "file":
        name = block["file"]["filename"]
        if blob is None:
            return text_block(f"[The file “{name}” was here; it is no longer attached.]")
        return {"type": "file", "file": {"filename": name, "file_data": _base64(blob.data)}}
    if blob is None:
        return text_block("[An image was here; it is no longer attached.]")
    url = f"data:{blob.media_type};base64,{_base64(blob.data)}"
    return {"type": "image_url", "image_url": {"url": url}}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
