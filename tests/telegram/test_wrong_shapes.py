"""A server that is no Bot API, or one that is broken, is waited for."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import httpx
import pytest

from bots.telegram.adapter import TelegramAdapter, connect
from bots.telegram.answers import UNTOLD_WAIT, retry_after
from bots.telegram.polling import AT_LEAST, updates
from bots.trust import trust
from core.adapter import Address
from core.errors import LONGEST_WAIT, RetryAfter, SettingsError, Unreachable
from tests.fakes.rubbish import SHAPES
from tests.fakes.telegram import TelegramServer
from tests.hostile import VALUES

BODIES = list(SHAPES.values())


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer(flood=False) as server:
        yield server


@pytest.fixture
async def adapter(telegram: TelegramServer) -> AsyncIterator[TelegramAdapter]:
    async with connect(telegram.token, telegram.url) as adapter:
        yield adapter


@pytest.fixture
def place(telegram: TelegramServer) -> Address:
    chat = telegram.private(telegram.person(1001, "Ada"))
    return Address("telegram", telegram.bot_id, str(chat.id))


@pytest.mark.parametrize("method", ["getMe", "setMyCommands"])
async def test_a_login_that_is_answered_wrong_is_a_platform_that_does_not_answer(
    telegram: TelegramServer, method: str
) -> None:
    for name, body in SHAPES.items():
        telegram.rubbish.order(method, body)
        try:
            async with connect(telegram.token, telegram.url):
                pass
        except Unreachable as error:
            told = str(error)
        else:
            told = "TELEGRAM_API_URL: no answer"
            assert method != "getMe", name
        assert "TELEGRAM_API_URL: no answer" in told
        telegram.rubbish.clear()


async def test_polls_that_are_answered_wrong_are_made_again() -> None:
    async def first(body: bytes) -> int:
        """Return the id of the first update after a wrong answer."""
        async with (
            TelegramServer(flood=False) as server,
            httpx.AsyncClient(verify=trust()) as client,
        ):
            sent = server.push({"message": {}})
            server.rubbish.order("getUpdates", body)
            async with aclosing(updates(client, f"{server.url}/bot{server.token}")) as coming:
                async for update in coming:
                    assert update["update_id"] == sent
                    return sent
        raise AssertionError

    bodies = [*BODIES, b'{"ok": false, "error_code": 429, "parameters": null}']
    async with asyncio.timeout(60):
        assert all(await asyncio.gather(*map(first, bodies)))


@pytest.mark.parametrize("method", ["getWebhookInfo", "deleteWebhook"])
async def test_a_webhook_is_removed_though_the_first_answer_is_wrong(
    telegram: TelegramServer, method: str
) -> None:
    telegram.webhook = "https://example.org/hook"
    sent = telegram.push({"message": {}})
    for body in (b"rubbish", b'{"ok": true, "result": []}'):
        telegram.rubbish.order(method, body)
    async with httpx.AsyncClient(verify=trust()) as client:
        url = f"{telegram.url}/bot{telegram.token}"
        async with aclosing(updates(client, url)) as coming:
            assert (await anext(coming))["update_id"] == sent
    assert telegram.webhook == ""


async def test_an_update_without_an_id_holds_up_no_other(
    telegram: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    odd: list[Any] = [{"update_id": value} for value in VALUES if not isinstance(value, int)]
    odd += [None, "x", [], {}, {"update_id": True}, {"update_id": -1}, {"update_id": 2**60}]
    body = json.dumps({"ok": True, "result": [*odd, {"update_id": 5}]}).encode()
    telegram.rubbish.order("getUpdates", body)
    async with httpx.AsyncClient(verify=trust()) as client:
        url = f"{telegram.url}/bot{telegram.token}"
        async with aclosing(updates(client, url)) as coming:
            assert await anext(coming) == {"update_id": 5}
    assert f"{len(odd)} updates without an id are passed over" in caplog.text


async def test_a_server_that_does_not_hold_polls_is_asked_a_few_times_a_second(
    telegram: TelegramServer,
) -> None:
    same = json.dumps({"ok": True, "result": [{"update_id": 5}]}).encode()
    for body in (b'{"ok": true, "result": []}', same):
        telegram.rubbish.order("getUpdates", body, times=2)
    clock = asyncio.get_running_loop().time
    began = clock()
    async with httpx.AsyncClient(verify=trust()) as client:
        url = f"{telegram.url}/bot{telegram.token}"
        async with aclosing(updates(client, url)) as coming:
            assert [(await anext(coming))["update_id"] for _ in range(2)] == [5, 5]
            polling = asyncio.create_task(anext(coming))
            await telegram.wait(lambda: telegram.polling)
            polling.cancel()
            await asyncio.wait([polling])
    assert clock() - began >= 3 * AT_LEAST, "two brought nothing, and one nothing new"


METHODS = {
    "send": "sendMessage",
    "edit": "editMessageText",
    "delete": "deleteMessage",
    "typing": "sendChatAction",
    "upload": "sendDocument",
}


@pytest.mark.parametrize("call", METHODS)
async def test_an_answer_of_another_shape_is_an_unknown_outcome_at_worst(
    telegram: TelegramServer, adapter: TelegramAdapter, place: Address, call: str
) -> None:
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "send": lambda: adapter.send(place, "hi", nonce="n", final=True),
        "edit": lambda: adapter.edit(place, "1", "hi", final=True),
        "delete": lambda: adapter.delete(place, "1"),
        "typing": lambda: adapter.typing(place),
        "upload": lambda: adapter.upload(place, "a.txt", b"x", nonce="n"),
    }
    for status in (200, 400, 500):
        for body in BODIES:
            telegram.rubbish.order(METHODS[call], body, status=status)
            try:
                await calls[call]()
            except Unreachable:
                pass
            else:
                assert (call, status) in {("delete", 200), ("typing", 200), ("edit", 200)}, body
            telegram.rubbish.clear()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (7, 7),
        (-5, 1),
        (0, 1),
        (1e9, LONGEST_WAIT),
        (float("inf"), LONGEST_WAIT),
        (True, UNTOLD_WAIT),
        ("7", UNTOLD_WAIT),
        (None, UNTOLD_WAIT),
        ([7], UNTOLD_WAIT),
    ],
)
async def test_a_flood_limit_has_bounds_whatever_the_server_tells(
    telegram: TelegramServer, adapter: TelegramAdapter, place: Address, told: Any, seconds: float
) -> None:
    answer = {"ok": False, "error_code": 429, "parameters": {"retry_after": told}}
    telegram.rubbish.order("sendMessage", json.dumps(answer).encode(), status=429)
    with pytest.raises(RetryAfter) as limit:
        await adapter.send(place, "hi", nonce="n", final=True)
    assert limit.value.retry_after == retry_after(answer) == seconds


def test_a_wait_is_never_endless() -> None:
    for told in (float("nan"), float("inf"), 1e9):
        assert RetryAfter(told).retry_after == LONGEST_WAIT
    assert RetryAfter(-1).retry_after == 0


async def test_a_page_about_a_token_is_no_word_of_telegram(telegram: TelegramServer) -> None:
    page = SHAPES["a page"]
    for status in (401, 404):
        telegram.rubbish.order("getMe", page, status=status)
        with pytest.raises(Unreachable):
            await connect(telegram.token, telegram.url).__aenter__()
    answer = b'{"ok": false, "error_code": 401, "description": "Unauthorized"}'
    telegram.rubbish.order("getMe", answer, status=401)
    with pytest.raises(SettingsError):
        await connect(telegram.token, telegram.url).__aenter__()


async def test_what_people_say_is_not_logged_with_an_answer_that_cannot_be_read(
    telegram: TelegramServer, place: Address, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secret = b'{"ok": true, "result": {"text": "something private\xff'
    async with AsyncExitStack() as stack:
        adapter = await stack.enter_async_context(connect(telegram.token, telegram.url))
        for status in (200, 400, 429, 500):
            telegram.rubbish.order("sendMessage", secret, status=status)
            with pytest.raises((Unreachable, RetryAfter)) as failed:
                await adapter.send(place, "hi", nonce="n", final=True)
            assert "private" not in str(failed.value)
    assert "private" not in caplog.text
