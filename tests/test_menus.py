"""The platforms' menus offer exactly the commands of the core."""

from bots.discord import commands as discord
from bots.telegram import session as telegram
from core import commands

POSSIBLE = {*commands.COMMANDS, "retry"}


def test_every_platform_offers_every_command() -> None:
    assert set(telegram.COMMANDS) == POSSIBLE
    # Discord shows no start: people see the commands themselves.
    assert set(discord.COMMANDS) == POSSIBLE - {"start"}
