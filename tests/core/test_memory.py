"""A turn sees the path from its parent; its messages are appended, and none is rewritten."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256, sha512
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from core import memory
from core.db import Sessions
from core.memory import IDS_PER_TURN, Context, Marks
from core.memory._summaries import SUMMARY
from core.messages import ChatMessage, Usage, assistant, user
from core.models import conversations, messages, summaries
from core.turns import Outcome, Speaker, Turn
from tests.core import rows
from tests.core.rows import ADA, BOB, NOW, commit

MARKS = Marks(high=1000, low=300)


async def asked(sessions: Sessions, who: Speaker, name: str, **changes: Any) -> Turn:
    """Return a turn that is being answered; `name` is its question."""
    turn_id = await rows.ask(sessions, who, name, lane=None, **changes)
    return next(turn for turn in await rows.claim(sessions) if turn.id == turn_id)


async def recall(sessions: Sessions, turn: Turn) -> Context:
    return await commit(sessions, lambda s: memory.recall(s, turn, MARKS, now=NOW))


async def remember(
    sessions: Sessions,
    turn: Turn,
    context: Context,
    usage: Usage | None = None,
    said: Sequence[ChatMessage] = (),
) -> None:
    exchange = said or (user(f"{turn.message_id}?"), assistant(f"{turn.message_id}!"))
    await commit(sessions, lambda s: memory.remember(s, turn, context, exchange, usage, now=NOW))
    await rows.finish(sessions, turn)


async def say(
    sessions: Sessions, who: Speaker, name: str, usage: Usage | None = None, **changes: Any
) -> Turn:
    """A whole turn: asked, answered, remembered."""
    turn = await asked(sessions, who, name, **changes)
    await remember(sessions, turn, await recall(sessions, turn), usage)
    return turn


async def seen(sessions: Sessions, who: Speaker, name: str = "next", **changes: Any) -> str:
    """Return the context of a new turn, in short: "a? a! b? b!"."""
    return words(await recall(sessions, await asked(sessions, who, name, **changes)))


def words(context: Context) -> str:
    said = [str(message["content"]) for message in context.messages]
    return " ".join([context.told] * bool(context.told) + said)


async def head(sessions: Sessions, who: Speaker) -> int | None:
    async with rows.begin(sessions) as session:
        head_id: int | None = (await session.get(conversations, who.conversation_id)).head_id
        return head_id


# The path


async def test_a_first_turn_sees_nothing(sessions: Sessions, ada: Speaker) -> None:
    assert await recall(sessions, await asked(sessions, ada, "a")) == Context()


async def test_a_turn_sees_the_earlier_messages_in_order(sessions: Sessions, ada: Speaker) -> None:
    for name in "abc":
        last = await say(sessions, ada, name)
    context = await recall(sessions, await asked(sessions, ada, "d"))
    assert words(context) == "a? a! b? b! c? c!"
    assert context.parent_id == last.id * IDS_PER_TURN + 1
    assert await head(sessions, ada) == context.parent_id


async def test_messages_come_back_exactly_as_they_were_sent(
    sessions: Sessions, ada: Speaker
) -> None:
    said: tuple[ChatMessage, ...] = (
        {"role": "user", "content": [{"type": "text", "text": "2\u00b2 \U0001f600"}]},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
        {"role": "assistant", "content": "It is *4*."},
    )
    turn = await asked(sessions, ada, "a")
    await remember(sessions, turn, await recall(sessions, turn), said=said)
    context = await recall(sessions, await asked(sessions, ada, "b"))
    assert context.messages == said
    assert [list(message) for message in context.messages] == [list(message) for message in said]
    assert context.parent_id == turn.id * IDS_PER_TURN + 3


async def test_conversations_are_apart(sessions: Sessions, ada: Speaker) -> None:
    bob = await rows.speaker(sessions, BOB, replace(rows.HOME, chat="200"))
    await say(sessions, ada, "a")
    await say(sessions, bob, "b", address=replace(rows.HOME, chat="200"))
    assert await seen(sessions, ada) == "a? a!"


async def test_a_reply_sees_the_path_of_its_message_and_leaves_the_head(
    sessions: Sessions, ada: Speaker
) -> None:
    first = await say(sessions, ada, "a")
    last = await say(sessions, ada, "b")
    branch = await say(sessions, ada, "c", follows_id=first.id)
    assert await seen(sessions, ada, "d", follows_id=branch.id) == "a? a! c? c!"
    assert await seen(sessions, ada, "e") == "a? a! b? b!"
    assert await commit(sessions, lambda s: memory.is_head(s, ada.conversation_id, last.id))
    assert not await commit(sessions, lambda s: memory.is_head(s, ada.conversation_id, branch.id))


async def test_a_reply_to_the_newest_answer_goes_on_with_the_conversation(
    sessions: Sessions, ada: Speaker
) -> None:
    first = await say(sessions, ada, "a")
    await say(sessions, ada, "b", follows_id=first.id)
    assert await seen(sessions, ada) == "a? a! b? b!"


@pytest.mark.parametrize("before", ["", "a"], ids=["at the beginning", "later"])
async def test_a_reply_to_a_turn_without_messages_goes_on_from_the_head(
    sessions: Sessions, ada: Speaker, before: str
) -> None:
    """A turn that failed, or the reply of a command."""
    for name in before:
        await say(sessions, ada, name)
    failed = await asked(sessions, ada, "failed")
    await rows.finish(sessions, failed, Outcome.FAILED)

    await say(sessions, ada, "b", follows_id=failed.id)

    assert await seen(sessions, ada) == ("a? a! b? b!" if before else "b? b!")


async def test_a_new_answer_stands_in_place_of_the_old_one(
    sessions: Sessions, ada: Speaker
) -> None:
    await say(sessions, ada, "a")
    old = await say(sessions, ada, "b")
    new = await say(sessions, ada, "c", replaces_id=old.id)
    assert await seen(sessions, ada) == "a? a! c? c!"
    await say(sessions, ada, "d", replaces_id=new.id)
    assert await seen(sessions, ada, "f") == "a? a! d? d!"


async def test_a_new_first_answer_stands_at_the_beginning(sessions: Sessions, ada: Speaker) -> None:
    old = await say(sessions, ada, "a")
    await say(sessions, ada, "b", replaces_id=old.id)
    assert await seen(sessions, ada) == "b? b!"


async def test_a_new_answer_to_an_old_question_leaves_the_head(
    sessions: Sessions, ada: Speaker
) -> None:
    old = await say(sessions, ada, "a")
    turn = await asked(sessions, ada, "c", replaces_id=old.id)
    context = await recall(sessions, turn)
    await say(sessions, ada, "b")
    await remember(sessions, turn, context)
    assert await seen(sessions, ada) == "a? a! b? b!"
    assert await seen(sessions, ada, "x", follows_id=turn.id) == "c? c!"


# Epochs


async def test_a_new_epoch_begins_with_nothing(sessions: Sessions, ada: Speaker) -> None:
    first = await say(sessions, ada, "a")
    await commit(sessions, lambda s: memory.reset(s, ada.conversation_id))
    assert await head(sessions, ada) is None
    assert not await commit(sessions, lambda s: memory.is_head(s, ada.conversation_id, first.id))

    now = await rows.speaker(sessions)
    await say(sessions, now, "b")

    assert await seen(sessions, now) == "b? b!"
    # It is still stored, for whoever answers an older message.
    assert await seen(sessions, now, "x", follows_id=first.id) == "a? a!"


async def test_a_turn_of_an_old_epoch_is_remembered_but_moves_no_head(
    sessions: Sessions, ada: Speaker
) -> None:
    await say(sessions, ada, "a")
    late = await asked(sessions, ada, "b")
    context = await recall(sessions, late)
    await commit(sessions, lambda s: memory.reset(s, ada.conversation_id))
    now = await rows.speaker(sessions)
    await say(sessions, now, "c")

    await remember(sessions, late, context)

    assert await seen(sessions, now) == "c? c!"
    assert await seen(sessions, now, "x", follows_id=late.id) == "a? a! b? b!"


async def test_a_turn_of_an_old_epoch_sees_nothing_of_the_new_one(
    sessions: Sessions, ada: Speaker
) -> None:
    await commit(sessions, lambda s: memory.reset(s, ada.conversation_id))
    await say(sessions, await rows.speaker(sessions), "c")
    assert await seen(sessions, ada, "late") == ""


# Side by side


async def test_answers_written_side_by_side_follow_each_other(
    sessions: Sessions, ada: Speaker
) -> None:
    await say(sessions, ada, "a")
    first, second = [await asked(sessions, ada, name) for name in "bc"]
    contexts = [await recall(sessions, turn) for turn in (first, second)]
    await remember(sessions, second, contexts[1])
    await remember(sessions, first, contexts[0])
    assert await seen(sessions, ada) == "a? a! c? c! b? b!"


async def test_answers_that_end_at_once_make_no_fork(postgres_sessions: Sessions) -> None:
    ada = await rows.speaker(postgres_sessions)
    turns = [await asked(postgres_sessions, ada, f"{number}") for number in range(10)]

    await asyncio.gather(*(remember(postgres_sessions, turn, Context()) for turn in turns))

    said = (await seen(postgres_sessions, ada)).split()
    assert sorted(said) == sorted(f"{turn.message_id}{mark}" for turn in turns for mark in "?!")


async def test_a_second_answer_waits_until_the_first_is_stored(
    postgres_sessions: Sessions,
) -> None:
    ada = await rows.speaker(postgres_sessions)
    first, second = [await asked(postgres_sessions, ada, name) for name in "ab"]
    exchange = user("a?"), assistant("a!")
    async with rows.begin(postgres_sessions) as session:
        await memory.remember(session, first, Context(), exchange, None, now=NOW)
        waiting = asyncio.create_task(remember(postgres_sessions, second, Context()))
        await rows.locked(postgres_sessions)
    await waiting
    assert await seen(postgres_sessions, ada) == "a? a! b? b!"


# What is known of sizes and days


async def test_sizes_are_those_that_the_api_told(sessions: Sessions, ada: Speaker) -> None:
    await say(sessions, ada, "a", Usage(prompt_tokens=50, completion_tokens=7))
    context = await recall(sessions, await asked(sessions, ada, "x"))
    assert context.total == 57
    await say(sessions, ada, "b", Usage(prompt_tokens=60, completion_tokens=4))

    async with rows.begin(sessions) as session:
        stored = (await session.execute(select(messages).order_by(messages.c.id))).all()
    estimated = memory.estimate(user("a?"))
    assert [row.tokens for row in stored] == [estimated, 7, 60 - 57, 4]
    assert [row.total for row in stored] == [None, 57, None, 64]


async def test_messages_that_the_api_counted_together_share_what_it_told(
    sessions: Sessions, ada: Speaker
) -> None:
    """Our estimates of tool calls and results are higher than what the API counts."""
    call: ChatMessage = {"role": "assistant", "tool_calls": [{"id": "1", "function": "f" * 900}]}
    result: ChatMessage = {"role": "tool", "tool_call_id": "1", "content": "r" * 900}
    await say(sessions, ada, "a", Usage(prompt_tokens=50, completion_tokens=7))
    turn = await asked(sessions, ada, "b")
    said = (user("b?"), call, result, assistant("b!"))
    await remember(sessions, turn, await recall(sessions, turn), Usage(157, 4), said)
    # Stopped after its tools: nothing followed the results, which the API has not seen.
    turn = await asked(sessions, ada, "c")
    cut = (user("c?"), call, result)
    await remember(sessions, turn, await recall(sessions, turn), Usage(171, 30), cut)

    async with rows.begin(sessions) as session:
        stored = (await session.execute(select(messages).order_by(messages.c.id))).all()
    whole, stopped = stored[2:6], stored[6:]
    assert sum(row.tokens or 0 for row in whole[:3]) == 157 - 57
    assert all((row.tokens or 0) > 0 for row in stored)
    assert (whole[3].tokens, whole[3].total) == (4, 161)
    beyond = memory.estimate(result)
    assert [row.tokens for row in stopped] == [171 - 161, 30, beyond]
    assert stopped[2].total == 171 + 30 + beyond


async def test_an_answer_without_usage_leaves_the_last_total(
    sessions: Sessions, ada: Speaker
) -> None:
    await say(sessions, ada, "a", Usage(50, 7))
    await say(sessions, ada, "b")
    assert (await recall(sessions, await asked(sessions, ada, "c"))).total == 57


async def test_the_day_is_that_of_the_last_question(sessions: Sessions, ada: Speaker) -> None:
    await say(sessions, ada, "a", now=NOW - timedelta(days=2))
    context = await recall(sessions, await asked(sessions, ada, "b"))
    assert context.day == date(2026, 3, 12)


@pytest.mark.parametrize(
    "content",
    ["Hello, world!", "Привет, мир", "你好世界", [{"type": "text", "text": "hi"}], None],
)
def test_an_estimate_is_never_zero_and_grows_with_the_text(content: Any) -> None:
    message: ChatMessage = {"role": "user", "content": content}
    longer: ChatMessage = {"role": "user", "content": f"{content}{content}"}
    assert 0 < memory.estimate(message) < memory.estimate(longer)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # About 1.8 characters of random hexadecimal make a token, 1.4 of Base64, two of figures.
        (sha256(b"a").hexdigest() * 100, 6400 / 1.8),
        (b64encode(sha512(b"a").digest()).decode() * 100, 8800 / 1.4),
        ("7f45 4c46 0201 " * 400, 4800 / 1.8),
        ("0.123456,0.9,1.25\n" * 300, 5400 / 2),
        ("\U0001f600" * 500, 1000),
    ],
    ids=["hex", "base64", "dump", "figures", "pictures"],
)
def test_an_estimate_of_text_without_words_is_from_above(text: str, tokens: float) -> None:
    assert tokens < memory.estimate(user(text)) <= len(text.encode()) + 8


@pytest.mark.parametrize(
    ("size", "tokens"), [(900, 1500), (1_000_000, 200_000), (20_000_000, 1_000_000)]
)
def test_an_estimate_of_a_file_grows_with_its_size(size: int, tokens: int) -> None:
    reference = f"attachment:{'0' * 64}:{size}"
    paper = {"type": "file", "file": {"filename": "a.pdf", "file_data": reference}}
    photo = {"type": "image_url", "image_url": {"url": reference}}
    assert memory.estimate({"role": "user", "content": [paper]}) == tokens
    assert memory.estimate({"role": "user", "content": [photo]}) == 1500


async def test_a_first_question_is_no_larger_than_its_prompt(
    sessions: Sessions, ada: Speaker
) -> None:
    await say(sessions, ada, "a" * 3000, Usage(prompt_tokens=50, completion_tokens=7))
    async with rows.begin(sessions) as session:
        stored = (await session.execute(select(messages).order_by(messages.c.id))).all()
    assert [row.tokens for row in stored] == [50, 7]


# The cut


def size(messages: Sequence[ChatMessage]) -> int:
    """Tokens as an API might count them."""
    return sum(len(str(message["content"])) for message in messages) // 4


@pytest.mark.slow
async def test_a_long_talk_is_cut_seldom_and_every_cut_lasts(
    sessions: Sessions, ada: Speaker
) -> None:
    system: ChatMessage = {"role": "system", "content": "s" * 200}
    before: list[ChatMessage] = []
    broken = []
    for number in range(200):
        turn = await asked(sessions, ada, str(number))
        context = await recall(sessions, turn)
        question = user(f"question {number} " + "q" * (60 + 7 * number % 100))
        answer = assistant(f"answer {number} " + "a" * (100 + 13 * number % 200))
        prompt = [system, *context.messages, question]
        if prompt[: len(before)] != before:
            broken.append(size(context.messages))
        usage = Usage(size(prompt), size([answer]))
        await remember(sessions, turn, context, usage, (question, answer))
        before = [*prompt, answer]
        assert size(prompt) <= 2 * MARKS.high + size([question])

    # An exchange is about 70 tokens, so that from the low mark it takes some 24 turns.
    assert 6 <= len(broken) <= 9
    assert all(MARKS.low - 120 < kept <= MARKS.low for kept in broken), broken
    async with rows.begin(sessions) as session:
        cuts = (await session.scalars(select(summaries.c.content))).all()
    assert cuts == [""] * len(broken)


async def test_a_cut_is_made_only_past_twice_the_high_mark(
    sessions: Sessions, ada: Speaker
) -> None:
    for name, total in (("a", 400), ("b", 800), ("c", 2000)):
        await say(sessions, ada, name, Usage(total - 350, 350))
    assert await seen(sessions, ada) == "a? a! b? b! c? c!"
    await say(sessions, ada, "d", Usage(2001 - 350, 350))
    for name in "ef":
        context = await recall(sessions, await asked(sessions, ada, name))
        assert words(context) == "d? d!"
    assert context.day == NOW.date()


async def test_a_summary_stands_for_the_path_up_to_its_message(
    sessions: Sessions, ada: Speaker
) -> None:
    for name in "ab":
        turn = await say(sessions, ada, name)
    await say(sessions, ada, "c")
    async with rows.begin(sessions) as session:
        summary = {"message_id": turn.id * IDS_PER_TURN + 1, "content": f"{SUMMARY}Of a and b."}
        await session.execute(insert(summaries), summary | {"created_at": NOW})
    context = await recall(sessions, await asked(sessions, ada, "d"))
    assert words(context) == f"{SUMMARY}Of a and b. c? c!"
    assert context.messages[0]["role"] == "user", "the summary belongs to the system message"
    # A reply from before the summary sees the words themselves.
    assert await seen(sessions, ada, "e", follows_id=turn.id - 1) == "a? a!"
    # One from the very message sees the summary alone.
    assert await seen(sessions, ada, "f", follows_id=turn.id) == f"{SUMMARY}Of a and b."


async def test_a_summary_replaces_the_messages_beyond_the_low_mark(
    sessions: Sessions, ada: Speaker
) -> None:
    for number, name in enumerate("abcd", start=1):
        await say(sessions, ada, name, Usage(200 * number - 100, 100))
    turn = await asked(sessions, ada, "summary")
    context = await recall(sessions, turn)

    async def summarise(content: str) -> bool:
        return await commit(sessions, lambda s: memory.summarise(s, context, content, now=NOW))

    assert not await summarise(" ")
    assert await seen(sessions, ada, "x") == "a? a! b? b! c? c! d? d!"
    assert await summarise("Of a, b and c.")
    assert (
        await seen(sessions, ada, "y") == "Summary of what was said before:\nOf a, b and c. d? d!"
    )
    assert not await summarise("Once more.")
    assert await seen(sessions, ada, "z") == "Summary of what was said before:\nOnce more. d? d!"


# The cost


async def fill(sessions: Sessions, turn: Turn, count: int) -> None:
    """Put `count` messages into a conversation, cut so that the last twenty are seen."""
    first = turn.id * 2**20
    filler = [
        {
            "id": first + number,
            "conversation_id": turn.conversation_id,
            "turn_id": turn.id,
            "parent_id": first + number - 1 if number else None,
            "body": user(f"message {number}"),
            "created_at": NOW,
        }
        for number in range(count)
    ]
    async with rows.begin(sessions) as session:
        for begin in range(0, count, 1000):
            await session.execute(insert(messages), filler[begin : begin + 1000])
        is_here = conversations.c.id == turn.conversation_id
        await session.execute(
            update(conversations).where(is_here).values(head_id=first + count - 1)
        )
        if count > 20:
            cut = {"message_id": first + count - 21, "content": "", "created_at": NOW}
            await session.execute(insert(summaries), cut)


@pytest.mark.slow
async def test_a_turn_is_recalled_in_one_statement_that_visits_only_its_path(
    sessions: Sessions, ada: Speaker
) -> None:
    visited = []
    for number, count in enumerate((20, 1_000, 20_000)):
        author = replace(ADA, account_id=f"{number}")
        who = await rows.speaker(sessions, author, replace(rows.HOME, chat=author.account_id))
        turn = await asked(sessions, who, f"{number}", address=replace(rows.HOME, chat=f"{number}"))
        await fill(sessions, turn, count)
        with rows.statements(sessions) as executed:
            context = await recall(sessions, turn)
        assert len(context.messages) == 20
        [statement] = executed
        visited.append(await visits(sessions, *statement))

    assert visited[-1] <= visited[0] + 20


async def visits(sessions: Sessions, statement: str, parameters: Any) -> int:
    """Count the rows that a statement visits; on SQLite check only that it scans no whole table."""
    async with rows.begin(sessions) as session:
        connection = session.connection
        if session.dialect == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row.detail for row in plan]
            assert not [step for step in steps if step.startswith("SCAN messages")]
            return 0
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        [plan] = connection.exec_driver_sql(explain, parameters).scalar_one()
        return sum(scanned(node) for node in nodes(plan["Plan"]))


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def scanned(node: dict[str, Any]) -> int:
    rows_each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return int(rows_each * node["Actual Loops"]) if "Relation Name" in node else 0


async def test_every_message_has_one_place(sessions: Sessions, ada: Speaker) -> None:
    for name in "ab":
        await say(sessions, ada, name)
    async with rows.begin(sessions) as session:
        total, distinct = (
            await session.execute(select(func.count(), func.count(messages.c.parent_id.distinct())))
        ).one()
    assert (total, distinct) == (4, 3)
