"""The standing of single people: let in, blocked, told that they are not let in."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, literal, select, update

from core import identity, inbox, places, words
from core.adapter import Address
from core.db import Session, insert, insert_missing
from core.models import redemptions, standings, users
from core.turns import NEWCOMER, Question, Speaker, Standing

_OF = select(standings).where(standings.c.user_id == bindparam("the_user"))


async def standing_of(session: Session, user_id: int) -> Standing:
    """Return the standing of a person."""
    return _standing(await _row(session, user_id))


async def block(session: Session, user_id: int, *, now: datetime) -> Standing:
    """Block a person on all their accounts, and stop the answers that they wait for.

    Return their standing before. The caller lets the worker look at its running turns. What an
    answer has cost by then is settled when it stops.
    """
    before = await _set(session, user_id, blocked_at=now)
    await inbox.cancel(session, await inbox.unanswered_by(session, user_id))
    return before


async def unblock(session: Session, user_id: int, *, now: datetime) -> Standing:
    """Let a blocked person ask anew; return their standing before.

    What they sent while they were blocked is not answered.
    """
    if not (await standing_of(session, user_id)).blocked:
        return await standing_of(session, user_id)
    return await _set(session, user_id, blocked_at=None, since=now)


async def let_in(session: Session, user_id: int, *, now: datetime) -> Standing:
    """Let a person in, and tell them if they have written before; return their standing before."""
    address = await _chat_of(session, user_id)
    before = await _set(session, user_id, allowed_at=now)
    if address is not None and not (before.allowed or before.blocked):
        speaker = await identity.at_home(session, user_id, now=now)
        language = await identity.language_of(session, user_id)
        with words.spoken_in(language):
            entry = _news(speaker, address, words.LET_IN, now)
        await inbox.say(session, entry, now=now)
    return before


async def admit(session: Session, user_id: int, *, now: datetime) -> None:
    """Let a person in who is told so anyway."""
    await _set(session, user_id, allowed_at=now)


async def shut_out(session: Session, user_id: int, *, now: datetime) -> Standing:
    """Take back that a person was let in; return their standing before.

    They are told once more when they write again.
    """
    return await _set(session, user_id, allowed_at=None, told_at=None)


async def note_told(session: Session, user_id: int, *, now: datetime) -> None:
    """Note that a person was told that they are not let in."""
    await _set(session, user_id, told_at=now)


async def remember_place(session: Session, user_id: int, address: Address) -> None:
    """Note the private chat in which a person asked who is not let in, to tell them if they are."""
    await _set(
        session,
        user_id,
        platform=address.platform,
        bot_id=address.bot_id,
        chat=address.chat,
        thread=address.thread,
    )


async def join(session: Session, user_id: int, into_id: int) -> None:
    """Give a person the standing of another user who turned out to be the same person.

    Who is blocked as one of them stays blocked, and who is let in as one of them stays let in.
    """
    found = await session.execute(select(standings).where(standings.c.user_id == user_id))
    if (row := found.mappings().one_or_none()) is not None:
        new = insert(session, standings).values({**row, "user_id": into_id})
        own = {
            each.name: func.coalesce(each, new.excluded[each.name])
            for each in standings.c
            if not each.primary_key
        }
        own["guesses"] = standings.c.guesses + new.excluded.guesses
        one = [standings.c.user_id]
        await session.execute(new.on_conflict_do_update(index_elements=one, set_=own))


async def part(session: Session, user_id: int, new_id: int) -> None:
    """Copy a person's standing to the new user of an account that leaves them.

    No invite that they have redeemed can be redeemed by the new user.
    """
    await join(session, user_id, new_id)
    theirs = select(redemptions.c.invite_id, literal(new_id), redemptions.c.created_at)
    await session.execute(
        insert_missing(session, redemptions).from_select(
            ["invite_id", "user_id", "created_at"], theirs.where(redemptions.c.user_id == user_id)
        )
    )


async def _set(session: Session, user_id: int, **values: Any) -> Standing:
    """Store something of a person's standing; return the standing before.

    The person is locked first, because accounts may just be linked.
    """
    await session.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    await session.execute(insert_missing(session, standings).values(user_id=user_id))
    row = (await session.execute(_OF.with_for_update(), {"the_user": user_id})).one()
    await session.execute(update(standings).where(standings.c.user_id == user_id).values(**values))
    return _standing(row)


async def _chat_of(session: Session, user_id: int) -> Address | None:
    """Return the private chat in which a person was told that they are not let in, or spoke."""
    row = await _row(session, user_id)
    if row is not None and row.chat is not None:
        return Address(row.platform, row.bot_id, row.chat, row.thread)
    place = await places.of_person(session, user_id)
    return None if place is None else place.address


async def _row(session: Session, user_id: int) -> Any:
    return (await session.execute(_OF, {"the_user": user_id})).one_or_none()


def _standing(row: Any) -> Standing:
    if row is None:
        return NEWCOMER
    return Standing(
        row.allowed_at is not None, row.blocked_at is not None, row.told_at is not None, row.since
    )


def _news(speaker: Speaker, address: Address, text: str, now: datetime) -> inbox.Entry:
    return inbox.Entry(
        kind="command",
        address=address,
        message_id=None,
        user_id=speaker.user_id,
        conversation_id=speaker.conversation_id,
        epoch=speaker.epoch,
        lane=None,
        question=Question(""),
        ready_at=now,
        answer=text,
    )
