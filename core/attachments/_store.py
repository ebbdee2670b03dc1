"""The bytes of attachments: stored once, and deleted with the last turn that uses them."""

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import LargeBinary, and_, delete, exists, func, select

from core import models
from core.attachments._content import REFERENCE, Content, text_block
from core.attachments._room import Room
from core.db import Session, Sessions, insert, insert_missing, transact
from core.errors import LeaseLost, ModelBroke
from core.messages import Block, ChatMessage, Encoded
from core.models import FORGOTTEN
from core.tasks import walk
from core.turns import IDS_PER_TURN, Turn

_turns = models.turns
_messages = models.messages
_files = models.attachments
_uses = models.attachment_uses
_UNUSED = ~exists().where(_uses.c.digest == _files.c.digest)

LIMIT = 20_000_000
"""The most bytes of the files of one message."""
AGAIN, AGAIN_FILES = 5_000_000, 10
"""The most bytes and the most files of earlier messages that are sent again with a question."""
PIECE = 3 * 2**19
"""The bytes of a file that are in memory at a time while it is sent; a multiple of 3."""
PATIENCE = 10.0
"""The seconds for which a piece is asked for while the database is away: the API waits for it."""
SEEN, DELETED = 500, 5
"""The most uses or files that a step of `tidy` looks at, and the most files that it deletes."""


async def keep(session: Session, turn: Turn, contents: Iterable[Content], *, now: datetime) -> None:
    """Store the bytes of a turn's files once; a repetition changes nothing.

    Raises LeaseLost if another attempt owns the turn or its conversation was forgotten.
    """
    # Lock the turn until the commit: `privacy.forget` then waits, finds the files and deletes them.
    mine = select(_turns.c.user_id).where(_turns.c.id == turn.id, _turns.c.attempt == turn.attempt)
    user_id = await session.scalar(mine.with_for_update(key_share=True))
    if user_id is None:
        raise LeaseLost
    by_digest = {content.digest: content for content in contents}
    for digest, content in sorted(by_digest.items()):
        blob = insert(session, _files).values(
            digest=digest, media_type=content.media_type, data=content.data, created_at=now
        )
        # Updating an existing row locks it, so that `tidy` cannot delete it before the commit.
        touch = blob.on_conflict_do_update(index_elements=["digest"], set_={"created_at": now})
        await session.execute(touch)
    if sum(len(content.data) for content in by_digest.values()) > PIECE:
        session.use_up()
    uses = [
        {"turn_id": turn.id, "digest": digest, "user_id": user_id, "size": len(content.data)}
        for digest, content in by_digest.items()
    ]
    await session.execute(insert_missing(session, _uses).values(uses))


async def stored(session: Session, turn: Turn) -> int:
    """Return the bytes of the files that are stored for a turn's person, each file once.

    Those of forgotten conversations do not count; they are deleted soon.
    """
    others = (
        _uses.c.user_id == turn.user_id,
        _uses.c.turn_id != turn.id,
        ~exists().where(_turns.c.id == _uses.c.turn_id, FORGOTTEN),
    )
    files = select(_uses.c.digest, _uses.c.size).where(*others).distinct().subquery()
    return int(await session.scalar(select(func.coalesce(func.sum(files.c.size), 0))) or 0)


async def drop(session: Session, turn: Turn) -> None:
    """Delete the files of a turn that leaves no memory, unless another turn uses them too."""
    mine = delete(_uses).where(_uses.c.turn_id == turn.id)
    if digests := (await session.scalars(mine.returning(_uses.c.digest))).all():
        await _delete_unused(session, digests)


async def tidy(sessions: Sessions) -> None:
    """Delete the files of ended turns that left no memory, and then all bytes that no turn uses.

    A turn that ends drops its own files; this finds what a crash or an older release has left,
    and what was forgotten.
    """
    await walk(sessions, _drop_left, 0)
    await walk(sessions, _sweep, "")


async def _drop_left(session: Session, after: int) -> int | None:
    """Drop the files of the next turns that need none; return the last turn, None at the end."""
    is_useless = and_(
        _turns.c.delivered_at.is_not(None),
        ~exists().where(_messages.c.id == _turns.c.id * IDS_PER_TURN),
    )
    next_ones = (
        select(_uses.c.turn_id, is_useless.label("is_useless"))
        .join(_turns, _turns.c.id == _uses.c.turn_id)
        .where(_uses.c.turn_id > after)
        .order_by(_uses.c.turn_id)
        .limit(SEEN)
    )
    uses = (await session.execute(next_ones)).all()
    useless = {use.turn_id for use in uses if use.is_useless}
    if useless:
        await session.execute(delete(_uses).where(_uses.c.turn_id.in_(useless)))
    return uses[-1].turn_id if len(uses) == SEEN else None


async def _sweep(session: Session, after: str) -> str | None:
    """Delete unused bytes among the next digests; return the last of these, None at the end."""
    next_ones = select(_files.c.digest, _UNUSED.label("is_unused")).where(_files.c.digest > after)
    files = (await session.execute(next_ones.order_by(_files.c.digest).limit(SEEN))).all()
    gone = [file.digest for file in files if file.is_unused][:DELETED]
    await _delete_unused(session, gone)
    if len(gone) == DELETED:
        return str(gone[-1])
    return str(files[-1].digest) if len(files) == SEEN else None


