"""The adapter against a Bot API server on loopback."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest

from bots.telegram.adapter import TelegramAdapter, connect
from core import words
from core.adapter import (
    Access,
    Adapter,
    Address,
    Attachment,
    Button,
    Change,
    ChangeKind,
    Event,
    InboundMessage,
)
from core.errors import (
    AttachmentError,
    DeliveryError,
    MessageGone,
    RetryAfter,
    SettingsError,
    Undeliverable,
    Unreachable,
)
from tests.fakes.telegram import Chat, TelegramServer, User
from tests.telegram.test_inbound import payload

STOP = Button(ChangeKind.STOP, "Stop")
# python-telegram-bot warns of its own RetryAfter: its number will become a timedelta.
RETRY_AFTER = "ignore:Deprecated since version v22.2"


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer(flood=False) as server:
        yield server


@pytest.fixture
async def adapter(telegram: TelegramServer) -> AsyncIterator[TelegramAdapter]:
    async with connect(telegram.token, telegram.url) as adapter:
        yield adapter


@pytest.fixture
def ada(telegram: TelegramServer) -> User:
    return telegram.person(1001, "Ada")


@pytest.fixture
def chat(telegram: TelegramServer, ada: User) -> Chat:
    return telegram.private(ada)


def address(telegram: TelegramServer, chat: Chat, thread: str = "") -> Address:
    return Address("telegram", telegram.bot_id, str(chat.id), thread)


async def heard(adapter: TelegramAdapter, count: int) -> list[Event]:
    """Return the next events; all but the last are acknowledged."""
    events: list[Event] = []
    async with asyncio.timeout(60), aclosing(adapter.listen()) as listening:
        async for event in listening:
            events.append(event)
            if len(events) == count:
                break
    return events


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, InboundMessage | Change)]


# -- the start ------------------------------------------------------------------------------------


async def test_the_account_has_a_name_and_an_id(
    telegram: TelegramServer, adapter: TelegramAdapter
) -> None:
    seam: Adapter = adapter
    assert (seam.name, seam.bot_id, seam.rate) == ("telegram", telegram.bot_id, 22.0)
    offered = [command["command"] for command in telegram.commands()]
    assert offered[:6] == ["start", "help", "ask", "new", "usage", "stop"]


@pytest.mark.parametrize("token", ["654321:wrong-token", "", "some words", "12:a\nb"])
async def test_wrong_token_is_named_not_told(telegram: TelegramServer, token: str) -> None:
    with pytest.raises(SettingsError, match="TELEGRAM_TOKEN") as refused:
        await connect(token, telegram.url).__aenter__()
    assert not token or token not in str(refused.value)
    assert "BotFather" in str(refused.value)


async def test_no_answer_names_the_url(telegram: TelegramServer) -> None:
    telegram.fail("getMe", status=502)
    with pytest.raises(Unreachable, match=f"TELEGRAM_API_URL: no answer from {telegram.url}"):
        await connect(telegram.token, telegram.url).__aenter__()


async def test_a_webhook_is_removed_before_updates_are_polled(
    telegram: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    ada = telegram.person(1001, "Ada")
    telegram.webhook = "https://example.org/hook"
    await telegram.say(telegram.private(ada), ada, "Hello")
    async with connect(telegram.token, telegram.url) as adapter:
        assert telegram.webhook, "a process that does not listen leaves it alone"
        async with aclosing(adapter.listen()) as events:
            first = await anext(events)
    assert isinstance(first, InboundMessage)
    assert first.text == "Hello"
    assert telegram.webhook == ""
    assert caplog.text.count("Removing the webhook") == 1


async def test_a_webhook_that_is_set_while_updates_are_polled_is_removed(
    telegram: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.telegram.polling.LONGEST_PAUSE", 0.05)
    ada = telegram.person(1001, "Ada")
    async with (
        connect(telegram.token, telegram.url) as adapter,
        aclosing(adapter.listen()) as events,
    ):
        for text in ("one", "two"):
            telegram.webhook = "https://example.org/hook"
            await telegram.say(telegram.private(ada), ada, text)
            event = await anext(events)
            assert isinstance(event, InboundMessage)
            assert event.text == text


async def test_refused_menu_is_no_failure(telegram: TelegramServer) -> None:
    telegram.fail("setMyCommands", status=400)
    async with connect(telegram.token, telegram.url) as adapter:
        assert adapter.bot_id == telegram.bot_id


LEFT = ("all_private_chats::", "all_group_chats::", "all_chat_administrators::")


OURS = {f"default::{code}" for code in words.languages()[1:]}


@pytest.fixture
def hasty_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for lists that are not ours at once."""
    monkeypatch.setattr("bots.telegram.menus.SWEEP", 0.01)


