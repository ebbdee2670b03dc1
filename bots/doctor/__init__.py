"""Looking the whole bot over: `parley doctor` names everything that is wrong, and what to do."""

import json
import shutil
import sys
import textwrap
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from bots import loops
from bots.doctor._examination import examine
from core.errors import SettingsError
from core.findings import Finding, Severity
from core.plain import visible

WELL = "Nothing is wrong."
INDENT = " " * 9
WIDEST = 100


def main(arguments: Sequence[str]) -> int:
    """Look everything over and tell it; return the exit status.

    0 stands for nothing wrong, 1 for faults or warnings, 2 for an examination that cannot begin.
    """
    parser = ArgumentParser(
        prog="parley doctor",
        description="Look for everything that is wrong, beside a running bot or without one.",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    told = parser.parse_args(arguments)
    try:
        found = loops.run(examine())
    except SettingsError as error:
        sys.stderr.write(f"{visible(str(error))}\n")
        return 2
    sys.stdout.write(f"{_json(found) if told.json else _text(found)}\n")
    return 1 if any(each.severity is not Severity.NOTE for each in found) else 0


def _json(found: Sequence[Finding]) -> str:
    numbers = Counter(each.severity for each in found)
    sums = {f"{severity}s": numbers[severity] for severity in Severity}
    return json.dumps({**sums, "findings": [asdict(each) for each in found]}, indent=2)


def _text(found: Sequence[Finding]) -> str:
    """Return the findings as paragraphs, and a sum; folded only for a terminal."""
    width = 100_000
    if sys.stdout.isatty():
        width = min(shutil.get_terminal_size().columns, WIDEST)
    lines = [line for each in found for line in _paragraph(each, width)]
    return "\n".join([*lines, _sum(found)])


def _paragraph(found: Finding, width: int) -> list[str]:
    head = textwrap.wrap(
        visible(found.what, keep=""),
        width,
        initial_indent=f"{found.severity.upper():<9}",
        subsequent_indent=INDENT,
        break_long_words=False,
    )
    if not found.remedy:
        return head
    return head + textwrap.wrap(
        visible(found.remedy, keep=""),
        width,
        initial_indent=f"{INDENT}-> ",
        subsequent_indent=f"{INDENT}   ",
        break_long_words=False,
    )


def _sum(found: Sequence[Finding]) -> str:
    numbers = Counter(each.severity for each in found)
    told = [
        f"{numbers[severity]} {severity}{'s' if numbers[severity] > 1 else ''}"
        for severity in (Severity.FAULT, Severity.WARNING)
        if numbers[severity]
    ]
    return f"{' and '.join(told)}." if told else WELL
