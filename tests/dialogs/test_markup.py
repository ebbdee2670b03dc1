"""Inline markup of an answer as the platforms receive it, and as people see it there."""

import pytest

from tests.dialogs.stages import DiscordStage, Stage, TelegramStage, World, ask
from tests.fakes.discord.client import show
from tests.fakes.telegram.formatting import compose

# ruff: noqa: RUF001 - the signs of Chinese texts

ANSWER = """7*6*5 = 210, snake_case_x in __main__.py, **kwargs and *args

**提示：**请先保存，点**「发送」**即可。**"한국어"**는 좋다

||hidden||, not if (a || b || c)

<b>bold</b> <u>under</u> H<sub>2</sub>O<br>`<b>code</b>`, a < b and List<String> &lt;

[[1]](https://example.com/a) and https://example.com/a_b_*c*_d"""

SEEN = """7*6*5 = 210, snake_case_x in __main__.py, **kwargs and *args

提示：请先保存，点「发送」即可。"한국어"는 좋다

hidden, not if (a || b || c)

bold under H₂O
<b>code</b>, a < b and List<String> <

[1] and https://example.com/a_b_*c*_d"""

STYLES = [
    ("bold", "提示："),
    ("bold", "「发送」"),
    ("bold", '"한국어"'),
    ("spoiler", "hidden"),
    ("bold", "bold"),
    ("underline", "under"),
    ("code", "<b>code</b>"),
    ("link", "[1]"),
]


@pytest.mark.parametrize("stage", ["telegram", "discord"], indirect=True)
async def test_inline_markup_is_shown_and_no_sign_is_lost(stage: Stage, world: World) -> None:
    world.model.enqueue(ANSWER)
    async with stage.running():
        await ask(stage, "Show me everything.")
    if isinstance(stage, DiscordStage):
        [message] = stage.server.answers(stage.channel)
        shown = show(message.content)
        assert shown.text == SEEN
        assert shown.spans == STYLES
    else:
        assert isinstance(stage, TelegramStage)
        [post] = stage.server.answers(stage.chat)
        assert post.text == SEEN
        sent = compose(post.text, "", post.entities)
        found = [entity for entity in sent.entities if entity["type"] != "url"]
        assert [_shown(post.text, entity) for entity in found] == STYLES


def _shown(text: str, entity: dict[str, object]) -> tuple[str, str]:
    start, length = int(str(entity["offset"])), int(str(entity["length"]))
    data = text.encode("utf-16-le")[2 * start : 2 * (start + length)]
    return str(entity["type"]).removeprefix("text_"), data.decode("utf-16-le")
