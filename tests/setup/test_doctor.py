"""`parley doctor` on SQLite: a healthy bot has nothing, and each planted fault is named."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from bots.asking import SECONDS
from bots.trust import trust
from core import checkup
from core.findings import Check, Finding, Severity, carry_out
from tests.bot import bot, process
from tests.dialogs.stages import env
from tests.fakes.model.server import MODEL
from tests.setup.scene import NOWHERE, OFFER, Scene

Plant = Callable[[Scene], Awaitable[None] | None]


def _set(**settings: str) -> Plant:
    return lambda scene: scene.write(**settings)


def _machine(**variables: str) -> Plant:
    def plant(scene: Scene) -> None:
        for name, value in variables.items():
            scene.patch.setenv(name, value)

    return plant


def _line(text: str) -> Plant:
    def plant(scene: Scene) -> None:
        scene.more = f"{text}\n"
        scene.write()

    return plant


def _offer(*offers: dict[str, object], **settings: str) -> Plant:
    def plant(scene: Scene) -> None:
        scene.model.catalogue["/models"] = {"data": list(offers)}
        scene.write(**settings)

    return plant


def _retire(status: str) -> Plant:
    def plant(scene: Scene) -> None:
        told = {"id": MODEL, "status": status, "shutdown_at": "2027-01-31"}
        scene.model.catalogue["/models/deprecations"] = {"data": [told]}

    return plant


def _balance(usd: str) -> Plant:
    def plant(scene: Scene) -> None:
        scene.model.balance = type(scene.model.balance)(usd)

    return plant


def _chmod(mode: int, *names: str) -> Plant:
    def plant(scene: Scene) -> None:
        for name in names:
            (scene.folder / name).chmod(mode)

    return plant


def _damage(scene: Scene) -> None:
    (scene.folder / "bad.db").write_bytes(b"no database, but long enough to look like one" * 99)
    (scene.folder / "bad.db").chmod(0o600)
    scene.write(DATABASE_URL=f"sqlite:///{scene.folder}/bad.db")


def _foreign(scene: Scene) -> None:
    path = scene.folder / "other.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE notes (id INTEGER)")
    path.chmod(0o600)
    scene.write(DATABASE_URL=f"sqlite:///{path}")


async def _newer(scene: Scene) -> None:
    await scene.records.write("UPDATE alembic_version SET version_num = '9999'")


async def _unknown_tier(scene: Scene) -> None:
    insert = "INSERT INTO exceptions (platform, chat, terms) VALUES ('telegram', '-5', 'gold')"
    await scene.records.write(insert)


async def _deaf(scene: Scene) -> None:
    await scene.records.write(
        "INSERT INTO alerts VALUES ('deaf', 'telegram', :now, :now, NULL)", now=scene.moment()
    )


async def _group(scene: Scene) -> None:
    await scene.records.write(
        "INSERT INTO conversations (platform, bot_id, chat, thread, epoch, created_at)"
        " VALUES ('telegram', :bot, '-500', '', 0, :now)",
        bot=scene.telegram.bot_id,
        now=scene.moment(),
    )
    scene.telegram.group(-500, "Friends", [scene.telegram.person(1, "Ada")])


async def _private_mode(scene: Scene) -> None:
    await _group(scene)
    scene.telegram._state.privacy = True


async def _quiet(scene: Scene) -> None:
    await _group(scene)
    scene.telegram.add_bot(
        scene.telegram.group(-500, "Friends"), scene.telegram.person(1, "Ada"), quiet=True
    )


async def _closed_to_groups(scene: Scene) -> None:
    await _group(scene)
    me = {"id": int(scene.telegram.bot_id), "username": "parley_bot", "can_join_groups": False}
    body = json.dumps({"ok": True, "result": me}).encode()
    scene.telegram.rubbish.order("getMe", body, times=9)


async def _waiting(scene: Scene) -> None:
    ada = scene.telegram.person(1, "Ada")
    for _ in range(120):
        await scene.telegram.say(scene.telegram.private(ada), ada, "Hello?")


def _webhook(scene: Scene) -> None:
    scene.telegram.webhook = "https://elsewhere.example.org/hook"


def _menu(scene: Scene) -> None:
    scene.telegram.leave_commands("all_private_chats::de")


def _no_intent(scene: Scene) -> None:
    scene.discord.intents_allowed.clear()


def _endpoint(scene: Scene) -> None:
    scene.discord.world.endpoint = "https://elsewhere.example.org/interactions"


def _grant(scene: Scene) -> None:
    scene.discord.world.needs_grant = True


def _few_sessions(scene: Scene) -> None:
    scene.discord.world.identifies_left = 3


def _denied(scene: Scene) -> None:
    [guild] = scene.discord.world.guilds.values()
    guild.denied.add("ATTACH_FILES")


def _binary(scene: Scene) -> None:
    text = scene.file.read_bytes()
    for name, value in scene.settings.items():
        scene.patch.setenv(name, value)
    scene.file.write_bytes(text + b"\nNAME=\xff\n")


PLANTS: dict[str, tuple[str, Plant]] = {
    # Settings
    "a wrong limit": ("settings.quota", _set(QUOTA="many")),
    "a wrong language": ("settings.default_language", _set(DEFAULT_LANGUAGE="klingon")),
    "a model without prices": ("settings.model_prices", _set(MODEL="other/thing")),
    "no token": ("settings.platforms", _set(TELEGRAM_TOKEN="", DISCORD_TOKEN="")),
    "no key": ("settings.model_api_key", _set(MODEL_API_KEY="")),
    "an operator who never wrote": ("settings.admins", _set(ADMINS="telegram:99")),
    "a tier that is gone": ("settings.tiers", _unknown_tier),
    "a file in another encoding": ("env.file", _binary),
    "a file that others read": ("env.permissions", _chmod(0o644, ".env")),
    "a line that is none": ("env.line", _line("just some words")),
    "a setting twice": ("env.double", _line("MODEL_API_KEY=test-key")),
    "a misspelt setting": ("env.unknown", _line("TELEGRAM_TOKN=1:token")),
    "a proxy in the file": ("env.place", _line("HTTPS_PROXY=http://proxy:3128")),
    # The machine
    "a database that others read": ("database.permissions", _chmod(0o644, "../parley.db")),
    "a folder for everybody": ("database.folder", _chmod(0o777, "..")),
    "SQLite on a dyno": ("database.dyno", _machine(DYNO="worker.1")),
    "a wrong proxy": ("network.settings", _machine(HTTPS_PROXY="ftp://proxy")),
    "a proxy that is down": ("network.proxy", _machine(HTTPS_PROXY="http://127.0.0.1:1")),
    # SQLite
    "no folder": ("database.folder", _set(DATABASE_URL="sqlite:////nowhere/parley.db")),
    "a folder for a file": ("database.file", _set(DATABASE_URL="sqlite:////tmp")),
    "a file that is no database": ("database.damaged", _damage),
    "a database of another program": ("database.foreign", _foreign),
    "tables of a newer release": ("database.tables", _newer),
    "a bot that hears nothing": ("bot.deaf", _deaf),
    # The model
    "a model API that is away": ("model.server", _set(MODEL_API_URL=f"{NOWHERE}/v1")),
    "a wrong key": ("model.key", _set(MODEL_API_KEY="wrong-key")),
    "no credit": ("model.balance", _balance("0")),
    "little credit": ("model.balance", _balance("0.5")),
    "a model that nobody offers": ("model.unknown", _offer({"id": "other/thing"})),
    "a model that is gone": ("model.retired", _retire("withdrawn")),
    "a model that goes soon": ("model.retired", _retire("deprecated")),
    "no prices and no money": (
        "model.prices",
        _offer({"id": "other/thing"}, MODEL="other/thing", QUOTA="5 turns/day"),
    ),
    "a price that rose": (
        "model.prices",
        _offer({"id": MODEL, "pricing": {**OFFER, "prompt": "1"}}),
    ),
    "a model that reads little": ("model.context", _offer({"id": MODEL, "context_length": 8000})),
    # Telegram
    "a wrong token of Telegram": ("telegram.token", _set(TELEGRAM_TOKEN="1:wrong")),
    "Telegram away": ("telegram.server", _set(TELEGRAM_API_URL=NOWHERE)),
    "a webhook": ("telegram.webhook", _webhook),
    "many updates": ("telegram.waiting", _waiting),
    "a menu of another bot": ("telegram.menus", _menu),
    "privacy mode in a group": ("telegram.privacy", _private_mode),
    "no right to write": ("telegram.rights", _quiet),
    "closed to groups": ("telegram.joins", _closed_to_groups),
    "a group without the bot": ("telegram.groups", _set(ALLOWED_GROUPS="telegram:-77")),
    # Discord
    "a wrong token of Discord": ("discord.token", _set(DISCORD_TOKEN="wrong-token")),
    "Discord away": ("discord.server", _set(DISCORD_API_URL=NOWHERE)),
    "no intent": ("discord.intent", _no_intent),
    "an endpoint for interactions": ("discord.endpoint", _endpoint),
    "a code grant": ("discord.grant", _grant),
    "few sessions": ("discord.sessions", _few_sessions),
    "no right to attach": ("discord.rights", _denied),
}
"""Faults on SQLite, with the names of their findings."""

BESIDE = {"a model without prices": {"model.unknown", "model.prices"}}
"""Findings that belong to the same fault."""


@pytest.mark.parametrize("runs", [True, False])
async def test_a_healthy_bot_has_nothing(scene: Scene, runs: bool) -> None:
    if not runs:
        await scene.hang_up()
    assert await scene.find() == []


@pytest.mark.parametrize("kind", PLANTS)
async def test_a_planted_fault_is_named_with_a_remedy_and_hides_nothing(
    scene: Scene, kind: str
) -> None:
    name, plant = PLANTS[kind]
    if (planting := plant(scene)) is not None:
        await planting
    found = await scene.find()
    assert {each.name for each in found} - BESIDE.get(kind, set()) == {name}
    for each in found:
        assert each.severity is not Severity.NOTE
        assert each.what
        assert each.remedy
        for secret in ("test-token", "bot-token", "wrong-token", "1:wrong"):
            assert secret not in str(each)


async def test_the_webhook_of_the_bot_itself_is_no_fault_until_it_fails(scene: Scene) -> None:
    url = "https://bot.example.org/telegram"
    scene.telegram.webhook = url
    scene.write(TELEGRAM_WEBHOOK_URL=url, PORT="8080")
    assert await scene.find() == []
    told = {"url": url, "pending_update_count": 3, "last_error_message": "Connection refused"}
    body = json.dumps({"ok": True, "result": told}).encode()
    await scene.hang_up()
    scene.telegram.rubbish.order("getWebhookInfo", body, times=9)
    assert [each.name for each in await scene.find()] == ["telegram.deliveries"]


async def test_an_answer_of_another_shape_about_the_webhook_is_none(scene: Scene) -> None:
    await scene.hang_up()
    scene.telegram.rubbish.order("getWebhookInfo", b'{"ok": true, "result": [1]}', times=9)
    assert await scene.find() == []


async def test_one_fault_hides_no_other(scene: Scene) -> None:
    _webhook(scene)
    _no_intent(scene)
    await _unknown_tier(scene)
    scene.more = "TELEGRAM_TOKN=1\n"
    scene.write(QUOTA="many", CONCURRENCY="0", MODEL_API_KEY="wrong-key")
    names = [each.name for each in await scene.find()]
    assert names == [
        *("env.unknown", "settings.quota", "settings.concurrency", "settings.tiers"),
        *("model.key", "telegram.webhook", "discord.intent"),
    ]


async def test_a_disk_that_is_nearly_full_is_named(sqlite_url: str) -> None:
    found = await checkup.database(sqlite_url, "", 5, room=1 << 62, part=0)
    assert [each.name for each in found] == ["database.disk"]


async def test_another_program_with_the_token_is_named(scene: Scene) -> None:
    address = f"{scene.telegram.url}/bot{scene.telegram.token}/getUpdates"

    async def poll() -> None:
        async with httpx.AsyncClient(verify=trust(), timeout=60) as client:
            while True:
                await client.get(address, params={"timeout": 30})
                await asyncio.sleep(0.1)

    await scene.hang_up()
    other = asyncio.create_task(poll())
    try:
        await scene.telegram.wait(lambda: scene.telegram.polling)
        assert [each.name for each in await scene.find()] == ["telegram.pollers"]
    finally:
        other.cancel()


async def test_a_clock_that_is_off_is_named(scene: Scene) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 404 Not Found\r\nDate: Sun, 29 Nov 2020 12:00:00 GMT\r\n"
            b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        scene.write(MODEL_API_URL=f"http://127.0.0.1:{port}/v1")
        found = await scene.find()
    assert [each.name for each in found if each.severity is not Severity.NOTE] == ["clock"]
    assert "ahead of" in found[0].what


@pytest.mark.usefixtures("narrow")
async def test_a_running_bot_is_not_disturbed(scene: Scene) -> None:
    values = {name.lower(): value for name, value in scene.settings.items()}
    async with bot("telegram", "discord", **values):
        await scene.telegram.wait(lambda: scene.telegram.polling)
        assert await scene.find() == []
        assert scene.telegram.polling
    assert scene.telegram.violations == []


async def test_a_server_that_never_answers_takes_bounded_time(scene: Scene) -> None:
    serving: list[asyncio.Task[None] | None] = []

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        await reader.read()  # until the other side gives up
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        scene.write(TELEGRAM_API_URL=f"http://127.0.0.1:{port}")
        async with asyncio.timeout(5 * SECONDS):
            found = await scene.find()
        await asyncio.gather(*filter(None, serving))
    assert [each.name for each in found] == ["telegram.server"]


async def test_a_check_that_hangs_or_fails_is_a_finding_of_its_own() -> None:
    async def hangs() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def fails() -> list[Finding]:
        raise LookupError("secret words")

    found = await carry_out([Check("one", hangs), Check("two", fails)], 0.05)
    assert [each.name for each in found] == ["one", "two"]
    assert "secret words" not in str(found)


@pytest.mark.parametrize(("wrong", "status"), [({}, 0), ({"QUOTA": "many"}, 1)])
async def test_the_command_tells_what_it_found_and_ends_with_a_status(
    scene: Scene, tmp_path: Path, wrong: dict[str, str], status: int
) -> None:
    for arguments in ([], ["--json"]):
        log = tmp_path / f"log{len(arguments)}"
        settings = env({**scene.settings, **wrong})
        async with process("doctor", *arguments, log=log, environment=settings) as started:
            assert await started.wait() == status
        said = "\n".join(started.lines())
        if arguments:
            told = json.loads(said)
            assert told["faults"] == status
            assert [each["name"] for each in told["findings"] if each["severity"] == "fault"] == (
                ["settings.quota"] * status
            )
        else:
            assert said.endswith("1 fault." if status else "Nothing is wrong.")
