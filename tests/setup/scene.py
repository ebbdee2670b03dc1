"""A bot that is set up well, on real servers and files, in which tests plant faults."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bots.doctor._examination import examine
from core.findings import Finding
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.model.server import MODEL
from tests.fakes.telegram import TelegramServer
from tests.records import Records

OFFER = {"prompt": "0.0000002", "input_cache_read": "0.00000005", "completion": "0.0000005"}
NOWHERE = "http://127.0.0.1:1"


@dataclass
class Scene:
    """The servers, the folder with `.env`, and the settings in it."""

    folder: Path
    telegram: TelegramServer
    discord: DiscordServer
    model: ModelServer
    database_url: str
    patch: pytest.MonkeyPatch
    settings: dict[str, str] = field(default_factory=dict)
    more: str = ""
    """The lines of `.env` behind those of the settings."""

    def __post_init__(self) -> None:
        self.model.catalogue["/models"] = {"data": [{"id": MODEL, "pricing": dict(OFFER)}]}
        self.discord.guild("Friends")
        self.settings = {
            "TELEGRAM_TOKEN": self.telegram.token,
            "TELEGRAM_API_URL": self.telegram.url,
            "DISCORD_TOKEN": self.discord.token,
            "DISCORD_API_URL": self.discord.url,
            "MODEL_API_KEY": "test-key",
            "MODEL_API_URL": self.model.url,
            "DATABASE_URL": self.database_url,
        }
        self.write()

    @property
    def file(self) -> Path:
        return self.folder / ".env"

    @property
    def records(self) -> Records:
        return Records(self.settings["DATABASE_URL"])

    @property
    def offers(self) -> list[dict[str, object]]:
        """The models that the service tells of."""
        found: list[dict[str, object]] = self.model.catalogue["/models"]["data"]
        return found

    def write(self, **settings: str) -> None:
        """Write `.env`, with changed settings."""
        self.settings |= settings
        lines = [f"{name}='{value}'\n" for name, value in self.settings.items()]
        self.file.write_text("".join(lines) + self.more)
        self.file.chmod(0o600)

    async def listen(self, platform: str, account: str) -> None:
        """Let a process of ours hold the lease to listen for an account."""
        await self.records.write(
            "INSERT INTO listeners VALUES (:platform, :account, 'worker', :until)",
            platform=platform,
            account=account,
            until=self.moment(hours=1),
        )

    async def hang_up(self) -> None:
        """Let no process listen."""
        await self.records.write("DELETE FROM listeners")

    def moment(self, **later: float) -> object:
        """Return a time as the database stores it."""
        moment = datetime.now(UTC) + timedelta(**later)
        sqlite = self.settings["DATABASE_URL"].startswith("sqlite")
        return f"{moment:%Y-%m-%d %H:%M:%S.%f}" if sqlite else moment

    async def find(self) -> list[Finding]:
        """Examine the bot as `parley doctor` does."""
        self.patch.chdir(self.folder)
        return await examine()
