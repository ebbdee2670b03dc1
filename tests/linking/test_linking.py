"""Two accounts become one person, as people see it on both platforms."""

import re

from core import words
from tests.dialogs.stages import ButtonStage, ask
from tests.linking.conftest import Pair
from tests.records import eventually

CODE = re.compile(r"/link (\w{3}-\w{3}-\w{3})")
DECIDE = ["Link accounts", "Cancel"]


async def code_on(stage: ButtonStage) -> str:
    """Return a new code that a person gets in a chat."""
    found = CODE.search(await ask(stage, "/link"))
    assert found is not None
    return found[1]


async def link(first: ButtonStage, second: ButtonStage) -> None:
    """Link the account of the second chat with that of the first one, and agree on both sides."""
    await ask(second, f"/link {await code_on(first)}")
    await eventually(lambda: second.stands()[-1][1] == DECIDE)
    await second.press(DECIDE[0])
    await eventually(lambda: first.stands()[-1][1] == DECIDE)
    await first.press(DECIDE[0])
    await eventually(lambda: "now linked" in first.heard() and "now linked" in second.heard())
    await eventually(lambda: not first.records.busy())


async def test_two_accounts_become_one_person(pair: Pair) -> None:
    telegram, discord = pair.telegram, pair.discord
    async with pair.running(quota="10 turns/day"):
        await ask(telegram, "say tomato")
        await ask(discord, "say cucumber")
        await link(telegram, discord)
        assert "“Ada” on Discord" in telegram.heard()
        assert "“Ada” on Telegram" in discord.heard()
        await ask(telegram, "say pumpkin")
        await ask(discord, "say onion")
        said = str(pair.world.model.requests[-1].messages)
        assert "cucumber" in said
        assert "pumpkin" in said
        assert "tomato" not in said
        assert "6 of 10 answers" in await ask(discord, "/usage")
    assert telegram.records.one("SELECT count(DISTINCT user_id) FROM identities") == 1
    assert telegram.records.drift() == []
    assert words.LINK_WRONG
