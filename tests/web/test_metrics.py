"""The figures of /metrics: what was counted is right, and no label tells of a person."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bots.web.figures import Figures
from core.signals import Answered, Delivered, ModelCalled
from core.vitals import Hearing, State, Vitals
from tests.bot import ROOT
from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import PATIENCE, eventually
from tests.web.ports import Probe, free_port

MODEL = "x-ai/grok-4-fast-non-reasoning"
KNOWN = {
    "platform": {"telegram", "discord"},
    "kind": {"InboundMessage", "Change", "Membership", "Access", "chat", "command", "summary"},
    "outcome": {"ok", "refused", "stopped", "failed", "undeliverable"},
    "gen_ai_request_model": {MODEL, "other"},
    "gen_ai_operation_name": {"chat"},
    "gen_ai_token_type": {"input", "output"},
    "verb": {"SELECT", "INSERT", "UPDATE", "DELETE", "OTHER"},
}
"""The values that labels may have. `le`, `version` and `account`, which is the bot's, are bounded
by themselves."""


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.fixture
async def probe() -> AsyncIterator[Probe]:
    """A client for a port on which nobody answers yet."""
    async with Probe.of(free_port()) as probe:
        yield probe


def port_of(probe: Probe) -> int:
    assert probe.client.base_url.port
    return probe.client.base_url.port


class Samples:
    """The samples of a page."""

    def __init__(self, page: str) -> None:
        families = list(text_string_to_metric_families(page))
        self.names = {family.name for family in families}
        self.all = [sample for family in families for sample in family.samples]

    def of(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with these labels."""
        return sum(
            sample.value
            for sample in self.all
            if sample.name == name and labels.items() <= sample.labels.items()
        )


async def figures(probe: Probe) -> Samples:
    status, page = await probe.get("/metrics")
    assert status == 200
    return Samples(page)


