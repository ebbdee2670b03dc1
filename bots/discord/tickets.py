"""Tickets: an interaction's token, with which an answer can be written for 15 minutes.

Where the bot may write anyway, the token only replaces "is thinking…"; all else goes by the
channel. Elsewhere it is the only way: in a server or a private chat where the bot is no member, and
in a channel where it may not write. There the first message of an answer replaces "is thinking…",
the others are follow-ups, and everything is edited and deleted with the token. Any process can do
so. A ticket is deleted once the answer is delivered.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import aiohttp
import discord
from discord.http import Route
from discord.utils import snowflake_time

from bots.discord import rest
from bots.discord.rest import Json, Refused, Silenced, call, translated
from core.adapter import Leeway
from core.errors import (
    MISSHAPEN,
    DeliveryError,
    MessageGone,
    RetryAfter,
    TooLate,
    Unreachable,
)

EPHEMERAL = 1 << 6
"""The flag of a message that nobody but one person sees."""
LIFE = timedelta(minutes=15)
"""The time for which a token serves."""
FOLLOW_UPS = 5
"""The most messages of an answer beside the first; Discord allows no more where the bot is no
member."""

_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_RESPONSE = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
_ORIGINAL = "@original"
_NOTHING = "…"
_ENDED = {10015, 50027}
"""Unknown webhook, invalid webhook token."""
_ENOUGH = 40094
"""The code for too many follow-ups."""


class Way(StrEnum):
    """The part that a token has in an answer."""

    FIRST = "first"
    """It replaces "is thinking…"; the bot may write there by itself."""
    ALONE = "alone"
    """It is the only way to write."""
    PRESSED = "pressed"
    """It is the only way to write, and its first message is the one with the pressed button."""
    HIDDEN = "hidden"
    """Nobody but the person sees what it writes, and nothing of that is written without it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A token, the interaction that it belongs to, and its part in the answer."""

    token: str = field(repr=False)
    interaction_id: str = ""
    way: Way = Way.FIRST

    def __str__(self) -> str:
        if self.way is Way.FIRST:
            return self.token
        return f"{self.way}:{self.interaction_id}:{self.token}"

    @property
    def alone(self) -> bool:
        """True if the bot may write only with the token."""
        return self.way is not Way.FIRST


def read(ticket: str) -> Ticket | None:
    """Return a ticket from its text; None for ""."""
    if not ticket:
        return None
    way, _, rest_of_it = ticket.partition(":")
    interaction_id, _, token = rest_of_it.partition(":")
    return Ticket(token, interaction_id, Way(way)) if token else Ticket(ticket)


def is_hidden(ticket: str) -> bool:
    """Return whether nobody but the person sees what a ticket writes."""
    held = read(ticket)
    return held is not None and held.way is Way.HIDDEN


def leeway(ticket: str) -> Leeway:
    """Return the bounds of an answer that is written with a ticket."""
    held = read(ticket)
    if held is None or not held.alone:
        return Leeway()
    until = snowflake_time(int(held.interaction_id)) + LIFE
    return Leeway(parts=1 + FOLLOW_UPS, repeatable=False, until=until, reaches_older=False)


def refuse_late(held: Ticket | None) -> None:
    """Raise TooLate if a ticket that has ended was the only way to hide an answer from others."""
    if held is not None and held.way is Way.HIDDEN:
        raise TooLate("the ticket of an answer for one person has ended")


@contextmanager
def ending(held: Ticket | None) -> Iterator[None]:
    """Make a last try without a ticket: raise TooLate if the bot may not write there otherwise."""
    try:
        yield
    except Silenced as refusal:
        if held is None or not held.alone:
            raise
        raise TooLate(f"the ticket has ended: {refusal}") from refusal


async def write(
    client: discord.Client, session: aiohttp.ClientSession, held: Ticket, body: Json, *, first: bool
) -> str | None:
    """Write the first or a further message of an answer; return its id, or None if too late.

    The first replaces "is thinking…". If somebody has deleted that, or a button was pressed, it is
    a follow-up.
    """
    if first and held.way is not Way.PRESSED:
        try:
            found = await _response(client, "PATCH", held, _ORIGINAL, body)
        except MessageGone:
            found = None
            if not held.alone:
                return None
        except _Ended:
            return None
        if found is not None:
            return rest.field(found, "id", str)
    if held.way is Way.HIDDEN:
        return await whisper(client, session, held, body, first=False)
    try:
        return await _follow_up(client, session, held, body)
    except _Ended:
        return None


async def whisper(
    client: discord.Client, session: aiohttp.ClientSession, held: Ticket, body: Json, *, first: bool
) -> str | None:
    """Write a message that only one person sees; return its id, or None if it is too late.

    Everybody sees "is thinking…", and a follow-up would take its place. So that becomes a message
    for a moment, and goes when the follow-up stands.
    """
    hidden = {**body, "flags": body.get("flags", 0) | EPHEMERAL}
    try:
        if first and held.way is not Way.PRESSED:
            with suppress(MessageGone):
                await _response(client, "PATCH", held, _ORIGINAL, {"content": _NOTHING})
        message_id = await _follow_up(client, session, held, hidden)
    except _Ended:
        return None
    if first:
        with suppress(DeliveryError):  # the answer stands, and a repeat would be a double of it
            await withdraw(client, held)
    return message_id


async def edit(client: discord.Client, held: Ticket, message_id: str, body: Json) -> bool:
    """Edit a message of an answer; return False if it is too late."""
    try:
        await _response(client, "PATCH", held, message_id, body)
    except _Ended:
        return False
    return True


async def delete(client: discord.Client, held: Ticket, message_id: str) -> bool:
    """Delete a message of an answer; return False if it is too late."""
    try:
        await _response(client, "DELETE", held, message_id)
    except _Ended:
        return False
    return True


async def attach(
    client: discord.Client,
    session: aiohttp.ClientSession,
    held: Ticket,
    body: Json,
    file: tuple[str, bytes],
) -> str | None:
    """Add a file to the first message; return an id for it, or None if it is too late.

    A file of its own would be a follow-up, which cannot be repeated safely. It is one if somebody
    has deleted the first message.
    """
    listed = body | {"attachments": [{"id": "0", "filename": file[0]}]}
    try:
        try:
            found = await _response(client, "PATCH", held, _ORIGINAL, listed, file)
        except MessageGone:
            return await _follow_up(client, session, held, body, file)
    except _Ended:
        return None
    return f"{rest.field(found, 'id', str)}/{file[0]}"


async def serves(client: discord.Client, held: Ticket) -> bool:
    """Return whether a ticket still serves; one call."""
    try:
        await _response(client, "GET", held, _ORIGINAL)
    except MessageGone:
        return True
    except _Ended:
        return False
    return True


async def withdraw(client: discord.Client, held: Ticket) -> None:
    """Delete "is thinking…", or the answer that replaced it; one that is gone is no error."""
    if held.way is Way.PRESSED:
        return  # the first message is an older answer
    try:
        await _response(client, "DELETE", held, _ORIGINAL)
    except (MessageGone, _Ended):
        return


class _Ended(Exception):
    """A ticket has ended."""


async def _response(
    client: discord.Client,
    method: str,
    held: Ticket,
    message_id: str,
    body: Json | None = None,
    file: tuple[str, bytes] | None = None,
) -> Json:
    """Read, edit or delete a message of an interaction; this may be repeated.

    Raises _Ended if the ticket has, and MessageGone if the message is deleted.
    """
    try:
        found: Json = await call(
            client,
            method,
            _RESPONSE,
            body=body,
            file=file,
            webhook_id=client.application_id or 0,
            webhook_token=held.token,
            message_id=message_id,
        )
    except Refused as refusal:
        if refusal.code in _ENDED:
            raise _Ended from refusal
        raise
    return found


async def _follow_up(
    client: discord.Client,
    session: aiohttp.ClientSession,
    held: Ticket,
    body: Json,
    file: tuple[str, bytes] | None = None,
) -> str:
    """Post one more message and return its id; raises _Ended if the ticket has.

    It is asked for once: a repeat could make a double, and the library repeats such calls.
    """
    path = _WEBHOOK.format(webhook_id=client.application_id, webhook_token=held.token)
    agent = {"User-Agent": client.http.user_agent}
    form: aiohttp.FormData | aiohttp.JsonPayload = aiohttp.JsonPayload(body)
    if file is not None:
        form = aiohttp.FormData(quote_fields=False)
        for each in rest.form_of(body, *file):
            form.add_field(**each)
    try:
        async with session.post(
            f"{Route.BASE}{path}", data=form, headers=agent, timeout=rest.TIMEOUT
        ) as response:
            return rest.field(await _told(response), "id", str)
    except (aiohttp.ClientError, OSError) as error:  # the address has the token in it
        sent = not isinstance(error, aiohttp.ClientConnectorError)
        raise Unreachable(type(error).__name__, maybe_done=sent) from None
    except MISSHAPEN as error:
        raise rest.misshapen(error) from None


async def _told(response: aiohttp.ClientResponse) -> Json:
    """Return what Discord told of a new message, or raise why there is none."""
    if response.status >= 500:
        raise Unreachable(f"{response.status} for a follow-up")
    if response.status < 400:
        created: Json = await response.json()
        return created
    told = await _refused(response)
    if response.status == 429:
        raise RetryAfter(float(told.get("retry_after", rest.BAN)))
    refusal = translated(discord.HTTPException(response, told))
    if isinstance(refusal, Refused) and refusal.code in _ENDED:
        raise _Ended from refusal
    if isinstance(refusal, Refused) and refusal.code == _ENOUGH:
        raise Unreachable(str(refusal)) from refusal  # a file takes the place of the rest
    raise refusal


async def _refused(response: aiohttp.ClientResponse) -> Json:
    """Return the body of a refusal; {} for a page of the network in front of Discord."""
    try:
        told = await response.json(content_type=None)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
