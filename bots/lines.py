"""Lines of Markdown that every platform reads alike, in linear time (pure)."""

import re

HEADING = re.compile(r" {0,3}(#{1,6})(?=\s|$)")
TASK = re.compile(r"\[([ xX])\][ \t]+")


def title(line: str) -> str:
    """Return the text of a heading, without the signs around it."""
    said = line.strip().lstrip("#").strip()
    bare = said.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else said


def is_break(line: str) -> bool:
    """Return True for a line of nothing but three or more stars, dashes or underscores."""
    bare = line.replace(" ", "")
    return len(bare) > 2 and bare[0] in "-*_" and not bare.strip(bare[0]) and line[:4].strip() != ""


def box(task: re.Match[str]) -> str:
    """Return the sign of a task that is open or done."""
    return "☐" if task[1] == " " else "☑"
