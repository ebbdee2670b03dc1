"""The URL of a webhook: what is wrong with it is told at the start, in one line."""

from pathlib import Path

import pytest

from tests.bot import process


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"TELEGRAM_WEBHOOK_URL": "https://example.org"}, "TELEGRAM_WEBHOOK_URL: set PORT, too"),
        ({"TELEGRAM_WEBHOOK_URL": "example.org"}, "TELEGRAM_WEBHOOK_URL: not of the form"),
        ({"TELEGRAM_WEBHOOK_URL": "https://h/x?token=secret"}, "TELEGRAM_WEBHOOK_URL: not of the"),
        ({"TELEGRAM_WEBHOOK_URL": "https://h/{x}"}, "TELEGRAM_WEBHOOK_URL: the path may have"),
        ({"TELEGRAM_WEBHOOK_URL": "https://h/healthz"}, "TELEGRAM_WEBHOOK_URL: the bot answers"),
        ({"TELEGRAM_WEBHOOK_URL": "http://example.org"}, "TELEGRAM_WEBHOOK_URL: Telegram wants"),
        ({"TELEGRAM_WEBHOOK_URL": "https://h:8080"}, "TELEGRAM_WEBHOOK_URL: Telegram wants port"),
    ],
)
async def test_a_wrong_url_is_told_at_the_start(
    tmp_path: Path, values: dict[str, str], told: str
) -> None:
    base = {"MODEL_API_KEY": "key", "TELEGRAM_TOKEN": "1:t"}
    environment = base | {"DATABASE_URL": f"sqlite:///{tmp_path / 'parley.db'}"} | values
    async with process("telegram", log=tmp_path / "log", environment=environment) as started:
        assert await started.wait() == 2
    [line] = started.lines()
    assert line.startswith(told)
    assert "secret" not in line
