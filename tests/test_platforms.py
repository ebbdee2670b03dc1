"""The registry of platforms, and the settings that each platform has of its own."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from bots.loading import load
from bots.platform import Platform
from bots.registry import PLATFORMS
from core.environment import Environment
from core.errors import SettingsError
from core.settings import Settings
from tests.bot import ROOT

SECRET = "tok3n-of-gold"
KINDS: tuple[type[Environment], ...] = (Settings, *PLATFORMS)
FIELDS = {name for platform in PLATFORMS for name in platform.model_fields}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env`, and no setting of a platform in this machine's environment."""
    monkeypatch.chdir(tmp_path)
    for name in FIELDS:
        monkeypatch.delenv(name.upper(), raising=False)


def platforms(**values: Any) -> dict[str, Platform]:
    _, found = load(**values)
    return {platform.name: platform for platform in found}


def complaint(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(**values)
    return str(caught.value)


def test_no_two_platforms_share_a_name_or_a_setting() -> None:
    fields = [name for kind in KINDS for name in kind.model_fields]
    assert len(fields) == len(set(fields))
    assert len({platform.name for platform in PLATFORMS}) == len(PLATFORMS)


def test_settings_come_from_the_environment_and_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not any(platform.is_set for platform in platforms().values())
    (tmp_path / ".env").write_text(f"TELEGRAM_TOKEN={SECRET}\nDISCORD_TOKEN=\n")
    assert [name for name, each in platforms().items() if each.is_set] == ["telegram"]
    monkeypatch.setenv("DISCORD_TOKEN", SECRET)
    assert [name for name, each in platforms().items() if each.is_set] == ["telegram", "discord"]


@pytest.mark.parametrize("name", ["telegram", "discord"])
def test_a_url_has_no_slash_at_its_end(name: str) -> None:
    field = f"{name}_api_url"
    found = platforms(**{field: "http://127.0.0.1:8080/v1/"})[name]
    assert getattr(found, field) == "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("telegram_token", f"{SECRET}\n{SECRET}"),
        ("telegram_token", "line\nline"),
        ("discord_token", f"{SECRET}ü"),
        ("discord_token", "a\x00b"),
        ("telegram_api_url", f"ftp://parley:{SECRET}@host"),
        ("discord_api_url", "http://host:port/"),
    ],
)
def test_a_wrong_value_is_one_line_without_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given = complaint(**{name: value})
    assert given.startswith(f"{name.upper()}: ")
    assert "\n" not in given
    assert SECRET not in given
    if "\x00" not in value:
        monkeypatch.setenv(name.upper(), value)
        assert complaint() == given


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = complaint(concurrency="0", telegram_token="a b", discord_api_url="x", stall_seconds="x")
    assert [line.split(":")[0] for line in told.splitlines()] == [
        "CONCURRENCY",
        "STALL_SECONDS",
        "TELEGRAM_TOKEN",
        "DISCORD_API_URL",
    ]


def test_a_file_that_is_no_text_is_named_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"TELEGRAM_TOKEN=\xff\xfe")
    assert complaint() == ".env: not a text in UTF-8; save it as one"


def test_no_secret_is_shown() -> None:
    found = platforms(telegram_token=SECRET, discord_token=SECRET)
    assert SECRET not in f"{found!r} {' '.join(map(str, found.values()))}"


@pytest.mark.slow
async def test_a_platform_that_does_not_run_loads_no_library() -> None:
    libraries = "{'telegram', 'discord', 'aiohttp', 'prompt_toolkit', 'rich'}"
    code = f"import sys, bots.__main__; assert not {libraries} & {{*sys.modules}}"
    began = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await began.wait() == 0
