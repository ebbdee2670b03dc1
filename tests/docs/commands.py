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
class Quoted:
    """A command as a document quotes it."""

    page: str
    line: int
    command: str


def quoted() -> list[Quoted]:
    """Return every command of every document."""
    return [each for page in pages() for each in of(page) if page.name not in OF_OTHERS]


def of(page: Page) -> list[Quoted]:
    """Return the commands of a document; ValueError for a block that does not show its prompts."""
    found = []
    for block in page.blocks:
        if block.language.split(" ")[0] not in SHELLS:
            continue
        for number, line in enumerate(block.text.splitlines(), block.line + 1):
            if block.language != "console":
                raise ValueError(f"{page.name}:{number}: write commands as `console`")
            if line.startswith(PROMPT):
                command = line.removeprefix(PROMPT).partition("  #")[0].strip()
                found.append(Quoted(page.name, number, command))
    return found
