"""Points in time, as each platform shows them in the reader's own time."""

from datetime import UTC, datetime

import pytest
from telegram import MessageEntity

from bots.discord import markup as discord
from bots.telegram import markup as telegram
from core.text import plain_moments, read_moment, write_moment
from tests.fakes.telegram.errors import Refused
from tests.fakes.telegram.formatting import compose

AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
SECONDS = int(AT.timestamp())
TOLD = f"*You can go on **{write_moment('in 12 minutes', AT)}**.*"


def test_telegram_gets_an_entity_over_words_that_older_clients_show() -> None:
    text, entities = telegram.render(TOLD)
    assert text == "You can go on in 12 minutes."
    [entity] = [each for each in entities if each.type == MessageEntity.DATE_TIME]
    assert (entity.unix_time, entity.date_time_format) == (AT, "r")
    assert text[entity.offset : entity.offset + entity.length] == "in 12 minutes"
    taken = compose(text, "", [each.to_dict() for each in entities])
    kept = [each for each in taken.entities if each["type"] == "date_time"]
    assert [each["unix_time"] for each in kept] == [SECONDS]


def test_discord_gets_its_own_mark() -> None:
    assert f"<t:{SECONDS}:R>" in discord.render(TOLD)
    assert "in 12 minutes" not in discord.render(TOLD)


def test_a_terminal_shows_the_words() -> None:
    assert plain_moments(TOLD) == "*You can go on **in 12 minutes**.*"


@pytest.mark.parametrize("target", ["when:", "when:x", f"when:{2**31}", "when:12 3", "whenever:12"])
def test_another_target_is_no_time(target: str) -> None:
    assert read_moment(target) is None
    text, entities = telegram.render(f"[soon]({target})")
    assert "soon" in text
    assert not [each for each in entities if each.type == MessageEntity.DATE_TIME]
    assert "<t:" not in discord.render(f"[soon]({target})")


@pytest.mark.parametrize(
    "more", [{}, {"unix_time": "1"}, {"unix_time": 1, "date_time_format": "x"}]
)
def test_the_fake_refuses_a_time_that_telegram_refuses(more: dict[str, object]) -> None:
    entity = {"type": "date_time", "offset": 0, "length": 4, **more}
    with pytest.raises(Refused):
        compose("soon", "", [entity])
