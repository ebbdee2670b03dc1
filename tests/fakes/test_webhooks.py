"""The fake's webhooks, which are as strict as the service's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import BadRequest, RetryAfter

from tests.fakes.telegram import TelegramServer
from tests.records import eventually

SECRET = "a-secret_1"


@dataclass
class Ear:
    """A server to which updates are posted."""

    url: str = ""
    heard: list[tuple[dict[str, Any], str | None]] = field(default_factory=list)
    """The updates with the secret that came along."""
    answers: list[web.Response] = field(default_factory=list)
    """The next answers; 200 after them."""

    async def hear(self, request: web.Request) -> web.Response:
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        self.heard.append((await request.json(), secret))
        return self.answers.pop(0) if self.answers else web.Response()

    def texts(self) -> list[str]:
        return [update["message"]["text"] for update, _ in self.heard]


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    found = Ear()
    app = web.Application()
    app.add_routes([web.post("/hook", found.hear)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


@pytest.fixture
def telegram(telegram_server: TelegramServer) -> TelegramServer:
    telegram_server.take_any_webhook()
    return telegram_server


@pytest.fixture
async def bot(telegram: TelegramServer) -> AsyncIterator[Bot]:
    base = f"{telegram.url}/bot"
    async with Bot(telegram.token, base_url=base) as bot:
        yield bot


async def say(telegram: TelegramServer, person: int, *texts: str) -> None:
    who = telegram.person(person, "Ada")
    for text in texts:
        await telegram.say(telegram.private(who), who, text)


async def test_updates_are_posted_with_the_secret(
    telegram: TelegramServer, bot: Bot, ear: Ear
) -> None:
    await say(telegram, 1, "before")
    await bot.set_webhook(ear.url, secret_token=SECRET, allowed_updates=["message"])
    await say(telegram, 1, "after")
    await eventually(lambda: not telegram.unacknowledged)
    assert ear.texts() == ["before", "after"]
    assert {secret for _, secret in ear.heard} == {SECRET}
    assert telegram.allowed_updates == ["message"]


async def test_a_chat_waits_for_its_update_and_others_do_not(
    telegram: TelegramServer, bot: Bot, ear: Ear
) -> None:
    ear.answers = [web.Response(status=503) for _ in range(3)]
    await bot.set_webhook(ear.url)
    await say(telegram, 1, "one", "two")
    await eventually(lambda: bool(ear.heard))
    await say(telegram, 2, "other")
    await eventually(lambda: not telegram.unacknowledged)
    mine = [text for text in ear.texts() if text != "other"]
    assert mine == sorted(mine, key=["one", "two"].index), "in order, however often"
    assert mine.count("two") == 1
    assert ear.texts().index("other") < ear.texts().index("two")


async def test_an_answer_may_tell_when_to_post_again(
    telegram: TelegramServer, bot: Bot, ear: Ear
) -> None:
    clock = asyncio.get_running_loop().time
    ear.answers = [web.Response(status=503, headers={"Retry-After": "1"})]
    await bot.set_webhook(ear.url)
    began = clock()
    await say(telegram, 1, "one")
    await eventually(lambda: len(ear.heard) == 2)
    assert clock() - began >= 1
    assert [delivery.status for delivery in telegram.deliveries] == [503, 200]


async def test_what_waits_is_told_with_the_last_failure(
    telegram: TelegramServer, bot: Bot, ear: Ear
) -> None:
    ear.answers = [web.Response(status=500)] * 1000
    await bot.set_webhook(ear.url)
    await say(telegram, 1, "one")
    await eventually(lambda: bool(telegram.hook.failure))
    info = await bot.get_webhook_info()
    assert info.pending_update_count == 1
    assert info.last_error_message == ("Wrong response from the webhook: 500 Internal Server Error")
    await bot.delete_webhook()
    [update] = await bot.get_updates()
    assert update.message
    assert update.message.text == "one", "what was not taken is polled"


async def test_a_server_that_is_not_there_is_asked_again(
    telegram: TelegramServer, bot: Bot, ear: Ear
) -> None:
    await bot.set_webhook("http://127.0.0.1:1/hook")
    await say(telegram, 1, "one")
    await eventually(lambda: telegram.hook.failure == "Connection refused")
    await asyncio.sleep(1)  # a webhook changes once a second
    await bot.set_webhook(ear.url)
    await eventually(lambda: ear.texts() == ["one"])


async def test_two_changes_in_a_second_are_refused(
    telegram: TelegramServer, bot: Bot, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.telegram.webhooks.CHANGES_APART", 60.0)
    await bot.set_webhook(ear.url)
    await bot.set_webhook(ear.url)  # which changes nothing
    with pytest.raises(RetryAfter):
        await bot.set_webhook(f"{ear.url}/other")


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        ("http://example.org/hook", {}, "https url must be provided"),
        ("https://example.org:8080/hook", {}, "only on ports"),
        ("https://example.org/hook", {"secret_token": "a b"}, "unallowed characters"),
        ("https://example.org/hook", {"secret_token": "a" * 257}, "too long"),
    ],
)
async def test_what_the_public_service_refuses(url: str, more: dict[str, Any], told: str) -> None:
    async with (
        TelegramServer() as telegram,
        Bot(telegram.token, base_url=f"{telegram.url}/bot") as bot,
    ):
        with pytest.raises(BadRequest, match=f"(?i){told}"):
            await bot.set_webhook(url, **more)
        assert telegram.webhook == ""
