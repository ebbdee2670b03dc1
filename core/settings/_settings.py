"""The settings themselves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    SecretStr,
    model_validator,
)

from core.adapter import Account
from core.environment import Environment, Secret, Url, read
from core.money import MICRO
from core.settings._accounts import parse_access, parse_groups, parse_people
from core.settings._admins import parse_admins
from core.settings._checks import (
    check_database_url,
    check_direct_url,
    check_endpoint,
    lower,
    parse_models,
    parse_vision,
    read_personas,
)
from core.settings._limits import Limit, check_tier, parse_limits, parse_zone, read_limits
from core.settings._prices import PriceList, Prices, parse_prices

DEFAULT_MODEL = "x-ai/grok-4-fast-non-reasoning"
DEFAULT_PRICES = Prices(Decimal("0.20"), Decimal("0.05"), Decimal("0.50"), long_context=128_000)
"""xAI's list price of the default model."""

DEFAULT_QUOTA = read_limits("10 turns/minute, 200 turns/day, 1 usd/month")
DEFAULT_BUDGET = read_limits("20 usd/month")

Limits = Annotated[tuple[InstanceOf[Limit], ...], BeforeValidator(parse_limits)]
Level = Literal["debug", "info", "warning", "error"]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Settings(Environment):
    """The settings of an operator, but for those of the platforms.

    The text below each field is its line in `docs/settings.md`.
    """

    empty_means_none = frozenset({"quota", "budget"})
    families = frozenset({"quota_*"})

    database_url: Annotated[str, AfterValidator(check_database_url)] = Field(
        default="sqlite:///parley.db", repr=False
    )
    """The database: an SQLite file for one process, or `postgres://user:password@host/name` for any
    number of them."""
    database_direct_url: Annotated[str, AfterValidator(check_direct_url)] = Field(
        default="", repr=False
    )
    """The address of the server itself, if `DATABASE_URL` leads to a pooler such as PgBouncer in
    transaction mode; `parley migrate` needs it then."""
    database_connections: int = Field(default=5, ge=1)
    """The connections of each process to PostgreSQL; one more hears other processes, and tells them
    that this one lives."""

    model_api_key: Secret = SecretStr("")
    """The key for the model API; nothing is answered without it."""
    model_api_url: Url = "https://api.aimlapi.com/v1"
    """Any OpenAI-compatible API."""
    models: Annotated[tuple[str, ...], BeforeValidator(parse_models)] = Field(
        default=(DEFAULT_MODEL,), validation_alias="model"
    )
    """The model that answers; of several, the next one is asked while one keeps failing."""
    offered_models: Annotated[tuple[str, ...], BeforeValidator(parse_models)] = Field(
        default=(), validation_alias="models"
    )
    """The models that people may choose with `/model`, besides the first of `MODEL`."""
    model_prices: Annotated[PriceList, BeforeValidator(parse_prices)] = PriceList()
    """USD per million tokens of input, cached input and output, used when the API reports no cost;
    those of the default model are known."""
    max_completion_tokens: int = Field(default=8192, ge=1, le=2_000_000)
    """The longest answer."""
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    """How freely the model chooses its words; sent only if it is set."""
    top_p: float | None = Field(default=None, ge=0.01, le=1, allow_inf_nan=False)
    """The share of likely words from which the model chooses; sent only if it is set."""
    system_prompt: str = (
        "You are Parley, a friendly and knowledgeable assistant in a chat. Answer in the language"
        " of the person, clearly and to the point. Use Markdown where it helps."
    )
    """The beginning of every prompt."""

    tools: bool = True
    """The model may calculate and search what was said in the chat."""
    vision: Annotated[bool | tuple[str, ...], BeforeValidator(parse_vision)] = True
    """The models can see images: all, none, or the named ones."""
    personas: Annotated[Mapping[str, str], BeforeValidator(read_personas)] = Field(
        default_factory=dict, validation_alias="personas_file"
    )
    """Lines like `pirate = "You are a pirate."` in TOML, for `/persona pirate`."""

    port: int | None = Field(default=None, ge=1, le=65535)
    """The port for the public: pages of health, webhooks and the dashboard."""
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """The port for your own network: pages of health, and figures for Prometheus. It may be that of
    `PORT`."""
    host: str = ""
    """The address of both ports; without it, all addresses of the machine."""

    dashboard: bool = True
    """The operators have a dashboard at `/dashboard` of `PORT`."""
    dashboard_texts: bool = False
    """The operators can read in the dashboard what was said in a turn."""

    admins: Annotated[tuple[Account, ...], BeforeValidator(parse_admins)] = ()
    """The operators' accounts; they are told of trouble and may give the operators' commands."""

    set_quota: Limits = Field(default=DEFAULT_QUOTA, validation_alias="quota")
    """The limits of each person; empty for none. Each must allow at least one answer."""
    set_tiers: Mapping[Annotated[str, AfterValidator(check_tier)], Limits] = Field(
        default_factory=dict, validation_alias="quota_*"
    )
    """The limits of a tier, as `QUOTA_VIP` of the tier `vip`, for the people and groups that get
    it; empty for none. The members of a group share its limit; their own limits count, too."""
    timezone: Annotated[InstanceOf[tzinfo], BeforeValidator(parse_zone)] = UTC
    """The calendar that days, weeks and months of limits follow, as `Europe/Berlin`."""
    default_language: str = "en"
    """The language of the bot's own sentences for people of whom no language is known: `en`, `de`,
    `es`, `fr`, `ru`, `ar` or `zh`."""
    requests_per_minute: int = Field(default=30, ge=1)
    """The messages, commands, pressed buttons and edits of each person; then one notice, and
    silence until the next minute."""
    pending_turns: int = Field(default=20, ge=1)
    """The questions and commands of each person that may wait; then one notice, and silence until
    some are done."""
    set_budget: Limits | None = Field(default=None, validation_alias="budget")
    """The limits of everybody together; empty for none. Without prices and without a limit in usd,
    there is none by default."""

    access: Annotated[Literal["open", "invite", "list"], BeforeValidator(parse_access)] = "open"
    """The people who get answers: everybody, those with an invite, or those who are named or let
    in."""
    allowed_people: Annotated[frozenset[Account], BeforeValidator(parse_people)] = frozenset()
    """The accounts that get answers with `invite` and `list`."""
    allowed_groups: Annotated[frozenset[Account] | None, BeforeValidator(parse_groups)] = None
    """The only groups, servers, categories or channels in which the bot answers; `none` for private
    chats alone, and all groups if it is not set."""
    leave_other_groups: bool = False
    """The bot says goodbye to all other groups and leaves them."""

    memory_high_tokens: int = Field(default=12_000, ge=1, le=900_000)
    """A larger conversation is summarised; the models must read twice as much, or tell in their
    list how much they take."""
    memory_low_tokens: int = Field(default=4_000, ge=0, le=900_000)
    """The size to which it is summarised."""

    file_megabytes: int = Field(default=200, ge=1)
    """The most files that are stored for one person."""
    retention_days: int | None = Field(default=None, ge=1)
    """Older messages are deleted, but for the current `/persona`."""
    keep_days: int = Field(default=90, ge=2)
    """Older bookkeeping is deleted: turns, posts, events and calls; messages and the sums of each
    day stay."""

    log_level: Annotated[Level | None, BeforeValidator(lower)] = None
    """The least severe lines of the log; without it `info`, and `warning` while the terminal is the
    platform."""
    log_format: Annotated[Literal["auto", "json", "text"], BeforeValidator(lower)] = "auto"
    """The form of the log; `auto` is text in a terminal, and JSON elsewhere."""
    sentry_dsn: Secret = SecretStr("")
    """The address at Sentry to which errors of the log are reported; it needs the package
    `sentry-sdk`, as in `.venv/bin/pip install '.[sentry]'`."""
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(check_endpoint)] = ""
    """The OpenTelemetry collector that gets a span for each turn; it needs packages, as in
    `.venv/bin/pip install '.[otel]'`."""

    concurrency: int = Field(default=1000, ge=1)
    """The answers at a time in one process; up to ten times as many may wait for a model that is
    away."""
    lease_seconds: Seconds = Field(default=15, ge=5)
    """The time after which another process takes the turns of one that is stopped, or has vanished
    with its machine."""
    drain_seconds: Seconds = Field(default=20, ge=0)
    """The time that running answers have when the process is asked to stop; the rest of the stop
    takes up to 8 more. For more than 22, raise what kills it after 30: `stop_grace_period` in
    `compose.yaml`, or `TimeoutStopSec` in the unit."""
    first_token_seconds: Seconds = Field(default=60, gt=0)
    """The longest silence of the model before its first token."""
    stall_seconds: Seconds = Field(default=30, gt=0)
    """The longest silence of the model after its first token."""
    model_patience_seconds: Seconds = Field(default=1800, gt=0)
    """The time for which an answer waits for a model that does not answer."""
    retry_seconds: Seconds = Field(default=60, gt=0)
    """The measure of the pauses between attempts of a turn that failed: the first takes a twelfth
    of it, and each further one twice as long."""

    @property
    def model(self) -> str:
        """The model that is asked first."""
        return self.models[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the models on offer, with the first of MODEL; () if there is no other."""
        others = tuple(model for model in self.offered_models if model != self.model)
        if not others:
            return ()
        return self.offered_models if self.model in self.offered_models else (self.model, *others)

    @property
    def prices(self) -> PriceList:
        """Return the prices that are set, with those of the default model if it has no others."""
        told = self.model_prices
        if told.of(DEFAULT_MODEL) is not None:
            return told
        return replace(told, of_models={**told.of_models, DEFAULT_MODEL: DEFAULT_PRICES})

    @property
    def quota(self) -> tuple[Limit, ...]:
        """The limits of each person."""
        return self._here(self.set_quota)

    @property
    def tiers(self) -> dict[str, tuple[Limit, ...]]:
        """The limits of each tier, by its name in small letters."""
        return {name: self._here(limits) for name, limits in self.set_tiers.items()}

    @property
    def limits(self) -> dict[str, tuple[Limit, ...]]:
        """All limits, by the names of their settings."""
        tiers = {f"QUOTA_{name.upper()}": limits for name, limits in self.tiers.items()}
        return {"QUOTA": self.quota, **tiers, "BUDGET": self.budget}

    @property
    def budget(self) -> tuple[Limit, ...]:
        """The bound of the whole deployment, however many people come.

        By default it is in USD; a bot that counts no money has none then.
        """
        limits = self.set_budget
        if limits is None:
            people = (self.set_quota, *self.set_tiers.values())
            counts_money = any(limit.unit == "usd" for limits in people for limit in limits)
            is_none = self.prices.unknown(self.asked) and not counts_money
            limits = () if is_none else DEFAULT_BUDGET
        return self._here(limits)

    def _here(self, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
        return tuple(replace(limit, zone=self.timezone) for limit in limits)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return every model that may answer, without doubles."""
        return tuple(dict.fromkeys((*self.models, *self.offered_models)))

    @model_validator(mode="after")
    def _seeing_models_are_asked(self) -> Self:
        for model in self.vision if isinstance(self.vision, tuple) else ():
            if model not in self.asked:
                raise ValueError(
                    f"VISION: {model!r} is no model of MODEL or MODELS; set true, false or those"
                )
        return self

    @model_validator(mode="after")
    def _access_is_meant(self) -> Self:
        if self.allowed_people and self.access == "open":
            raise ValueError(
                "ALLOWED_PEOPLE: ACCESS=open lets everybody in; set ACCESS=list, or remove it"
            )
        if self.leave_other_groups and self.allowed_groups is None:
            raise ValueError(
                "LEAVE_OTHER_GROUPS: ALLOWED_GROUPS names no groups to stay in; set it, or write"
                " ALLOWED_GROUPS=none to stay in none"
            )
        return self

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Self:
        unknown = self.prices.unknown(self.asked)
        in_usd = [
            name
            for name, limits in self.limits.items()
            if any(limit.unit == "usd" for limit in limits)
        ]
        if unknown and in_usd:
            raise ValueError(
                f"MODEL_PRICES: {in_usd[0]} has a limit in usd, but no prices are known for"
                f" {', '.join(unknown)}; set MODEL_PRICES to USD per million tokens of input,"
                f" cached input and output: {unknown[0]}=0.20/0.05/0.50;"
                " or set QUOTA and BUDGET without usd"
            )
        return self

    @model_validator(mode="after")
    def _an_answer_fits(self) -> Self:
        """Refuse a limit below the cost of one short question: nobody would get an answer."""
        prompt = len(self.system_prompt.encode())  # no tokenizer makes more tokens than bytes
        least = min(
            self.prices.cost(model, prompt, 0, self.max_completion_tokens) for model in self.asked
        )
        tokens = prompt + self.max_completion_tokens
        for name, limits in self.limits.items():
            for limit in limits:
                if limit.unit == "tokens" and limit.amount < tokens:
                    raise ValueError(
                        f"{name}: {limit} is less than one answer may have, {tokens} tokens;"
                        " raise it or lower MAX_COMPLETION_TOKENS"
                    )
                if limit.unit == "usd" and limit.amount < least:
                    raise ValueError(
                        f"{name}: {limit} is less than one answer may cost,"
                        f" {Decimal(least) / MICRO:f} usd; raise it or lower MAX_COMPLETION_TOKENS"
                    )
        return self

    @model_validator(mode="after")
    def _marks_in_order(self) -> Self:
        if self.memory_low_tokens >= self.memory_high_tokens:
            raise ValueError(
                "MEMORY_LOW_TOKENS: not below MEMORY_HIGH_TOKENS; lower it or raise that"
            )
        return self


def load(env_file: str | None = ".env", **values: object) -> Settings:
    """Read settings from the environment; `values` override it. Raise SettingsError for faults."""
    return read(Settings, env_file=env_file, **values)[0]
