"""Discord: how soon an answer is seen in a server's channel."""

import asyncio
import time
from collections.abc import Iterator

from core import words
from tests.bench.figures import Figure, spread
from tests.bench.stage import Stage
from tests.bench.turns import TEXT, answer
from tests.fakes.discord import DiscordServer
from tests.fakes.discord.records import Channel, Person

CHANNELS = 10


async def latency(stage: Stage, turns: int) -> Iterator[Figure]:
    """Measure the time that Parley adds to the model's, one turn after the other on a quiet bot."""
    stage.model.respond = lambda _: answer()
    async with DiscordServer(limits=False) as server:
        ada = server.person("Ada")
        guild = server.guild("Friends", members=[ada])
        channels = [server.channel(guild, f"talk-{number}") for number in range(CHANNELS)]
        account = {"discord_token": server.token, "discord_api_url": server.url}
        async with stage.bot(platform="discord", **account) as bot:
            await server.wait(lambda: server.gateway.sessions, timeout=30)
            await asyncio.sleep(1)
            idle = bot.memory()
            for channel in channels:
                await _watched(stage, server, channel, ada)
            added = [
                await _watched(stage, server, channels[n % CHANNELS], ada) for n in range(turns)
            ]
    first, last = spread([one for one, _ in added]), spread([other for _, other in added])
    return iter(
        [
            Figure("Discord: event to first text", stage.database, first),
            Figure("Discord: last token to whole text", stage.database, last),
            Figure("Discord: memory when idle", stage.database, f"{idle:.0f} MB"),
        ]
    )


async def _watched(
    stage: Stage, server: DiscordServer, channel: Channel, who: Person
) -> tuple[float, float]:
    before = len(server.answers(channel))

    def is_answered() -> bool:
        answers = server.answers(channel)
        return len(answers) > before and words.STOP not in str(answers[-1].buttons)

    said_at = time.monotonic()
    await server.say(channel, who, f"{server.mention} {TEXT}")
    await server.wait(is_answered, timeout=30)
    answer, request = server.answers(channel)[-1], stage.model.requests[-1]
    assert request.first_token_at is not None
    assert request.last_token_at is not None
    # A channel takes about a call a second for long: who talks faster would measure that.
    await asyncio.sleep(0.1)
    first = answer.sent_at - said_at - (request.first_token_at - request.started)
    return first, (answer.edited_at or answer.sent_at) - request.last_token_at
