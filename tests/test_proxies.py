"""The proxies of a machine: the same for the model, Telegram and Discord."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bots.proxies import proxies
from core.errors import SettingsError
from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.proxies import ProxyServer
from tests.fakes.telegram import TelegramServer

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
ABROAD = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def proxy() -> AsyncIterator[ProxyServer]:
    async with ProxyServer().running() as server:
        yield server


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.telegram.org", None),
        ({"HTTPS_PROXY": ABROAD}, "https://api.telegram.org", ABROAD),
        ({"https_proxy": ABROAD}, "https://api.telegram.org", ABROAD),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://api.telegram.org", ABROAD),
        ({"HTTP_PROXY": ABROAD}, "https://api.telegram.org", None),
        ({"ALL_PROXY": ABROAD}, "https://api.telegram.org", ABROAD),
        ({"ALL_PROXY": "socks5h://u:p@[::1]:1080"}, "https://a", "socks5://u:p@[::1]:1080"),
        ({"ALL_PROXY": "socks://a:1080", "HTTPS_PROXY": ABROAD}, "https://a", ABROAD),
        ({"ALL_PROXY": "socks://a:1080", "HTTPS_PROXY": ABROAD}, "http://a", "socks5://a:1080"),
    ],
)
def test_the_proxy_of_a_server(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxies().to(url) == proxy


@pytest.mark.parametrize(
    ("told", "url", "is_direct"),
    [
        ("*", "https://api.telegram.org", True),
        ("telegram.org", "https://api.telegram.org", True),
        (".telegram.org", "https://api.telegram.org", True),
        ("*.telegram.org", "https://api.telegram.org", True),
        ("gram.org", "https://api.telegram.org", False),
        ("API.Telegram.org", "https://api.telegram.org", True),
        ("localhost, 127.0.0.1", "http://127.0.0.1:8080", True),
        ("127.0.0.0/8", "http://127.8.0.1:8080", True),
        ("10.0.0.0/8", "http://127.8.0.1:8080", False),
        ("::1", "http://[::1]:8080", True),
        ("[::1]", "http://[::1]:8080", True),
        ("::1,fd00::/8", "http://[fd12::7]/v1", True),
        ("[fd00::]/8", "http://[fd12::7]/v1", True),
        ("fd00::/8", "http://[fe80::7]/v1", False),
        ("fd00::/8", "https://api.telegram.org", False),
        ("model.internal:8080", "http://model.internal:8080/v1", True),
        ("model.internal:8080", "http://model.internal/v1", False),
        ("model.internal:443", "https://model.internal/v1", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[::1]:8080", "http://[::1]:9090", False),
        (",, ", "https://api.telegram.org", False),
        ("fd00::/900, [", "https://api.telegram.org", False),
    ],
)
def test_the_servers_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, told: str, url: str, is_direct: bool
) -> None:
    monkeypatch.setenv("ALL_PROXY", ABROAD)
    monkeypatch.setenv("NO_PROXY", told)
    assert proxies().to(url) == (None if is_direct else ABROAD)


@pytest.mark.parametrize("name", NAMES[:3])
@pytest.mark.parametrize(
    "value",
    ["ftp://a:1", "http://", "http://[::1", "http://a:port", "socks5://user:secret@a", "://a"],
)
def test_a_wrong_proxy_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: not of the form") as error:
        proxies()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_telegram_and_the_model_are_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
    proxy: ProxyServer,
    model: ModelServer,
    telegram_server: TelegramServer,
    sqlite_url: str,
    tmp_path: Path,
    scheme: str,
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
    stage = TelegramStage(World(model, sqlite_url, tmp_path), telegram_server)
    async with stage.running():
        assert await ask(stage, "Hello")
    assert {*proxy.asked} == {model.url.split("/")[2], telegram_server.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_discord_and_its_gateway_are_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
    proxy: ProxyServer,
    model: ModelServer,
    discord_server: DiscordServer,
    sqlite_url: str,
    tmp_path: Path,
    scheme: str,
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", model.url.split("/")[2])
    stage = DiscordStage(World(model, sqlite_url, tmp_path), discord_server)
    async with stage.running():
        assert await ask(stage, "Hello")
    host = discord_server.url.split("/")[2]
    assert {*proxy.asked} == {host}
    assert len(proxy.asked) > 1, "REST and gateway both go through it"
