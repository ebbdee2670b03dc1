"""The documents of the repository, read as Markdown."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.bot import ROOT

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_ADDRESS = re.compile(r'\b(?:src|srcset|href)="([^"]*)"')
_ALT = re.compile(r"<img\b(?![^>]*\balt=)")
_NO_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Code:
    """A block of code."""

    language: str
    text: str
    line: int


@dataclass
class Page:
    """A document: what it offers to links, what it links to, and what it quotes of the code."""

    path: Path
    anchors: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    blocks: list[Code] = field(default_factory=list)
    spans: list[str] = field(default_factory=list)
    """Stretches of code inside of sentences."""
    tests: list[tuple[str, str]] = field(default_factory=list)
    """The names of tests, each with the address behind it; "" if there is none."""
    faults: list[str] = field(default_factory=list)
    """Everything for which a renderer would have to guess."""

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return self.path.relative_to(ROOT).as_posix()


def pages() -> list[Page]:
    """Return all documents of the repository."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [read(path) for path in sorted(paths)]


def read(path: Path) -> Page:
    """Read a document."""
    text = path.read_text(encoding="utf-8")
    page = Page(path)
    tokens = _MARKDOWN.parse(text)
    level = 0
    for token, inline in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and inline is not None:
            depth = int(token.tag.removeprefix("h"))
            if depth > level + 1 or (depth == 1) != (level == 0):
                page.faults.append(f"{inline.content}: a heading of level {depth} after {level}")
            level = depth
            page.anchors.append(_slug(inline, page.anchors))
        elif token.type == "fence":
            at = token.map[0] + 1 if token.map else 0
            page.blocks.append(Code(token.info.strip(), token.content, at))
            if not token.info.strip():
                page.faults.append(f"line {at}: a block of code without a language")
        elif token.type == "html_block":
            _read_html(page, token.content)
        elif token.type == "inline":
            _read_inline(page, token)
    page.faults += _uneven_tables(text)
    return page


def _slug(heading: Token, taken: list[str]) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    shown = "".join(each.content for each in heading.children or ())
    slug = _NO_SLUG.sub("", shown.strip().lower()).replace(" ", "-")
    doubles = Counter(re.sub(r"-\d+$", "", each) for each in taken)[slug]
    return f"{slug}-{doubles}" if doubles else slug


def _read_inline(page: Page, token: Token) -> None:
    address = ""
    for each in token.children or ():
        match each.type:
            case "link_open":
                address = str(each.attrs["href"])
                page.links.append(address)
            case "link_close":
                address = ""
            case "image":
                _read_picture(page, str(each.attrs["src"]), each.content)
            case "code_inline":
                page.spans.append(each.content)
                page.tests += [(each.content, address)] * each.content.startswith("test_")
            case "html_inline":
                _read_html(page, each.content)
            case "text" if "][" in each.content:
                page.faults.append(f"{each.content}: a link to no address")


def _read_picture(page: Page, source: str, words: str) -> None:
    page.links.append(source)
    if not words:
        page.faults.append(f"{source}: a picture without words for it")


def _read_html(page: Page, html: str) -> None:
    page.links += _ADDRESS.findall(html)
    if _ALT.search(html):
        page.faults.append("a picture without words for it")


def _uneven_tables(text: str) -> Iterator[str]:
    """Yield the rows that have more or fewer cells than the head of their table."""
    is_code, width = False, 0
    for number, line in enumerate(text.splitlines(), 1):
        is_code ^= line.startswith("```")
        if is_code or not line.startswith("|"):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        if width and cells != width:
            yield f"line {number}: {cells} cells in a table of {width}"
        width = width or cells
