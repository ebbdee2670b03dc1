"""Discord on loopback: REST v10 and the gateway, as strict as the real service.

First make a `DiscordServer` and its scene: people, guilds, channels. Then let an unmodified
discord.py log in, act as a person, and look at what the bot did.

    async with DiscordServer() as server:
        ada = server.person("Ada")
        channel = server.channel(server.guild("Friends", members=[ada]), "general")
        question = await server.say(channel, ada, f"{server.mention} hello")
        await server.wait(lambda: server.answers(channel))
"""

from tests.fakes.discord.records import Call, Channel, Guild, Interaction, Message, Person
from tests.fakes.discord.server import DiscordServer

__all__ = ["Call", "Channel", "DiscordServer", "Guild", "Interaction", "Message", "Person"]
