"""`parley init`: a person at a terminal, real servers on loopback, and the file at the end."""

import os
import stat
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from dotenv import dotenv_values
from honcho.environ import parse  # type: ignore[import-untyped]
from sqlalchemy import URL

from bots.discord.checkup import INSTALLATION, INVITATION
from tests import postgres
from tests.bot import ROOT, process
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.model.server import MODEL
from tests.fakes.telegram import TelegramServer
from tests.setup.seats import Person, seated

ALL = (
    *("TELEGRAM_TOKEN", "DISCORD_TOKEN", "MODEL_API_URL", "MODEL_API_KEY", "MODEL"),
    *("DATABASE_URL", "QUOTA", "BUDGET", "ADMINS"),
)
"""The questions, in their order."""


class Desk:
    """A folder, the servers, and the commands that a person gives there."""

    def __init__(
        self, folder: Path, telegram: TelegramServer, discord: DiscordServer, model: ModelServer
    ) -> None:
        self.folder, self.telegram, self.discord, self.model = folder, telegram, discord, model
        self.file = folder / ".env"
        self.urls = {"TELEGRAM_API_URL": telegram.url, "DISCORD_API_URL": discord.url}
        self.right = {
            "TELEGRAM_TOKEN": telegram.token,
            "DISCORD_TOKEN": discord.token,
            "MODEL_API_URL": model.url,
            "MODEL_API_KEY": "test-key",
        }
        """The answers that Enter does not give."""

    def init(self, **environment: str) -> AbstractAsyncContextManager[Person]:
        return seated(self.folder, "init", environment={**self.urls, **environment})

    @property
    def values(self) -> dict[str, str | None]:
        return dict(dotenv_values(self.file))

    async def fill_in(self, person: Person, first: str = ALL[0], last: str = ALL[-1]) -> None:
        """Give right answers from one question to another."""
        for name in ALL[ALL.index(first) : ALL.index(last) + 1]:
            await person.answers(name, self.right.get(name, ""))


@pytest.fixture
async def desk(
    tmp_path: Path,
    telegram_server: TelegramServer,
    discord_server: DiscordServer,
    model: ModelServer,
) -> Desk:
    offer = {"prompt": "0.000002", "completion": "0.000005"}
    model.catalogue["/models"] = {"data": [{"id": MODEL}, {"id": "other/model", "pricing": offer}]}
    folder = tmp_path / "home"
    folder.mkdir()
    return Desk(folder, telegram_server, discord_server, model)


async def test_it_asks_checks_and_writes_what_the_bot_needs(desk: Desk) -> None:
    async with desk.init() as person:
        await desk.fill_in(person, last="TELEGRAM_TOKEN")
        await person.reads("this is @parley_bot")
        await desk.fill_in(person, "DISCORD_TOKEN", "MODEL_API_KEY")
        await person.reads("its account has 100.00 usd")
        await desk.fill_in(person, "MODEL", "MODEL")
        await person.reads(f"{MODEL} is on offer")
        await person.reads("0.20/0.05/0.50 usd")
        await desk.fill_in(person, "DATABASE_URL", "BUDGET")
        await person.answers("ADMINS", "telegram:123")
        await person.reads("https://t.me/parley_bot")
        assert await person.status() == 0
    invitation = INVITATION.format(id=desk.discord.application_id)
    assert invitation in person.said.replace("\n", "")
    assert desk.values == {
        **desk.right,
        "MODEL": MODEL,
        "DATABASE_URL": "sqlite:///parley.db",
        "QUOTA": "10 turns/minute, 200 turns/day, 1 usd/month",
        "BUDGET": "20 usd/month",
        "ADMINS": "telegram:123",
    }
    assert parse(desk.file.read_text()) == desk.values
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    assert os.listdir(desk.folder) == [".env"]
    for secret in (desk.telegram.token, desk.discord.token, "test-key"):
        assert secret not in person.said


