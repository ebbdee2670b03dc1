"""`python -m tests.pictures`: draw the pictures of `docs/answers.md` anew."""

import asyncio
import shutil
import tempfile

from core import db
from tests.bot import ROOT
from tests.pictures.dialogs import draw
from tests.pictures.page import files


def main() -> None:
    """Write the page and its pictures; a picture of an answer that is gone is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/parley.db"
        db.upgrade(url)
        contents = files(asyncio.run(draw(url)))
    docs = ROOT / "docs"
    shutil.rmtree(docs / "answers", ignore_errors=True)
    (docs / "answers").mkdir(parents=True)
    for path, text in contents.items():
        (docs / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
