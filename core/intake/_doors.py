"""The doors: who may speak to the bot, before anything is stored or asked of what they said."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from core import access, identity, inbox, words
from core.access import Mode, Rules, Verdict
from core.adapter import START, Account, Address, Change, Event, InboundMessage, Membership, Move
from core.commands import Offer
from core.db import Session
from core.errands import Dismiss, Leave, Tell
from core.intake._entries import Accepted, answered, entry_of
from core.turns import Activity, Speaker, Standing, Stranger

log = logging.getLogger(__name__)

Person = tuple[int, Activity, Standing]
"""A person's id, their requests and their standing."""


class Doors:
    """The rules of access, applied to the events of all platforms."""

    def __init__(self, rules: Rules, offer: Offer) -> None:
        self._rules = rules
        self._offer = offer
        self._moved: dict[Account, str] = {}
        """The former ids of allowed groups, by the ids that they have now."""

    def seem_open(self, event: Event) -> bool:
        """Return whether what is known by now lets the bot hear where an event comes from."""
        chats = event.chats if isinstance(event, Membership) else ()
        return self._rules.hears(self._known(event.address), chats)

    async def are_open(self, session: Session, event: Event) -> bool:
        """Return whether the bot hears where an event comes from."""
        if self.seem_open(event):
            return True
        formerly = await access.former_id(session, self._rules, event.address)
        if formerly is None:
            return False
        self._moved[event.address.platform, event.address.places[-1]] = formerly
        return True

    def _known(self, address: Address) -> Address:
        """Return the address of an event with the id by which the operator knows its group."""
        formerly = self._moved.get((address.platform, address.places[-1] if address.places else ""))
        return replace(address, places=(*address.places, formerly)) if formerly else address

    def turn_away(self, event: Event) -> Accepted:
        """Return the end of an event from a group in which the bot does not answer.

        Messages of a group with several chats do not make the bot leave: one of the others may be
        allowed. The platform tells of such a group as a whole, too.
        """
        address = event.address
        is_whole = isinstance(event, Membership) or len(address.places) == 1
        if self._rules.leaves and is_whole:
            group = address.platform, address.bot_id, address.places[-1]
            with words.spoken_in(self._offer.language):
                return Accepted(errand=Leave(("leave", *group), address, words.LEAVING))
        return _silence(event) if isinstance(event, InboundMessage) else Accepted()

    async def note_move(self, session: Session, move: Move) -> None:
        """Let an allowed group keep its permission under its new id."""
        if await access.note_move(session, self._rules, move.address, move.chat):
            group = move.address.chat, move.address.platform, move.chat
            log.warning("the group %s on %s is %s now: write that into ALLOWED_GROUPS", *group)

    # People

    async def admit(
        self, session: Session, message: InboundMessage, now: datetime
    ) -> Speaker | Stranger:
        """Return a person in their conversation, or a stranger, of whom nothing is stored."""
        author, address, private = message.author, message.address, message.private
        found = await identity.admit(
            session,
            author,
            address,
            private=private,
            now=now,
            may_speak=partial(self._may, message),
        )
        if isinstance(found, Speaker):
            return found
        verdict = self._judge(message, found.standing)
        if verdict is Verdict.STRANGER and await self._knows_another(session, found.user_id):
            return await identity.resolve(session, author, address, private=private, now=now)
        return found

    async def find(
        self, session: Session, message: InboundMessage, now: datetime
    ) -> Speaker | None:
        """Return a person who has spoken in a conversation and may do so now."""
        return await identity.find(
            session,
            message.author,
            message.address,
            private=message.private,
            now=now,
            may_speak=partial(self._may, message),
        )

    async def person_of(
        self, session: Session, change: Change, now: datetime
    ) -> Person | Stranger | None:
        """Return the person who changed a message; None for an account that never spoke."""
        person = await identity.activity(session, change.author, now=now)
        if person is None:
            return None
        user_id, _, standing = person
        verdict = self._rules.judge(change.author, self._known(change.address), standing)
        if verdict is Verdict.STRANGER and await self._knows_another(session, user_id):
            return person
        return person if verdict is Verdict.ADMITTED else Stranger(user_id, standing)

    async def hear_stranger(
        self, session: Session, message: InboundMessage, stranger: Stranger, now: datetime
    ) -> Accepted:
        """Let a stranger in who has an invite. Tell any other one once that they are not let in."""
        if self._judge(message, stranger.standing) is Verdict.SILENCE:
            return _silence(message)
        if code := self.code_in(message):
            return await self._hear_code(session, message, stranger, code, now)
        is_told = stranger.standing.told
        if is_told or not (message.private or message.ticket):
            return _silence(message)
        user_id = await identity.meet(session, message.author, now=now)
        if message.private:
            await access.remember_place(session, user_id, message.address)
        sentence = words.INVITE_ONLY if self._rules.mode is Mode.INVITE else words.LIST_ONLY
        account = f"{message.author.platform}:{message.author.account_id}"
        then = partial(access.note_told, user_id=user_id, now=now)
        return _told(message, ("stranger", user_id), sentence.format(account=account), then)

    # Invites

    def code_in(self, message: InboundMessage) -> str | None:
        """Return the code of an invite that a message consists of, or None."""
        if not message.private or self._rules.mode is Mode.LIST:
            return None
        if message.command == START:
            return access.code_in(message.payload or message.text)
        if message.command is None and self._rules.mode is Mode.INVITE:
            return access.code_in(message.text)
        return None

    async def redeem(
        self,
        session: Session,
        message: InboundMessage,
        speaker: Speaker,
        code: str,
        now: datetime,
    ) -> Accepted:
        """Redeem an invite for a person who may speak already; it may bring other terms."""
        if not await inbox.is_new(session, message.address, message.event_id, message.message_id):
            return Accepted()
        if not await access.may_guess(session, speaker.user_id, now=now):
            answer = words.INVITE_TOO_OFTEN
        elif await access.redeem(session, code, speaker.user_id, self._offer.rules, now=now):
            answer = self._welcome
        else:
            await access.note_guess(session, speaker.user_id, now=now)
            answer = words.INVITE_INVALID
        entry = answered(entry_of(message, speaker, now), answer)
        await inbox.accept(session, message.event_id, entry, now=now)
        return Accepted()

    async def _hear_code(
        self,
        session: Session,
        message: InboundMessage,
        stranger: Stranger,
        code: str,
        now: datetime,
    ) -> Accepted:
        """Let a stranger in, or tell them that their code is not valid."""
        user_id = stranger.user_id or await identity.meet(session, message.author, now=now)
        if not await access.may_guess(session, user_id, now=now):
            return _silence(message)
        if not await access.redeem(session, code, user_id, self._offer.rules, now=now):
            may_go_on = await access.note_guess(session, user_id, now=now)
            sentence = words.INVITE_INVALID if may_go_on else words.INVITE_TOO_OFTEN
            return _told(message, ("code", message.event_id), sentence)
        speaker = await identity.resolve(
            session, message.author, message.address, private=True, now=now
        )
        entry = answered(entry_of(message, speaker, now), self._welcome)
        await inbox.accept(session, message.event_id, entry, now=now)
        return Accepted()

    @property
    def _welcome(self) -> str:
        privacy = words.privacy(self._offer.recipients, self._offer.retention_days)
        return "\n\n".join((words.WELCOME, privacy, words.HELLO_COMMANDS))

    def _may(self, message: InboundMessage, standing: Standing) -> bool:
        return self._judge(message, standing) is Verdict.ADMITTED

    def _judge(self, message: InboundMessage, standing: Standing) -> Verdict:
        address = self._known(message.address)
        return self._rules.judge(message.author, address, standing, message.sent_at)

    async def _knows_another(self, session: Session, user_id: int | None) -> bool:
        """Return whether the settings name another account of a person."""
        if user_id is None or not self._rules.names_people:
            return False
        return self._rules.names_one_of(await identity.accounts(session, user_id))


def _silence(message: InboundMessage) -> Accepted:
    """Return an end without an answer. Where the bot shows that one is on its way, that ends."""
    if not (message.private or message.ticket):
        return Accepted()
    key = "silence", message.address.platform, message.event_id
    return Accepted(errand=Dismiss(key, message.address, message.message_id, message.ticket))


def _told(
    message: InboundMessage,
    key: tuple[object, ...],
    text: str,
    then: Callable[[Session], Awaitable[None]] | None = None,
) -> Accepted:
    """Return an end with an answer that belongs to no turn."""
    address, reply_to = message.address, message.message_id
    return Accepted(errand=Tell(key, address, text, reply_to, message.ticket, then))