async def test_a_wrong_answer_gets_one_sentence_and_the_question_again(desk: Desk) -> None:
    model_url = f"{desk.model.url}"
    wrong = {
        "TELEGRAM_TOKEN": {"abc": "is no token", "1:wrong": "is not accepted"},
        "DISCORD_TOKEN": {"wrong": "is not accepted", "a b": "has spaces"},
        "MODEL_API_URL": {"api.example.org": "not of the form https://host/path"},
        "MODEL_API_KEY": {"": "is needed", "wrong": "does not accept it"},
        "DATABASE_URL": {
            "mysql://h/x": "write it as sqlite:///file.db",
            "sqlite:////nowhere/at/all.db": "there is no folder /nowhere/at",
            "sqlite:///it's.db": "%27",
        },
        "QUOTA": {"5 apples": "not of the form '10 turns/minute'"},
        "BUDGET": {"0.001 usd/month": "less than one answer may cost"},
        "ADMINS": {"ann": "not of the form", "telegram:@ann": "a number, as telegram:123"},
    }
    async with desk.init() as person:
        for name in ALL:
            for answer, told in wrong.get(name, {}).items():
                await person.answers(name, answer)
                for word in told.split():  # the line may be folded anywhere
                    await person.reads(word)
            await desk.fill_in(person, name, name)
        assert await person.status() == 0
    assert desk.values["MODEL_API_URL"] == model_url


async def test_one_platform_is_enough_and_none_is_not(desk: Desk) -> None:
    async with desk.init() as person:
        await person.answers("TELEGRAM_TOKEN")
        await person.answers("DISCORD_TOKEN")
        await person.reads("One platform at least is needed")
        await desk.fill_in(person, last="TELEGRAM_TOKEN")
        await person.answers("DISCORD_TOKEN")
        await desk.fill_in(person, "MODEL_API_URL")
        assert await person.status() == 0
    assert "DISCORD_TOKEN" not in desk.values


async def test_a_file_that_is_there_keeps_its_lines(desk: Desk) -> None:
    before = (
        "# My bot\nSYSTEM_PROMPT=\"You are\nmy 'friend'.\"\n"
        f"export MODEL_API_KEY = old  # of May\nTELEGRAM_TOKEN={desk.telegram.token}\n"
        "CONCURRENCY=7"
    )
    desk.file.write_text(before)
    desk.file.chmod(0o644)
    async with desk.init() as person:
        await person.answers("TELEGRAM_TOKEN (hidden) [the one in .env]")
        await desk.fill_in(person, "DISCORD_TOKEN", "MODEL_API_KEY")
        await person.answers("Replace MODEL_API_KEY in .env?", "n")
        await person.reads("does not accept it")
        await desk.fill_in(person, "MODEL_API_KEY", "MODEL_API_KEY")
        await person.answers("Replace MODEL_API_KEY in .env?", "y")
        await desk.fill_in(person, "MODEL")
        assert await person.status() == 0
    text = desk.file.read_text()
    for line in before.splitlines():
        assert (f"\n{line}\n" in f"\n{text}") is ("old" not in line)
    assert desk.values["MODEL_API_KEY"] == "test-key"
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
@pytest.mark.parametrize("name", ["TELEGRAM_TOKEN", "ADMINS"])
async def test_whoever_ends_it_has_no_file(desk: Desk, name: str, key: str) -> None:
    async with desk.init() as person:
        if name != ALL[0]:
            await desk.fill_in(person, last=ALL[ALL.index(name) - 1])
        await person.reads(name)
        await person.reads(": ")
        await person.presses(key, until="Nothing is written.")
        assert await person.status() == 130
    assert os.listdir(desk.folder) == []
    assert "Traceback" not in person.said


async def test_a_server_that_cannot_be_reached_stops_nobody(desk: Desk) -> None:
    nowhere = "http://127.0.0.1:1"
    async with desk.init(TELEGRAM_API_URL=nowhere, DISCORD_API_URL=nowhere) as person:
        desk.right["MODEL_API_URL"] = f"{nowhere}/v1"
        for name in ALL[:2]:
            await desk.fill_in(person, name, name)
            await person.reads("Not checked: ")
            await person.answers("Go on with this answer?")
        await desk.fill_in(person, "MODEL_API_URL", "MODEL_API_KEY")
        await person.answers("Go on with this answer?")
        await desk.fill_in(person, "MODEL", "MODEL")
        await person.reads("tells nothing of its models")
        await person.answers("DATABASE_URL", "postgres://u:p@127.0.0.1:1/parley")
        await person.answers("Go on with this address?", "y")
        await desk.fill_in(person, "QUOTA")
        assert await person.status() == 0
    assert desk.values["TELEGRAM_TOKEN"] == desk.telegram.token
    assert desk.values["DATABASE_URL"] == "postgres://u:p@127.0.0.1:1/parley"


