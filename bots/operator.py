"""The operator's commands: `python -m bots turns [show N | replay N ...]`."""

import asyncio
import logging
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bots import log
from core import db, operations, settings
from core.errors import SettingsError
from core.money import MICRO
from core.plain import visible

T = TypeVar("T")

Work = Callable[[Any], Awaitable[T]]
"""Work in a session of the database; this module never looks into the session."""

PATIENCE = 5.0
"""The seconds for which work is tried again on a busy database."""
GONE = "the question was deleted, so there is nothing to answer again"
NOT_FAILED = "did not fail, left alone"


class _Stop(Exception):
    """The end of a command that failed: a sentence for the operator and an exit status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def main(arguments: Sequence[str]) -> int:
    """Carry out one of the operator's commands; return the exit status."""
    told = _parser().parse_args(arguments)
    try:
        told.carry_out(told)
    except _Stop as stop:
        sys.stderr.write(f"{visible(str(stop))}\n")
        return stop.status
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="parley turns",
        description="List turns that failed, could not be delivered or do not end."
        " Works beside a running bot.",
    )
    parser.set_defaults(carry_out=list_troubles)
    commands = parser.add_subparsers(title="commands", metavar="[COMMAND]")
    help_ = "show everything that is stored of one turn, with the words that were said"
    one = commands.add_parser("show", help=help_, description=help_)
    help_ = "queue failed turns again, and deliver undeliverable ones again"
    several = commands.add_parser("replay", help=help_, description=help_)
    help_ = "the number of a turn, or its reference"
    one.add_argument("number", metavar="N", type=_number, help=help_)
    several.add_argument("numbers", metavar="N", type=_number, nargs="+", help=help_)
    one.set_defaults(carry_out=show)
    several.set_defaults(carry_out=replay)
    return parser


def list_troubles(told: Namespace) -> None:
    """List turns that failed, could not be delivered or do not end."""
    now = datetime.now(UTC)
    found = _with_database(lambda session: operations.list_troubles(session, now=now))
    if found:
        Console().print(_table(found, now))
    else:
        sys.stdout.write("No turn is in trouble.\n")


def show(told: Namespace) -> None:
    """Show everything that is stored of one turn, with the words that were said."""
    found = _with_database(lambda session: operations.show(session, told.number))
    if found is None:
        raise _Stop(f"There is no turn {told.number}.", 1)
    Console().print(_record(found))


def replay(told: Namespace) -> None:
    """Queue failed turns again, and deliver undeliverable ones again."""
    turn_ids = list(dict.fromkeys(told.numbers))
    now = datetime.now(UTC)
    queued = _with_database(lambda session: operations.replay(session, turn_ids, now=now))
    forgotten = _with_database(lambda session: operations.find_forgotten(session, turn_ids))
    for turn_id in queued:
        sys.stdout.write(f"{turn_id}: queued\n")
    left = [turn_id for turn_id in turn_ids if turn_id not in queued]
    if left:
        why = {turn_id: GONE if turn_id in forgotten else NOT_FAILED for turn_id in left}
        raise _Stop("\n".join(f"{turn_id}: {reason}" for turn_id, reason in why.items()), 1)


def _number(told: str) -> int:
    """Return the number of a turn from its reference, which is `number` or `number-attempt`."""
    number, _, _ = told.partition("-")
    if not number.isdecimal():
        raise ArgumentTypeError(f"{told!r} is not the number of a turn")
    return int(number)


def _with_database(work: Work[T]) -> T:
    """Run `work` and return its result. Stop with a sentence if the database cannot be used."""
    log.begin(logging.ERROR)  # retries are no news here
    try:
        return asyncio.run(_transact(settings.load().database_url, work))
    except SettingsError as error:
        raise _Stop(str(error), 2) from None
    except db.TRANSIENT as error:
        reason = f"DATABASE_URL: the database cannot be used: {db.reason(error)}"
        raise _Stop(reason, 2) from None


async def _transact(url: str, work: Work[T]) -> T:
    db.require(url)
    sessions = db.connect(url, connections=1)
    try:
        return await db.transact(sessions, work, patience=PATIENCE)
    finally:
        sessions.close()


def _table(found: list[operations.Trouble], now: datetime) -> Table:
    table = Table("turn", "platform", "age", "tries", "faults", "state")
    for column in (0, 2, 3, 4):
        table.columns[column].justify = "right"
    for each in found:
        age = _age((now - each.created_at).total_seconds())
        numbers = (str(each.attempt), str(each.faults))
        cells = (str(each.id), each.platform, age, *numbers, _state(each, now))
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def _state(each: operations.Trouble, now: datetime) -> str:
    if each.is_done:
        return each.outcome
    step = "answered" if each.outcome else "unanswered"
    if each.worker_id:
        return f"{step}, with {each.worker_id}"
    if each.ready_at > now:
        return f"{step}, again in {_age((each.ready_at - now).total_seconds())}"
    return f"{step}, waiting"


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _record(found: operations.TurnRecord) -> Table:
    """Draw one turn. Words are shown as they are, not as markup, and no word moves the cursor."""
    each, where = found.trouble, found.address
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "turn": f"{each.id}, attempt {each.attempt}, {each.faults} faults, {each.kind}",
        "where": f"{where.platform}, chat {where.chat} {where.thread}".rstrip(),
        "asked": f"{_time(each.created_at)}, message {found.message_id}",
        "answered": f"{_time(found.answered_at)} {each.outcome}".rstrip(),
        "delivered": _time(found.delivered_at),
        "messages": ", ".join(post or "not confirmed" for post in found.posts) or "none",
        "calls": "\n".join(map(_call, found.calls)) or "none",
        "question": found.question.text,
        "draft": found.draft,
        "answer": found.answer or "",
    }
    for name, text in rows.items():
        if text:
            table.add_row(Text(name, style="bold"), Text(visible(text)))
    return table


def _call(call: operations.CallRecord) -> str:
    end = "settled" if call.settled_at else "open"
    cost = f"{call.cost / MICRO:.6f} usd"
    return f"attempt {call.attempt}: {call.model}, {call.tokens} tokens, {cost}, {end}"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "not yet"
