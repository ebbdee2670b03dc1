"""The operators' commands on the command line: `parley users`, `parley turns show N`, …"""

import logging
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bots import log, loops, who
from core import charts, db, operations, settings
from core.characters import clean
from core.errors import SettingsError
from core.money import MICRO
from core.plain import visible
from core.quota import Rules
from core.settings import Settings
from core.text import plain_moments

T = TypeVar("T")

Work = Callable[[Any], Awaitable[T]]
"""Work in a session of the database; this module never looks into the session."""

DIGITS = 18
"""The most digits of a turn's number; the database holds no longer ones."""
PATIENCE = 5.0
"""The seconds for which work is tried again on a busy database."""
STATES: Mapping[operations.State, str] = {
    "waiting": "list turns that wait for a worker, for another turn or for their next attempt",
    "running": "list turns that are being answered or delivered",
    "stuck": "list turns that are not delivered for ten minutes",
    "failed": "list turns that failed or could not be delivered",
}
NOT_SURE = "Nothing has changed. Add --yes to do it without a question."
_MARKUP = re.compile(r"\*\*(?P<bold>(?:\\.|[^*\\])+)\*\*|\\(?P<escaped>.)")


class _Stop(Exception):
    """The end of a command that failed: a sentence for the operator and an exit status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def main(arguments: Sequence[str]) -> int:
    """Carry out one of the operators' commands; return the exit status."""
    told = parser().parse_args(arguments)
    try:
        told.carry_out(told)
    except _Stop as stop:
        if str(stop):
            sys.stderr.write(f"{visible(str(stop))}\n")
        return stop.status
    return 0


def parser() -> ArgumentParser:
    """Return the parser of all verbs."""
    whole = ArgumentParser(prog="parley", description="Works beside a running bot.")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in operations.CATALOGUE.values():
        summary = verb.command.summary
        one = commands.add_parser(verb.name, help=summary, description=f"{summary}.")
        if verb.name == "turns":
            _add_turns(one)
            continue
        one.set_defaults(carry_out=order, verb=verb)
        for each in verb.parameters:
            how = "*" if each.is_optional else "+"
            number = how if each.takes_rest else "?" if each.is_optional else None
            name = each.name.upper()
            one.add_argument(each.name, metavar=name, nargs=number, help=verb.command.hint)
        one.add_argument("--yes", action="store_true", help="do it without a question")
        if verb.draws:
            one.add_argument("--chart", metavar="FILE", type=Path, help="draw a chart: a PNG file")
    return whole


def _add_turns(one: ArgumentParser) -> None:
    """Add the actions with turns, which show more here than in a chat."""
    one.set_defaults(carry_out=list_turns, state=None)
    actions = one.add_subparsers(title="commands", metavar="[COMMAND]")
    for state in operations.STATES:
        actions.add_parser(state, help=STATES[state], description=STATES[state]).set_defaults(
            state=state
        )
    help_ = "show everything that is stored of one turn, but for the words that were said"
    shown = actions.add_parser("show", help=help_, description=help_)
    shown.add_argument("--words", action="store_true", help="show the words, too; this is recorded")
    shown.set_defaults(carry_out=show)
    number = "the number of a turn, or its reference"
    shown.add_argument("number", metavar="N", type=_number, help=number)
    for name, help_ in {
        "retry": "answer failed turns again, deliver undeliverable ones again, and wait no longer",
        "cancel": "stop answers where they are, as their people could",
        "discard": "end turns that are not delivered; nobody gets an answer to them",
    }.items():
        several = actions.add_parser(name, help=help_, description=help_)
        several.set_defaults(carry_out=order, verb=operations.CATALOGUE["turns"], action=name)
        several.add_argument("numbers", metavar="N", type=_number, nargs="+", help=number)
        several.add_argument("--yes", action="store_true", help="do it without a question")


