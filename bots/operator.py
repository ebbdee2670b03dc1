"""The operator's commands: `python -m bots turns [show N | replay N ...]`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core import db, operations, settings
from core.errors import SettingsError
from core.money import MICRO

T = TypeVar("T")

Work = Callable[[Any], Awaitable[T]]
"""Work in a session of the database; this module never looks into the session."""

PATIENCE = 5.0
"""The seconds for which work is tried again on a busy database."""
GONE = "the question was deleted, so there is nothing to answer again"

Number = Annotated[str, typer.Argument(metavar="N", help="The number of a turn, or its reference.")]
Numbers = Annotated[
    list[str], typer.Argument(metavar="N...", help="The numbers of turns, or references.")
]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    help="Look at turns and queue them again; works beside a running bot.",
)


@app.callback(invoke_without_command=True)
def list_troubles(context: typer.Context) -> None:
    """List turns that failed, could not be delivered or do not end."""
    if context.invoked_subcommand is not None:
        return
    now = datetime.now(UTC)
    found = _with_database(lambda session: operations.list_troubles(session, now=now))
    if not found:
        typer.echo("No turn is in trouble.")
        return
    Console().print(_table(found, now))


@app.command()
def show(number: Number) -> None:
    """Show everything that is stored of one turn, with the words that were said."""
    turn_id = _number(number)
    found = _with_database(lambda session: operations.show(session, turn_id))
    if found is None:
        typer.echo(f"There is no turn {turn_id}.", err=True)
        raise typer.Exit(1)
    Console().print(_record(found))


@app.command()
def replay(numbers: Numbers) -> None:
    """Queue failed turns again, and deliver undeliverable ones again."""
    turn_ids = [_number(number) for number in numbers]
    now = datetime.now(UTC)
    queued = _with_database(lambda session: operations.replay(session, turn_ids, now=now))
    forgotten = _with_database(lambda session: operations.find_forgotten(session, turn_ids))
    for turn_id in dict.fromkeys(turn_ids):
        done = turn_id in queued
        left = GONE if turn_id in forgotten else "did not fail, left alone"
        typer.echo(f"{turn_id}: {'queued' if done else left}", err=not done)
    if len(queued) < len(set(turn_ids)):
        raise typer.Exit(1)


def _number(told: str) -> int:
    """Return the number of a turn from its reference, which is `number` or `number-attempt`."""
    number, _, _ = told.partition("-")
    if not number.isdecimal():
        raise typer.BadParameter(f"{told!r} is not the number of a turn")
    return int(number)


def _with_database(work: Work[T]) -> T:
    """Run `work` and return its result. Exit with a sentence if the database cannot be used."""
    logging.basicConfig(level=logging.ERROR)  # retries are no news here
    try:
        return asyncio.run(_transact(settings.load().database_url, work))
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except db.TRANSIENT as error:
        typer.echo(f"DATABASE_URL: the database cannot be used: {db.reason(error)}", err=True)
        raise typer.Exit(2) from None


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
        table.add_row(str(each.id), each.platform, age, *numbers, _state(each, now))
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
    """Draw one turn. The words of people and of the model are shown as they are, not as markup."""
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
            table.add_row(Text(name, style="bold"), Text(text))
    return table


def _call(call: operations.CallRecord) -> str:
    end = "settled" if call.settled_at else "open"
    cost = f"{call.cost / MICRO:.6f} usd"
    return f"attempt {call.attempt}: {call.model}, {call.tokens} tokens, {cost}, {end}"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "not yet"
