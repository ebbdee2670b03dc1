"""The settings accept everything that an operator may write, and explain errors."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.settings import (
    DEFAULT_MODEL,
    DEFAULT_PRICES,
    LONGEST_PERSONA,
    Amount,
    Limit,
    PriceList,
    Prices,
    Settings,
    load,
    read_amount,
    read_limits,
)

SECRET = "tok3n-of-gold"
NAMES = [
    str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()
]
"""Every setting as an environment variable."""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env`, and none of this machine's environment that a setting is named after."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def complaint(**values: Any) -> str:
    """Return the explanation of wrong settings."""
    with pytest.raises(SettingsError) as caught:
        load(**values)
    return str(caught.value)


# Where they come from


def test_everything_has_a_default() -> None:
    settings = load()
    assert settings.model == DEFAULT_MODEL
    assert settings.models == (DEFAULT_MODEL,)
    assert settings.prices == PriceList({DEFAULT_MODEL: DEFAULT_PRICES})
    assert (settings.temperature, settings.top_p) == (None, None)
    assert list(map(str, settings.budget)) == ["20 usd/month"]
    assert list(map(str, settings.quota)) == ["10 turns/minute", "200 turns/day", "1 usd/month"]


def test_the_environment_comes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        "# Parley\nMODEL = 'of-the-file'  # a comment\nCONCURRENCY=7\nQUOTA=\nBUDGET=\n"
        'SYSTEM_PROMPT="Grüß dich.\nSei kurz."\nSOMETHING_ELSE=1\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("model", "of-the-environment")
    settings = load()
    assert settings.model == "of-the-environment"
    assert settings.concurrency == 7
    assert settings.quota == settings.budget == ()
    assert settings.system_prompt == "Grüß dich.\nSei kurz."
    assert load(model="given").model == "given"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MODEL=\xff\xfe")
    assert complaint() == ".env: not a text in UTF-8; save it as one"


def test_an_empty_setting_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    known = load()
    for name in NAMES:
        if not name.startswith(("QUOTA", "BUDGET")):
            monkeypatch.setenv(name, "  ")
    assert load() == known


def test_every_setting_that_begins_with_quota_is_a_tier(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("QUOTA_VIP=5 usd/month\nQUOTA_FREE_24=\n", encoding="utf-8")
    monkeypatch.setenv("Quota_Guest", "3 turns/day")
    settings = load(timezone="Europe/Berlin", quota="9 turns/day")
    assert settings.tiers == {
        "vip": (replace(read_limits("5 usd/month")[0], zone=settings.timezone),),
        "free_24": (),
        "guest": (replace(read_limits("3 turns/day")[0], zone=settings.timezone),),
    }
    assert list(map(str, settings.quota)) == ["9 turns/day"]


@pytest.mark.parametrize(
    ("setting", "text", "told"),
    [
        ("quota_vip", "1 usd/month,,", "QUOTA_VIP: at character 13: a limit is missing"),
        ("quota_vip", "1 usd/month, x", "QUOTA_VIP: at character 14: 'x' is not of the form"),
        ("quota_vip", "1 token/day", "QUOTA_VIP: 1 token/day is less than one answer may have"),
        ("quota_default", "1 usd/month", "QUOTA_DEFAULT: 'default' means something else"),
        ("quota_unlimited", "", "QUOTA_UNLIMITED: 'unlimited' means something else"),
        ("quota_", "1 usd/month", "QUOTA_: the name of a tier begins with a letter"),
        ("quota_2", "1 usd/month", "QUOTA_2: the name of a tier begins with a letter"),
        ("quota_a-b", "1 usd/month", "QUOTA_A-B: the name of a tier begins with a letter"),
        (f"quota_{'x' * 41}", "1 usd/month", f"QUOTA_{'X' * 41}: the name of a tier"),
    ],
)
def test_a_wrong_tier_is_named(setting: str, text: str, told: str) -> None:
    assert complaint(**{setting: text}).startswith(told)


@pytest.mark.parametrize(
    ("text", "amount", "written"),
    [
        ("2 usd", Amount(2_000_000, "usd"), "2 usd"),
        ("+ 50 Turns", Amount(50, "turns"), "50 turns"),
        ("100k  tokens", Amount(100_000, "tokens"), "100000 tokens"),
        ("-0.5usd", Amount(-500_000, "usd"), "-0.5 usd"),
        ("1 turn", Amount(1, "turns"), "1 turn"),
    ],
)
def test_an_amount_is_read(text: str, amount: Amount, written: str) -> None:
    assert read_amount(text) == amount
    assert str(amount) == written


@pytest.mark.parametrize(
    "text", ["", "2", "usd", "2 eur", "0 usd", "1.5 turns", "2 usd/day", "--1 usd"]
)
def test_a_wrong_amount_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not of the form '2 usd'|smallest amounts"):
        read_amount(text)


def test_an_empty_quota_is_no_limit() -> None:
    assert load(quota="").quota == load(quota="  ").quota == ()
    assert load(budget="").budget == load(budget="  ").budget == ()


def test_blanks_around_a_value_are_nothing() -> None:
    settings = load(
        model_api_key=f" {SECRET}\n", model=" a , b ", model_prices=" 1 2 3 ", concurrency=" 5 "
    )
    assert settings.model_api_key.get_secret_value() == SECRET
    assert settings.models == ("a", "b")
    assert settings.concurrency == 5


@pytest.mark.parametrize("name", ["model_api_url"])
def test_a_url_has_no_slash_at_its_end(name: str) -> None:
    assert getattr(load(**{name: "http://127.0.0.1:8080/v1/"}), name) == "http://127.0.0.1:8080/v1"


def test_the_operators_are_named_by_platform_and_id() -> None:
    assert load().admins == load(admins=" ").admins == ()
    told = load(admins="telegram:123, Discord : 456,telegram:123, console:anna:b").admins
    assert told == (("telegram", "123"), ("discord", "456"), ("console", "anna:b"))


def test_access_is_for_people_and_groups() -> None:
    settings = load()
    assert (settings.access, settings.allowed_people) == ("open", frozenset())
    assert (settings.allowed_groups, settings.leave_other_groups) == (None, False)
    told = load(
        access="List",
        allowed_people="telegram:1, discord:2",
        allowed_groups="telegram:-100, discord:3",
    )
    assert told.access == "list"
    assert told.allowed_people == {("telegram", "1"), ("discord", "2")}
    assert told.allowed_groups == frozenset({("telegram", "-100"), ("discord", "3")})
    assert load(allowed_groups="none", leave_other_groups="yes").allowed_groups == frozenset()


# What is wrong with them


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"access": "closed"}, "ACCESS: neither open, invite nor list"),
        (
            {"allowed_people": "telegram:1"},
            "ALLOWED_PEOPLE: ACCESS=open lets everybody in; set ACCESS=list, or remove it",
        ),
        ({"access": "list", "allowed_people": "anna"}, "ALLOWED_PEOPLE: at character 1: not of"),
        ({"allowed_groups": "-100"}, "ALLOWED_GROUPS: at character 1: not of the form"),
        (
            {"leave_other_groups": "true"},
            "LEAVE_OTHER_GROUPS: ALLOWED_GROUPS names no groups to stay in; set it, or write",
        ),
    ],
)
def test_access_that_cannot_be_meant_is_told(values: dict[str, str], told: str) -> None:
    assert complaint(**values).startswith(told)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("123", 1),
        ("telegram:1, anna", 13),
        ("telegram:", 1),
        (":1", 1),
        ("telegram:1 discord:2", 1),
    ],
)
def test_a_wrong_operator_is_pointed_at_but_not_shown(value: str, place: int) -> None:
    told = "not of the form platform:id, as telegram:123, discord:456; write it so"
    assert complaint(admins=value) == f"ADMINS: at character {place}: {told}"


def test_a_comma_too_many_among_operators_is_pointed_at() -> None:
    told = "an account is missing; remove the comma"
    assert complaint(admins="telegram:1,, discord:2") == f"ADMINS: at character 12: {told}"


WRONG: list[tuple[str, Any]] = [
    ("database_url", "mysql://host/name"),
    ("database_url", "parley.db"),
    ("database_url", "sqlite://"),
    ("database_url", "sqlite+aiosqlite:///:memory:"),
    ("database_url", "sqlite:///file::memory:?uri=true"),
    ("database_url", "sqlite:///file:parley?mode=memory&uri=true"),
    ("database_connections", "0"),
    ("database_connections", "many"),
    ("model_api_key", "two words"),
    ("model_api_key", "ключ"),
    ("model_api_key", "line\nline"),
    ("model_api_key", "a\x00b"),
    ("model_api_url", "api.aimlapi.com/v1"),
    ("model_api_url", "https://"),
    ("model_api_url", "ftp://host"),
    ("model_api_url", "http://host:port/"),
    ("model", ","),
    ("model", "a,,b"),
    ("model", "a,a"),
    ("models", "a,,b"),
    ("models", "a,a"),
    ("models", "a/x,A/x"),
    ("tools", "some"),
    ("vision", "2"),
    ("personas_file", "nowhere.toml"),
    ("personas_file", "."),
    ("retention_days", "0"),
    ("model_prices", "cheap"),
    ("model_prices", "1, 2"),
    ("model_prices", "a=1/2"),
    ("model_prices", "a=1/2/3, a=1/2/3"),
    ("model_prices", "=1/2/3"),
    ("model_prices", "a=1/2/3, 1, 2, 3"),
    ("model_prices", "1, 2, 3, 4"),
    ("model_prices", "1, 2, -3"),
    ("model_prices", "1, 2, nan"),
    ("model_prices", "1, 2, 1e999"),
    ("max_completion_tokens", "0"),
    ("max_completion_tokens", "1.5"),
    ("temperature", "2.1"),
    ("temperature", "nan"),
    ("temperature", "warm"),
    ("top_p", "0"),
    ("top_p", "inf"),
    ("memory_high_tokens", "0"),
    ("memory_high_tokens", "900001"),
    ("memory_low_tokens", "-1"),
    ("concurrency", "0"),
    ("lease_seconds", "4"),
    ("lease_seconds", "nan"),
    ("drain_seconds", "-1"),
    ("first_token_seconds", "0"),
    ("stall_seconds", "inf"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_one_line_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given = complaint(**{name: value})
    assert given.startswith(f"{name.upper()}: ")
    assert "\n" not in given
    if "\x00" not in value:
        monkeypatch.setenv(name.upper(), value)
        assert complaint() == given


def test_every_wrong_value_is_named() -> None:
    told = complaint(concurrency="x", stall_seconds="x", quota="x")
    assert [line.split(":")[0] for line in told.splitlines()] == [
        "QUOTA",
        "CONCURRENCY",
        "STALL_SECONDS",
    ]


@pytest.mark.parametrize("name", ["quota", "budget"])
@pytest.mark.parametrize(
    "value",
    [
        "lots",
        "10 turns",
        "10 turns/year",
        "10k usd/decade",
        "1 usd/month,,",
        ",",
        "5 turns/day 1 usd/day",
        "10 eur/month",
        "-1 turns/day",
        "0 turns/day",
        "0.0 usd/day",
        "0.5 turns/day",
        "0.0000001 usd/day",
        "9999999999999 usd/day",
        "1 usd/day, 2 usd/day",
        "5 turns/hour, 1 usd/day, 6 turn/hour",
    ],
)
def test_a_limit_that_will_not_do_is_named(name: str, value: str) -> None:
    told = complaint(**{name: value})
    assert told.startswith(f"{name.upper()}: ")
    assert "\n" not in told


@pytest.mark.parametrize(
    ("value", "place", "told"),
    [
        ("1 usd/month,,", 13, "a limit is missing"),
        ("1 usd/month,", 13, "a limit is missing"),
        (", 1 usd/month", 1, "a limit is missing"),
        ("10 turns/minute, 5 turn/weak", 18, "'5 turn/weak' is not of the form"),
        ("1 usd/day,   0.5 turns/day", 14, "'0.5 turns/day': the smallest amounts"),
        ("1 usd/day, 3 usd/day", 12, "there is a limit in usd/day before"),
        ("x" * 1000, 1, f"'{'x' * 40}…' is not of the form"),
    ],
)
def test_a_wrong_limit_is_pointed_at(value: str, place: int, told: str) -> None:
    assert f"at character {place}: {told}" in complaint(quota=value)


def test_a_limit_in_usd_needs_prices() -> None:
    both = f"{DEFAULT_MODEL}, other/model"
    for values in ({"model": "other/model"}, {"model": both}, {"models": both}):
        told = complaint(**values)
        assert told.startswith("MODEL_PRICES: ")
        assert "other/model" in told
        assert load(**values, quota="5 turns/day", budget="").prices.of("other/model") is None
        assert complaint(**values, quota="", budget="1 usd/day").startswith("MODEL_PRICES: ")
        assert load(**values, quota="5 turns/day").budget == (), "by default it would be in usd"
    prices = load(model="other/model", model_prices="1, 0.5 2").prices
    assert prices.of("other/model") == Prices(Decimal(1), Decimal("0.5"), Decimal(2))


def test_each_model_may_have_prices_of_its_own() -> None:
    told = "other/model = 1/0.5/2, third=4/2/8"
    prices = load(model="other/model, third", models=DEFAULT_MODEL, model_prices=told).prices
    assert prices.of("other/model") == Prices(Decimal(1), Decimal("0.5"), Decimal(2))
    assert prices.of("third") == Prices(Decimal(4), Decimal(2), Decimal(8))
    assert prices.of(DEFAULT_MODEL) == DEFAULT_PRICES
    assert "fourth" in complaint(model="third, fourth", model_prices=told)


def test_the_marks_of_memory_are_in_order() -> None:
    told = complaint(memory_low_tokens=500, memory_high_tokens=500)
    assert told == "MEMORY_LOW_TOKENS: not below MEMORY_HIGH_TOKENS; lower it or raise that"


@pytest.mark.parametrize(
    "content", ["pirate", "[pirate]\nsay = 'arr'", "n = 1", "x = '\udcff'"], ids=repr
)
def test_personas_that_cannot_be_read_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "personas.toml").write_bytes(content.encode(errors="surrogateescape"))
    told = complaint(personas_file="personas.toml")
    assert told.startswith("PERSONAS_FILE: ")
    assert "\n" not in told


@pytest.mark.parametrize(
    "content",
    [
        f'ok = "{"x" * LONGEST_PERSONA}"\nlong = "{"x" * (LONGEST_PERSONA + 1)}"',
        'Reset = "You are new."',
        '" " = "You are nobody."',
        'silent = "  "',
        'pirate = "arr"\nPirate = "arr arr"',
    ],
    ids=["long", "reset", "nameless", "empty", "alike"],
)
def test_personas_that_nobody_could_choose_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "personas.toml").write_text(content)
    told = complaint(personas_file="personas.toml")
    assert told.startswith("PERSONAS_FILE: ")
    assert "\n" not in told
    assert len(told) < 200


@pytest.mark.parametrize(
    ("model", "models", "choices"),
    [
        ("a", "", ()),
        ("a", "a", ()),
        ("a", "b", ("a", "b")),
        ("a", "b,a,c", ("b", "a", "c")),
        ("a,x", "b,c", ("a", "b", "c")),
    ],
)
def test_people_may_always_choose_the_model_that_answers(
    model: str, models: str, choices: tuple[str, ...]
) -> None:
    settings = load(model=model, models=models, quota="", budget="")
    assert settings.choices == choices


def test_personas_are_read_from_their_file(tmp_path: Path) -> None:
    (tmp_path / "personas.toml").write_text('Pirate = "Du sagst häufig arr."\n', encoding="utf-8")
    assert load(personas_file="personas.toml").personas == {"pirate": "Du sagst häufig arr."}
    assert load().personas == {}


# What must stay secret


def test_no_secret_is_shown() -> None:
    settings = load(
        database_url=f"postgresql://parley:{SECRET}@host/parley",
        model_api_key=SECRET,
    )
    assert SECRET not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_api_key", f"{SECRET} {SECRET}"),
        ("model_api_key", f"{SECRET}\n{SECRET}"),
        ("model_api_key", f"{SECRET}ü"),
        ("database_url", f"mysql://parley:{SECRET}@host/parley"),
        ("database_url", f"postgres:/parley:{SECRET}@host/parley"),
        ("database_url", f"postgres://parley:{SECRET}@host:port/parley"),
        ("model_api_url", f"ftp://parley:{SECRET}@host"),
        ("model_api_url", f"https://parley:{SECRET}@host:port"),
        ("model_api_url", f"https://parley:{SECRET}@[host"),
    ],
)
def test_no_secret_is_in_a_complaint(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: value, "concurrency": "x"})
    told: BaseException | None = caught.value
    assert str(told).count("\n") == 1
    while told is not None:
        assert SECRET not in repr(told)
        told = told.__cause__ or told.__context__


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///parley.db",
        "sqlite+aiosqlite:////tmp/parley.db",
        "postgres://parley:p%2Fw@host:5432/parley?sslmode=require",
        "postgresql://parley:p/w#x@host/parley",
        "postgresql+psycopg://parley@/parley?host=/tmp",
        "postgresql+psycopg2://parley@host/parley",
        "sqlite+pysqlite:///parley.db",
    ],
)
def test_urls_of_both_databases_are_kept_as_they_are(url: str) -> None:
    assert load(database_url=url).database_url == url


# Limits and prices


@pytest.mark.parametrize(
    ("written", "limit", "shown"),
    [
        ("1 turn/day", Limit(1, "turns", "day"), "1 turn/day"),
        ("10 TURNS/minute", Limit(10, "turns", "minute"), "10 turns/minute"),
        ("2.0 turns/hour", Limit(2, "turns", "hour"), "2 turns/hour"),
        ("1.5k turns / week", Limit(1500, "turns", "week"), "1500 turns/week"),
        ("2M turns/month", Limit(2_000_000, "turns", "month"), "2000000 turns/month"),
        ("200k tokens/day", Limit(200_000, "tokens", "day"), "200000 tokens/day"),
        ("0.25 usd/month", Limit(250_000, "usd", "month"), "0.25 usd/month"),
        ("0.000001 usd/day", Limit(1, "usd", "day"), "0.000001 usd/day"),
        ("100 usd/month", Limit(100_000_000, "usd", "month"), "100 usd/month"),
    ],
)
def test_a_limit_is_shown_as_it_is_written(written: str, limit: Limit, shown: str) -> None:
    # The smallest amounts only make sense where nothing costs anything.
    assert load(quota=written, model_prices="0, 0, 0").quota == (limit,)
    assert str(limit) == shown


@given(
    now=st.datetimes(
        min_value=datetime(2000, 1, 1),
        max_value=datetime(2100, 1, 1),
        timezones=st.just(UTC),
    )
)
@pytest.mark.parametrize("window", ["minute", "hour", "day", "week", "month"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Havana"])
def test_windows_follow_each_other_without_a_gap(window: Any, zone: str, now: datetime) -> None:
    limit = Limit(1, "turns", window, ZoneInfo(zone))
    start, end = limit.start(now), limit.resets_at(now)
    assert start <= now < end
    assert limit.start(end) == end
    assert limit.start(end - timedelta(microseconds=1)) == start
    assert limit.start(start) == start


@pytest.mark.parametrize(
    ("zone", "window", "now", "start", "end"),
    [
        ("Europe/Berlin", "day", "2026-03-29T12:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        ("Europe/Berlin", "day", "2026-10-25T12:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        ("Europe/Berlin", "hour", "2026-10-25T01:10Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"),
        ("Asia/Kolkata", "hour", "2026-05-05T00:00Z", "2026-05-04T23:30Z", "2026-05-05T00:30Z"),
        ("America/New_York", "week", "2026-11-29T12:00Z", "2026-11-23T05:00Z", "2026-11-30T05:00Z"),
        ("Asia/Tokyo", "month", "2026-01-31T15:30Z", "2026-01-31T15:00Z", "2026-02-28T15:00Z"),
        ("Africa/Cairo", "day", "2026-04-24T12:00Z", "2026-04-23T22:00Z", "2026-04-24T21:00Z"),
    ],
)
def test_windows_follow_the_calendar_of_a_zone(
    zone: str, window: Any, now: str, start: str, end: str
) -> None:
    limit = load(quota=f"1 turn/{window}", timezone=zone).quota[0]
    moments = [datetime.fromisoformat(each) for each in (now, start, end)]
    assert [limit.start(moments[0]), limit.resets_at(moments[0])] == moments[1:]


@pytest.mark.parametrize("zone", ["Berlin", "../etc/passwd", "/etc/localtime", "UTC+1", "x" * 300])
def test_a_zone_that_nobody_knows_is_named(zone: str) -> None:
    told = complaint(timezone=zone)
    assert told.startswith("TIMEZONE: ")
    assert "is no time zone; name one as Europe/Berlin" in told


def test_a_window_is_the_same_in_every_time_zone() -> None:
    told = datetime.fromisoformat("2026-03-01T00:30:00+02:00")
    assert Limit(1, "turns", "month").start(told) == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tokens", "cost"),
    [
        ((0, 0, 0), 0),
        ((1, 0, 0), 1),
        ((1000, 0, 0), 200),
        ((1000, 1000, 0), 50),
        ((1000, 129_000, 100), 100),
        ((127_999, 0, 0), 25_600),
        ((128_000, 0, 10), 51_210),
    ],
)
def test_a_call_costs_what_the_list_says_rounded_up(
    tokens: tuple[int, int, int], cost: int
) -> None:
    assert DEFAULT_PRICES.cost(*tokens) == cost


@given(
    tokens=st.tuples(*[st.integers(0, 2_000_000)] * 3),
    more=st.integers(0, 1000),
)
def test_more_tokens_never_cost_less(tokens: tuple[int, int, int], more: int) -> None:
    prompt, cached, completion = tokens
    assume(cached <= prompt)
    cost = DEFAULT_PRICES.cost(prompt, cached, completion)
    assert cost <= DEFAULT_PRICES.cost(prompt + more, cached, completion)
    assert cost <= DEFAULT_PRICES.cost(prompt, cached, completion + more)


@pytest.mark.parametrize("name", ["quota", "budget"])
def test_a_limit_that_no_answer_fits_is_named(name: str) -> None:
    told = complaint(**{name: "0.004 usd/day"})
    assert told.startswith(
        f"{name.upper()}: 0.004 usd/day is less than one answer may cost, 0.0041"
    )
    load(env_file=None, **{name: "0.004 usd/day", "max_completion_tokens": 1000})
    told = complaint(**{name: "8k tokens/day"})
    assert told.startswith(f"{name.upper()}: 8000 tokens/day is less than one answer may have, 83")
    load(env_file=None, **{name: "8k tokens/day", "max_completion_tokens": 1000})