async def test_the_environment_wins_and_is_not_copied(desk: Desk) -> None:
    async with desk.init(TELEGRAM_TOKEN=desk.telegram.token, MODEL="nowhere/thing") as person:
        await person.reads("TELEGRAM_TOKEN is set in the environment")
        await person.reads("this is @parley_bot")
        await desk.fill_in(person, "DISCORD_TOKEN", "MODEL_API_KEY")
        await person.answers("Use it all the same?", "y")
        await person.answers("MODEL_PRICES", "1/1/1")
        await desk.fill_in(person, "DATABASE_URL")
        assert await person.status() == 0
    assert not {"TELEGRAM_TOKEN", "MODEL"} & desk.values.keys()


async def test_the_prices_of_another_model_come_from_its_service(desk: Desk) -> None:
    desk.right["MODEL"] = "other/model"
    async with desk.init() as person:
        await desk.fill_in(person, last="MODEL")
        await person.answers("MODEL_PRICES [other/model=2/2/5]")
        await desk.fill_in(person, "DATABASE_URL")
        assert await person.status() == 0
    assert desk.values["MODEL_PRICES"] == "other/model=2/2/5"
    assert desk.values["BUDGET"] == "20 usd/month"


async def test_the_prices_of_several_models_are_asked_for_at_once(desk: Desk) -> None:
    desk.right["MODEL"] = f"{MODEL}, other/model, third/thing"
    desk.model.catalogue["/models"]["data"].append({"id": "third/thing"})
    async with desk.init() as person:
        await desk.fill_in(person, last="MODEL")
        await person.answers("MODEL_PRICES [other/model=2/2/5]")
        await person.reads("no prices are known for third/thing")
        await person.answers("MODEL_PRICES", "other/model=2/2/5, third/thing=1/1/1")
        await desk.fill_in(person, "DATABASE_URL")
        assert await person.status() == 0
    assert desk.values["MODEL_PRICES"] == "other/model=2/2/5, third/thing=1/1/1"


async def test_a_wrong_proxy_keeps_nobody_at_a_question(desk: Desk) -> None:
    async with desk.init(HTTP_PROXY="ftp://proxy") as person:
        for name in ("TELEGRAM_TOKEN", "DISCORD_TOKEN", "MODEL_API_KEY", "MODEL"):
            if name == "MODEL_API_KEY":
                await desk.fill_in(person, "MODEL_API_URL", "MODEL_API_URL")
            await desk.fill_in(person, name, name)
            await person.reads("HTTP_PROXY")
            await person.answers("Go on with this answer?")
        await desk.fill_in(person, "DATABASE_URL")
        assert await person.status() == 0


async def test_without_prices_the_limits_count_no_money(desk: Desk) -> None:
    desk.model.catalogue["/models"]["data"].append({"id": "third/thing"})
    desk.right["MODEL"] = "third/thing"
    async with desk.init() as person:
        await desk.fill_in(person, last="MODEL")
        await person.answers("MODEL_PRICES")
        await desk.fill_in(person, "DATABASE_URL")
        assert await person.status() == 0
    assert desk.values["QUOTA"] == "10 turns/minute, 200 turns/day"
    assert desk.values["BUDGET"] == ""
    assert "MODEL_PRICES" not in desk.values


async def test_an_empty_database_on_a_server_needs_a_command_first(
    desk: Desk, postgres_server: URL
) -> None:
    with postgres.database(postgres_server) as url:
        desk.right["DATABASE_URL"] = url
        async with desk.init() as person:
            await desk.fill_in(person)
            await person.reads("parley migrate  and then  make run")
            assert await person.status() == 0


def test_the_invitation_is_that_of_the_handbook() -> None:
    handbook = (ROOT / "docs" / "platforms.md").read_text()
    for each in (INVITATION, INSTALLATION):
        assert each.format(id="APPLICATION_ID") in handbook


async def test_without_a_terminal_it_tells_what_to_do(tmp_path: Path) -> None:
    async with process("init", log=tmp_path / "log", environment={}) as started:
        assert await started.wait() == 2
    said = "\n".join(started.lines())
    assert ".env.example" in said
    assert "parley doctor" in said
