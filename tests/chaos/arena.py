"""The arena of the chaos: a platform, a model and a database, with the bot between them."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from core import schema
from tests import postgres
from tests.chaos.answers import responder
from tests.chaos.audit import Auditor, Interval, Verdict
from tests.chaos.crowd import Crowd
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.moments import Sight
from tests.chaos.scenes import DiscordScene, Scene, TelegramScene
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import Records, eventually

PLENTY = "1000000 turns/minute, 1000000 turns/day, 1000000 usd/month"
SETTINGS = {
    "LEASE_SECONDS": "6",
    "QUOTA": PLENTY,
    "REQUESTS_PER_MINUTE": "1000000",
    "PENDING_TURNS": "1000000",
    "BUDGET": "1000000 usd/day",
    # Short prompts, so that the machine has time for the chaos.
    "MEMORY_HIGH_TOKENS": "3000",
    "MEMORY_LOW_TOKENS": "800",
}

COUNTS = """
SELECT coalesce(sum(CASE WHEN kind = 'chat' THEN 1 ELSE 0 END), 0),
    coalesce(sum(CASE WHEN delivered_at IS NULL THEN 1 ELSE 0 END), 0)
FROM turns
"""


@dataclass
class Databases:
    """Fresh databases of both engines, copied from ones that have the schema."""

    server: URL
    directory: Path

    @contextmanager
    def fresh(self, engine: str) -> Iterator[str]:
        """The URL of an empty database."""
        if engine == "postgresql":
            template = postgres.template(self.server, "chaos")
            with postgres.database(self.server, template) as url:
                yield url
            return
        template_file = self.directory / "template.db"
        if not template_file.exists():
            schema.upgrade(f"sqlite:///{template_file}")
        with tempfile.TemporaryDirectory(dir=self.directory) as directory:
            path = shutil.copy(template_file, Path(directory) / "parley.db")
            yield f"sqlite:///{path}"


@dataclass
class Arena:
    """Everything of one run."""

    scene: Scene
    model: ModelServer
    crowd: Crowd
    fleet: Fleet
    records: Records
    choice: random.Random

    def sight(self) -> Sight:
        """Return a sight of everything from now on."""
        return Sight(self.scene, self.model, self.crowd, self.choice)

    async def query(self, query: str) -> list[Any]:
        """Read the database without stopping the fakes."""
        return await asyncio.to_thread(self.records.all, query)

    async def quiet(self, within: float = 120) -> None:
        """Wait until all that was asked is stored and done."""
        async with asyncio.timeout(within):
            while True:
                [(turns, busy)] = await self.query(COUNTS)
                if turns >= len(self.crowd.asked) and not busy:
                    return
                self.fleet.check()
                await asyncio.sleep(0.1)

    async def acquaint(self) -> None:
        """Everybody says something: Discord tells nothing of a private channel that the bot has
        never seen, if it was opened while nobody listened."""
        await self.fleet.listening()
        await eventually(self.scene.is_heard, within=20)
        for place in self.scene.places:
            for who in self.scene.speakers(place):
                await self.crowd.ask(place, who, "short")
        await self.quiet()

    async def quiet_enough(self, seconds: float = 1.5) -> None:
        """A breath in which all processes must live on."""
        await asyncio.sleep(seconds)
        self.fleet.check()

    def audit(self, *, unheard: Sequence[Interval] = (), may_end: bool = False) -> Verdict:
        """Compare the transcripts with the promises."""
        return Auditor(
            self.scene,
            self.crowd,
            self.records,
            self.model.requests,
            self.fleet.kills,
            unheard=unheard,
            may_end=may_end,
        ).audit()


@asynccontextmanager
async def arena(
    platform: str,
    url: str,
    directory: Path,
    seed: int,
    *,
    people: int = 5,
    pace: float = 0.02,
    flood: bool = False,
    arguments: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Arena]:
    """An arena on a database; the fleet is still to be started."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(api_key=None))
        scene: Scene
        if platform == "telegram":
            telegram = await stack.enter_async_context(TelegramServer(flood=flood))
            scene = TelegramScene(telegram, people)
        else:
            discord = await stack.enter_async_context(DiscordServer(limits=flood))
            scene = DiscordScene(discord, people)
        model.respond = responder(scene.limit, seed, pace)
        environment = {
            **SETTINGS,
            **scene.environment(),
            "DATABASE_URL": url,
            "MODEL_API_URL": model.url,
            **(settings or {}),
        }
        directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything runs
        ships = await stack.enter_async_context(
            fleet([platform, *arguments], environment, directory)
        )
        choice = random.Random(f"{seed} {platform} {url.partition(':')[0]}")
        yield Arena(scene, model, Crowd(scene, choice), ships, Records(url), choice)
