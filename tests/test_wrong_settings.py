"""Every setting with a wrong value: one line that names it and says what to do, and status 2."""

import re
from pathlib import Path

import pytest

from bots.__main__ import serve
from bots.registry import PLATFORMS
from core.environment import Environment
from core.settings import Settings
from tests.bot import process

_KINDS: tuple[type[Environment], ...] = (Settings, *PLATFORMS)
NAMES = [
    str(field.validation_alias or name).upper()
    for kind in _KINDS
    for name, field in kind.model_fields.items()
]
"""Every setting as an environment variable; a name with * stands for a family of them."""

WRONG = {
    "PORT": ["0", "70000", "http"],
    "METRICS_PORT": ["0", "http"],
    "DASHBOARD": ["perhaps"],
    "DASHBOARD_TEXTS": ["perhaps"],
    "LOG_LEVEL": ["loud"],
    "LOG_FORMAT": ["xml"],
    "SENTRY_DSN": ["two words"],
    "OTEL_EXPORTER_OTLP_ENDPOINT": ["collector:4317"],
    "DATABASE_URL": ["mysql://host/name", "sqlite:///:memory:", "parley.db"],
    "DATABASE_DIRECT_URL": ["sqlite:///parley.db", "host"],
    "DATABASE_CONNECTIONS": ["0", "many", "1.5"],
    "MODEL_API_KEY": ["two words", "kéy"],
    "MODEL_API_URL": ["api.example.org/v1", "ftp://host", "https://host:port/v1"],
    "MODEL": ["a,,b", "a, A"],
    "MODELS": ["a,,b", "a, A"],
    "MODEL_PRICES": ["cheap", "1/2", "a=1/2/3, a=1/2/3"],
    "MAX_COMPLETION_TOKENS": ["0", "long", "3000000"],
    "TEMPERATURE": ["-1", "3", "warm", "nan"],
    "TOP_P": ["0", "2"],
    "TOOLS": ["perhaps"],
    "VISION": ["other/model"],
    "PERSONAS_FILE": ["/nowhere/personas.toml"],
    "ADMINS": ["ann", "telegram:@ann", "telegarm:1", "telegram:1,"],
    "QUOTA": ["many", "0 turns/day", "1.5 turns/day", "1 usd/day, 2 usd/day", "1 token/day", "1,"],
    "QUOTA_*": ["many"],
    "TIMEZONE": ["Mars/Base"],
    "DEFAULT_LANGUAGE": ["klingon"],
    "REQUESTS_PER_MINUTE": ["0"],
    "PENDING_TURNS": ["0"],
    "BUDGET": ["much", "0.000001 usd/month"],
    "ACCESS": ["closed"],
    "ALLOWED_PEOPLE": ["ann", "telegram:1"],
    "ALLOWED_GROUPS": ["friends", "telegarm:-1", "discord:friends"],
    "LEAVE_OTHER_GROUPS": ["true", "perhaps"],
    "MEMORY_HIGH_TOKENS": ["0", "1000000"],
    "MEMORY_LOW_TOKENS": ["12000", "-1"],
    "FILE_MEGABYTES": ["0"],
    "RETENTION_DAYS": ["0"],
    "KEEP_DAYS": ["1"],
    "CONCURRENCY": ["0"],
    "LEASE_SECONDS": ["1", "inf"],
    "DRAIN_SECONDS": ["-1", "soon"],
    "FIRST_TOKEN_SECONDS": ["0"],
    "STALL_SECONDS": ["nan"],
    "MODEL_PATIENCE_SECONDS": ["inf"],
    "RETRY_SECONDS": ["soon"],
    "TELEGRAM_TOKEN": ["two words"],
    "TELEGRAM_API_URL": ["api.telegram.org"],
    "TELEGRAM_FILES_DIR": ["here", "/nowhere"],
    "TELEGRAM_WEBHOOK_URL": [
        *("bot.example.org", "http://bot.example.org", "https://bot.example.org:9443"),
        *("https://u@bot.example.org", "https://bot.example.org/a b", "https://h/metrics"),
    ],
    "DISCORD_TOKEN": ["two words"],
    "DISCORD_API_URL": ["discord.com"],
}
"""Wrong values of each setting."""

NEVER_WRONG = {
    "SYSTEM_PROMPT": "any text is one; a limit that it is too long for names itself",
    "HOST": "whether an address is one of the machine is seen when it is opened",
}
"""The settings of which no value is wrong, with the reason."""

DO = re.compile(
    r"\b(set|write|name|choose|remove|raise|lower|copy|keep|save|let|cut|rename|mend|make)\b"
)
"""The words that tell an operator what to do."""


def test_every_setting_has_a_wrong_value_or_a_reason_for_none() -> None:
    assert sorted([*WRONG, *NEVER_WRONG]) == sorted(NAMES)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name.replace("*", "VIP"), value) for name, values in WRONG.items() for value in values],
)
def test_a_wrong_value_is_one_line_that_names_it_and_says_what_to_do(
    name: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    for each in NAMES:
        monkeypatch.delenv(each, raising=False)
    # Without a key the start would end with a sentence about that, if the value were right.
    monkeypatch.setenv("TELEGRAM_TOKEN", "1:token")
    monkeypatch.setenv(name, value)
    assert serve(["telegram"], listen=True) == 2
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert said.out == ""
    assert line.startswith(f"{name}: ")
    assert DO.search(line.removeprefix(f"{name}: ")), line


@pytest.mark.parametrize(
    "arguments",
    [["telegram"], ["users"], ["models"], ["migrate"], ["backup", "file"], ["restore", "file"]],
    ids=" ".join,
)
async def test_every_command_tells_of_a_wrong_setting_in_one_line(
    arguments: list[str], tmp_path: Path
) -> None:
    wrong = {"CONCURRENCY": "0", "TELEGRAM_TOKEN": "1:token", "MODEL_API_KEY": "key"}
    async with process(*arguments, log=tmp_path / "log", environment=wrong) as started:
        assert await started.wait() == 2
    assert started.lines() == ["CONCURRENCY: too small; set 1 or more"]


async def test_a_file_of_settings_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"QUOTA=\xff")
    assert serve([], listen=True) == 2
    assert capsys.readouterr().err == ".env: not a text in UTF-8; save it as one\n"


async def test_sqlite_on_a_dyno_is_warned_of_once(tmp_path: Path) -> None:
    values = {
        "DYNO": "worker.1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/parley.db",
        "MODEL_API_KEY": "key",
        "MODEL_API_URL": "http://127.0.0.1:1",
        "TELEGRAM_TOKEN": "none",
    }
    async with process("telegram", log=tmp_path / "log", environment=values) as started:
        assert await started.wait() == 2
    [told] = [line for line in started.lines() if "dyno" in line]
    assert " WARNING " in told
    assert "set DATABASE_URL to a PostgreSQL database" in told
