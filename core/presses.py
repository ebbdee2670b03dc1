"""Pressed buttons: the answers to a question, and the sentences for presses that lead nowhere."""

from dataclasses import replace
from datetime import datetime, timedelta

from core import commands, inbox, memory, operations, words
from core.adapter import Author, Change, ChangeKind
from core.db import Session
from core.turns import Speaker

ASKED_FOR = timedelta(minutes=5)
"""The time for which a command waits for its confirmation."""


def unknown(kind: ChangeKind) -> str:
    """Return the sentence for a button below a message that is not known any more, or ""."""
    match kind:
        case ChangeKind.REGENERATE:
            return words.FORGOTTEN
        case ChangeKind.CONFIRM | ChangeKind.CANCEL:
            return words.DECIDED
    return ""


def concerns(change: Change, record: inbox.Record) -> bool:
    """Return whether a change may concern a turn: a command only answers its own question."""
    decides = change.kind in (ChangeKind.CONFIRM, ChangeKind.CANCEL)
    return decides is (record.kind == "command")


def is_decided(record: inbox.Record) -> bool:
    """Return whether a command waits for no confirmation, or has got one."""
    is_lost = record.forgotten and record.replaces_id is None  # with all that it asked
    return not (record.question.asks or is_lost)


async def hindrance(session: Session, change: Change, record: inbox.Record) -> str:
    """Return why an answer cannot be replaced by another one; "" if it can."""
    if record.forgotten:
        return words.FORGOTTEN
    if record.outcome is None:
        return words.STILL_ANSWERING
    if await inbox.is_answering(session, record, change.address):
        return words.STILL_ANSWERING_HERE
    return "" if await memory.is_last(session, record.id) else words.MOVED_ON


async def decide(
    session: Session, change: Change, record: inbox.Record, offer: commands.Offer, *, now: datetime
) -> commands.Result:
    """Carry out a command that asked for a confirmation, or leave it; return its result."""
    asked = record.question.asks
    name, _, about = asked.partition(" ")
    if record.forgotten:
        return commands.Result(words.FORGOTTEN_SINCE)
    if now - record.asked_at > ASKED_FOR:
        return commands.Result(words.UNDECIDED.format(name=name))
    if change.kind is ChangeKind.CANCEL:
        return commands.Result(words.NOT_DONE)
    if name in operations.CATALOGUE:
        order = operator(change.author, offer, now=now)
        if order is None:
            return commands.Result(words.NO_SUCH_COMMAND.format(name=name))
        sure = replace(order, confirmed=True, user_id=record.user_id)
        answer = await operations.carry_out(session, asked, sure)
        return commands.Result(answer.text, stopped=answer.stopped)
    speaker = Speaker(record.user_id, record.conversation_id, record.epoch)
    # The question was put to somebody who may do it.
    request = commands.Request(
        speaker,
        commands.CONFIRMED,
        record.question.private,
        admin=True,
        offer=offer,
        now=now,
        author=change.author,
        address=change.address,
        about=about,
    )
    return await commands.run(session, name, request)


def operator(author: Author, offer: commands.Offer, *, now: datetime) -> operations.Order | None:
    """Return the circumstances of an operator's orders; None for anybody else."""
    account = author.platform, author.account_id
    if account not in offer.admins:
        return None
    return operations.Order(
        ":".join(account), offer.rules, now, admins=offer.admins, links=offer.links
    )
