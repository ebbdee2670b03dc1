"""Reports to Sentry and spans to OpenTelemetry: what they hold, and what they never do."""

import asyncio
import gc
import gzip
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bots.log import Mask
from bots.telemetry import Reports, Spans
from tests.bot import ROOT, process
from tests.dialogs.stages import TelegramStage, World, env
from tests.fakes.model import Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

WORDS = "my own words"


@dataclass
class Collector:
    """A server that takes what is sent to it."""

    port: int = 0
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Collector"]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()  # aiohttp decompresses it
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.bodies.append((request.path, body))
        return web.json_response({})


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector().running() as collector:
        yield collector


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


async def test_a_failed_turn_is_reported_without_words(
    stage: TelegramStage, model: ModelServer, collector: Collector
) -> None:
    dsn = f"http://public@127.0.0.1:{collector.port}/1"
    model.enqueue(Fault(401))
    async with stage.process(sentry_dsn=dsn) as running:
        await stage.say(WORDS)
        await stage.records.idle(1)
        await eventually(lambda: any(b"1-1" in body for _, body in collector.bodies))
        running.terminate()
        assert await running.wait() == 0
    sent = b"\n".join(body for _, body in collector.bodies)
    assert b"no answer of the model" in sent
    for secret in (WORDS, "test-key", stage.server.token, "Ada"):
        assert secret.encode() not in sent


@pytest.mark.parametrize("level", ["info", "error"])
async def test_a_turn_is_a_span_with_its_figures(
    stage: TelegramStage, collector: Collector, level: str
) -> None:
    pytest.importorskip("requests", reason="the exporter of OpenTelemetry needs it")
    endpoint = f"http://127.0.0.1:{collector.port}"
    settings = {"otel_exporter_otlp_endpoint": endpoint, "log_level": level}
    async with stage.process(**settings) as running:
        await stage.say(WORDS)
        await stage.records.idle(1)
        running.terminate()
        assert await running.wait() == 0
        assert any("core.turns" in line for line in running.lines()) == (level == "info")
    [(path, sent)] = collector.bodies
    assert path == "/v1/traces"
    for told in (b"parley.turn", b"1-1", b"parley.cost", b"parley.first_text", b"service.version"):
        assert told in sent
    for secret in (WORDS, "test-key", stage.server.token, "Ada"):
        assert secret.encode() not in sent


@pytest.mark.parametrize(
    ("name", "value", "package"),
    [
        ("SENTRY_DSN", "https://key@host/1", "sentry-sdk"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "opentelemetry-sdk"),
    ],
)
@pytest.mark.slow
async def test_a_missing_package_is_one_line(
    stage: TelegramStage, tmp_path: Path, name: str, value: str, package: str
) -> None:
    """A folder before the others hides the package, as if it were not installed."""
    module = package.partition("-")[0] + ("_sdk" if package.startswith("sentry") else "")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{module}.py").write_text("raise ImportError")
    values = {**env(stage.values()), name: value, "PYTHONPATH": str(hidden)}
    log = tmp_path / "log"
    async with process("telegram", log=log, environment=values, root=ROOT) as started:
        assert await started.wait() == 2
        [told] = started.lines()
    assert told.startswith(f"{name}: a package for it is missing; run: pip install {package}")


async def test_an_address_that_is_none_is_one_line(stage: TelegramStage, tmp_path: Path) -> None:
    values = {**env(stage.values()), "SENTRY_DSN": "nowhere"}
    async with process("telegram", log=tmp_path / "log", environment=values) as started:
        assert await started.wait() == 2
        assert started.lines() == ["SENTRY_DSN: not an address as Sentry shows it"]


def test_a_report_tells_where_and_not_what_was_said() -> None:
    found: list[dict[str, Any]] = []
    reports = Reports(found.append, Mask(["model-key-1"]))
    secret = "hunter2"  # a local variable, which no report shows
    try:
        try:
            raise KeyError(f"'{WORDS}' and {len(secret)}")
        except KeyError as inner:
            raise ValueError(f"not a number: '{WORDS}', model-key-1") from inner
    except ValueError as error:
        told = ("it failed: %s", ("model-key-1",), (ValueError, error, error.__traceback__))
        reports.emit(logging.LogRecord("core.chat", logging.ERROR, "", 0, *told))
    [event] = found
    sent = json.dumps(event)
    assert [each["type"] for each in event["exception"]["values"]] == ["KeyError", "ValueError"]
    assert "test_telemetry.py" in sent
    for word in (WORDS, "hunter2", "model-key-1"):
        assert word not in sent


@pytest.fixture
def reported() -> Iterator[list[dict[str, Any]]]:
    """Yield the reports of everything that is logged in a test."""
    found: list[dict[str, Any]] = []
    handler = Reports(found.append, Mask(["model-key-1"]))
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)


async def test_the_report_of_a_lost_task_has_no_words(reported: list[dict[str, Any]]) -> None:
    async def fail() -> None:
        raise ValueError(f"{WORDS}, model-key-1")

    tasks = [asyncio.create_task(fail())]
    await asyncio.wait(tasks)
    tasks.clear()
    gc.collect()
    [event] = reported
    assert event["fingerprint"] == ["asyncio", "Task exception was never retrieved"]
    assert event["logentry"] == {"message": "Task exception was never retrieved"}
    assert "model-key-1" not in json.dumps(event)


def test_reports_are_in_groups(reported: list[dict[str, Any]]) -> None:
    log = logging.getLogger("core.chat")
    log.error("%s", "one fault, model-key-1")
    log.error("%s", f"another fault\n{WORDS}")
    log.error("turn %s failed", "1-1")
    log.error("turn %s failed", "1-2")
    groups = [event["fingerprint"] for event in reported]
    assert groups == [
        ["core.chat", "one fault, ***"],
        ["core.chat", "another fault"],
        *(["core.chat", "turn %s failed"] for _ in range(2)),
    ]


async def test_a_report_of_a_group_tells_of_each_error(reported: list[dict[str, Any]]) -> None:
    async def fail() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            int("x")

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
    except ExceptionGroup as group:
        logging.getLogger("parley").critical("ended by an error", exc_info=group)
    [event] = reported
    values = event["exception"]["values"]
    assert [each["type"] for each in values] == ["KeyError", "ValueError", "ExceptionGroup"]
    assert values[1]["stacktrace"]["frames"][-1]["function"] == "fail"
    parents = [each["mechanism"].get("parent_id") for each in values]
    numbers = [each["mechanism"]["exception_id"] for each in values]
    assert parents == [numbers[1], numbers[2], None]


def test_errors_that_cause_each_other_end(reported: list[dict[str, Any]]) -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first
    many = ExceptionGroup("many", [ValueError(str(at)) for at in range(1000)])
    for error in (first, many):
        logging.getLogger("parley").error("it failed", exc_info=error)
    two, some = (event["exception"]["values"] for event in reported)
    assert len(two) == 2
    assert 2 < len(some) < 100
    assert some[-1]["type"] == "ExceptionGroup"


def test_an_error_in_a_report_does_not_reach_who_logs(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise OSError(WORDS)

    log = logging.getLogger("core.turns")
    handlers = [Reports(fail, Mask()), Spans(None)]
    for handler in handlers:
        log.addHandler(handler)
    try:
        log.error("turn 1-1 failed", extra={"seconds": 1.0})
    finally:
        for handler in handlers:
            log.removeHandler(handler)
    told = [record.getMessage() for record in caplog.records]
    assert "turn 1-1 failed" in told
    assert [each for each in told if "OSError" in each]
    assert [each for each in told if "AttributeError" in each]
    assert WORDS not in "".join(told)
