"""Channels that the bot may not view: Discord tells of them, with most fields missing."""

import logging
from collections.abc import Callable
from typing import Any

import discord

from core.errors import place

log = logging.getLogger(__name__)

HIDDEN = 1 << 17
"""The flag of such a channel."""

Parse = Callable[[Any], None]


def seeing(parsers: dict[str, Parse], client: discord.Client) -> dict[str, Parse]:
    """Return the library's parsers of events, for which hidden channels do not exist.

    The library cannot read all of them, and would lose the whole server. A channel that comes into
    sight is a new one, and one that goes out of sight is deleted.
    """

    def parse_guild(data: Any) -> None:
        channels = data.get("channels")
        if isinstance(channels, list):
            data = {**data, "channels": [each for each in channels if not _is_hidden(each)]}
        parsers["GUILD_CREATE"](data)

    def parse_new(data: Any) -> None:
        if not _is_hidden(data):
            parsers["CHANNEL_CREATE"](data)

    def parse_change(data: Any) -> None:
        is_known = client.get_channel(int(data["id"])) is not None
        if _is_hidden(data):
            if is_known:
                parsers["CHANNEL_DELETE"](data)
        else:
            parsers["CHANNEL_UPDATE" if is_known else "CHANNEL_CREATE"](data)

    return {
        **parsers,
        "GUILD_CREATE": parse_guild,
        "CHANNEL_CREATE": parse_new,
        "CHANNEL_UPDATE": parse_change,
    }


def _is_hidden(channel: Any) -> bool:
    flags = channel.get("flags") if isinstance(channel, dict) else None
    return isinstance(flags, int) and bool(flags & HIDDEN)


def passing_over(name: str, parse: Parse) -> Parse:
    """Return a parser that passes over an event that it cannot read.

    Without READY there is no session, so that its error ends the connection.
    """

    def parse_or_pass(data: Any) -> None:
        try:
            parse(data)
        except Exception as error:  # one event must not stop the others
            if name == "READY":
                raise
            told = data.get("id") if isinstance(data, dict) else None
            number = told[:20] if isinstance(told, str) and told.isdecimal() else "without an id"
            where = place(error)
            log.error("Cannot read event %s %s, it is passed over: %s", name, number, where)
            log.debug("event %s", name, exc_info=True)

    return parse_or_pass
