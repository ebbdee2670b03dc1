"""Discord: the gateway and channel histories in, Markdown over REST out."""

from bots.discord.adapter import DiscordAdapter, connect

__all__ = ["DiscordAdapter", "connect"]
