"""Many answers that grow at once: whether the bot keeps up with the model."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from tests.bench.figures import Figure, quantile
from tests.bench.stage import Bot, Stage, answered
from tests.fakes.model import Answer, ModelRequest
from tests.records import eventually


async def streams(stage: Stage, number: int, rate: float, seconds: float) -> Iterator[Figure]:
    """`number` streams, each of `rate` tokens a second, and how late their answers are stored."""
    chance, most = Random(number), int(rate * seconds)

    def respond(_: ModelRequest) -> Answer:
        # Of different lengths: people's answers do not all end at the same moment.
        return Answer("word " * chance.randint(most // 2, most), pace=1 / rate)

    stage.model.respond = respond
    people = stage.people(number)
    async with stage.bot() as bot:
        await stage.ready()
        await asyncio.sleep(1)
        idle = bot.memory()
        for person in people:
            await person.say("go on")
        # Not `model.wait`: it asks again at every token, and there are thousands a second.
        await eventually(lambda: _speaking(stage) == number, within=120)
        share = await _share(bot, seconds / 4)
        await eventually(lambda: all(r.finished for r in stage.model.requests), within=180)
        ended_at = {_turn(r): r.last_token_at or 0.0 for r in stage.model.requests}
        await answered(people, within=180)
        peak = bot.peak()
        late = _lateness(stage, ended_at)
    what = f"{number:,} streams of {rate:g} tokens/s"
    memory = f"{peak:.0f} MB, {(peak - idle) / number * 1000:.0f} kB a stream"
    return iter(
        [
            Figure(f"{what}: lag behind the model, median / p99", stage.database, late),
            Figure(f"{what}: CPU", stage.database, f"{share:.0%} of a core"),
            Figure(f"{what}: memory at most", stage.database, memory),
        ]
    )


def _speaking(stage: Stage) -> int:
    return sum(request.first_token_at is not None for request in stage.model.requests)


async def _share(bot: Bot, seconds: float) -> float:
    began, cpu = time.monotonic(), bot.cpu()
    await asyncio.sleep(seconds)
    return (bot.cpu() - cpu) / (time.monotonic() - began)


def _turn(request: ModelRequest) -> int:
    """The turn that asked, as the request's id tells: turn-12-1 for its first attempt."""
    return int((request.request_id or "").split("-")[1])


def _lateness(stage: Stage, ended_at: dict[int, float]) -> str:
    """From the model's last token to the stored answer."""
    wall = datetime.now(UTC).timestamp() - time.monotonic()
    stored = stage.records.all("SELECT id, answered_at FROM turns")
    late = [_timestamp(row.answered_at) - wall - ended_at[row.id] for row in stored]
    shares = (quantile(late, 0.5), quantile(late, 0.99))
    return " / ".join(f"{share * 1000:.0f}" for share in shares) + " ms"


def _timestamp(value: str | datetime) -> float:
    """SQLite tells a time as text in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
