"""The catalogue of commands: the core can carry out all of it, and every platform offers it."""

from pathlib import Path

from sqlalchemy import select

from core import words
from core.adapter import ASK, COMMANDS
from core.commands import Offer
from core.intake import Intake
from core.models import turns
from core.quota import Rules
from tests.core.conftest import connected
from tests.core.rows import NOW, commit, message
from tests.dialogs.stages import DiscordStage, TelegramStage, World
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer

NAMES = [command.name for command in COMMANDS]


def test_each_command_has_a_name_of_its_own() -> None:
    assert len(NAMES) == len(set(NAMES))


async def test_the_core_can_carry_out_every_command(sqlite_url: str) -> None:
    async with connected(sqlite_url) as sessions:
        intake = Intake(
            sessions,
            Offer(Rules((), ()), "m"),
            now=lambda: NOW,
            accepted=lambda at: None,
            changed=lambda: None,
        )
        names = [name for name in NAMES if name != ASK]  # which asks the model
        for name in ("dance", *names):
            await intake.handle(message(name, text="", command=name, admin=True))
        said = await commit(sessions, lambda s: s.execute(select(turns).order_by(turns.c.id)))
        answers = [turn.answer for turn in said]
    unknown = words.NO_SUCH_COMMAND.partition("{")[0]
    assert [bool(answer) for answer in answers] == [True] * (1 + len(names))
    assert [str(answer).startswith(unknown) for answer in answers] == [True] + [False] * len(names)


async def test_telegram_offers_every_command(
    model: ModelServer, telegram_server: TelegramServer, sqlite_url: str, tmp_path: Path
) -> None:
    stage = TelegramStage(World(model, sqlite_url, tmp_path), telegram_server)
    scopes = {code: f"default::{code}" for code in words.languages()} | {"en": "default::"}
    async with stage.running():
        await telegram_server.wait(lambda: set(scopes.values()) <= telegram_server.menus)
        offered = {
            code: [(each["command"], each["description"]) for each in telegram_server.commands(at)]
            for code, at in scopes.items()
        }
    for code in words.languages():
        with words.spoken_in(code):
            assert offered[code] == [(each.name, words.summary(each)) for each in COMMANDS]
    assert len({told[1][1] for told in offered.values()}) == len(scopes), "each says it its own way"


async def test_discord_offers_every_command(
    model: ModelServer, discord_server: DiscordServer, sqlite_url: str, tmp_path: Path
) -> None:
    stage = DiscordStage(World(model, sqlite_url, tmp_path), discord_server)
    async with stage.running():
        offered = {each["name"]: each for each in discord_server.commands}
    assert list(offered) == [*NAMES, words.ASK_ABOUT]
    with words.spoken_in("de"):
        about, usage = words.ASK_ABOUT, words.summary(COMMANDS[NAMES.index("usage")])
        hint = words.hint(COMMANDS[NAMES.index("persona")])
    assert offered[words.ASK_ABOUT]["name_localizations"]["de"] == about != words.ASK_ABOUT
    assert offered["usage"]["description_localizations"]["de"] == usage
    [option] = offered["persona"]["options"]
    assert option["description_localizations"]["de"] == hint
    assert set(offered["usage"]["description_localizations"]) == {
        *("de", "es-ES", "es-419", "fr", "ru", "zh-CN", "zh-TW")
    }
    for command in COMMANDS:
        form = offered[command.name]
        hints = [option["description"] for option in form.get("options", ())]
        hints = [hint for hint in hints if hint != words.ASK_FILE]
        assert form["description"] == command.summary
        assert hints == ([command.hint] if command.hint else [])
