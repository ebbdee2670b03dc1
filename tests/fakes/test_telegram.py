"""The Bot API fake, tried with the client library that the bot uses, unmodified."""

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import (
    Bot,
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
    ReplyParameters,
    Update,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from bots.trust import trust
from tests.fakes.telegram import Chat, TelegramServer, User
from tests.fakes.telegram.errors import Refused
from tests.fakes.telegram.flood import IN_FLIGHT, Flood
from tests.fakes.telegram.formatting import compose

RETRY_AFTER = "ignore:Deprecated since version v22.2"
"""The library warns of a change of its own in the `retry_after` it raises."""
CHEAP = {"verify": trust()}
"""The certificates that are loaded already; to load them takes longer than most tests."""
STOP = InlineKeyboardMarkup([[InlineKeyboardButton("Stop", callback_data="stop")]])


def client(telegram: TelegramServer, token: str = "") -> Bot:
    return Bot(
        token or telegram.token,
        base_url=f"{telegram.url}/bot",
        base_file_url=f"{telegram.url}/file/bot",
        request=HTTPXRequest(64, read_timeout=60, httpx_kwargs=CHEAP),
        get_updates_request=HTTPXRequest(4, read_timeout=60, httpx_kwargs=CHEAP),
    )


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer(flood=False) as server:
        yield server


@pytest.fixture
async def bot(telegram: TelegramServer) -> AsyncIterator[Bot]:
    async with client(telegram) as bot:
        yield bot


@pytest.fixture
def ada(telegram: TelegramServer) -> User:
    return telegram.person(1001, "Ada", "ada")


@pytest.fixture
def chat(telegram: TelegramServer, ada: User) -> Chat:
    return telegram.private(ada)


def text_message(update: Update) -> Message:
    assert update.message is not None
    return update.message


async def refusal(call: Awaitable[Any], kind: type[TelegramError] = BadRequest) -> str:
    """The words of a refusal, in small letters: the library changes their case anyway."""
    with pytest.raises(kind) as caught:
        await call
    return caught.value.message.lower()


# Polling


async def test_a_dialog(telegram: TelegramServer, bot: Bot, ada: User, chat: Chat) -> None:
    assert (bot.username, str(bot.id)) == ("parley_bot", telegram.bot_id)
    asked = await telegram.say(chat, ada, "hello")
    [update] = await bot.get_updates()
    message = text_message(update)
    assert (update.update_id, message.message_id) == (asked.update_id, asked.message_id)
    assert message.from_user is not None
    assert (message.text, message.chat_id, message.from_user.first_name) == ("hello", 1001, "Ada")
    sent = await bot.send_message(1001, "hi", reply_markup=STOP)
    await bot.edit_message_text("hi there", 1001, sent.message_id)
    [answer] = telegram.answers(chat)
    assert (answer.text, answer.buttons) == ("hi there", [])
    assert [text for _, text in answer.history] == ["hi", "hi there"]
    assert answer.edited_at is not None
    assert answer.sent_at <= answer.edited_at
    await bot.delete_message(1001, sent.message_id)
    assert telegram.answers(chat) == []
    assert answer.deleted_at is not None
    assert [call.method for call in telegram.calls][-3:] == [
        "sendMessage",
        "editMessageText",
        "deleteMessage",
    ]
    assert {call.status for call in telegram.calls} == {200}


async def test_an_offset_acknowledges(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    ids = [(await telegram.say(chat, ada, f"{n}")).update_id for n in range(5)]
    assert [u.update_id for u in await bot.get_updates(limit=2)] == ids[:2]
    assert [u.update_id for u in await bot.get_updates()] == ids
    assert [u.update_id for u in await bot.get_updates(offset=ids[3])] == ids[3:]
    assert telegram.unacknowledged == ids[3:]
    assert [u.update_id for u in await bot.get_updates()] == ids[3:]
    assert [u.update_id for u in await bot.get_updates(offset=-1)] == ids[4:]


async def test_a_poll_waits_for_an_update(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    started = time.monotonic()
    assert list(await bot.get_updates(timeout=1)) == []
    assert time.monotonic() - started > 0.9
    poll = asyncio.create_task(bot.get_updates(timeout=20))
    await telegram.wait(lambda: len(telegram.calls) == 3)
    await telegram.say(chat, ada, "wake up")
    [update] = await asyncio.wait_for(poll, 15)
    assert text_message(update).text == "wake up"


async def test_allowed_updates_are_remembered(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    await bot.get_updates(allowed_updates=["message"])
    asked = await telegram.say(chat, ada, "hello")
    await telegram.edit_by_person(asked, "hello?")
    assert asked.update_id is None
    assert len(await bot.get_updates()) == 1
    await bot.get_updates(allowed_updates=["message", "edited_message"])
    await telegram.edit_by_person(asked, "hello!")
    *_, update = await bot.get_updates()
    assert update.edited_message is not None
    assert update.edited_message.text == "hello!"


async def test_a_second_poller_ends_the_first(telegram: TelegramServer, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=20))
    await telegram.wait(lambda: len(telegram.calls) == 2)
    async with client(telegram) as other:
        second = asyncio.create_task(other.get_updates(timeout=1))
        assert "terminated by other getupdates request" in await refusal(first, Conflict)
        assert list(await second) == []
    assert len(telegram.violations) == 1


async def test_a_poller_that_died_is_no_conflict(telegram: TelegramServer, bot: Bot) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{telegram.url}/bot{telegram.token}/getUpdates?timeout=30"
        with pytest.raises(TimeoutError):
            await session.get(url, timeout=aiohttp.ClientTimeout(0.3))
    await telegram.wait(lambda: not telegram.polling)
    assert list(await bot.get_updates(timeout=1)) == []
    assert telegram.violations == []


async def test_updates_pushed_as_they_are(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    asked = await telegram.say(chat, ada, "once")
    assert asked.update_id is not None
    unknown = telegram.push({"update_id": 1, "brand_new_kind": {"x": 1}})
    assert unknown == asked.update_id + 1
    await bot.get_updates(offset=unknown + 1)
    assert list(await bot.get_updates(offset=unknown + 1)) == []
    telegram.push_again(asked.update_id)
    [again] = await bot.get_updates(offset=unknown + 1)
    assert again.update_id == asked.update_id
    assert list(await bot.get_updates(offset=unknown + 1)) == []


async def test_a_webhook_excludes_polling(telegram: TelegramServer, bot: Bot) -> None:
    await bot.set_webhook("https://example.org/hook")
    assert (await bot.get_webhook_info()).url == telegram.webhook == "https://example.org/hook"
    assert "webhook is active" in await refusal(bot.get_updates(), Conflict)
    await bot.delete_webhook()
    assert list(await bot.get_updates()) == []
    assert "https url" in await refusal(bot.set_webhook("http://example.org/hook"))


# What people write


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello @parley_bot!", [("mention", "@parley_bot")]),
        ("\U0001f600 @parley_bot", [("mention", "@parley_bot")]),
        ("mail me@parley_bot", []),
        ("/new", [("bot_command", "/new")]),
        ("/new@parley_bot with \U0001f600", [("bot_command", "/new@parley_bot")]),
        ("/new@ab", []),
        ("a/new //new </new>", []),
        (
            "see https://example.org/new#a, @ab",
            [("url", "https://example.org/new#a"), ("mention", "@ab")],
        ),
    ],
)
async def test_entities_are_found_in_utf16_units(
    telegram: TelegramServer,
    bot: Bot,
    ada: User,
    chat: Chat,
    text: str,
    found: list[tuple[str, str]],
) -> None:
    await telegram.say(chat, ada, text)
    [update] = await bot.get_updates()
    entities = text_message(update).parse_entities()
    assert [(entity.type, words) for entity, words in entities.items()] == found


async def test_given_entities_stay_beside_found_ones(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    code = {"type": "code", "offset": 0, "length": 4}
    await telegram.say(chat, ada, "/new /old", entities=[code])
    [update] = await bot.get_updates()
    kinds = [(entity.type, entity.offset) for entity in text_message(update).entities]
    assert kinds == [("code", 0), ("bot_command", 5)]


async def test_a_reply_carries_the_message_that_it_answers(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    first = await telegram.say(chat, ada, "one two three")
    await telegram.say(chat, ada, "this?", reply_to=first, quote="two")
    *_, update = await bot.get_updates()
    message = text_message(update)
    assert message.reply_to_message is not None
    assert message.reply_to_message.text == "one two three"
    assert message.quote is not None
    assert message.quote.text == "two"


async def test_a_paste_comes_in_parts(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    await telegram.paste(chat, ada, "x" * 9000)
    parts = [text_message(update).text or "" for update in await bot.get_updates()]
    assert [len(part) for part in parts] == [4096, 4096, 808]
    with pytest.raises(ValueError, match="paste it"):
        await telegram.say(chat, ada, "x" * 4097)


async def test_media(telegram: TelegramServer, bot: Bot, ada: User, chat: Chat) -> None:
    await telegram.photo(chat, ada, b"jpeg", caption="look @parley_bot", album="77")
    await telegram.document(chat, ada, b"pdf", "paper.pdf", "application/pdf", album="77")
    await telegram.voice(chat, ada)
    await telegram.sticker(chat, ada)
    await telegram.location(chat, ada)
    photo, document, *rest = [text_message(update) for update in await bot.get_updates()]
    assert (photo.caption, photo.media_group_id, document.media_group_id) == (
        "look @parley_bot",
        "77",
        "77",
    )
    assert [entity.type for entity in photo.caption_entities] == ["mention"]
    assert [size.width for size in photo.photo] == [320, 1280]
    assert document.document is not None
    assert (
        document.document.file_name,
        document.document.mime_type,
        document.document.file_size,
    ) == (
        "paper.pdf",
        "application/pdf",
        3,
    )
    assert [bool(m.voice or m.sticker or m.location) for m in rest] == [True, True, True]


async def test_files(telegram: TelegramServer, bot: Bot, ada: User, chat: Chat) -> None:
    sent = await telegram.document(chat, ada, b"data", "a.txt", "text/plain")
    file = await bot.get_file(sent.content["document"]["file_id"])
    assert bytes(await file.download_as_bytearray()) == b"data"
    large = await telegram.document(chat, ada, b"", "b.bin", "x/y", size=20 * 2**20 + 1)
    too_big = bot.get_file(large.content["document"]["file_id"])
    assert await refusal(too_big) == "file is too big"
    assert await refusal(bot.get_file("nonsense")) == "invalid file_id"
    telegram.fail("file", status=502)
    with pytest.raises(NetworkError):
        await file.download_as_bytearray()
    async with aiohttp.ClientSession() as session:
        lost = await session.get(f"{telegram.url}/file/bot{telegram.token}/documents/none")
        assert lost.status == 404


async def test_a_button_is_pressed_and_answered_once(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    await bot.send_message(chat.id, "growing", reply_markup=STOP)
    [answer] = telegram.answers(chat)
    press = await telegram.press(answer, "Stop", ada)
    [update] = await bot.get_updates()
    query = update.callback_query
    assert query is not None
    assert query.message is not None
    assert (query.data, query.message.message_id) == ("stop", answer.message_id)
    await query.answer("stopping", cache_time=3)
    assert press.answer is not None
    assert (press.answer["text"], press.answer["cache_time"]) == ("stopping", 3)
    assert "query is too old" in await refusal(query.answer())
    with pytest.raises(ValueError, match="Start"):
        await telegram.press(answer, "Start", ada)


async def test_a_button_of_a_deleted_message_is_inaccessible(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    sent = await bot.send_message(chat.id, "growing", reply_markup=STOP)
    [answer] = telegram.answers(chat)
    await sent.delete()
    await telegram.press(answer, 0, ada)
    [update] = await bot.get_updates()
    assert update.callback_query is not None
    assert update.callback_query.message is not None
    assert not update.callback_query.message.is_accessible


# What the service refuses

LINK = [{"type": "text_link", "offset": 0, "length": 1, "url": "http://localhost/"}]
REFUSALS: dict[str, tuple[Callable[[Bot, int], Awaitable[Any]], str]] = {
    "too long": (lambda bot, _: bot.send_message(1001, "x" * 4097), "Message is too long"),
    "too many units": (
        lambda bot, _: bot.send_message(1001, "\U0001f600" * 2049),
        "Message is too long",
    ),
    "edit too long": (
        lambda bot, mine: bot.edit_message_text("x" * 4097, 1001, mine),
        "Message_too_long",
    ),
    "empty": (lambda bot, _: bot.send_message(1001, ""), "Message text is empty"),
    "blank": (lambda bot, _: bot.send_message(1001, " \n "), "Text must be non-empty"),
    "unchanged": (
        lambda bot, mine: bot.edit_message_text(" mine ", 1001, mine, reply_markup=STOP),
        "Message is not modified: specified new message content and reply markup are exactly the "
        "same as a current content and reply markup of the message",
    ),
    "edit of nothing": (
        lambda bot, _: bot.edit_message_text("x", 1001, 999),
        "Message to edit not found",
    ),
    "edit of another's": (
        lambda bot, mine: bot.edit_message_text("x", 1001, mine - 1),
        "Message can't be edited",
    ),
    "delete of nothing": (
        lambda bot, _: bot.delete_message(1001, 999),
        "Message to delete not found",
    ),
    "reply to nothing": (
        lambda bot, _: bot.send_message(1001, "x", reply_to_message_id=999),
        "Message to be replied not found",
    ),
    "no topics": (
        lambda bot, _: bot.send_message(1001, "x", message_thread_id=5),
        "Message thread not found",
    ),
    "no chat": (lambda bot, _: bot.send_message(4, "x"), "Chat not found"),
    "chat by name": (lambda bot, _: bot.send_message("@ada", "x"), "Chat not found"),
    "markup": (
        lambda bot, _: bot.send_message(1001, "1 < 2", parse_mode="HTML"),
        "Can't parse entities: unclosed start tag at byte offset 2",
    ),
    "link without a dot": (
        lambda bot, _: bot.do_api_request(
            "sendMessage", {"chat_id": 1001, "text": "x", "entities": LINK}
        ),
        "Entity url 'http://localhost/' is invalid: wrong http url",
    ),
    "long data": (
        lambda bot, _: bot.send_message(
            1001,
            "x",
            reply_markup=InlineKeyboardMarkup(
                [[InlineKeyboardButton("x", callback_data="é" * 33)]]
            ),
        ),
        "Button_data_invalid",
    ),
    "no data": (
        lambda bot, _: bot.send_message(
            1001, "x", reply_markup=InlineKeyboardMarkup([[InlineKeyboardButton("x")]])
        ),
        "Can't parse inline keyboard button: text buttons are unallowed in the inline keyboard",
    ),
    "action": (
        lambda bot, _: bot.send_chat_action(1001, "sleep"),
        "Wrong parameter action in request",
    ),
    "command": (lambda bot, _: bot.set_my_commands([("New", "x")]), "Bot_command_invalid"),
    "caption": (
        lambda bot, _: bot.send_document(1001, b"x", caption="x" * 1025),
        "Message caption is too long",
    ),
    "stranger": (lambda bot, _: bot.get_chat_member(1001, 77), "User not found"),
    "no admins": (
        lambda bot, _: bot.get_chat_administrators(1001),
        "There are no administrators in the private chat",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.filterwarnings("ignore:Please use 'Bot")
async def test_refusals(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat, case: str
) -> None:
    await telegram.say(chat, ada, "hello")
    mine = await bot.send_message(chat.id, "mine", reply_markup=STOP)
    call, description = REFUSALS[case]
    said = await refusal(call(bot, mine.message_id))
    assert said == description.lower()
    assert telegram.calls[-1].status == 400
    assert [answer.text for answer in telegram.answers(chat)] == ["mine"]


async def test_a_reply_to_nothing_may_be_sent_without(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    asked = await telegram.say(chat, ada, "hello")
    for number in (asked.message_id, 999):
        reply = ReplyParameters(number, allow_sending_without_reply=True)
        await bot.send_message(chat.id, "hi", reply_parameters=reply)
    assert [a.reply_to for a in telegram.answers(chat)] == [asked.message_id, None]


async def test_wrong_tokens_and_unknown_methods(telegram: TelegramServer, bot: Bot) -> None:
    async with aiohttp.ClientSession() as session:
        wrong = await session.get(f"{telegram.url}/bot123456:other/getMe")
        assert await wrong.json() == {
            "ok": False,
            "error_code": 401,
            "description": "Unauthorized",
        }
    with pytest.raises(InvalidToken):
        async with client(telegram, "123456:wrong"):
            pass
    with pytest.raises(EndPointNotFound):
        await bot.do_api_request("sendRichMessage", {"chat_id": 1001})


async def test_json_bodies_and_any_case(telegram: TelegramServer, chat: Chat) -> None:
    url = f"{telegram.url}/bot{telegram.token}/SENDmessage"
    body = {"chat_id": chat.id, "text": "hi", "reply_markup": STOP.to_dict()}
    async with aiohttp.ClientSession() as session:
        answer = await (await session.post(url, json=body)).json()
        broken = await (await session.post(url, json=body | {"text": "\ud83d"})).json()
    assert answer["result"]["text"] == "hi"
    assert broken["description"] == "Bad Request: strings must be encoded in UTF-8"
    assert telegram.answers(chat)[0].buttons == ["Stop"]


# Formatting


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("*b _i_*", "b i", [("bold", 0, 2), ("bold", 2, 1), ("italic", 2, 1)]),
        (
            "__u__ ~s~ ||h||",
            "u s h",
            [("underline", 0, 1), ("strikethrough", 2, 1), ("spoiler", 4, 1)],
        ),
        ("`a_*b`", "a_*b", [("code", 0, 4)]),
        ("```py\nx = 1\n```", "x = 1", [("pre", 0, 5)]),
        ("\U0001f600 [x\\.](https://a.b/\\))", "\U0001f600 x.", [("text_link", 3, 2)]),
        ("[x](http://localhost)", "x", []),
        (">a\n>b\nc", "a\nb\nc", [("blockquote", 0, 4)]),
        (">a||", "a", [("expandable_blockquote", 0, 1)]),
        ("1\\. 2 \\- 3", "1. 2 - 3", []),
    ],
)
def test_markdown(source: str, text: str, entities: list[tuple[str, int, int]]) -> None:
    composed = compose(source, "MarkdownV2", None)
    assert composed.text == text
    assert [(e["type"], e["offset"], e["length"]) for e in composed.entities] == entities


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("<b>a</b> &lt;&amp;&#33; &nbsp;", "a <&! &nbsp;", [("bold", 0, 1)]),
        ('<pre><code class="language-py">x</code></pre>', "x", [("pre", 0, 1)]),
        ("<code class='language-py'>x</code>", "x", [("code", 0, 1)]),
        ('<a href="https://a.b/?x=&quot;">x</a>', "x", [("text_link", 0, 1)]),
        ('<span class="tg-spoiler">x</span>', "x", [("spoiler", 0, 1)]),
        ("<blockquote expandable>x</blockquote>", "x", [("expandable_blockquote", 0, 1)]),
        ("<a href='tg://user?id=5'>x</a>", "x", [("text_mention", 0, 1)]),
        ("<b tag=x kind=y>a</>", "a", [("bold", 0, 1)]),
    ],
)
def test_html(source: str, text: str, entities: list[tuple[str, int, int]]) -> None:
    composed = compose(source, "HTML", None)
    assert composed.text == text
    assert [(e["type"], e["offset"], e["length"]) for e in composed.entities] == entities


@pytest.mark.parametrize(
    ("mode", "source", "problem"),
    [
        ("MarkdownV2", "1. x", "Character '.' is reserved"),
        ("MarkdownV2", "a > b", "Character '>' is reserved"),
        ("MarkdownV2", "a | b", "Character '|' is reserved"),
        ("MarkdownV2", "*x", "Can't find end of Bold entity at byte offset 0"),
        ("MarkdownV2", "é _x", "Can't find end of Italic entity at byte offset 3"),
        ("MarkdownV2", "[x](http://a.b", "Can't find end of a URL at byte offset 4"),
        ("MarkdownV2", ">*a\nb*", "Can't find end of Bold entity"),
        ("HTML", "<div>x</div>", 'Unsupported start tag "div" at byte offset 0'),
        ("HTML", "<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("HTML", "x</b>", "Unexpected end tag at byte offset 1"),
        ("HTML", "<b>x</i>", 'expected "</b>", found "</i>"'),
        ("HTML", "a <b", "Unclosed start tag at byte offset 2"),
        ("HTML", "<span>x</span>", 'must have class "tg-spoiler"'),
    ],
)
async def test_broken_markup(bot: Bot, chat: Chat, mode: str, source: str, problem: str) -> None:
    said = await refusal(bot.send_message(chat.id, source, parse_mode=mode))
    assert said.startswith("can't parse entities: ")
    assert problem.lower() in said


@pytest.mark.parametrize(
    ("text", "offset", "length", "problem"),
    [
        ("abc", 4, 1, "begins after the end of the text"),
        ("abc", 1, 3, "ends after the end of the text"),
        ("\U0001f600", 1, 1, "begins in a middle of a UTF-16 symbol"),
        ("\U0001f600", 0, 1, "in a middle of a UTF-16 symbol"),
        ("abc", -1, 1, "incorrect offset -1"),
        ("abc", 0, -1, "incorrect length -1"),
    ],
)
async def test_entities_out_of_place(
    bot: Bot, chat: Chat, text: str, offset: int, length: int, problem: str
) -> None:
    entity = MessageEntity("bold", offset, length)
    assert problem.lower() in await refusal(bot.send_message(chat.id, text, entities=[entity]))


async def test_formatting_the_service_drops_is_noted(
    telegram: TelegramServer, bot: Bot, chat: Chat
) -> None:
    inside = [MessageEntity("pre", 0, 8), MessageEntity("bold", 2, 2)]
    await bot.send_message(chat.id, "x = 1234", entities=inside)
    [answer] = telegram.answers(chat)
    assert [entity["type"] for entity in answer.entities] == ["pre"]
    assert telegram.violations == ["formatting dropped: bold"]
    many = [MessageEntity("bold", 2 * n, 1) for n in range(101)]
    await bot.send_message(chat.id, "x " * 101, entities=many)
    assert len(telegram.answers(chat)[1].entities) == 100
    assert len(telegram.violations) == 2


@pytest.mark.parametrize(
    ("text", "bold", "cleaned", "place"),
    [
        ("  x y \n", (2, 3), "x y", (0, 3)),
        ("  x y \n", (1, 6), " x y", (0, 4)),
        ("a\tb\r\nc\u202e d", (3, 5), "a b\nc d", (3, 3)),
        ("\U0001f600 x  ", (3, 3), "\U0001f600 x", (3, 1)),
    ],
)
def test_texts_are_cleaned_and_trimmed(
    text: str, bold: tuple[int, int], cleaned: str, place: tuple[int, int]
) -> None:
    composed = compose(text, "", [{"type": "bold", "offset": bold[0], "length": bold[1]}])
    assert composed.text == cleaned
    assert composed.entities == [{"type": "bold", "offset": place[0], "length": place[1]}]


SIGNS = st.text(st.sampled_from('ab \n*_`~|[]()>\\!</&;"=#.\U0001f600é\r\u202e@:-h'), max_size=30)
MARKED = st.builds(
    lambda kind, offset, length: {"type": kind, "offset": offset, "length": length},
    st.sampled_from(["bold", "italic", "code", "pre", "blockquote", "expandable_blockquote"]),
    st.integers(0, 12),
    st.integers(0, 9),
)


@given(SIGNS, st.sampled_from(["", "HTML", "MarkdownV2"]), st.lists(MARKED, max_size=5))
def test_a_text_in_a_chat_could_be_sent_again(
    text: str, mode: str, entities: list[dict[str, Any]]
) -> None:
    """Whatever the service accepts is in its own final form, and all else it refuses in words."""
    try:
        composed = compose(text, mode, entities)
    except Refused:
        return
    again = compose(composed.text, "", composed.entities)
    assert (again.text, again.entities, again.lost) == (composed.text, composed.entities, [])


# Flood limits


@pytest.mark.filterwarnings(RETRY_AFTER)
async def test_a_burst_in_a_private_chat_meets_the_limit() -> None:
    async with TelegramServer() as telegram, client(telegram) as bot:
        chat = telegram.private(telegram.person(1, "Ada"))
        sent = await bot.send_message(1, "1")
        for number in range(4):
            await bot.edit_message_text(f"edit {number}", 1, sent.message_id)
        await bot.send_chat_action(1, "typing")
        with pytest.raises(RetryAfter) as caught:
            await bot.send_message(1, "7")
        assert caught.value.retry_after == 3
        assert (telegram.calls[-1].status, telegram.violations) == (429, [])
        assert len(telegram.answers(chat)) == 1


def waits(flood: Flood, chat: Chat, times: list[float]) -> list[str]:
    said = []
    for now in times:
        try:
            flood.admit("sendMessage", chat, now)
        except Refused as refused:
            said.append(str(refused))
    return said


def test_a_group_takes_twenty_a_minute() -> None:
    flood, chat = Flood([], enforced=True), Chat(-5, "group", "Friends")
    assert waits(flood, chat, [3.0 * n for n in range(200)]) == []
    assert waits(flood, chat, [600.0 + n for n in range(28)]) == []
    assert waits(flood, chat, [628.0]) == [], "20 and one every 3 s since"
    assert waits(flood, chat, [629.0]) == ["Too Many Requests: retry after 3"]


def test_a_group_takes_one_a_second_after_a_short_burst() -> None:
    flood, chat = Flood([], enforced=True), Chat(-5, "group", "Friends")
    assert waits(flood, chat, [0.0] * 6) == []
    assert waits(flood, chat, [1.0, 2.0]) == []
    assert waits(flood, chat, [2.5]) == ["Too Many Requests: retry after 3"]


def test_all_chats_together_take_thirty_a_second() -> None:
    flood = Flood([], enforced=True)
    chats = [Chat(n, "private", "Ada") for n in range(1, 40)]
    refused = [waits(flood, chat, [10.0]) for chat in chats]
    assert [bool(r) for r in refused] == [False] * 30 + [True] * 9


def test_a_call_inside_a_wait_prolongs_it() -> None:
    violations: list[str] = []
    flood, chat = Flood(violations, enforced=True), Chat(1, "private", "Ada")
    waits(flood, chat, [0.0] * 7)
    assert waits(flood, chat, [1.5]) == ["Too Many Requests: retry after 5"]
    assert violations == ["sendMessage 1.5 s before the wait in chat 1 was over"]
    assert len(waits(flood, chat, [5.9])) == 1
    assert waits(flood, chat, [9.1]) == []


def test_a_wait_is_over_in_time() -> None:
    violations: list[str] = []
    flood, chat = Flood(violations, enforced=True), Chat(1, "private", "Ada")
    assert len(waits(flood, chat, [0.0] * 7)) == 1
    assert waits(flood, chat, [0.2]) == ["Too Many Requests: retry after 3"]
    assert violations == []
    assert waits(flood, chat, [3.0, 3.0, 3.0]) == []


# Faults


async def test_a_drop_before_and_after(telegram: TelegramServer, bot: Bot, chat: Chat) -> None:
    telegram.fail("sendMessage", drop="before")
    with pytest.raises(NetworkError):
        await bot.send_message(chat.id, "lost")
    assert telegram.answers(chat) == []
    telegram.fail("sendMessage", drop="after", times=2)
    for _ in range(2):
        with pytest.raises(NetworkError):
            await bot.send_message(chat.id, "kept")
    await bot.send_message(chat.id, "kept")
    assert [answer.text for answer in telegram.answers(chat)] == ["kept"] * 3
    assert [call.status for call in telegram.calls[1:]] == [0, 0, 0, 200]
    assert telegram.doubles(chat) == 2


async def test_statuses_on_order(telegram: TelegramServer, bot: Bot, chat: Chat) -> None:
    sent = await bot.send_message(chat.id, "mine")
    telegram.fail("editMessageText", status=502)
    with pytest.raises(NetworkError):
        await sent.edit_text("other")
    telegram.fail("editMessageText", status=400, description="Bad Request: so there")
    assert await refusal(sent.edit_text("other")) == "so there"
    await sent.edit_text("other")
    assert telegram.answers(chat)[0].text == "other"
    with pytest.raises(KeyError):
        telegram.fail("sendMesage", status=500)


@pytest.mark.filterwarnings(RETRY_AFTER)
async def test_a_wait_on_order_holds_for_its_chat(
    telegram: TelegramServer, bot: Bot, chat: Chat
) -> None:
    other = telegram.private(telegram.person(1002, "Bob"))
    telegram.fail("sendMessage", status=429, retry_after=7, chat=chat)
    await bot.send_message(other.id, "hi")
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(chat.id, "hi")
    assert caught.value.retry_after == 7
    await bot.send_message(other.id, "hi again")
    await asyncio.sleep(IN_FLIGHT + 0.05)  # from now on a call knows of the wait
    with pytest.raises(RetryAfter):
        await bot.send_chat_action(chat.id, "typing")
    assert len(telegram.violations) == 1


async def test_a_late_answer_took_effect(telegram: TelegramServer, bot: Bot, chat: Chat) -> None:
    telegram.fail("sendMessage", delay=5)
    with pytest.raises(TimedOut):
        await bot.send_message(chat.id, "hi", read_timeout=0.3)
    await telegram.wait(lambda: telegram.answers(chat))
    assert [answer.text for answer in telegram.answers(chat)] == ["hi"]


async def test_a_wait_in_vain_tells_the_events(
    telegram: TelegramServer, bot: Bot, chat: Chat
) -> None:
    with pytest.raises(TimeoutError, match="getMe"):
        await telegram.wait(lambda: telegram.answers(chat), timeout=0.1)


# Chats


async def test_doubles_are_counted_per_question(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    for question in ("one", "two"):
        asked = await telegram.say(chat, ada, question)
        await bot.send_message(chat.id, "yes", reply_to_message_id=asked.message_id)
    assert telegram.doubles(chat) == 0
    await bot.send_message(chat.id, "yes")
    assert telegram.doubles(chat) == 1


async def test_a_person_blocks_the_bot(
    telegram: TelegramServer, bot: Bot, ada: User, chat: Chat
) -> None:
    telegram.block(ada)
    said = await refusal(bot.send_message(chat.id, "hi"), Forbidden)
    assert said == "forbidden: bot was blocked by the user"
    [update] = await bot.get_updates()
    assert update.my_chat_member is not None
    telegram.block(ada, blocked=False)
    await bot.send_message(chat.id, "hi")


async def test_a_group_becomes_a_supergroup(telegram: TelegramServer, bot: Bot, ada: User) -> None:
    group = telegram.group(-500, "Friends", admins=[ada])
    await bot.send_message(group.id, "hi")
    upgraded = telegram.upgrade(group)
    with pytest.raises(ChatMigrated) as caught:
        await bot.send_message(group.id, "hi")
    assert caught.value.new_chat_id == upgraded.id
    await bot.send_message(upgraded.id, "hi")
    old, new = [text_message(update) for update in await bot.get_updates()]
    assert (old.chat_id, old.migrate_to_chat_id) == (group.id, upgraded.id)
    assert (new.chat_id, new.migrate_from_chat_id) == (upgraded.id, group.id)


async def test_topics(telegram: TelegramServer, bot: Bot, ada: User) -> None:
    forum = telegram.supergroup(-100500, "Forum", forum=True, admins=[ada])
    thread = telegram.topic(forum, "Cats", ada)
    await telegram.say(forum, ada, "meow", thread=thread)
    *_, update = await bot.get_updates()
    message = text_message(update)
    assert (message.message_thread_id, message.is_topic_message) == (thread, True)
    assert message.reply_to_message is not None
    assert message.reply_to_message.forum_topic_created is not None
    await bot.send_message(forum.id, "purr", message_thread_id=thread)
    assert telegram.answers(forum)[0].thread == thread
    said = await refusal(bot.send_message(forum.id, "purr", message_thread_id=thread + 5))
    assert said == "message thread not found"


async def test_replies_in_a_supergroup_have_a_thread_that_is_no_topic(
    telegram: TelegramServer, bot: Bot, ada: User
) -> None:
    group = telegram.supergroup(-100600, "Friends")
    first = await telegram.say(group, ada, "one")
    await telegram.say(group, ada, "two", reply_to=first)
    *_, update = await bot.get_updates()
    message = text_message(update)
    assert (message.message_thread_id, message.is_topic_message) == (first.message_id, None)


async def test_members(telegram: TelegramServer, bot: Bot, ada: User) -> None:
    bob, eve = telegram.person(2, "Bob"), telegram.person(3, "Eve")
    group = telegram.group(-500, "Friends", admins=[ada, bob])
    await telegram.say(group, telegram.person(4, "Cy"), "hi")
    statuses = [(await bot.get_chat_member(-500, id_)).status for id_ in (ada.id, 2, 4, eve.id)]
    assert statuses == ["creator", "administrator", "member", "left"]
    assert (await bot.get_chat_member(-500, bot.id)).status == "member"
    admins = await bot.get_chat_administrators(-500)
    assert [admin.user.id for admin in admins] == [ada.id, bob.id]
    assert (await bot.get_chat(-500)).title == "Friends"
    said = await telegram.say(group, bob, "mine")
    assert await refusal(bot.delete_message(-500, said.message_id)) == "message can't be deleted"


async def test_message_ids_are_counted_as_the_service_counts(
    telegram: TelegramServer, ada: User
) -> None:
    bob = telegram.person(2, "Bob")
    private = [telegram.private(ada), telegram.private(bob), telegram.group(-5, "Friends")]
    super_ = [telegram.supergroup(-1001, "A"), telegram.supergroup(-1002, "B")]
    ids = [(await telegram.say(chat, ada, "hi")).message_id for chat in private + super_]
    assert ids == [1, 2, 3, 1, 1]


async def test_a_forward_tells_its_origin(telegram: TelegramServer, bot: Bot, ada: User) -> None:
    await telegram.forward(telegram.private(ada), ada, "All cats are grey.")
    [update] = await bot.get_updates()
    origin = text_message(update).forward_origin
    assert isinstance(origin, MessageOriginHiddenUser)
    assert origin.sender_user_name == "Somebody"
    assert text_message(update).text == "All cats are grey."


async def test_a_message_is_forwarded_with_its_contents_and_its_author(
    telegram: TelegramServer, bot: Bot, ada: User
) -> None:
    chat, news = telegram.private(ada), telegram.channel(-1002, "News")
    place = telegram.group(-500, "Friends")
    await telegram.forward(chat, ada, await telegram.photo(place, ada, b"jpeg", "a cat"))
    await telegram.forward(chat, ada, await telegram.publish(news, "All cats are grey."))
    said = await telegram.say(place, ada, "as a channel", as_chat=news)
    await telegram.forward(chat, ada, said)
    await telegram.forward(chat, ada, telegram.messages(chat)[0])
    messages = [text_message(update) for update in await bot.get_updates()]
    photo, post, speech, again = (each for each in messages if each.forward_origin)
    assert (photo.caption, bool(photo.photo)) == ("a cat", True)
    assert isinstance(photo.forward_origin, MessageOriginUser)
    assert isinstance(post.forward_origin, MessageOriginChannel)
    assert (post.forward_origin.chat.title, post.forward_origin.message_id) == ("News", 1)
    assert isinstance(speech.forward_origin, MessageOriginChat)
    assert again.forward_origin == photo.forward_origin


async def test_a_reply_to_another_place_brings_no_message(
    telegram: TelegramServer, bot: Bot, ada: User
) -> None:
    forum = telegram.supergroup(-1001, "Forum", forum=True)
    one, two = (telegram.topic(forum, name, ada) for name in ("one", "two"))
    here = await telegram.say(forum, ada, "😀" * 1000, thread=one)
    family = await telegram.photo(telegram.group(-600, "Family"), ada, b"jpeg")
    await telegram.say(forum, ada, "and here?", here, thread=two)
    await telegram.say(forum, ada, "and there?", family, thread=two)
    await telegram.say(forum, ada, "and above?", here, thread=one)
    told = [text_message(update) for update in await bot.get_updates()][-3:]
    topic, chat, same = told
    assert topic.external_reply
    assert topic.external_reply.chat
    assert topic.external_reply.chat.id == -1001
    assert topic.quote
    assert (topic.quote.text, topic.quote.is_manual) == ("😀" * 512, None)
    assert chat.external_reply
    assert chat.external_reply.photo
    assert (chat.external_reply.chat, chat.external_reply.message_id, chat.quote) == (None,) * 3
    assert same.reply_to_message
    assert same.reply_to_message.text == "😀" * 1000


async def test_chats_speak_by_accounts_of_the_service(
    telegram: TelegramServer, bot: Bot, ada: User
) -> None:
    group, news = telegram.supergroup(-1001, "Crew"), telegram.channel(-1002, "News")
    other = User(99, "Other", "other_bot", is_bot=True)
    await telegram.say(group, ada, "as an admin", as_chat=group)
    await telegram.say(group, ada, "as a channel", as_chat=news)
    await telegram.publish(news, "a post", group)
    await telegram.say(group, ada, "a film", via=other)
    told = [text_message(update) for update in await bot.get_updates()]
    accounts = [each.from_user and each.from_user.username for each in told]
    assert accounts == ["GroupAnonymousBot", "Channel_Bot", None, ada.username]
    speakers = [each.sender_chat and each.sender_chat.id for each in told]
    assert speakers == [-1001, -1002, -1002, None]
    assert [bool(each.is_automatic_forward) for each in told] == [False, False, True, False]
    assert told[3].via_bot
    assert told[3].via_bot.id == 99


@pytest.mark.parametrize(("privacy", "told"), [(False, 3), (True, 1)])
async def test_an_album_in_a_group_is_told_whole_without_privacy(
    ada: User, privacy: bool, told: int
) -> None:
    async with TelegramServer(privacy=privacy) as telegram, client(telegram) as bot:
        group = telegram.group(-500, "Friends", admins=[ada])
        await telegram.photo(group, ada, b"one", album="77")
        await telegram.photo(group, ada, b"two", "@parley_bot compare", album="77")
        await telegram.video(group, ada, album="77")
        parts = [text_message(update) for update in await bot.get_updates()]
    assert [part.media_group_id for part in parts] == ["77"] * told
    assert bool(parts[-1].video) is not privacy


async def test_privacy_keeps_talk_from_the_bot(ada: User) -> None:
    async with TelegramServer(privacy=True) as telegram, client(telegram) as bot:
        group = telegram.group(-500, "Friends")
        mine = await bot.send_message(-500, "mine")
        assert not (await bot.get_me()).can_read_all_group_messages
        for text in ("talk", "/new", "/new@other_bot", "@parley_bot hi", "@ada hi"):
            await telegram.say(group, ada, text)
        await telegram.say(group, ada, "so", reply_to=mine.message_id)
        seen = [text_message(update).text for update in await bot.get_updates()]
        assert seen == ["/new", "@parley_bot hi", "so"]


async def test_commands_and_documents(telegram: TelegramServer, bot: Bot, chat: Chat) -> None:
    await bot.set_my_commands([BotCommand("new", "start afresh")])
    assert [command.command for command in await bot.get_my_commands()] == ["new"]
    assert telegram.commands() == [{"command": "new", "description": "start afresh"}]
    sent = await bot.send_document(
        chat.id, io.BytesIO(b"long"), filename="answer.md", caption="*all*", parse_mode="MarkdownV2"
    )
    assert sent.document is not None
    file = await bot.get_file(sent.document.file_id)
    assert bytes(await file.download_as_bytearray()) == b"long"
    [answer] = telegram.answers(chat)
    assert (answer.text, answer.content["document"]["file_name"]) == ("all", "answer.md")


@pytest.mark.slow
async def test_thousands_of_chats(telegram: TelegramServer) -> None:
    """A call costs the same however many chats and messages there are."""
    url = f"{telegram.url}/bot{telegram.token}/sendMessage"
    for number in range(1, 3001):
        person = telegram.person(number, f"P{number}")
        await telegram.say(telegram.private(person), person, "hello")
    async with aiohttp.ClientSession() as session:
        started = time.process_time()
        for number in range(1, 301):
            async with session.post(url, data={"chat_id": number, "text": "hi"}) as answer:
                assert answer.status == 200
        assert time.process_time() - started < 3
    assert len(telegram.unacknowledged) == 3000


@pytest.mark.slow
async def test_a_chat_on_standard_input() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.telegram", "--port", "0", "--no-flood"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    url, token = (
        word.partition("=")[2] for word in (await process.stdout.readline()).decode().split()
    )
    async with Bot(token, base_url=f"{url}/bot") as bot:
        process.stdin.write(b"hello\n")
        [update] = await bot.get_updates(timeout=60)
        assert text_message(update).text == "hello"
        sent = await bot.send_message(1001, "hi", reply_markup=STOP)
        assert (await process.stdout.readline()).decode() == f"<{sent.message_id}> hi [Stop]\n"
        process.stdin.write(b":press Stop\n")
        [pressed] = await bot.get_updates(offset=update.update_id + 1, timeout=60)
        assert pressed.callback_query is not None
        await sent.edit_text("hi!")
        assert (await process.stdout.readline()).decode() == f"<edited {sent.message_id}> hi!\n"
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 60) == 0
