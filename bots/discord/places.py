"""The places around a channel, by whose ids an operator may name it."""

import discord
from discord.abc import Snowflake

from bots.discord import Discord
from core.adapter import Address, Membership


def address_of(channel: Snowflake, me: Snowflake, guild: Snowflake | None) -> Address:
    """Return the address of a channel; a thread is a channel of its own.

    `guild` is its server; None for a private chat, and for a server without the bot.
    """
    places = () if guild is None else (*_around(channel), str(guild.id))
    return Address(Discord.name, str(me.id), str(channel.id), places=places)


def parse_membership(guild: discord.Guild, me: Snowflake) -> Membership:
    """Return the sign that the bot is in a server, with a channel in which it may write."""
    writable = (each for each in guild.text_channels if _may_write(each))
    greeting = guild.system_channel
    first = greeting if greeting is not None and _may_write(greeting) else next(writable, None)
    chat = "" if first is None else str(first.id)
    address = Address(Discord.name, str(me.id), chat, places=(str(guild.id),))
    chats = tuple(str(each.id) for each in (*guild.channels, *guild.threads))
    return Membership(f"member {guild.id}", address, chats)


def _around(channel: Snowflake) -> list[str]:
    """Return the ids of a channel, of the channel around a thread, and of their category."""
    whole = channel.parent if isinstance(channel, discord.Thread) else channel
    around = (channel, whole, getattr(whole, "category", None))
    return list(dict.fromkeys(str(each.id) for each in around if each is not None))


def _may_write(channel: discord.TextChannel) -> bool:
    allowed = channel.permissions_for(channel.guild.me)
    return allowed.view_channel and allowed.send_messages
