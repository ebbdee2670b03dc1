"""A server that is no Discord, or one that is broken, is waited for."""

import asyncio
import copy
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from bots.discord import entrance
from bots.discord.adapter import connect
from bots.discord.backlog import PAGE
from core.adapter import Address
from core.errors import RetryAfter, Undeliverable, Unreachable
from tests.discord.payloads import mention, message
from tests.discord.test_adapter import (
    Clock,
    Core,
    ada,
    channel,
    clock,
    connected,
    core,
    guild,
    listening,
    server,
)
from tests.fakes.discord import Channel, DiscordServer, Person
from tests.fakes.discord.sessions import Connection
from tests.fakes.rubbish import SHAPES
from tests.hostile import VALUES

__all__ = ["Clock", "ada", "channel", "clock", "core", "guild", "server"]

EDIT = "PATCH /channels/{id}/messages/{id}"
BODIES = list(SHAPES.values())


async def test_a_login_that_is_answered_wrong_is_a_platform_that_does_not_answer(
    server: DiscordServer, core: Core
) -> None:
    for path in ("/users/@me", "/oauth2/applications/@me"):
        for body in BODIES:
            server.rubbish.order(f"GET {path}", body)
            with pytest.raises(Unreachable, match="DISCORD_API_URL: no answer"):
                await connect(server.token, server.url, core).__aenter__()


FOUND = {
    "url": "ws://127.0.0.1:1",
    "shards": 1,
    "session_start_limit": {
        "total": 1000,
        "remaining": 999,
        "reset_after": 0,
        "max_concurrency": 1,
    },
}


def test_an_entrance_has_bounds_whatever_the_server_tells() -> None:
    for value in VALUES:
        for name in ("url", "shards", "session_start_limit"):
            with_one = {**FOUND, name: value}
            if value != FOUND[name]:
                check_entrance(with_one)
        for name in ("remaining", "reset_after", "max_concurrency"):
            spoilt: dict[str, Any] = copy.deepcopy(FOUND)
            spoilt["session_start_limit"][name] = value
            check_entrance(spoilt)
        check_entrance(value)


def check_entrance(found: object) -> None:
    try:
        read = entrance.read(found)
    except Unreachable:
        return
    assert 0 < read.shards <= entrance.MOST
    assert 0 < read.at_once <= entrance.MOST
    assert 1 <= read.reset_after <= entrance.LONGEST_WAIT


async def test_a_wrong_answer_about_the_gateway_is_asked_for_again(
    server: DiscordServer, core: Core, channel: Channel, ada: Person
) -> None:
    server.rubbish.order("GET /gateway/bot", b'{"url": "ws://x"}')
    async with listening(server, core):
        await server.wait(lambda: core.starts)
        await server.say(channel, ada, f"{server.mention} Hello")
        await server.wait(lambda: core.texts() == ["Hello"])


async def test_an_answer_of_another_shape_is_an_unknown_outcome_at_worst(
    server: DiscordServer, core: Core, channel: Channel
) -> None:
    place = Address("discord", server.bot_id, channel.id)
    async with connected(server, core) as adapter:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "POST /channels/{id}/messages": lambda: adapter.send(
                place, "hi", nonce="n", final=True
            ),
            EDIT: lambda: adapter.edit(place, "1", "hi", final=True),
            "GET /channels/{id}": lambda: adapter.send(
                place, "hi", nonce="n", final=True, reply_to="1"
            ),
        }
        for route, call in calls.items():
            for body in BODIES:
                server.rubbish.order(route, body)
                try:
                    await call()
                except Unreachable:
                    pass
                else:
                    assert route.startswith("PATCH")


LIMITS: list[tuple[bytes, dict[str, str]]] = [
    (b"{}", {"Via": "1.1 x"}),
    (b"null", {"Via": "1.1 x"}),
    (b"[]", {"Via": "1.1 x"}),
    (b'{"retry_after": null}', {"Via": "1.1 x"}),
    (b'{"retry_after": "soon"}', {"Via": "1.1 x"}),
    (b'{"retry_after": -5}', {"Via": "1.1 x"}),
    (b'{"retry_after": 1e9}', {"Via": "1.1 x"}),
    (b'{"retry_after": 0.01, "global": []}', {"Via": "1.1 x", "X-RateLimit-Remaining": "x"}),
    (b"<html>", {}),
]


