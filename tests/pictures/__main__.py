"""`python -m tests.pictures`: draw the pictures of the README and of `docs/answers.md` anew."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine

from core import schema
from tests.bot import ROOT
from tests.pictures.dialogs import draw, draw_chat
from tests.pictures.page import chat_files, files


def main() -> None:
    """Write the page and its pictures; a picture of an answer that is gone is deleted."""
    contents = files(_drawn(draw)) | chat_files(_drawn(draw_chat))
    docs = ROOT / "docs"
    shutil.rmtree(docs / "answers", ignore_errors=True)
    for path, text in contents.items():
        (docs / path).parent.mkdir(parents=True, exist_ok=True)
        (docs / path).write_text(text, encoding="utf-8")


def _drawn(hold: Callable[[str], Coroutine[None, None, dict[str, str]]]) -> dict[str, str]:
    """Return the pictures of dialogs that are held with a new database."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/parley.db"
        schema.upgrade(url)
        return asyncio.run(hold(url))


if __name__ == "__main__":
    main()
