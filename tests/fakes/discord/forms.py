"""The body of a message, checked as Discord checks it. Lengths count code points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord.records import EPHEMERAL, Json
from tests.fakes.discord.refusals import Refusal, invalid, refusal, too_long

CONTENT_LIMIT = 2000
EMBED_LIMITS = {"title": 256, "description": 4096, "footer.text": 2048, "author.name": 256}
EMBED_TOTAL = 6000
FILE_LIMIT = 10 * 1024 * 1024
"""Bytes of one attachment in a guild without boosts."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a request; its media type follows from its name, as on Discord."""

    name: str
    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class Form:
    """A message as a request wants it; `given` names the fields that an edit changes."""

    content: str = ""
    embeds: Sequence[Json] = ()
    components: Sequence[Json] = ()
    files: Sequence[File] = ()
    kept: frozenset[str] = frozenset()
    """Ids of the attachments that stay through an edit."""
    allowed: Json | None = None
    """`allowed_mentions`; None is Discord's default."""
    reference: Json | None = None
    nonce: str | int | None = None
    unique: bool = False
    """`enforce_nonce`: the same nonce again makes no second message."""
    flags: int = 0
    stickers: Sequence[Json] = ()
    poll: Json | None = None
    given: frozenset[str] = frozenset()


def read(body: Json, files: Sequence[File]) -> Form:
    """Check a body field by field; Refusal at the first that is wrong."""
    return Form(
        content=_content(body.get("content") or ""),
        embeds=_embeds(body.get("embeds") or []),
        components=_components(body.get("components") or []),
        files=_files(files),
        kept=frozenset(str(item["id"]) for item in body.get("attachments") or []),
        allowed=_allowed(body.get("allowed_mentions")),
        reference=body.get("message_reference"),
        nonce=_nonce(body.get("nonce")),
        unique=bool(body.get("enforce_nonce")),
        flags=int(body.get("flags") or 0) & EPHEMERAL,
        given=frozenset(body) | (frozenset({"files"}) if files else frozenset()),
    )


def require_substance(content: str, *parts: Sequence[object]) -> None:
    """A message needs a text, an embed or a file; components alone are none."""
    if not content and not any(parts):
        raise refusal(50006)


def _content(content: Any) -> str:
    if not isinstance(content, str):
        raise invalid("content", "BASE_TYPE_STRING", "Must be a string.")
    if len(content) > CONTENT_LIMIT:
        raise too_long("content", CONTENT_LIMIT)
    return content.strip()


def _embeds(embeds: list[Json]) -> list[Json]:
    if len(embeds) > 10:
        raise invalid("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    total = sum(_embed_length(index, embed) for index, embed in enumerate(embeds))
    if total > EMBED_TOTAL:
        text = f"Embed size exceeds maximum size of {EMBED_TOTAL}"
        raise invalid("embeds", "MAX_EMBED_SIZE_EXCEEDED", text)
    return embeds


def _embed_length(index: int, embed: Json) -> int:
    if len(embed.get("fields", [])) > 25:
        raise too_long(f"embeds.{index}.fields", 25)
    total = 0
    for name, limit, text in _embed_texts(embed):
        if len(text) > limit:
            raise too_long(f"embeds.{index}.{name}", limit)
        total += len(text)
    return total


def _embed_texts(embed: Json) -> Iterator[tuple[str, int, str]]:
    for path, limit in EMBED_LIMITS.items():
        outer, _, inner = path.partition(".")
        value = embed.get(outer) or ""
        yield path, limit, (value.get(inner) or "") if isinstance(value, dict) else value
    for index, item in enumerate(embed.get("fields", [])):
        yield f"fields.{index}.name", 256, item["name"]
        yield f"fields.{index}.value", 1024, item["value"]


def _components(rows: list[Json]) -> list[Json]:
    if len(rows) > 5:
        raise too_long("components", 5)
    seen: set[str] = set()
    for at, row in enumerate(rows):
        parts = row.get("components", [])
        if row.get("type") != 1:
            text = "Value of field 'type' must be 1: only action rows stand at the top."
            raise invalid(f"components.{at}.type", "UNION_TYPE_CHOICES", text)
        if not 1 <= len(parts) <= 5:
            text = "Must be between 1 and 5 in length."
            raise invalid(f"components.{at}.components", "BASE_TYPE_BAD_LENGTH", text)
        for index, part in enumerate(parts):
            _component(f"components.{at}.components.{index}", part, seen)
    return rows


def _component(path: str, part: Json, seen: set[str]) -> None:
    identity = part.get("url" if part.get("style") == 5 else "custom_id")
    if not identity:
        raise invalid(f"{path}.custom_id", "BASE_TYPE_REQUIRED", "This field is required")
    if len(part.get("label") or "") > 80:
        raise too_long(f"{path}.label", 80)
    if "custom_id" not in part:
        return
    if len(identity) > 100:
        raise too_long(f"{path}.custom_id", 100)
    if identity in seen:
        text = "Component custom id cannot be duplicated"
        raise invalid(f"{path}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", text)
    seen.add(identity)


def _files(files: Sequence[File]) -> Sequence[File]:
    if len(files) > 10:
        raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    if any(len(file.data) > FILE_LIMIT for file in files):
        raise refusal(40005)
    return files


def _allowed(allowed: Json | None) -> Json | None:
    for name in (allowed or {}).get("parse", []):
        if (allowed or {}).get(name):
            text = f"parse:[{name!r}] and {name}: [ids...] are mutually exclusive."
            code = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
            raise invalid("allowed_mentions", code, text)
    return allowed


def _nonce(nonce: Any) -> str | int | None:
    if nonce is not None and len(str(nonce)) > 25:
        raise too_long("nonce", 25)
    return nonce  # type: ignore[no-any-return]  # kept as it came, to be echoed


def unknown_reference() -> Refusal:
    """The message to reply to is not in the channel."""
    return invalid("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")