async def test_a_rate_limit_of_another_shape_is_waited_out(
    server: DiscordServer, core: Core, channel: Channel
) -> None:
    place = Address("discord", server.bot_id, channel.id)
    async with connected(server, core) as adapter:
        for body, headers in LIMITS:
            server.rubbish.order(EDIT, body, status=429, headers=headers, times=9)
            with pytest.raises((RetryAfter, Unreachable)) as limit:
                await adapter.edit(place, "1", "hi", final=True)
            if isinstance(limit.value, RetryAfter):
                assert 0 <= limit.value.retry_after <= 3600
            server.rubbish.clear()


async def test_refusals_of_another_shape_are_errors_of_the_seam(
    server: DiscordServer, core: Core, channel: Channel
) -> None:
    place = Address("discord", server.bot_id, channel.id)
    odd = [
        {"code": "x", "message": 5},
        {"code": [], "errors": "x"},
        {"errors": {"a": [1]}},
        [],
        None,
    ]
    async with connected(server, core) as adapter:
        for status in (400, 401, 403, 404, 503):
            for answer in odd:
                body = json.dumps(answer).encode()
                server.rubbish.order(
                    "PATCH /channels/{id}/messages/{id}", body, status=status, times=3
                )
                with pytest.raises((Unreachable, Undeliverable)):
                    await adapter.edit(place, "1", "hi", final=True)
                server.rubbish.clear()


async def test_a_message_of_a_history_that_cannot_be_read_holds_up_no_other(
    server: DiscordServer,
    core: Core,
    channel: Channel,
    ada: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with listening(server, core):
        await server.wait(lambda: core.starts)
        await server.say(channel, ada, f"{server.mention} before")
        await server.wait(lambda: core.texts() == ["before"])
    await server.say(channel, ada, f"{server.mention} missed")
    [_, missed] = server.messages(channel)
    named = [mention(server.bot_id)]
    text = f"{server.mention} missed"
    sound = message(text, id=missed.id, channel_id=channel.id, mentions=named)
    older = str(int(missed.id) - 1)
    page = [sound, {"id": older, "content": "private words"}, None, "x", {"id": "x"}, {"id": 5}]
    route = "GET /channels/{id}/messages"
    server.rubbish.order(route, json.dumps(page).encode())
    async with listening(server, core):
        await server.wait(lambda: "missed" in " ".join(core.texts()))
    assert f"Cannot read message {older}, it is passed over" in caplog.text
    assert "private words" not in caplog.text
    assert len(page) < PAGE


async def test_a_history_that_is_none_is_asked_for_again(
    server: DiscordServer, core: Core, channel: Channel, ada: Person
) -> None:
    async with listening(server, core):
        await server.wait(lambda: core.starts)
        await server.say(channel, ada, f"{server.mention} before")
        await server.wait(lambda: core.texts() == ["before"])
    await server.say(channel, ada, f"{server.mention} missed")
    server.rubbish.order("GET /channels/{id}/messages", b'{"messages": []}')
    async with listening(server, core):
        await server.wait(lambda: core.texts() == ["before", "missed"])


async def test_a_server_that_wants_new_websockets_without_end_gets_a_few_a_second(
    server: DiscordServer, core: Core, channel: Channel, ada: Person
) -> None:
    clock = asyncio.get_running_loop().time
    async with listening(server, core):
        await server.wait(lambda: core.starts)
        began = clock()
        for _ in range(5):
            before = list(server.gateway.connections)
            await server.request_reconnect()
            await server.wait(partial(is_renewed, server, before))
        assert clock() - began >= 1.0, "six websockets, of which four may open in a second"


def is_renewed(server: DiscordServer, before: list[Connection]) -> bool:
    """Return whether there is one connection, which is a new one and has a session."""
    now = server.gateway.connections
    return len(now) == 1 and now != before and now[0].session is not None