async def _delete_unused(session: Session, digests: Collection[str]) -> None:
    """Delete those of some files that no turn uses."""
    which = _files.c.digest.in_(digests), _UNUSED
    # Lock first, then look again: a turn may just have begun to use them.
    locked = select(_files.c.digest).where(*which).order_by(_files.c.digest).with_for_update()
    if digests and (await session.scalars(locked)).all():
        await session.execute(delete(_files).where(*which))


async def expand(
    sessions: Sessions, messages: Sequence[ChatMessage], *, room: Room
) -> Sequence[ChatMessage]:
    """Replace the references in messages by files to send, with the same result each time.

    Texts replace the files of earlier messages past `AGAIN` or `AGAIN_FILES`, the oldest first;
    see `_first_kept`. The bytes are read later, while the request is sent, as far as there is
    `room`.
    """
    if not any(isinstance(message.get("content"), list) for message in messages):
        return messages
    first = _first_kept(messages)
    digests = {digest for message in messages[first:] for digest, _ in _references(message)}
    types = await transact(sessions, lambda session: _media_types(session, digests), single=True)
    source = _Source(sessions, room, types)
    return [
        _expanded(message, source) if index >= first else _expanded(message, None)
        for index, message in enumerate(messages)
    ]


def _first_kept(messages: Sequence[ChatMessage]) -> int:
    """Return the index of the first message whose files are sent.

    Past a limit, the oldest files are left out until half of it is left, so that the beginning
    of the prompt stays the same for many turns and the provider's cache pays. The rule starts
    from the oldest message, so that a new message does not change the earlier decisions. The files
    of the question, which is the last message of a person, are sent in any case.
    """
    sizes = [[size for _, size in _references(message)] for message in messages]
    at = range(len(messages))
    question = max((n for n in at if messages[n]["role"] == "user"), default=0)
    first = files = total = 0
    for index in at[: question + 1]:
        files, total, share = files + len(sizes[index]), total + sum(sizes[index]), 1
        while first < index and (files * share > AGAIN_FILES or total * share > AGAIN):
            files, total = files - len(sizes[first]), total - sum(sizes[first])
            first, share = first + 1, 2
        if index < question and (files > AGAIN_FILES or total > AGAIN):
            first, files, total = index + 1, 0, 0  # its own files are too many to be sent twice
    return first


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


async def _media_types(session: Session, digests: Iterable[str]) -> dict[str, str]:
    """Return the media types of those files that are still stored, by digest."""
    if not digests:
        return {}
    columns = select(_files.c.digest, _files.c.media_type).where(
        _files.c.digest.in_(sorted(digests))
    )
    return {row.digest: row.media_type for row in await session.execute(columns)}


@dataclass(frozen=True, slots=True)
class _Source:
    """The stored files that a request sends."""

    sessions: Sessions
    room: Room
    media_types: Mapping[str, str]
    """The media types of those that are stored, by digest."""

    def file(self, digest: str, size: int, prefix: str) -> Encoded:
        """Return a stored file for a request."""
        return Encoded(prefix, size, partial(self._read, digest, size))

    async def _read(self, digest: str, size: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes in pieces. Raise ModelBroke if they have been deleted meanwhile."""
        for start in range(0, size, PIECE):
            # A piece is in memory as it is, in Base64, and in the buffer of the connection.
            async with self.room.take(4 * PIECE):
                piece = await transact(
                    self.sessions, partial(_piece, digest=digest, start=start), patience=PATIENCE
                )
                if len(piece) != min(PIECE, size - start):
                    raise ModelBroke("a file was deleted while it was sent")
                yield piece


async def _piece(session: Session, *, digest: str, start: int) -> bytes:
    part = func.substr(_files.c.data, start + 1, PIECE, type_=LargeBinary)
    found: bytes | None = await session.scalar(select(part).where(_files.c.digest == digest))
    return found or b""


def _expanded(message: ChatMessage, source: _Source | None) -> ChatMessage:
    content = message.get("content")
    if not _references(message) or not isinstance(content, list):
        return message
    return {**message, "content": [_expanded_block(block, source) for block in content]}


def _expanded_block(block: Block, source: _Source | None) -> Block:
    match = REFERENCE.fullmatch(_reference(block))
    if match is None:
        return block
    digest, size = match[1], int(match[2])
    media_type = source.media_types.get(digest) if source else None
    if block["type"] == "file":
        name = block["file"]["filename"]
        if source is None or media_type is None:
            return text_block(f"[The file “{name}” was here; it is no longer attached.]")
        return {
            "type": "file",
            "file": {"filename": name, "file_data": source.file(digest, size, "")},
        }
    if source is None or media_type is None:
        return text_block("[An image was here; it is no longer attached.]")
    file = source.file(digest, size, f"data:{media_type};base64,")
    return {"type": "image_url", "image_url": {"url": file}}
