"""The pictures of typical answers: those in `docs/` are what the fakes hold now."""

import xml.etree.ElementTree as ET

from tests.bot import ROOT
from tests.pictures.answers import ANSWERS
from tests.pictures.dialogs import draw, draw_chat
from tests.pictures.discord import lay
from tests.pictures.page import chat_files, files
from tests.pictures.posts import Block, Run
from tests.pictures.telegram import Laid


async def test_the_pictures_in_docs_show_answers_as_they_are_now(sqlite_url: str) -> None:
    drawn = await draw(sqlite_url)
    assert len(drawn) == len(ANSWERS) == 20
    for picture in drawn.values():
        ET.fromstring(picture)  # noqa: S314 - it is ours
    docs = ROOT / "docs"
    pages = [docs / "answers.md", *(docs / "answers").iterdir()]
    kept = {path.relative_to(docs): path.read_text(encoding="utf-8") for path in pages}
    now = files(drawn)
    changed = [str(path) for path in now.keys() | kept.keys() if now.get(path) != kept.get(path)]
    assert changed == [], "look at them after `python -m tests.pictures`"


async def test_the_pictures_of_the_readme_show_the_chat_as_it_is_now(sqlite_url: str) -> None:
    for path, picture in chat_files(await draw_chat(sqlite_url)).items():
        ET.fromstring(picture)  # noqa: S314 - it is ours
        kept = (ROOT / "docs" / path).read_text(encoding="utf-8")
        assert picture == kept, f"look at {path} after `python -m tests.pictures`"


def text(*runs: str | Run, kind: str = "text", label: str = "", level: int = 0) -> Block:
    line = [run if isinstance(run, Run) else Run(run) for run in runs]
    return Block(kind, [line], label, level)  # type: ignore[arg-type]


def test_discord_reads_signs_at_the_beginning_of_a_line() -> None:
    code = Run("- x", frozenset({"code"}))
    assert lay("# Title\n- one\n  - two\n```\n- x\n```\n-# small") == [
        text("Title", kind="title"),
        text("one", kind="item", label="•"),
        text("two", kind="item", label="•", level=1),
        text(code, kind="pre"),
        text("small", kind="small"),
    ]
    guarded = lay(r"\- 3 °C")
    assert [run.text for run in guarded[0].lines[0]] == ["-", " 3 ", "°C"]
    assert guarded[0].kind == "text"


def test_discord_quotes_lines_with_a_mark_and_a_space() -> None:
    kinds = [block.kind for block in lay("> a\n> \n> b\n>\nc\n```\n> d\n```")]
    assert kinds == ["quote", "text", "pre"]


def test_entities_of_telegram_count_utf_16_units() -> None:
    entities = [
        {"type": "bold", "offset": 3, "length": 2},
        {"type": "blockquote", "offset": 6, "length": 4},
        {"type": "pre", "offset": 11, "length": 1, "language": "py"},
    ]
    assert Laid("👍 hi\nab\nc\nx", entities).blocks() == [
        text("👍 ", Run("hi", frozenset({"bold"}))),
        Block("quote", inside=[Block("text", [[Run("ab")], [Run("c")]])]),
        text(Run("x", frozenset({"code"})), kind="pre", label="py"),
    ]
