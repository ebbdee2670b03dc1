"""Each command gives its answer and leaves its work."""

from itertools import count
from typing import Any

import pytest

from core import commands, memory, quota, words
from core.adapter import COMMANDS
from core.commands import Offer, Request, Result
from core.commands._style import BACK
from core.db import Sessions
from core.messages import Usage
from core.quota import Rules
from core.settings import LONGEST_PERSONA, read_limits
from core.text import plain_moments
from core.turns import Speaker
from tests.core import rows
from tests.core.rows import NOW, commit

RULES = Rules(read_limits("5 turns/day, 1 usd/month"))
OFFER = Offer(
    RULES,
    "vendor/small",
    models=("vendor/small", "vendor/large"),
    personas={"pirate": "You are a pirate."},
)
_numbers = count(1)


async def give(sessions: Sessions, who: Speaker, command: str, **more: Any) -> Result:
    """Carry out a command by its name and arguments."""
    name, _, arguments = command.partition(" ")
    here = {"author": rows.ADA, "address": rows.HOME}
    alone = {"private": True, "confidential": True, "admin": True}
    standard = {**alone, **here, "offer": OFFER, "now": NOW}
    request = Request(who, arguments, **{**standard, **more})
    return await commit(sessions, lambda s: commands.run(s, name, request))


async def instruct(sessions: Sessions, who: Speaker, result: Result) -> None:
    """Carry out a result's change of the instructions."""
    words = result.instructions
    assert words is not None
    turn_id = await rows.ask(sessions, who, f"instructions {next(_numbers)}", lane=None)
    await commit(sessions, lambda s: memory.instruct(s, who, turn_id, words, now=NOW))


async def test_help_lists_the_commands(sessions: Sessions, ada: Speaker) -> None:
    listed = (await give(sessions, ada, "help")).text
    assert [each.name for each in COMMANDS if f"/{each.name} –" not in listed] == ["start"]


async def test_an_unknown_command_is_answered(sessions: Sessions, ada: Speaker) -> None:
    assert "I do not know /dance" in (await give(sessions, ada, "dance")).text


@pytest.mark.parametrize(("days", "words"), [(None, "is stored, so"), (30, "stored for 30 days")])
async def test_privacy_is_told_in_three_lines(
    sessions: Sessions, ada: Speaker, days: int | None, words: str
) -> None:
    offer = Offer(RULES, "vendor/small", retention_days=days)
    told = (await give(sessions, ada, "privacy", offer=offer)).text
    assert len(told.splitlines()) == 3
    assert words in told
    assert "vendor/small" in told
    assert told in (await give(sessions, ada, "start", offer=offer)).text


async def test_usage_counts_questions_and_not_calls(sessions: Sessions, ada: Speaker) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    for turns in (1, 0):  # a question, and its second call after a tool

        async def pay(session: Any, turns: int = turns) -> None:
            call = await quota.reserve(
                session, turn, RULES, model="m", cost=9, turns=turns, now=NOW
            )
            await quota.settle(session, call, RULES, Usage(1000, 50, 750), 100, now=NOW)

        await commit(sessions, pay)
    told = plain_moments((await give(sessions, ada, "usage")).text).splitlines()
    assert told == [
        "This month: 1 answer, for less than $0.01.",
        "Left: 4 of 5 answers a day, renewed in 15 hours.",
        "Left: $1.00 of $1.00 a month, renewed in 18 days.",
        "",
        "For these answers I read and wrote 2,100 tokens, which are pieces of words."
        " 75% of what I read was still cached from before, which costs less.",
    ]


async def test_usage_of_nothing_tells_no_tokens(sessions: Sessions, ada: Speaker) -> None:
    told = (await give(sessions, ada, "usage")).text
    assert told.startswith("This month: 0 answers, for $0.00.\nLeft: 5 of 5")
    assert "token" not in told


@pytest.mark.parametrize(
    ("amount", "spent", "set_"),
    [
        (0, "$0.00", "$0.00"),
        (1, "less than $0.01", "$0.000001"),
        (5_000, "less than $0.01", "$0.005"),
        (999_800, "$1.00", "$0.9998"),
        (1_000_000, "$1.00", "$1.00"),
        (1_250_500_000, "$1250.50", "$1250.50"),
    ],
)
def test_money_is_rounded_to_the_cent_but_settings_are_exact(
    amount: int, spent: str, set_: str
) -> None:
    assert (words.dollars(amount), words.price(amount)) == (spent, set_)


async def test_stop_stops_questions_only(sessions: Sessions, ada: Speaker) -> None:
    assert (await give(sessions, ada, "stop")).text == "There is nothing to stop."
    summary = await rows.ask(sessions, ada, "s", kind="summary", lane="summary/1")
    assert (await give(sessions, ada, "stop")).text == "There is nothing to stop."
    question = await rows.ask(sessions, ada, "q")
    assert (await give(sessions, ada, "stop")) == Result("Stopped.", stopped=True)
    assert (await rows.stored(sessions, question)).cancel
    assert not (await rows.stored(sessions, summary)).cancel


# Instructions


