"""The operators' way into the dashboard: a code in their private chat opens a visit.

A code is good for some minutes, once, and in the browser alone in which it was asked for. Of codes
and visits only hashes are stored. Nobody can tell from what happens here who is an operator.
"""

import hashlib
import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from os import urandom
from secrets import choice, token_urlsafe
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from core import inbox, linking, places, words
from core.adapter import Account
from core.db import Session
from core.linking import Draw
from core.models import logins, visits

log = logging.getLogger(__name__)

VALID = timedelta(minutes=5)
"""The time for which a code is good."""
MOST_WRONG = 5
"""The wrong codes from one browser after which the right one opens nothing, either."""
MOST_CODES = ((timedelta(minutes=10), 3), (timedelta(hours=1), 6))
"""The most unused codes that an operator gets in some time, whoever asks for them."""
IDLE, LONGEST = timedelta(hours=1), timedelta(hours=8)
"""The time after which a visit ends without a page, and in any case."""
NOTED = timedelta(minutes=1)
"""The time between two notes of a visitor's last page."""

LANE = "logins/"
"""The beginning of the lanes in which the codes of a chat follow each other."""


def account_of(text: str, admins: Collection[Account]) -> Account | None:
    """Return the operator's account that a text names, as "telegram:123" or "123"."""
    platform, colon, account_id = text.strip().rpartition(":")
    named = (platform.strip().lower(), account_id.strip())
    for admin in admins:
        if admin == named or (not colon and admin[1] == named[1]):
            return admin
    return None


async def send_code(
    session: Session, account: Account, browser: str, *, now: datetime, choose: Draw = choice
) -> bool:
    """Send an operator a code for a browser, and store its hash; return False if none was sent.

    There is none if the account has no private chat with the bot, or got too many already.
    """
    place = await places.of_account(session, account)
    if place is None:
        log.warning("no code for the dashboard: %s:%s has never written to the bot", *account)
        return False
    for span, most in MOST_CODES:
        if await _number_of_codes(session, account, since=now - span) >= most:
            log.warning("no code for the dashboard: %s:%s got too many of them", *account)
            return False
    code, salt = linking.draw(choose), urandom(16)
    await session.execute(
        insert(logins).values(
            browser=_digest(browser),
            platform=account[0],
            account_id=account[1],
            salt=salt,
            digest=linking.digest(code, salt),
            wrong=0,
            created_at=now,
        )
    )
    with words.spoken_in(place.language or words.language()):
        minutes = words.number(VALID // timedelta(minutes=1))
        told = words.DASHBOARD_CODE.format(code=linking.shown(code), minutes=minutes)
    lane = f"{LANE}{place.conversation_id}"
    await inbox.inform(session, place, told, now=now, lane=lane, fleeting=True)
    return True


async def _number_of_codes(session: Session, account: Account, *, since: datetime) -> int:
    number = select(func.count()).where(
        logins.c.platform == account[0],
        logins.c.account_id == account[1],
        logins.c.created_at > since,
        logins.c.used_at.is_(None),
    )
    return int(await session.scalar(number) or 0)


async def redeem(
    session: Session, browser: str, text: str, admins: Collection[Account], *, now: datetime
) -> tuple[Account, str] | None:
    """Return the operator whose code this is, and the secret of a new visit; None if it is none.

    A wrong code counts for every code that the browser waits for.
    """
    code = linking.normal(text)
    its = (
        logins.c.browser == _digest(browser),
        logins.c.created_at > now - VALID,
        logins.c.used_at.is_(None),
        logins.c.wrong < MOST_WRONG,
    )
    found = await session.execute(
        select(logins).where(*its).order_by(logins.c.id.desc()).with_for_update()
    )
    for row in found.all():
        account = row.platform, row.account_id
        if linking.is_code(code, row.salt, row.digest) and account in admins:
            used = update(logins).where(logins.c.id == row.id).values(used_at=now)
            await session.execute(used)
            return account, await _begin(session, account, now)
    await session.execute(update(logins).where(*its).values(wrong=logins.c.wrong + 1))
    return None


async def _begin(session: Session, account: Account, now: datetime) -> str:
    await session.execute(delete(visits).where(visits.c.began_at <= now - LONGEST))
    token = token_urlsafe(32)
    visit = {"platform": account[0], "account_id": account[1], "began_at": now, "seen_at": now}
    await session.execute(insert(visits).values(digest=_digest(token), **visit))
    return token


async def visitor(
    session: Session, token: str, admins: Collection[Account], *, now: datetime
) -> Account | None:
    """Return the operator of a visit; None if it has ended, or they are no operator any more."""
    its = visits.c.digest == _digest(token)
    row: Any = (await session.execute(select(visits).where(its))).one_or_none()
    if row is None or row.seen_at <= now - IDLE or row.began_at <= now - LONGEST:
        return None
    account = row.platform, row.account_id
    if account not in admins:
        return None
    if row.seen_at <= now - NOTED:
        await session.execute(update(visits).where(its).values(seen_at=now))
    return account


async def end(session: Session, token: str) -> None:
    """End a visit."""
    await session.execute(delete(visits).where(visits.c.digest == _digest(token)))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
