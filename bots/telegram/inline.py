"""Inline markup as Telegram's entities."""

from collections.abc import Sequence

from telegram import MessageEntity

from bots.markdown import WEB, Node, deceives, readable
from bots.telegram.page import Page
from core.text import read_moment


def write(page: Page, nodes: Sequence[Node]) -> None:
    """Write what was read."""
    for kind, text in nodes:
        match kind:
            case "code":
                page.write_literal(MessageEntity.CODE, text)
            case "link":
                _open_link(page, text)
            case "end":
                _close_link(page, text)
            case "open":
                page.open(text)
            case "close":
                page.close()
            case _:
                page.write(text)


def _open_link(page: Page, target: str) -> None:
    if read_moment(target) is not None:
        page.open(MessageEntity.DATE_TIME, target)
    else:
        page.open(MessageEntity.TEXT_LINK, target if WEB.fullmatch(target) else None)


def _close_link(page: Page, target: str) -> None:
    """End a link. Show a target that is no web page, and one that the label lies about."""
    label, shown = page.opened(), readable(target)
    if not label.strip():
        page.write(shown)
    page.close()
    if read_moment(target) is not None:
        return
    hidden = shown not in label and not WEB.fullmatch(target)
    if label.strip() and (hidden or deceives(label, target)):
        page.write(f" ({shown})")
