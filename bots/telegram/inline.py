"""Inline markup: emphasis, code and links."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from markdown_it.common.normalize_url import normalizeLinkText
from markdown_it.token import Token
from telegram import MessageEntity

from bots.telegram.page import Page

_STYLES = {
    "strong": MessageEntity.BOLD,
    "em": MessageEntity.ITALIC,
    "s": MessageEntity.STRIKETHROUGH,
}
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
# Telegram refuses a whole message for one link that it cannot read, so only plain URLs become
# links. A mail address is shown as text, which Telegram links by itself.
_LINKABLE = re.compile(
    r"https?://[a-z0-9_-]+(\.[a-z0-9_-]+)+(:[1-9]\d{0,3})?([/?#]\S*)?|tg://[a-z0-9_-]+(\?\S*)?",
    re.IGNORECASE,
)


def write_inline(page: Page, tokens: Sequence[Token]) -> None:
    """Write the children of an `inline` token."""
    targets: list[str] = []
    for token in tokens:
        match token.type:
            case "link_open":
                targets.append(_open_link(page, token.attrs["href"]))
            case "link_close":
                _close_link(page, targets.pop())
            case "image":
                target = _open_link(page, token.attrs["src"])
                page.write(token.content)
                _close_link(page, target)
            case _:
                _write_text(page, token)


def _write_text(page: Page, token: Token) -> None:
    match token.type:
        case "text":
            page.write(_BREAK.sub("\n", token.content))
        case "softbreak" | "hardbreak":
            page.write("\n")
        case "code_inline":
            page.write_literal(MessageEntity.CODE, token.content)
        case _ if token.nesting > 0:
            page.open(_STYLES[token.tag])
        case _:
            page.close()


def links(tokens: Sequence[Token]) -> bool:
    """Return True if there is a link or an image among the tokens."""
    return any(token.type in {"link_open", "image"} for token in tokens)


def _open_link(page: Page, href: str | float) -> str:
    target = str(href)
    page.open(MessageEntity.TEXT_LINK, target if _LINKABLE.fullmatch(target) else None)
    return target


def _close_link(page: Page, target: str) -> None:
    """End a link. Write out a target that cannot be a link, and one without a text."""
    label, shown = page.opened(), unquote(normalizeLinkText(target)).removeprefix("mailto:")
    if not label.strip():
        page.write(shown)
    page.close()
    if label.strip() and shown not in label and not _LINKABLE.fullmatch(target):
        page.write(f" ({shown})")
