"""The search finds everything of its conversation, in any language, and nothing of another."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, bindparam, delete, select, text, update

from core import memory, search
from core.db import Sessions, is_sqlite
from core.memory import Context
from core.messages import ChatMessage, assistant, system, user
from core.models import Instant, conversations, messages
from core.search import Found
from core.turns import Speaker
from tests.core import rows
from tests.core.rows import BOB, NOW, commit, later

Say = Callable[..., Awaitable[None]]


@pytest.fixture
def say(sessions: Sessions, ada: Speaker) -> Say:
    """Remember messages, each in a turn of its own, a minute after the other."""
    minutes = count()

    async def say(*messages: ChatMessage, who: Speaker = ada) -> None:
        for message in messages:
            now = later(60 * next(minutes))
            await rows.ask(sessions, who, str(now), now=now)
            turn = await rows.claimed(sessions, now=now)
            async with rows.begin(sessions) as session:
                await memory.remember(session, turn, Context(), [message], None, now=now)
            await rows.finish(sessions, turn)

    return say


async def find(sessions: Sessions, who: Speaker, query: str, limit: int = 5) -> list[str]:
    return [found.excerpt for found in await find_all(sessions, who, query, limit)]


async def find_all(sessions: Sessions, who: Speaker, query: str, limit: int = 5) -> list[Found]:
    return await search.find(sessions, who.conversation_id, query, limit)


async def test_finds_role_text_and_time(sessions: Sessions, ada: Speaker, say: Say) -> None:
    await say(user("My dog is called Biscuit."), assistant("What a lovely name!"))
    assert await find_all(sessions, ada, "dog") == [Found("user", NOW, "My dog is called Biscuit.")]
    assert await find_all(sessions, ada, "lovely") == [
        Found("assistant", later(60), "What a lovely name!")
    ]
    assert await find_all(sessions, ada, "cat") == []


async def test_finds_nothing_of_another_conversation(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    bob = await rows.speaker(sessions, BOB, rows.GROUP, private=False)
    await say(user("Ada's secret is 1234, 秘密です"))
    await say(user("Bob's secret is 5678, 秘密です"), who=bob)
    assert await find(sessions, bob, "secret") == ["Bob's secret is 5678, 秘密です"]
    assert await find(sessions, ada, "秘密") == ["Ada's secret is 1234, 秘密です"]


async def test_nothing_of_another_conversation_is_ranked(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    bob = await rows.speaker(sessions, BOB, rows.GROUP, private=False)
    await say(user(f"the secret of {bob.conversation_id}"))
    await say(user("Bob's secret"), who=bob)
    with rows.statements(sessions) as seen:
        assert await find(sessions, bob, "secret") == ["Bob's secret"]
    if is_sqlite(str(sessions.engine.url)):
        match = next(parameters[0] for sql, parameters in seen if "MATCH" in sql)
        async with rows.begin(sessions) as session:
            matches = text("SELECT count(*) FROM search WHERE search MATCH :match")
            assert await session.scalar(matches, {"match": match}) == 1


async def test_a_message_that_moves_to_another_conversation_is_found_there(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    bob = await rows.speaker(sessions, BOB, rows.GROUP, private=False)
    await say(user("a moving word"))
    move = update(messages).values(conversation_id=bob.conversation_id)
    await commit(sessions, lambda s: s.execute(move))
    assert await find(sessions, bob, "moving") == ["a moving word"]
    assert await find(sessions, ada, "moving") == []


async def test_the_best_come_first_and_of_equals_the_newest(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    await say(
        user("black tea please"),
        user("a green bicycle today"),
        user("green tea please"),
        user("nothing of that kind"),
    )
    found = await find(sessions, ada, "black tea")
    assert found == ["black tea please", "green tea please"]
    assert await find(sessions, ada, "please", limit=1) == ["green tea please"]
    assert await find(sessions, ada, "please") == ["green tea please", "black tea please"]


async def test_a_word_finds_longer_ones_unless_it_is_short(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    await say(user("my colour"), user("in colours"), user("co"))
    assert await find(sessions, ada, "colour") == ["in colours", "my colour"]
    assert await find(sessions, ada, "co") == ["co"]


async def test_goes_back_beyond_new_and_off_the_path(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    await say(user("the very old password was swordfish"))
    await commit(sessions, lambda s: memory.reset(s, ada.conversation_id))
    assert await find(sessions, ada, "swordfish") == ["the very old password was swordfish"]


async def test_instructions_and_tools_are_not_found(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    call: dict[str, Any] = {"name": "find", "arguments": '{"query": "walrus"}'}
    await say(
        system("never mention the walrus"),
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "the walrus was Paul"},
    )
    assert await find(sessions, ada, "walrus") == []


async def test_finds_the_texts_among_the_blocks_of_a_message(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    picture = {"type": "image_url", "image_url": {"url": "attachment:zebra"}}
    parts = [{"type": "text", "text": "look at"}, picture, {"type": "text", "text": "my lion"}]
    await say({"role": "user", "content": parts})
    assert await find(sessions, ada, "lion") == ["my lion"]
    assert await find(sessions, ada, "look") == ["look at"]
    assert await find(sessions, ada, "zebra image_url text type") == []


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("We met in the Café Müller", "cafe muller"),
        ("We met in the Cafe Muller", "CAFÉ"),
        ("cafe\N{COMBINING ACUTE ACCENT} au lait", "café"),
        ("Мой пёс живёт в Киеве", "киев"),
        ("Με λένε Άννα", "ΆΝΝΑ"),
        ("मेरा नाम अनिता है", "अनिता"),
        ("اسمي ليلى", "ليلى"),
        ("내 이름은 지민이야", "이름"),
        ("我喜欢吃苹果和梨", "苹果"),
        ("我喜欢吃苹果和梨", "喜欢什么水果"),
        ("昨日、東京でラーメンを食べた", "ラーメン"),
        ("ฉันชอบกินมะม่วง", "มะม่วง"),
        ("see report_final-v2.pdf", "final pdf"),
        ("write to ann@example.com", "example"),
        ("it costs 3.14 dollars", "3.14"),
        ("programming in C and Rust", "c"),
        ("several programmers", "programmer"),
    ],
)
async def test_finds_words_of_any_language(
    sessions: Sessions, ada: Speaker, say: Say, said: str, query: str
) -> None:
    await say(user(said), user("Something else: 别的东西, другое."))
    assert await find(sessions, ada, query) == [said]


@pytest.mark.parametrize(
    "query",
    ["", '"', "'", "NEAR(", "dog AND NOT cat", "* ^ : - ( ) { }", "a:b", "!|&<->", "\\'", "\0"],
)
async def test_no_query_is_an_error(sessions: Sessions, ada: Speaker, say: Say, query: str) -> None:
    await say(user("plain words"))
    assert await find(sessions, ada, query) == []


async def test_accents_behind_a_sign_of_an_unspaced_script_are_no_word(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    await say(user("\nabc あ\u0301\u0300"))
    assert await find(sessions, ada, "あ\u0301\u0300") == ["abc あ\u0301\u0300"]


async def test_an_accent_alone_is_no_word(sessions: Sessions, ada: Speaker, say: Say) -> None:
    await say(user("\n\N{COMBINING ACUTE ACCENT} stands alone"))
    assert await find(sessions, ada, "\N{COMBINING ACUTE ACCENT}") == []
    assert len(await find(sessions, ada, "\N{COMBINING ACUTE ACCENT} alone")) == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=40))
async def test_no_text_at_all_is_an_error(sessions: Sessions, query: str) -> None:
    assert await search.find(sessions, 1, query) == []


async def test_an_excerpt_shows_the_surroundings_of_the_word(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    long = f"{'before ' * 300}the naïve needle is here {'after ' * 300}"
    await say(user(f"first line\n{long}\nlast line"))
    [excerpt] = await find(sessions, ada, "naive")
    assert "the naïve needle is here" in excerpt
    assert excerpt.startswith("…")
    assert excerpt.endswith("…")
    assert len(excerpt) <= search.WIDTH + 2


async def test_forgotten_messages_are_not_found(sessions: Sessions, ada: Speaker, say: Say) -> None:
    await say(user("a thing to forget"))
    forget = delete(conversations).where(conversations.c.id == ada.conversation_id)
    await commit(sessions, lambda s: s.execute(forget))
    assert await find(sessions, ada, "forget") == []
    if is_sqlite(str(sessions.engine.url)):
        async with rows.begin(sessions) as session:
            assert await session.scalar(text("SELECT count(*) FROM search")) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        "a zero \0 inside",
        " ".join(f"{number:x}" for number in range(400_000)),
        "ﷺ" * 200_000,
        "wordwithoutend" * 30_000,
    ],
    ids=["zero", "many words", "long ligatures", "long word"],
)
async def test_whatever_is_said_is_remembered(
    sessions: Sessions, ada: Speaker, say: Say, content: str
) -> None:
    await say(user(content), user("an ordinary message"))
    async with rows.begin(sessions) as session:
        stored = await session.scalars(select(messages.c.body).order_by(messages.c.id))
        assert [body["content"] for body in stored] == [content, "an ordinary message"]
    assert await find(sessions, ada, "ordinary") == ["an ordinary message"]


async def crowd(sessions: Sessions, who: Speaker, number: int) -> None:
    """Say the same `number` times, without a turn for each."""
    fill = text(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)"
        " INSERT INTO messages (id, conversation_id, turn_id, body, created_at)"
        " SELECT 100000 + i, :here, 1, :body, :at FROM n"
    ).bindparams(bindparam("body", type_=JSON), bindparam("at", type_=Instant))
    values = {"number": number, "here": who.conversation_id, "at": NOW}
    body = user("我们今天喜欢的是 plain tea")
    await commit(sessions, lambda s: s.execute(fill, values | {"body": body}))


@pytest.mark.parametrize(
    "query",
    ["没有", "没", "我们没有", "的" * 9_000, "tea", "t", "te* OR plain", "plain tea " * 9_000],
    ids=["pair", "sign", "pairs", "long sign", "word", "letter", "operators", "long query"],
)
async def test_no_query_reads_more_of_a_longer_conversation(
    sessions: Sessions, ada: Speaker, say: Say, query: str
) -> None:
    await say(user("the first"))
    await crowd(sessions, ada, search.SCANNED)
    with rows.statements(sessions) as seen:
        assert len(await find(sessions, ada, query)) <= 5
    steps = search.SCANNED // search.STEP
    assert len(seen) <= steps + search.WORDS + 2
    limits = [sql for sql, _ in seen if "LIMIT" in sql]
    assert len(limits) >= len(seen) - 1, "all but the last one have a bound"


async def test_an_old_message_with_all_words_comes_before_newer_ones_with_some(
    sessions: Sessions, ada: Speaker, say: Say
) -> None:
    await say(user("plain old tea"))
    await crowd(sessions, ada, search.RANKED + 1)
    assert (await find(sessions, ada, "old tea"))[0] == "plain old tea"
    assert len(await find(sessions, ada, "plain tea")) == 5


async def test_the_index_is_cut_on_both_engines(sessions: Sessions, ada: Speaker, say: Say) -> None:
    await say(user(f"begin {'x ' * 50_000}beyond"))
    assert len(await find(sessions, ada, "begin")) == 1
    assert await find(sessions, ada, "beyond") == []