def order(told: Namespace) -> None:
    """Carry out an order, and print the answer; ask before anything that cannot be undone."""
    verb: operations.Verb = told.verb
    # A terminal may send bytes that are no text of its encoding.
    given = {each.name: clean(_joined(getattr(told, each.name))) for each in verb.parameters}
    given = {name: value for name, value in given.items() if value}
    how = _order(confirmed=told.yes)
    answer = _carry_out(verb, given, how)
    if answer.asks:
        print_answer(answer.text)
        if not _is_sure():
            raise _Stop(NOT_SURE, 1)
        answer = _carry_out(verb, given, replace(how, confirmed=True))
    print_answer(answer.text, failed=answer.failed)
    if getattr(told, "chart", None) is not None and answer.charts:
        _write(told.chart, charts.draw(answer.charts))
    if answer.failed:
        raise _Stop("", 1)


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise _Stop(f"{file}: cannot be written: {error.strerror}", 2) from None


def _order(*, confirmed: bool = False) -> operations.Order:
    """Return an order that is given here and now."""
    return operations.Order(
        operator=who.operator(),
        rules=Rules(),
        now=datetime.now(UTC),
        confirmed=confirmed,
        in_chat=False,
    )


def _joined(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _carry_out(
    verb: operations.Verb, given: Mapping[str, str], how: operations.Order
) -> operations.Answer:
    def work(loaded: Settings) -> Work[operations.Answer]:
        rules = Rules(loaded.quota, loaded.budget, loaded.timezone, loaded.tiers)
        whole = replace(how, rules=rules, admins=frozenset(loaded.admins))
        return partial(operations.run, verb=verb, given=given, order=whole)

    return _with_settings(work)


def _is_sure() -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        told = input("[y/N] ")
    except EOFError:  # Ctrl-D
        sys.stdout.write("\n")
        return False
    return told.strip().lower() in ("y", "yes")


def print_answer(markdown: str, *, failed: bool = False) -> None:
    """Print an answer of the core; an error goes where errors go."""
    console = Console(stderr=failed, highlight=False)
    console.print(_drawn(plain_moments(markdown)), soft_wrap=True)


def _drawn(markdown: str) -> Text:
    """Return the Markdown of the core's own sentences: bold words, and escaped signs."""
    drawn, at = Text(), 0
    for found in _MARKUP.finditer(markdown):
        drawn.append(markdown[at : found.start()])
        if found["bold"]:
            drawn.append(re.sub(r"\\(.)", r"\1", found["bold"]), style="bold")
        else:
            drawn.append(found["escaped"])
        at = found.end()
    return drawn.append(markdown[at:])


# Turns


def list_turns(told: Namespace) -> None:
    """List the turns in a state; by default those that are stuck or failed."""
    now = datetime.now(UTC)
    state: operations.State | None = told.state
    if state is None:
        found = _with_database(lambda session: operations.list_troubles(session, now=now))
    else:
        found = _with_database(lambda session: operations.list_turns(session, state, now=now))
    if found:
        Console().print(_table(found, now))
    else:
        sys.stdout.write(f"No turn is {state or 'in trouble'}.\n")


def show(told: Namespace) -> None:
    """Show everything that is stored of one turn, with the words that were said if asked to."""
    if told.words:
        found = _with_database(lambda s: operations.read(s, _order(), told.number))
    else:
        found = _with_database(lambda s: operations.show(s, told.number))
    if found is None:
        raise _Stop(f"There is no turn {told.number}.", 1)
    Console().print(_record(found, with_words=told.words))


def _number(told: str) -> int:
    """Return the number of a turn from its reference, which is `number` or `number-attempt`."""
    number, _, _ = told.partition("-")
    if not number.isdecimal() or len(number) > DIGITS:
        raise ArgumentTypeError(f"{told!r} is not the number of a turn")
    return int(number)


def _with_database(work: Work[T]) -> T:
    return _with_settings(lambda _: work)


def _with_settings(work_of: Callable[[Settings], Work[T]]) -> T:
    """Run work in the database and return its result; stop with a sentence if that cannot be."""
    log.begin(logging.ERROR)  # retries are no news here
    try:
        loaded = settings.load()
        return loops.run(_transact(loaded.database_url, work_of(loaded)))
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


def _record(found: operations.TurnRecord, *, with_words: bool) -> Table:
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
    }
    if with_words:
        rows |= {
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