@pytest.mark.usefixtures("hasty_sweep")
async def test_menus_of_an_earlier_bot_are_removed_and_nothing_else(
    telegram: TelegramServer,
) -> None:
    foreign = {"default::it", "all_private_chats::it", "all_private_chats::de"}
    for scope in (*LEFT[:2], *foreign, "default::de", "chat:5:"):
        telegram.leave_commands(scope)
    async with connect(telegram.token, telegram.url):
        left = {"default::", "chat:5:"} | foreign
        assert telegram.menus - OURS == left, "removed before it listens"
        await telegram.wait(lambda: not telegram.menus & foreign)
    deleted = [call.params for call in telegram.calls if call.method == "deleteMyCommands"]
    assert len(deleted) == 5
    assert telegram.menus == {"default::", "chat:5:"} | OURS
    assert telegram.commands("default::de") != telegram.commands("default::it")


async def test_an_operator_whose_id_is_none_leaves_the_menus_as_they_are(
    telegram: TelegramServer,
) -> None:
    async with connect(telegram.token, telegram.url, operators=["@ada", "5"]):
        await telegram.wait(lambda: telegram.menus >= OURS | {"chat:5:"})


@pytest.mark.usefixtures("hasty_sweep")
async def test_menus_that_are_on_offer_already_are_not_sent_again(
    telegram: TelegramServer,
) -> None:
    def swept() -> int:
        """Return how often the bot came as far as the narrower scopes of one language."""
        narrower = {"type": "all_private_chats"}
        return sum(
            call.params.get("language_code") == "ar" and call.params.get("scope") == narrower
            for call in telegram.calls
        )

    for times in (1, 2):
        async with connect(telegram.token, telegram.url):
            await telegram.wait(partial(lambda most: swept() == most, times))
    assert sum(call.method == "setMyCommands" for call in telegram.calls) == 2 + len(OURS)


@pytest.mark.parametrize("method", ["getMyCommands", "deleteMyCommands"])
async def test_a_menu_that_stays_is_no_failure(telegram: TelegramServer, method: str) -> None:
    telegram.leave_commands(LEFT[0])
    telegram.fail(method, status=500, times=9)
    async with connect(telegram.token, telegram.url) as adapter:
        assert adapter.bot_id == telegram.bot_id


