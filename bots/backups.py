"""`parley backup FILE` and `parley restore FILE`."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bots import who
from core import backup, db, operations, schema, settings
from core.errors import SettingsError
from core.plain import visible
from core.quota import Rules

SAVED = "{file}: {people} people, {messages} messages and {turns} turns, as of {moment} UTC.\n"
RESTORED = """\
Restored {people} people, {messages} messages and {turns} turns, as of {moment} UTC.
What was asked, answered and spent after that is not in it: each person and the budget have back
what they spent since, though the provider of the model does not. Lower BUDGET if that matters.
"""


def main(arguments: Sequence[str]) -> int:
    """Carry out `backup FILE` or `restore FILE`; return the exit status."""
    told = _parser().parse_args(arguments)
    try:
        loaded = settings.load()
        url = loaded.database_direct_url or loaded.database_url
        if told.verb == "backup":
            now = datetime.now(UTC)
            done, sentence = backup.save(url, told.file, now=now), SAVED
            _note(url, now)
        else:
            done, sentence = backup.load(url, told.file), RESTORED
    except SettingsError as error:
        sys.stderr.write(f"{visible(str(error))}\n")
        return 2
    sys.stdout.write(
        sentence.format(
            file=visible(str(told.file)),
            people=done.rows["users"],
            messages=done.rows["messages"],
            turns=done.rows["turns"],
            moment=f"{done.taken_at:%Y-%m-%d %H:%M:%S}",
        )
    )
    return 0


def _note(url: str, now: datetime) -> None:
    """Note when the backup was taken, as the dashboard shows it."""
    order = operations.Order(who.operator(), Rules(), now, in_chat=False)
    sessions = db.connect(url, connections=1)
    try:
        with schema.usable():
            sessions.run_here(lambda s: operations.note(s, order, operations.BACKUP, ""))
    except SettingsError as error:
        sys.stderr.write(
            f"The backup is whole, but it is not on the record: {visible(str(error))}\n"
        )
    finally:
        sessions.close()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="parley", description="Keep a copy of everything that is stored.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, what in (
        ("backup", "write everything to a file; the bot may go on meanwhile"),
        (
            "restore",
            "fill an empty database from such a file; stop the bot first",
        ),
    ):
        verbs.add_parser(verb, help=what).add_argument("file", metavar="FILE", type=Path)
    return parser
