"""The commands in the documents, and why some of them are not carried out by a test."""

from dataclasses import dataclass

from tests.docs.pages import Page, pages

NOT_RUN = {
    "make check": "it runs this test, and all the others",
    "make init": "it asks in a terminal, in which tests/setup/test_init.py answers",
}
"""The reason of each command that no test here carries out."""
OF_OTHERS = ("docs/deploy.md",)
"""Documents whose commands another test carries out."""
SHELLS = ("console", "sh", "bash", "shell")
PROMPT = "$ "


@dataclass(frozen=True)
class Session:
    """The commands of a block, which a person types one after the other."""

    place: str
    """The page, and the line of the block."""
    commands: tuple[str, ...]


def sessions() -> list[Session]:
    """Return the blocks of commands of every document."""
    return [each for page in pages() if page.name not in OF_OTHERS for each in of(page)]


def of(page: Page) -> list[Session]:
    """Return the blocks of commands of a document; ValueError for one that shows no prompts."""
    found = []
    for block in page.blocks:
        if block.language not in SHELLS:
            continue
        place = f"{page.name}:{block.line}"
        lines = [line for line in block.text.splitlines() if line.startswith(PROMPT)]
        if block.language != "console" or not lines:
            raise ValueError(f"{place}: write commands as `console`, each behind a prompt")
        told = (line.removeprefix(PROMPT).partition("  #")[0].strip() for line in lines)
        found.append(Session(place, tuple(told)))
    return found