async def test_instructions_are_the_persons_words_or_a_preset(
    sessions: Sessions, ada: Speaker
) -> None:
    assert "Or choose one: pirate." in (await give(sessions, ada, "persona")).text
    own = await give(sessions, ada, "persona Be brief.")
    assert own.instructions == "Be brief."
    assert (await give(sessions, ada, "persona  PIRATE ")).instructions == "You are a pirate."
    await instruct(sessions, ada, own)
    assert "My instructions here: Be brief." in (await give(sessions, ada, "persona")).text


async def test_instructions_have_an_end(sessions: Sessions, ada: Speaker) -> None:
    assert (await give(sessions, ada, f"persona {'x' * LONGEST_PERSONA}")).instructions
    too_long = await give(sessions, ada, f"persona {'x' * (LONGEST_PERSONA + 1)}")
    assert too_long.instructions is None
    assert "too long" in too_long.text


async def test_a_new_conversation_keeps_instructions_until_they_are_reset(
    sessions: Sessions, ada: Speaker
) -> None:
    assert (await give(sessions, ada, "new")).instructions is None
    await instruct(sessions, ada, await give(sessions, ada, "persona Be brief."))
    again = await give(sessions, ada, "new")
    assert again.instructions == "Be brief."
    await instruct(sessions, ada, again)
    reset = await give(sessions, ada, "persona reset")
    assert reset.instructions == BACK
    await instruct(sessions, ada, reset)
    assert (await give(sessions, ada, "new")).instructions is None


# Models


async def test_a_model_is_chosen_by_its_name_or_a_part_of_it(
    sessions: Sessions, ada: Speaker
) -> None:
    shown = (await give(sessions, ada, "model")).text
    assert shown == "vendor/small answers here. Choose:\n/model small\n/model large"
    for name in ("large", "VENDOR/LARGE"):
        assert "vendor/large answers here" in (await give(sessions, ada, f"model {name}")).text
    chosen = await commit(sessions, lambda s: memory.model_of(s, ada.conversation_id))
    assert chosen == "vendor/large"
    assert "vendor/large answers here." in (await give(sessions, ada, "model medium")).text


async def test_models_with_the_same_short_name_are_named_in_full(
    sessions: Sessions, ada: Speaker
) -> None:
    offer = Offer(RULES, "a/Twin", models=("a/Twin", "b/twin", "b/other"))
    for command in ("model", "model twin"):
        shown = (await give(sessions, ada, command, offer=offer)).text
        assert shown.splitlines()[1:] == ["/model a/twin", "/model b/twin", "/model other"]
    assert "b/twin answers here" in (await give(sessions, ada, "model B/Twin", offer=offer)).text
    chosen = await commit(sessions, lambda s: memory.model_of(s, ada.conversation_id))
    assert chosen == "b/twin"


async def test_a_single_model_leaves_no_choice(sessions: Sessions, ada: Speaker) -> None:
    told = (await give(sessions, ada, "model large", offer=Offer(RULES, "vendor/small"))).text
    assert told == "vendor/small answers here; there is no other to choose."


async def test_a_model_that_is_no_longer_on_offer_answers_no_more(
    sessions: Sessions, ada: Speaker
) -> None:
    await commit(sessions, lambda s: memory.choose_model(s, ada.conversation_id, "vendor/gone"))
    assert (await give(sessions, ada, "model")).text.startswith("vendor/small answers here.")


# Groups


async def test_only_admins_change_settings_of_a_group(sessions: Sessions, ada: Speaker) -> None:
    group = {"private": False, "admin": False}
    for command in ("persona Be brief.", "persona reset", "model large", "forget", "forget yes"):
        result = await give(sessions, ada, command, **group)
        assert result == Result("Only the admins of this group can do that.")
    for command in ("persona", "model", "new", "usage", "stop", "help", "privacy"):
        assert "Only the admins" not in (await give(sessions, ada, command, **group)).text
    assert await commit(sessions, lambda s: memory.model_of(s, ada.conversation_id)) is None


async def test_a_person_of_unknown_rights_is_told_so(sessions: Sessions, ada: Speaker) -> None:
    group = {"private": False, "admin": None}
    for command in ("persona Be brief.", "model large", "forget yes"):
        assert "could not find out" in (await give(sessions, ada, command, **group)).text
    assert await commit(sessions, lambda s: memory.model_of(s, ada.conversation_id)) is None


async def test_an_export_is_for_private_eyes(sessions: Sessions, ada: Speaker) -> None:
    assert (await give(sessions, ada, "export")).encloses
    assert not (await give(sessions, ada, "export", private=False)).encloses


async def test_forget_wants_a_yes(sessions: Sessions, ada: Speaker) -> None:
    for command in ("forget", "forget no", "forget yes please"):
        assert "send /forget yes" in (await give(sessions, ada, command)).text
    assert (await give(sessions, ada, "forget YES")).stopped


def test_privacy_names_every_model_that_may_read_along() -> None:
    offer = Offer(RULES, "a/one", models=("c/three", "a/one"), fallbacks=("b/two",))
    privacy = words.privacy(offer.recipients, offer.retention_days)
    assert "language models that write my answers (a/one, b/two, c/three), and to" in privacy
