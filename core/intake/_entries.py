"""The turns that an event makes, as the inbox takes them in (pure)."""

from dataclasses import dataclass, replace
from datetime import datetime

from core import commands, inbox
from core.adapter import Change, InboundMessage
from core.errands import Errand
from core.requests import Reason
from core.turns import Question, Speaker


@dataclass(frozen=True, slots=True)
class Accepted:
    """The consequences of an event that has been stored."""

    changed: bool = False
    """True if a turn that may be running was stopped or has another question."""
    forgot: bool = False
    """True if a conversation was forgotten; what it holds has to be deleted."""
    ready_at: datetime | None = None
    """The time from which there may be a turn to claim; None means now."""
    errand: Errand | None = None
    """A call to the platform that belongs to no turn."""
    told: str = ""
    """A sentence for the person who pressed a button; nobody else sees it."""


def entry_of(message: InboundMessage, speaker: Speaker, ready_at: datetime) -> inbox.Entry:
    address = message.address
    # A private chat is one lane; in a group each account has one. A person's private conversation
    # may go on with another account or bot, which must not wait for one that nobody runs any more.
    there = f"{address.platform}/{address.bot_id}/" if message.private else ""
    return inbox.Entry(
        kind="chat",
        address=address,
        message_id=message.message_id,
        ticket=message.ticket,
        user_id=speaker.user_id,
        conversation_id=speaker.conversation_id,
        epoch=speaker.epoch,
        lane=f"{speaker.conversation_id}/{there}{message.author.account_id}",
        question=Question.of(message),
        ready_at=ready_at,
        sent_at=message.sent_at,
    )


def instead(change: Change, record: inbox.Record, question: Question, now: datetime) -> inbox.Entry:
    """Return an entry for a turn that replaces another one."""
    return inbox.Entry(
        kind="chat",
        address=change.address,
        message_id=record.message_id,
        ticket=change.ticket,
        user_id=record.user_id,
        conversation_id=record.conversation_id,
        epoch=record.epoch,
        lane=record.lane,
        question=question,
        ready_at=now,
        follows_id=record.follows_id,
        replaces_id=record.id,
    )


def asking(question: Question, result: commands.Result) -> Question:
    """Return the question of a command as it is stored beside the result."""
    return replace(
        question,
        text="" if result.secret else question.text,
        encloses=result.encloses,
        asks=result.asks,
        whispered=result.whispered,
        fleeting=result.fleeting,
    )


def answered(entry: inbox.Entry, text: str) -> inbox.Entry:
    """Return an entry that is answered already: it needs no model and waits for no question.

    Such turns of one person follow each other: many of them would take all that a process can
    carry out at once, only to wait for the gate of one chat.
    """
    lane = f"{entry.lane}/commands"
    return replace(entry, kind="command", lane=lane, follows_id=None, replaces_id=None, answer=text)


def notice_of(entry: inbox.Entry, reason: Reason, text: str) -> inbox.Entry:
    """Return an entry that only tells a person to wait; it waits for nothing itself."""
    told = entry.question.aside(notice=reason, whispered=True)
    return replace(answered(entry, text), lane=None, question=told)
