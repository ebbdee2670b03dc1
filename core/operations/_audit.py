"""The record of everything that operators do."""

from typing import Any

from sqlalchemy import insert, select

from core import words
from core.db import Session
from core.models import audits
from core.operations._order import Answer, NotDone, Order, literal
from core.text import write_moment

MOST = 50
"""The most deeds that are listed."""
BACKUP = "backup"
"""The deed of taking a backup."""
LENGTH = 2000
"""The most characters that are kept of the state before and after a deed."""


async def note(
    session: Session, order: Order, verb: str, subject: str, before: str = "", after: str = ""
) -> None:
    """Note a deed, in the transaction that does it."""
    await session.execute(
        insert(audits).values(
            at=order.now,
            operator=order.operator,
            verb=verb,
            subject=subject,
            before=before[:LENGTH],
            after=after[:LENGTH],
        )
    )


async def audit(session: Session, order: Order, number: str = "10") -> Answer:
    """List the newest deeds of operators, the newest first."""
    if not number.isdecimal() or not 0 < int(number) <= MOST:
        raise NotDone(words.ORDER_NUMBER.format(most=MOST))
    found = await session.execute(select(audits).order_by(audits.c.id.desc()).limit(int(number)))
    lines = [_line(row) for row in found]
    return Answer("\n".join(lines) or words.AUDIT_EMPTY)


def _line(row: Any) -> str:
    at = write_moment(f"{row.at:%Y-%m-%d %H:%M} UTC", row.at)
    what = " ".join(filter(None, (row.verb, row.subject)))
    change = " → ".join(literal(each, most=200) or "–" for each in (row.before, row.after))
    told = f" ({change})" if row.before or row.after else ""
    return f"{at} {literal(row.operator)}: **{literal(what)}**{told}"
