"""The HTTP server of the bot: its ports, bounds and headers."""

import asyncio
import gzip
import socket
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web

from bots.trust import trust
from bots.web import Pages, Ports, answering
from tests.bot import ROOT, process
from tests.dialogs.stages import TelegramStage, World, env
from tests.fakes.telegram import TelegramServer
from tests.web.ports import Probe, free_port


async def _whole(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def _fail(request: web.Request) -> web.Response:
    raise ValueError("a secret")


PAGES = Pages(
    health=[web.get("/livez", _whole)],
    figures=[web.get("/metrics", _whole)],
    public=[web.post("/hook", _whole), web.get("/fail", _fail)],
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with these pages, public and figures on one port each."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with (
        answering(Ports(port, None, "127.0.0.1"), PAGES),
        httpx.AsyncClient(base_url=url, verify=trust(), trust_env=False) as client,
    ):
        yield client


async def test_every_answer_has_the_headers_and_tells_nothing_of_the_server(
    client: httpx.AsyncClient,
) -> None:
    for path, status in (("/livez", 200), ("/nowhere", 404), ("/fail", 500)):
        answer = await client.get(path)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in answer.headers
        assert "secret" not in answer.text


async def test_what_is_no_request_is_refused_without_a_banner(client: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(b"rubbish\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.0 400")
    assert b"aiohttp" not in answer
    assert b"Python" not in answer


async def test_a_body_has_a_bound(client: httpx.AsyncClient) -> None:
    assert (await client.post("/hook", content=b"x" * 1000)).text == "1000"
    assert (await client.post("/hook", content=b"x" * 1_000_001)).status_code == 413


async def test_a_body_that_is_packed_is_taken_as_it_is(client: httpx.AsyncClient) -> None:
    packed = gzip.compress(b"x" * 10_000_000)
    answer = await client.post("/hook", content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.text == str(len(packed))


async def test_a_body_that_comes_too_slowly_is_not_waited_for(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.web.application.LONGEST", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
    assert (await reader.readline()).startswith(b"HTTP/1.1 503")
    writer.close()


async def test_connections_have_a_bound(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.web.connection.MOST", 2)
    port = client.base_url.port
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b"", "it is closed at once"
    for _, each in held:
        each.close()
    writer.close()
    async with Probe.of(int(port or 0)) as probe:
        await probe.until("/livez", 200)


async def test_figures_are_on_their_own_port_alone() -> None:
    public, metrics = free_port(), free_port()
    async with (
        answering(Ports(public, metrics, "127.0.0.1"), PAGES),
        httpx.AsyncClient(verify=trust(), trust_env=False) as client,
    ):

        async def status(port: int, path: str) -> int:
            return (await client.get(f"http://127.0.0.1:{port}{path}")).status_code

        assert [await status(public, path) for path in ("/livez", "/metrics")] == [200, 404]
        assert [await status(metrics, path) for path in ("/livez", "/metrics")] == [200, 200]
        assert await status(metrics, "/fail") == 404


async def test_one_port_may_have_everything() -> None:
    port = free_port()
    async with (
        answering(Ports(port, port, "127.0.0.1"), PAGES),
        httpx.AsyncClient(verify=trust(), trust_env=False) as client,
    ):
        assert (await client.get(f"http://127.0.0.1:{port}/metrics")).status_code == 200


async def test_by_default_it_answers_on_every_address() -> None:
    port = free_port()
    async with (
        answering(Ports(port, None), PAGES),
        httpx.AsyncClient(verify=trust(), trust_env=False) as client,
    ):
        for address in ("127.0.0.1", "127.0.0.2"):
            assert (await client.get(f"http://{address}:{port}/livez")).status_code == 200


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.mark.parametrize("setting", ["PORT", "METRICS_PORT"])
async def test_a_port_in_use_is_one_clear_line(stage: TelegramStage, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        values = env(stage.values()) | {setting: str(port), "HOST": "127.0.0.1"}
        log = stage.world.directory / "log"
        async with process("telegram", log=log, environment=values) as started:
            assert await started.wait() == 2
    [told] = [line for line in started.lines() if setting in line]
    assert told == f"{setting}: port {port} is in use by another process; choose another one"
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "0"), ("METRICS_PORT", "x"), ("HOST", "192.0.2.1")]
)
async def test_a_wrong_setting_is_named(stage: TelegramStage, name: str, value: str) -> None:
    values = {"PORT": str(free_port())} | env(stage.values()) | {name: value}
    async with process(
        "telegram", log=stage.world.directory / "log", environment=values
    ) as started:
        assert await started.wait() == 2
    assert started.lines()[-1].startswith(f"{name}: ")


@pytest.mark.slow
async def test_a_bot_without_a_port_loads_no_server() -> None:
    code = (
        "import sys, bots.__main__, bots.composition, bots.telegram.adapter;"
        "found = {'aiohttp', 'prometheus_client', 'bots.web'} & {*sys.modules};"
        "assert not found, found"
    )
    began = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await began.wait() == 0
