"""The page with the pictures, and those of the README, as files below `docs/`."""

from collections.abc import Mapping
from pathlib import Path

from tests.pictures.answers import ANSWERS

INTRODUCTION = """\
# How answers look

Twenty typical answers, on Telegram at the left and on Discord at the right, on a phone. Nobody drew
these pictures by hand. The bot answers on stand-ins for both platforms, with Markdown as language
models write it, and a test draws what the stand-ins hold then: on Telegram the text with its
entities, on Discord the text as Discord's client reads it. When an answer no longer looks like its
picture, that test fails. `python -m tests.pictures` draws all of them anew.

Colours, fonts and the places where lines end are only like those of the apps.
"""


def files(pictures: Mapping[str, str]) -> dict[Path, str]:
    """Return the contents of all files by their paths below `docs/`."""
    sections = [INTRODUCTION]
    for number, answer in enumerate(ANSWERS, 1):
        alt = f"{answer.title}, on Telegram and on Discord"
        about = f"{answer.about}\n\n" if answer.about else ""
        title = f"## {number}. {answer.title}"
        sections.append(f"{title}\n\n{about}![{alt}](answers/{answer.name}.svg)\n")
    drawn = {Path(f"answers/{name}.svg"): picture for name, picture in pictures.items()}
    return {Path("answers.md"): "\n".join(sections), **drawn}


def chat_files(pictures: Mapping[str, str]) -> dict[Path, str]:
    """Return the pictures of the README by their paths below `docs/`."""
    return {Path(f"chat/{name}.svg"): picture for name, picture in pictures.items()}
