"""The figures of `/metrics`, for Prometheus.

Names follow OpenTelemetry's conventions for generative AI where they have one, and begin with
`parley_` where they have none. A label never tells of a person, and each has few values.
"""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from bots.version import VERSION
from core.signals import (
    Answered,
    Delivered,
    EventTaken,
    FirstText,
    Flooded,
    GivenUp,
    ModelCalled,
    Signal,
    StatementDone,
)
from core.vitals import State, Vitals

UNDELIVERABLE = "undeliverable"
OTHER = "other"
"""The label of a model that is none of the settings."""

CALL_SECONDS = tuple(0.01 * 2**power for power in range(14))
TOKENS = tuple(4**power for power in range(14))
CHUNK_SECONDS = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
)
"""The bounds that the conventions advise."""
WAIT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 1800)
STATEMENT_SECONDS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Figures:
    """The figures of this process in a registry. `note` takes signals in any thread."""

    def __init__(self, registry: CollectorRegistry, models: Collection[str]) -> None:
        """Make figures; `models` are those that have a label of their own."""
        self.registry = registry
        self._models = frozenset(models)
        ProcessCollector(registry=registry)
        self._make_calls(registry)
        self._make_turns(registry)
        self._make_process(registry)

    def _make_calls(self, registry: CollectorRegistry) -> None:
        asked = ("gen_ai_operation_name", "gen_ai_request_model")
        self._calls = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "The time of each request to a model",
            (*asked, "error_type"),
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._chunks = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "The time until the first piece of a model's answer",
            asked,
            buckets=CHUNK_SECONDS,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "The tokens of each request to a model, as the API counts them",
            (*asked, "gen_ai_token_type"),
            buckets=TOKENS,
            registry=registry,
        )
        self._cost = Counter(
            "parley_cost_microdollars",
            "The cost of answers, in micro-dollars",
            ("gen_ai_request_model",),
            registry=registry,
        )
        self._cached = Counter(
            "parley_cached_tokens",
            "The tokens of prompts that the provider's cache had",
            ("gen_ai_request_model",),
            registry=registry,
        )

    def _make_turns(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "parley_events",
            "The events of platforms that were stored, or known already",
            ("platform", "kind"),
            registry=registry,
        )
        self._turns = Counter(
            "parley_turns",
            "The turns whose answer stands, and those whose answer cannot be delivered",
            ("platform", "kind", "outcome"),
            registry=registry,
        )
        self._first_text = Histogram(
            "parley_first_text_seconds",
            "The time from a question to the first text that its person sees",
            ("platform",),
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self._delivered = Histogram(
            "parley_delivered_seconds",
            "The time from a question to its whole answer",
            ("platform", "kind"),
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self._floods = Counter(
            "parley_flood_limits",
            "The times that a platform told the bot to wait",
            ("platform",),
            registry=registry,
        )
        self._statements = Histogram(
            "parley_database_statement_seconds",
            "The time of each statement of the database",
            ("verb",),
            buckets=STATEMENT_SECONDS,
            registry=registry,
        )

    def _make_process(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, told: str, *labels: str) -> Gauge:
            return Gauge(name, told, labels, registry=registry)

        account = ("platform", "account")
        gauge("parley_build_info", "The release that runs", "version").labels(VERSION).set(1)
        self._lag = Histogram(
            "parley_event_loop_lag_seconds",
            "The time by which the event loop is late, once a second",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self._running = gauge("parley_turns_running", "The turns in hand of this process")
        self._waiting = gauge("parley_turns_waiting", "The turns that wait, of all processes")
        self._oldest = gauge("parley_oldest_waiting_seconds", "The time that the oldest has waited")
        self._database = gauge("parley_database_up", "1 while the database answers, else 0")
        self._answer = gauge("parley_database_answer_seconds", "The time of its last answer")
        self._listening = gauge("parley_listening", "1 for the process that listens", *account)
        self._heard = gauge("parley_heard_seconds", "The time since a sign of a platform", *account)
        self._reconnects = gauge(
            "parley_reconnects", "The connections to a platform that followed a lost one", *account
        )

    def note(self, signal: Signal) -> None:
        """Count what has happened."""
        match signal:
            case EventTaken(platform, kind):
                self._events.labels(platform, kind).inc()
            case ModelCalled():
                self._note_call(signal)
            case Flooded(platform):
                self._floods.labels(platform).inc()
            case StatementDone(verb, seconds):
                self._statements.labels(verb).observe(seconds)
            case _:
                self._note_turn(signal)

    def _note_turn(self, signal: FirstText | Answered | Delivered | GivenUp) -> None:
        match signal:
            case FirstText(platform, seconds):
                self._first_text.labels(platform).observe(max(seconds, 0.0))
            case Answered():
                self._note_answer(signal)
            case Delivered(platform, kind, outcome, seconds):
                self._turns.labels(platform, kind, outcome).inc()
                self._delivered.labels(platform, kind).observe(max(seconds, 0.0))
            case GivenUp(platform, kind):
                self._turns.labels(platform, kind, UNDELIVERABLE).inc()

    def _note_call(self, call: ModelCalled) -> None:
        asked = ("chat", self._model(call.model))
        self._calls.labels(*asked, call.error).observe(call.seconds)
        if call.first_seconds is not None:
            self._chunks.labels(*asked).observe(call.first_seconds)
        for kind, tokens in (("input", call.prompt_tokens), ("output", call.completion_tokens)):
            if tokens is not None:
                self._tokens.labels(*asked, kind).observe(tokens)

    def _note_answer(self, answer: Answered) -> None:
        if answer.model:
            self._cost.labels(self._model(answer.model)).inc(answer.cost)
            self._cached.labels(self._model(answer.model)).inc(answer.cached_tokens)

    def _model(self, name: str) -> str:
        return name if name in self._models else OTHER

    def note_lag(self, seconds: float) -> None:
        """Count a beat of the event loop."""
        self._lag.observe(seconds)

    def set(self, vitals: Vitals) -> None:
        """Show how the process is now."""
        self._running.set(vitals.running)
        self._waiting.set(vitals.waiting)
        self._oldest.set(max(vitals.oldest_waiting or 0.0, 0.0))
        self._database.set(vitals.database_seconds is not None)
        self._answer.set(vitals.database_seconds or 0.0)
        for gauge in (self._listening, self._reconnects, self._heard):
            gauge.clear()  # an account may be gone
        for each in vitals.accounts:
            account = each.platform, each.account
            self._listening.labels(*account).set(each.state is State.LISTENING)
            self._reconnects.labels(*account).set(each.reconnects)
            if each.heard_ago is not None:
                self._heard.labels(*account).set(each.heard_ago)
