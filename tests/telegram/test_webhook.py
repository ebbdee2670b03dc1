"""A webhook in place of polls: what is answered is stored, whatever happens meanwhile."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bots.telegram.polling import KINDS
from bots.telegram.subscription import secret_of
from bots.trust import trust
from tests.bot import hasty_bot, process
from tests.dialogs.stages import TelegramStage, World, ask, env
from tests.fakes.telegram import TelegramServer
from tests.fakes.telegram.webhooks import SECRET
from tests.records import PATIENCE, eventually
from tests.telegram.hooks import front, hooked, url_of
from tests.web.ports import Probe, free_port


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    """Telegram without flood limits, which would make many questions take long."""
    async with TelegramServer(flood=False) as server:
        server.take_any_webhook()
        yield server


@pytest.fixture
def stage(world: World, server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, server)


@pytest.fixture
def each(either_world: World, server: TelegramServer) -> TelegramStage:
    """A stage on each of the databases."""
    return TelegramStage(either_world, server)


@pytest.fixture
def shared(shared_world: World, server: TelegramServer) -> TelegramStage:
    """A stage whose processes share a database."""
    return TelegramStage(shared_world, server)


def answered(stage: TelegramStage) -> list[str]:
    """Return the questions that the bot remembers, in order, without the day that is told."""
    said = [text for role, text in stage.records.memory() if role == "user"]
    return [text.rpartition("\n")[2] for text in said]


def count_of(server: TelegramServer, method: str) -> int:
    return sum(call.method == method for call in server.calls)


# The way of an update


async def test_a_webhook_brings_everything_that_polls_would(each: TelegramStage) -> None:
    server, port = each.server, free_port()
    async with each.running(**hooked(port)):
        assert "Hello" in await ask(each, "Hello")
        assert server.webhook == url_of(port)
        assert list(server.allowed_updates) == KINDS
        assert server.hook.secret == secret_of(server.token)
        await each.press("Regenerate")
        await each.records.idle(2)
    assert count_of(server, "getUpdates") == 0
    assert not server.unacknowledged
    assert {delivery.status for delivery in server.deliveries} == {200}
    assert not server.violations


async def test_an_update_is_acknowledged_after_the_commit(stage: TelegramStage) -> None:
    server, port = stage.server, free_port()
    async with stage.running(**hooked(port)):
        await ask(stage, "Hello")
        taken = len(server.deliveries)
        with stage.records.held():
            await stage.say("Are you there?")
            await server.wait(lambda: server.unacknowledged)
            async with httpx.AsyncClient(verify=trust(), trust_env=False) as client:
                with pytest.raises(httpx.ReadTimeout):
                    await post(client, port, server, {"update_id": 9}, read=1)
            assert len(server.deliveries) == taken
        await stage.records.idle(2)
        await eventually(lambda: not server.unacknowledged)
    assert answered(stage) == ["Hello", "Are you there?"]


async def post(
    client: httpx.AsyncClient,
    port: int,
    server: TelegramServer,
    update: Any,
    *,
    secret: str | None = None,
    read: float = 60,
) -> int:
    """Post an update as Telegram does; return the status, which has to come in `read` seconds."""
    body = update if isinstance(update, bytes) else json.dumps(update).encode()
    told = secret_of(server.token) if secret is None else secret
    headers = {SECRET.encode(): told.encode()}
    timeout = httpx.Timeout(60, read=read)
    answer = await client.post(url_of(port), content=body, headers=headers, timeout=timeout)
    return answer.status_code


async def test_a_database_that_takes_nothing_makes_telegram_send_again(
    stage: TelegramStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.telegram.mailbox.PATIENCE", 0.2)
    server, port = stage.server, free_port()
    async with stage.running(**hooked(port)):
        await ask(stage, "Hello")
        with stage.records.held():
            await stage.say("Are you there?")
            await eventually(lambda: server.deliveries[-1].status == 503)
            await eventually(lambda: [each.status for each in server.deliveries].count(503) > 1)
        await stage.records.idle(2)
        await eventually(lambda: not server.unacknowledged)
    assert answered(stage) == ["Hello", "Are you there?"]
    assert server.doubles(stage.chat) == 0


async def test_an_update_that_comes_twice_changes_nothing(each: TelegramStage) -> None:
    server, port = each.server, free_port()
    async with each.running(**hooked(port)):
        await ask(each, "Hello")
        await eventually(lambda: bool(server.deliveries))
        [delivery] = server.deliveries
        for _ in range(3):
            server.push_again(delivery.update_id)
        await eventually(lambda: len(server.deliveries) == 4)
        await ask(each, "And now?")
    assert answered(each) == ["Hello", "And now?"]
    assert len(server.answers(each.chat)) == 2


WRONG = [b"", b"rubbish", b"\xff", b"[]", b"{}", b'{"update_id": "1"}', b'{"update_id": true}']


async def test_a_body_that_is_no_update_is_refused_in_one_line(
    stage: TelegramStage, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    async with (
        stage.running(**hooked(port)),
        httpx.AsyncClient(verify=trust(), trust_env=False) as client,
    ):
        await stage.server.wait(lambda: stage.server.webhook)
        for body in (*WRONG, b"[" * 100_000):
            caplog.clear()
            assert await post(client, port, stage.server, body) == 400
            [line] = [each for each in caplog.records if each.levelno >= logging.WARNING]
            assert line.getMessage() == "a request to the webhook is no update: it is refused"
            assert line.exc_info is None
        assert await post(client, port, stage.server, {"update_id": 5, "new": {"kind": 1}}) == 200
        assert await post(client, port, stage.server, {"update_id": 6, "message": []}) == 200
        await ask(stage, "Hello")


async def test_only_who_knows_the_secret_is_heard(
    stage: TelegramStage, caplog: pytest.LogCaptureFixture
) -> None:
    server, port = stage.server, free_port()
    update = {"update_id": 1, "message": {}}
    async with (
        stage.running(**hooked(port)),
        httpx.AsyncClient(verify=trust(), trust_env=False) as client,
    ):
        await server.wait(lambda: server.webhook)
        for secret in ("", "wrong", secret_of("1:other"), "\u00e4"):
            assert await post(client, port, server, update, secret=secret) == 401
        assert (await client.post(url_of(port), json=update)).status_code == 401
        assert (await client.get(url_of(port))).status_code == 405
        other = await client.post(f"{url_of(port)}x", json=update)
        assert other.status_code == 404
        assert await post(client, port, server, b"x" * 1_000_001) == 413
    assert secret_of(server.token) not in caplog.text
    assert server.token not in caplog.text


@pytest.mark.slow
async def test_the_messages_of_a_chat_keep_their_order(each: TelegramStage) -> None:
    texts = [f"question {number}" for number in range(12)]
    values = each.values(**hooked(free_port()), quota="", budget="")
    async with hasty_bot("telegram", **values):
        for text in texts:
            await each.say(text)
        await each.records.idle(12)
    assert answered(each) == texts


# Several processes, and deaths


async def test_every_process_takes_what_it_is_sent_in_order(shared: TelegramStage) -> None:
    ports, texts = (free_port(), free_port()), [f"question {number}" for number in range(4)]
    async with front(*ports) as url:
        values: dict[str, object] = {"telegram_webhook_url": url}
        async with (
            shared.process(port=ports[0], **values),
            shared.process(port=ports[1], **values),
            Probe.of(ports[0]) as one,
            Probe.of(ports[1]) as other,
        ):
            for probe in (one, other):
                await probe.until("/healthz", 200)
            async with asyncio.timeout(PATIENCE):
                while await states(one, other) != {"listening", "receiving"}:  # noqa: ASYNC110 - they have no events for us
                    await asyncio.sleep(0.05)
            for text in texts:
                await shared.say(text)
            await shared.records.idle(len(texts))
            for probe in (one, other):  # both have taken some
                await probe.until_it_tells(
                    lambda told: told["accounts"][0]["heard_seconds_ago"] is not None
                )
    assert answered(shared) == texts
    assert shared.server.doubles(shared.chat) == 0


async def states(*probes: Probe) -> set[str]:
    return {(await probe.health())["accounts"][0]["state"] for probe in probes}


async def test_when_the_process_that_looks_after_the_webhook_dies_the_other_takes_all(
    shared: TelegramStage,
) -> None:
    ports = (free_port(), free_port())
    async with front(*ports) as url:
        values: dict[str, object] = {"telegram_webhook_url": url}
        async with shared.process(port=ports[0], **values) as first:
            async with Probe.of(ports[0]) as probe:
                await probe.until("/healthz", 200)
            async with shared.process(port=ports[1], **values), Probe.of(ports[1]) as probe:
                await probe.until("/healthz", 200)
                await ask(shared, "Hello")
                first.kill()
                await shared.say("Still there?")
                await eventually(lambda: not shared.server.unacknowledged)
                await shared.records.idle(2)
                await eventually(lambda: _listener(shared) != "")
    assert answered(shared) == ["Hello", "Still there?"]


def _listener(stage: TelegramStage) -> str:
    rows = stage.records.all("SELECT worker_id FROM listeners")
    return str(rows[0][0]) if rows else ""


async def test_a_kill_in_the_middle_loses_and_doubles_nothing(each: TelegramStage) -> None:
    server, port = each.server, free_port()
    texts = [f"question {number}" for number in range(4)]
    values = hooked(port)
    async with each.process(**values) as running:
        await server.wait(lambda: server.webhook)
        for text in texts[:3]:
            await each.say(text)
        await eventually(lambda: bool(server.deliveries))
        running.kill()
        await running.wait()
    for text in texts[3:]:
        await each.say(text)
    async with each.process(**values):
        await each.records.idle(len(texts))
        await eventually(lambda: not server.unacknowledged)
    assert answered(each) == texts
    assert server.doubles(each.chat) == 0


# Back and forth


@pytest.mark.slow
async def test_a_bot_changes_from_polls_to_a_webhook_and_back_and_loses_nothing(
    each: TelegramStage,
) -> None:
    server, port = each.server, free_port()
    ways: list[dict[str, object]] = [{}, hooked(port), {}, hooked(port)]
    for number, way in enumerate(ways):
        await each.say(f"before {number}")
        async with each.running(**way):
            await each.records.idle(2 * number + 1)
            await each.say(f"after {number}")
            await each.records.idle(2 * number + 2)
        assert bool(server.webhook) == bool(way)
    expected = [f"{part} {number}" for number in range(4) for part in ("before", "after")]
    assert answered(each) == expected
    assert server.doubles(each.chat) == 0


async def test_a_deploy_changes_the_way_while_both_processes_run(shared: TelegramStage) -> None:
    server, port = shared.server, free_port()
    async with shared.process() as old:
        await server.wait(lambda: server.polling)
        async with shared.process(**hooked(port)):
            async with Probe.of(port) as probe:
                await probe.until("/readyz", 200)
            await ask(shared, "one")
            assert server.webhook == "", "the old process polls"
            old.terminate()
            await server.wait(lambda: server.webhook)
            await ask(shared, "two")
            async with shared.process() as back:
                await ask(shared, "three")
                assert server.webhook, "the process with the webhook has the lease"
                assert back.process.returncode is None
        # The webhook's process is gone, so the other would have polled. It is gone, too.
    assert answered(shared) == ["one", "two", "three"]
    assert not server.violations


async def test_a_process_that_only_answers_takes_no_update(stage: TelegramStage) -> None:
    port, log = free_port(), stage.world.directory / "log"
    values = env(stage.values(**hooked(port)))
    async with (
        process("telegram", "--no-listen", log=log, environment=values),
        Probe.of(port) as probe,
    ):
        await probe.until("/readyz", 200)
        assert await post(probe.client, port, stage.server, {"update_id": 1}) == 503
    assert stage.server.webhook == ""


# The webhook as Telegram has it


async def test_a_webhook_that_is_refused_is_named_and_tried_again(
    stage: TelegramStage, caplog: pytest.LogCaptureFixture
) -> None:
    told = "Bad Request: bad webhook: Failed to resolve host"
    stage.server.fail("setWebhook", status=400, description=told, times=1000)
    port = free_port()
    async with stage.running(**hooked(port)), Probe.of(port) as probe:
        await probe.until("/readyz", 200)
        await eventually(lambda: count_of(stage.server, "setWebhook") > 1)
        await probe.until_told("No events can come from telegram.")
        stage.server.relent()
        await probe.until("/healthz", 200)
    [line] = [each for each in caplog.messages if "TELEGRAM_WEBHOOK_URL" in each and "not" in each]
    assert line == "TELEGRAM_WEBHOOK_URL: it is not set: Bad webhook: failed to resolve host"
    assert stage.server.token not in caplog.text


async def test_a_webhook_that_somebody_changes_is_set_again(
    stage: TelegramStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bots.telegram.subscription.LOOK", 0.1)
    port = free_port()
    async with stage.running(**hooked(port)):
        await stage.server.wait(lambda: stage.server.webhook)
        stage.server.webhook = "https://example.org/hook"
        await eventually(lambda: stage.server.webhook == url_of(port))
        await ask(stage, "Hello")
    assert "somebody else has changed the webhook" in caplog.text


async def test_updates_that_telegram_cannot_deliver_are_told(
    stage: TelegramStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bots.telegram.subscription.LOOK", 0.1)
    port = free_port()
    values = hooked(port) | {"telegram_webhook_url": url_of(free_port())}
    async with stage.running(**values), Probe.of(port) as probe:
        await stage.server.wait(lambda: stage.server.webhook)
        await stage.say("Hello")
        await probe.until("/healthz", 503)
        await probe.until_told("No events can come from telegram.")
    assert "Telegram cannot deliver updates there: Connection refused" in caplog.text


async def test_a_token_that_is_revoked_ends_the_platform(stage: TelegramStage) -> None:
    stage.server.fail("setWebhook", status=401, times=100)
    async with stage.process(**hooked(free_port())) as running:
        assert await running.wait() == 2
    assert "TELEGRAM_TOKEN is no longer valid" in running.lines()[-1]