async def test_token_is_never_logged(
    telegram: TelegramServer, chat: Chat, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    telegram.fail("getUpdates", status=500)
    telegram.fail("getUpdates", drop="before")
    async with connect(telegram.token, telegram.url) as adapter:
        file = await telegram.document(chat, ada, b"data", "a.txt", "text/plain")
        telegram.fail("file", status=404)
        [event] = await heard(adapter, 1)
        assert isinstance(event, InboundMessage)
        with pytest.raises(AttachmentError) as refused:
            await adapter.download(event.attachments[0], 100)
        await adapter.send(address(telegram, chat), "hi", nonce="n", final=True)
    assert file.update_id is not None
    assert caplog.records
    secret = telegram.token.partition(":")[2]
    assert secret not in caplog.text + str(refused.value)


# -- listening ------------------------------------------------------------------------------------


async def test_events_in_order(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    for number in range(5):
        await telegram.say(chat, ada, f"message {number}")
    assert texts(await heard(adapter, 5)) == [f"message {number}" for number in range(5)]


async def test_event_is_acknowledged_by_asking_for_the_next(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    first = await telegram.say(chat, ada, "first")
    second = await telegram.say(chat, ada, "second")
    assert texts(await heard(adapter, 2)) == ["first", "second"]
    assert telegram.unacknowledged == [first.update_id, second.update_id]
    async with aclosing(adapter.listen()) as listening:
        for _ in range(2):
            await anext(listening)
        waiting = asyncio.create_task(anext(listening))
        await telegram.wait(lambda: not telegram.unacknowledged)
        await telegram.say(chat, ada, "third")
        event = await waiting
        assert isinstance(event, InboundMessage)
        assert event.text == "third"


async def test_unreadable_update_holds_up_nothing(
    telegram: TelegramServer,
    adapter: TelegramAdapter,
    chat: Chat,
    ada: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = payload("private_poll")
    del broken["message"]["poll"]["members_only"]  # as servers before Bot API 10.0 send it
    await telegram.say(chat, ada, "before")
    update_id = telegram.push(broken)
    telegram.push({"message": {"text": "no message at all"}})
    await telegram.say(chat, ada, "after")
    assert texts(await heard(adapter, 2)) == ["before", "after"]
    assert f"Cannot read update {update_id}" in caplog.text


async def test_updates_of_unknown_kinds_are_passed_over(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    telegram.push({"message": payload("private_unknown_kind")["message"]})
    telegram.push({"hologram": {"id": 1}})
    await telegram.say(chat, ada, "hello")
    assert texts(await heard(adapter, 1)) == ["hello"]


async def test_only_known_kinds_of_updates_are_asked_for(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    telegram.block(ada)  # is told as a change of membership
    telegram.block(ada, blocked=False)
    await telegram.say(chat, ada, "hello")
    [unblocked, _] = await heard(adapter, 2)
    poll = next(call for call in telegram.calls if call.method == "getUpdates")
    kinds = ["message", "edited_message", "callback_query", "my_chat_member"]
    assert poll.params["allowed_updates"] == kinds
    assert (type(unblocked), unblocked.address.chat) == (Access, str(chat.id))


async def test_failing_polls_are_repeated_and_told_once(
    telegram: TelegramServer,
    adapter: TelegramAdapter,
    chat: Chat,
    ada: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    telegram.fail("getUpdates", status=502)
    telegram.fail("getUpdates", drop="before")
    await telegram.say(chat, ada, "hello")
    assert texts(await heard(adapter, 1)) == ["hello"]
    assert caplog.text.count("no updates from Telegram") == 1


async def test_another_poller_is_named_and_outlasted(
    telegram: TelegramServer,
    adapter: TelegramAdapter,
    chat: Chat,
    ada: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    telegram.fail("getUpdates", status=409)
    await telegram.say(chat, ada, "hello")
    assert texts(await heard(adapter, 1)) == ["hello"]
    assert "another process polls with this token" in caplog.text


async def test_flood_limit_on_polls_is_waited_out(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    telegram.fail("getUpdates", status=429, retry_after=1)
    await telegram.say(chat, ada, "hello")
    start = time.monotonic()
    assert texts(await heard(adapter, 1)) == ["hello"]
    assert time.monotonic() - start >= 1


async def test_revoked_token_ends_listening(
    telegram: TelegramServer, adapter: TelegramAdapter
) -> None:
    telegram.fail("getUpdates", status=401)
    with pytest.raises(SettingsError, match="TELEGRAM_TOKEN"):
        await heard(adapter, 1)


async def test_pressed_button_is_answered_once_it_is_accepted(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    message_id = await adapter.send(
        address(telegram, chat), "…", buttons=(STOP,), nonce="n", final=True
    )
    await telegram.press(telegram.answers(chat)[0], "Stop", ada)
    async with aclosing(adapter.listen()) as listening:
        event = await anext(listening)
        assert isinstance(event, Change)
        assert (event.kind, event.message_id) == (ChangeKind.STOP, message_id)
        assert not answered(telegram)
        waiting = asyncio.create_task(anext(listening))
        await telegram.wait(lambda: answered(telegram))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def answered(telegram: TelegramServer) -> bool:
    return any(call.method == "answerCallbackQuery" and call.status for call in telegram.calls)


def started(telegram: TelegramServer, method: str) -> int:
    return sum(call.method == method for call in telegram.calls)


async def test_one_person_cannot_use_up_the_answers_to_presses(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    group = telegram.group(-500, "Friends", admins=[ada])
    bob = telegram.person(1002, "Bob")
    await adapter.send(address(telegram, group), "…", buttons=(STOP,), nonce="n", final=True)
    [answer] = telegram.answers(group)
    for _ in range(300):
        await telegram.press(answer, "Stop", ada)
    last = await telegram.press(answer, "Stop", bob)
    await telegram.say(group, bob, "@parley_bot hello")
    events = await heard(adapter, 302)
    await telegram.wait(lambda: last.answered_at is not None)
    assert len(events) == 302, "a press counts, answered or not"
    assert 1 <= started(telegram, "answerCallbackQuery") < 15


async def test_many_look_for_admins_with_few_calls(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    """In each group, an answer is kept; and many groups make one person wait, not the others."""
    groups = [telegram.group(-500 - number, "Friends", admins=[ada]) for number in range(40)]
    bob = telegram.person(1002, "Bob")
    for group in groups:
        await telegram.say(group, ada, "/persona You are a cat.")
    for _ in range(3):
        await telegram.say(groups[0], bob, "/persona You are a dog.")
    events = await heard(adapter, 43)
    admins = [event.admin for event in events if isinstance(event, InboundMessage)]
    assert admins[0] is True
    assert None in admins[:40]
    assert admins[40:] == [False] * 3
    assert started(telegram, "getChatMember") < 10


async def test_a_telegram_that_is_slow_to_tell_the_admins_is_asked_once(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All later updates wait for its answer."""
    monkeypatch.setattr("bots.telegram.admins.PATIENCE", 0.1)
    telegram.fail("getChatMember", delay=600, times=9)
    group = telegram.group(-500, "Friends", admins=[ada])
    for _ in range(3):
        await telegram.say(group, ada, "/persona You are a cat.")
    events = await heard(adapter, 3)
    assert [event.admin for event in events if isinstance(event, InboundMessage)] == [None] * 3
    assert started(telegram, "getChatMember") == 1


async def test_listening_can_be_cancelled(
    telegram: TelegramServer, adapter: TelegramAdapter
) -> None:
    task = asyncio.create_task(heard(adapter, 1))
    await telegram.wait(lambda: telegram.polling)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# -- sending --------------------------------------------------------------------------------------


async def test_send_renders_and_replies_in_groups(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    chat = telegram.group(-500, "Friends", admins=[ada])
    question = await telegram.say(chat, ada, "Why?")
    message_id = await adapter.send(
        address(telegram, chat),
        "**Because** of <b>",
        reply_to=str(question.message_id),
        buttons=(STOP,),
        nonce="n",
        final=True,
    )
    [answer] = telegram.answers(chat)
    assert (str(answer.message_id), answer.text) == (message_id, "Because of <b>")
    assert answer.entities == [{"type": "bold", "offset": 0, "length": 7}]
    assert (answer.reply_to, answer.buttons) == (question.message_id, ["Stop"])
    [sent] = [call for call in telegram.calls if call.method == "sendMessage"]
    assert sent.params["link_preview_options"] == {"is_disabled": True}


async def test_in_private_nothing_is_quoted(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    question = await telegram.say(chat, ada, "Why?")
    await adapter.send(
        address(telegram, chat), "Because", reply_to=str(question.message_id), nonce="n", final=True
    )
    assert telegram.answers(chat)[0].reply_to is None


async def test_vanished_question_is_no_error(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    chat = telegram.group(-500, "Friends", admins=[ada])
    await adapter.send(address(telegram, chat), "hello", reply_to="4242", nonce="n", final=True)
    assert telegram.answers(chat)[0].text == "hello"


async def test_topic_is_answered_in_the_topic(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    forum = telegram.supergroup(-1001, "Forum", forum=True, admins=[ada])
    topic = telegram.topic(forum, "Recipes", ada)
    await telegram.say(forum, ada, "@parley_bot hello", thread=topic)
    [event] = await heard(adapter, 1)
    await adapter.typing(event.address)
    await adapter.send(event.address, "hi", nonce="n", final=True)
    assert event.address.thread == str(topic)
    assert telegram.answers(forum)[0].thread == topic


async def test_edit_replaces_text_and_buttons(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat
) -> None:
    where = address(telegram, chat)
    message_id = await adapter.send(where, "one", buttons=(STOP,), nonce="n", final=True)
    await adapter.edit(where, message_id, "one `two`", final=True)
    [answer] = telegram.answers(chat)
    assert (answer.text, answer.buttons) == ("one two", [])
    assert answer.entities == [{"type": "code", "offset": 4, "length": 3}]


async def test_unchanged_edit_is_no_error(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat
) -> None:
    message_id = await adapter.send(address(telegram, chat), "same", nonce="n", final=True)
    await adapter.edit(address(telegram, chat), message_id, "same", final=True)
    [edit] = [call for call in telegram.calls if call.method == "editMessageText"]
    assert edit.status == 400


async def test_deleted_message_cannot_be_edited_but_deleted(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat
) -> None:
    where = address(telegram, chat)
    message_id = await adapter.send(where, "short-lived", nonce="n", final=True)
    await adapter.delete(where, message_id)
    assert telegram.answers(chat) == []
    await adapter.delete(where, message_id)
    with pytest.raises(MessageGone):
        await adapter.edit(where, message_id, "again", final=True)


async def test_typing_is_shown(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat
) -> None:
    await adapter.typing(address(telegram, chat))
    [shown] = [call for call in telegram.calls if call.method == "sendChatAction"]
    assert shown.params["action"] == "typing"


@pytest.mark.filterwarnings(RETRY_AFTER)
async def test_flood_limit_tells_how_long(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat
) -> None:
    telegram.fail("sendMessage", status=429, retry_after=7)
    with pytest.raises(RetryAfter) as limit:
        await adapter.send(address(telegram, chat), "hello", nonce="n", final=True)
    assert limit.value.retry_after == 7.0


async def test_blocked_bot_cannot_deliver(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    telegram.block(ada)
    with pytest.raises(Undeliverable):
        await adapter.send(address(telegram, chat), "hello", nonce="n", final=True)


async def test_unknown_chat_cannot_be_delivered_to(
    telegram: TelegramServer, adapter: TelegramAdapter
) -> None:
    with pytest.raises(Undeliverable, match="hat not found"):
        await adapter.typing(Address("telegram", telegram.bot_id, "777"))


@pytest.mark.parametrize("status", [401, 500, 502])
async def test_failing_service_is_unreachable(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, status: int
) -> None:
    telegram.fail("sendMessage", status=status)
    with pytest.raises(Unreachable):
        await adapter.send(address(telegram, chat), "hello", nonce="n", final=True)


async def test_cut_connection_is_unreachable_though_it_took_effect(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat
) -> None:
    telegram.fail("sendMessage", drop="after")
    with pytest.raises(Unreachable):
        await adapter.send(address(telegram, chat), "hello", nonce="n", final=True)
    assert len(telegram.answers(chat)) == 1


async def test_group_that_became_a_supergroup_is_followed(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    group = telegram.group(-500, "Friends", admins=[ada])
    supergroup = telegram.upgrade(group)
    await adapter.send(address(telegram, group), "hello", nonce="n", final=True)
    assert [answer.text for answer in telegram.answers(supergroup)] == ["hello"]


async def test_after_a_move_no_other_message_is_meant_by_an_old_id(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    group = telegram.group(-500, "Friends", admins=[ada])
    question = await telegram.say(group, ada, "Why?")
    message_id = await adapter.send(address(telegram, group), "old", nonce="n", final=True)
    supergroup = telegram.upgrade(group)
    while len(telegram.answers(supergroup)) < 3:
        await adapter.send(address(telegram, supergroup), "new", nonce="n", final=True)
    assert message_id in {str(answer.message_id) for answer in telegram.answers(supergroup)}
    asked = str(question.message_id)
    await adapter.send(address(telegram, group), "late", reply_to=asked, nonce="n", final=True)
    with pytest.raises(MessageGone):
        await adapter.edit(address(telegram, group), message_id, "late", final=True)
    await adapter.delete(address(telegram, group), message_id)
    shown = [(answer.text, answer.reply_to) for answer in telegram.answers(supergroup)]
    assert shown == [*[("new", None)] * 3, ("late", None)]


async def test_failure_after_the_move_is_translated_too(
    telegram: TelegramServer, adapter: TelegramAdapter, ada: User
) -> None:
    group = telegram.group(-500, "Friends", admins=[ada])
    telegram.fail("sendMessage", status=502, chat=telegram.upgrade(group))
    with pytest.raises(DeliveryError):
        await adapter.send(address(telegram, group), "hello", nonce="n", final=True)


async def test_longest_message_is_taken(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat
) -> None:
    longest = "😀" * 2048
    assert adapter.fits(longest)
    assert not adapter.fits(longest + "x")
    await adapter.send(address(telegram, chat), longest, nonce="n", final=True)
    assert telegram.answers(chat)[0].text == longest


def test_groups_are_paced_slower(telegram: TelegramServer, adapter: TelegramAdapter) -> None:
    assert adapter.pace(Address("telegram", "1", "1001")) == 1.1
    assert adapter.pace(Address("telegram", "1", "-1001")) == 3.1


# -- files ----------------------------------------------------------------------------------------


async def attachment(telegram: TelegramServer, adapter: TelegramAdapter) -> Attachment:
    [event] = await heard(adapter, 1)
    assert isinstance(event, InboundMessage)
    return event.attachments[0]


async def test_photo_is_downloaded(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User
) -> None:
    await telegram.photo(chat, ada, b"\xff\xd8 picture", "what is it?")
    photo = await attachment(telegram, adapter)
    assert await adapter.download(photo, 1000) == b"\xff\xd8 picture"


@pytest.mark.parametrize("claimed", [10, 4000, None])
async def test_download_is_bounded_whatever_is_claimed(
    telegram: TelegramServer, adapter: TelegramAdapter, chat: Chat, ada: User, claimed: int | None
) -> None:
    await telegram.document(chat, ada, b"x" * 4000, "long.txt", "text/plain", size=claimed)
    file = await attachment(telegram, adapter)
    with pytest.raises(AttachmentError, match="larger than announced"):
        await adapter.download(file, 1000)


async def test_missing_file_is_told_to_the_person(
    telegram: TelegramServer, adapter: TelegramAdapter
) -> None:
    lost = Attachment("no-such-file", "report.pdf", "application/pdf", 100)
    with pytest.raises(AttachmentError, match=r"report\.pdf"):
        await adapter.download(lost, 1000)


@pytest.mark.filterwarnings(RETRY_AFTER)
@pytest.mark.parametrize(
    ("method", "fault", "kind"),
    [
        ("getFile", {"status": 429, "retry_after": 7}, RetryAfter),
        ("getFile", {"status": 502}, Unreachable),
        ("getFile", {"drop": "before"}, Unreachable),
        ("getFile", {"status": 400}, AttachmentError),
        ("file", {"status": 429}, Unreachable),
        ("file", {"status": 503}, Unreachable),
        ("file", {"drop": "before"}, Unreachable),
        ("file", {"status": 404}, AttachmentError),
    ],
)
async def test_a_passing_fault_loses_no_file(
    telegram: TelegramServer,
    adapter: TelegramAdapter,
    chat: Chat,
    ada: User,
    method: str,
    fault: dict[str, Any],
    kind: type[Exception],
) -> None:
    await telegram.photo(chat, ada, b"\xff\xd8 picture", "what is it?")
    photo = await attachment(telegram, adapter)
    telegram.fail(method, **fault)
    with pytest.raises(kind) as failure:
        await adapter.download(photo, 1000)
    assert telegram.token.partition(":")[2] not in str(failure.value)
    assert await adapter.download(photo, 1000) == b"\xff\xd8 picture"