async def settled(probe: Probe, turns: int) -> Samples:
    """Return the figures once so many turns are counted, which is after their delivery."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await figures(probe)
            if found.of("parley_turns_total") >= turns and not found.of("parley_turns_running"):
                return found
            await asyncio.sleep(0.05)


async def test_a_turn_is_counted(stage: TelegramStage, probe: Probe) -> None:
    async with stage.running(metrics_port=port_of(probe)):
        await ask(stage, "Hello")
        await ask(stage, "/help")
        found = await settled(probe, 2)
    turn = {"platform": "telegram", "kind": "chat"}
    assert found.of("parley_turns_total", outcome="ok", **turn) == 1
    assert found.of("parley_turns_total", kind="command") == 1
    assert found.of("parley_events_total", platform="telegram", kind="InboundMessage") == 2
    assert found.of("parley_delivered_seconds_count", **turn) == 1
    assert found.of("parley_first_text_seconds_count", platform="telegram") == 1
    asked = {"gen_ai_request_model": MODEL, "gen_ai_operation_name": "chat"}
    duration = "gen_ai_client_operation_duration_seconds"
    assert found.of(f"{duration}_count", error_type="", **asked) == 1
    assert found.of("gen_ai_client_operation_time_to_first_chunk_seconds_count", **asked) == 1
    [[prompt, completion, cost]] = stage.records.all(
        "SELECT prompt_tokens, completion_tokens, cost FROM calls"
    )
    usage = "gen_ai_client_token_usage_sum"
    assert found.of(usage, gen_ai_token_type="input", **asked) == prompt
    assert found.of(usage, gen_ai_token_type="output", **asked) == completion
    assert found.of("parley_cost_microdollars_total", gen_ai_request_model=MODEL) == cost
    assert found.of("parley_database_statement_seconds_count", verb="INSERT") > 0
    assert found.of("parley_database_up") == 1
    assert found.of("parley_turns_running") == found.of("parley_turns_waiting") == 0
    assert found.of("parley_listening", platform="telegram") == 1
    assert found.of("process_resident_memory_bytes") > 1e6


async def test_no_label_tells_of_a_person(stage: TelegramStage, probe: Probe) -> None:
    async with stage.running(metrics_port=port_of(probe)):
        await ask(stage, "Hello, I am Ada and my secret is a1b2c3")
        await stage.press("Regenerate")
        await stage.records.idle(2)
        status, page = await probe.get("/metrics")
    assert status == 200
    for sample in Samples(page).all:
        for name, value in sample.labels.items():
            assert name in ("le", "version", "account", "error_type") or value in KNOWN[name]
            if name == "account":
                assert value == stage.server.bot_id
    for private in ("Ada", "a1b2c3", f'"{stage.ada.id}"'):
        assert private not in page


async def test_discord_is_counted(
    model: ModelServer,
    discord_server: DiscordServer,
    sqlite_url: str,
    tmp_path: Path,
    probe: Probe,
) -> None:
    stage = DiscordStage(World(model, sqlite_url, tmp_path), discord_server)
    async with stage.running(metrics_port=port_of(probe)):
        await ask(stage, "Hello")
        found = await settled(probe, 1)
    assert found.of("parley_turns_total", platform="discord", outcome="ok", kind="chat") == 1
    assert found.of("parley_reconnects", platform="discord") == 0


async def test_errors_of_the_model_are_counted_by_their_kind(
    stage: TelegramStage, model: ModelServer, probe: Probe
) -> None:
    model.enqueue(Fault(500), Fault(402))
    async with stage.running(metrics_port=port_of(probe)):
        await ask(stage, "Hello")
        found = await settled(probe, 1)
    duration = "gen_ai_client_operation_duration_seconds_count"
    assert found.of(duration, error_type="ModelBusy") == 1
    assert found.of(duration, error_type="CreditUsedUp") == 1
    assert found.of("parley_turns_total", outcome="failed") == 1
    assert found.of("parley_first_text_seconds_count") == 1, "people read why there is no answer"


async def test_flood_limits_and_reconnects_are_counted(stage: TelegramStage, probe: Probe) -> None:
    stage.server.fail("sendMessage", status=429, retry_after=1)
    stage.server.fail("getUpdates", status=502)
    async with stage.running(metrics_port=port_of(probe)):
        await ask(stage, "Hello")
        await eventually(lambda: stage.server.polling)
        found = await settled(probe, 1)
    assert found.of("parley_flood_limits_total", platform="telegram") == 1
    assert found.of("parley_reconnects", platform="telegram") == 1


async def test_an_answer_that_cannot_be_delivered_is_counted(
    stage: TelegramStage, model: ModelServer, probe: Probe
) -> None:
    async with stage.running(metrics_port=port_of(probe)):
        with model.hold():
            await stage.say("Hello")
            await model.seen(1)
            stage.server.block(stage.ada)
        await stage.records.idle(1)
        found = await settled(probe, 1)
    assert found.of("parley_turns_total", outcome="undeliverable") == 1


async def test_a_collector_may_ask_for_openmetrics(stage: TelegramStage, probe: Probe) -> None:
    async with stage.running(metrics_port=port_of(probe)):
        await probe.until("/livez", 200)
        wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
        answer = await probe.client.get("/metrics", headers=wanted)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_without_a_port_of_their_own_there_are_no_figures(
    stage: TelegramStage, probe: Probe
) -> None:
    async with stage.running(port=port_of(probe)):
        await probe.until("/livez", 200)
        assert await probe.status("/metrics") == 404


@pytest.mark.slow
async def test_health_alone_loads_no_library_for_figures() -> None:
    code = "import sys, bots.web; assert 'prometheus_client' not in sys.modules"
    began = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await began.wait() == 0


def test_a_model_of_no_setting_gets_no_label_of_its_own() -> None:
    registry = CollectorRegistry()
    counted = Figures(registry, [MODEL])
    for name in (MODEL, "one", "two"):
        counted.note(ModelCalled(name, 1.0, None, "", None, None))
        counted.note(Answered(name, 0, 5))
    cost = "parley_cost_microdollars_total"
    assert registry.get_sample_value(cost, {"gen_ai_request_model": MODEL}) == 5
    assert registry.get_sample_value(cost, {"gen_ai_request_model": "other"}) == 10
    calls = "gen_ai_client_operation_duration_seconds_count"
    labels = {"gen_ai_operation_name": "chat", "gen_ai_request_model": "other", "error_type": ""}
    assert registry.get_sample_value(calls, labels) == 2


def test_two_bots_count_apart() -> None:
    first, second = (Figures(CollectorRegistry(), [MODEL]) for _ in range(2))
    first.note(Delivered("telegram", "chat", "ok", 1.0))
    labels = {"platform": "telegram", "kind": "chat", "outcome": "ok"}
    assert first.registry.get_sample_value("parley_turns_total", labels) == 1
    assert second.registry.get_sample_value("parley_turns_total", labels) is None


def test_the_state_of_the_process_is_shown() -> None:
    counted = Figures(CollectorRegistry(), [MODEL])
    hearing = Hearing("telegram", "7", State.STANDING_BY, True, 2.5, reconnects=3)
    counted.set(Vitals([hearing], None, False, 2, 4, 12.0, False))
    value, account = counted.registry.get_sample_value, {"platform": "telegram", "account": "7"}
    assert value("parley_database_up") == 0
    assert value("parley_turns_waiting") == 4
    assert value("parley_turns_running") == 2
    assert value("parley_oldest_waiting_seconds") == 12
    assert value("parley_listening", account) == 0
    assert value("parley_heard_seconds", account) == 2.5
    assert value("parley_reconnects", account) == 3
