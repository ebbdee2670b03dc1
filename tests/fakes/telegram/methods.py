"""The methods of the Bot API: each takes the state and the parameters of a call.

They change the state in one go, without waiting for anything, and return the result as JSON.
"""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from tests.fakes.telegram import ephemeral
from tests.fakes.telegram.buttons import read_keyboard
from tests.fakes.telegram.errors import Refused, bad_request
from tests.fakes.telegram.formatting import FormattedText, compose
from tests.fakes.telegram.params import Params, number
from tests.fakes.telegram.photos import photo
from tests.fakes.telegram.spans import Json, units
from tests.fakes.telegram.state import Chat, Message, Rows, State, User
from tests.fakes.telegram.updates import Updates
from tests.fakes.telegram.webhooks import Hook, read_hook
from tests.fakes.uploads import Upload

Method: TypeAlias = Callable[[State, Updates, Params], Awaitable[Any]]

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
LARGEST_FILE = 20 * 1024 * 1024
LONGEST_POLL = 50
DELETABLE_SECONDS = 48 * 3600
ACTIONS = frozenset(
    {"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice"}
    | {"upload_document", "choose_sticker", "find_location", "record_video_note"}
    | {"upload_video_note"}
)
RIGHTS = (
    *("can_be_edited", "can_manage_chat", "can_delete_messages", "can_manage_video_chats"),
    *("can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users"),
    *("can_post_stories", "can_edit_stories", "can_delete_stories"),
)


SCOPES = frozenset(
    {"default", "all_private_chats", "all_group_chats", "all_chat_administrators"}
    | {"chat", "chat_administrators", "chat_member"}
)


async def get_me(state: State, updates: Updates, params: Params) -> Json:
    """The bot's own account."""
    return {
        **state.bot.json(),
        "can_join_groups": True,
        "can_read_all_group_messages": not state.privacy,
        "supports_inline_queries": False,
    }


async def get_updates(state: State, updates: Updates, params: Params) -> list[Json]:
    """Wait for updates; the offset acknowledges all before it."""
    if state.deliveries.hook.url:
        remedy = "use deleteWebhook to delete the webhook first"
        reason = f"can't use getUpdates method while webhook is active; {remedy}"
        state.violations.append(f"getUpdates {reason}")
        raise Refused(409, f"Conflict: {reason}")
    return await updates.poll(
        number(params, "offset", -(2**31), 2**31),
        number(params, "limit", 1, 100, default=100),
        number(params, "timeout", 0, LONGEST_POLL),
        params.get("allowed_updates"),
    )


async def set_webhook(state: State, updates: Updates, params: Params) -> bool:
    """Have updates posted to a URL instead."""
    hook = read_hook(params, is_local=state.is_local)
    state.deliveries.change(hook)
    updates.end_poll("terminated by setWebhook request")
    if params.get("drop_pending_updates"):
        updates.drop()
    updates.allow(params.get("allowed_updates"))
    return True


async def delete_webhook(state: State, updates: Updates, params: Params) -> bool:
    """Go back to polling."""
    if params.get("drop_pending_updates"):
        updates.drop()
    state.deliveries.change(Hook())
    return True


async def get_webhook_info(state: State, updates: Updates, params: Params) -> Json:
    """Return the webhook, with what waits for it and what went wrong last."""
    return state.deliveries.hook.json(updates)


async def send_message(state: State, updates: Updates, params: Params) -> Json:
    """Post a text."""
    chat = writable(state, params)
    keyboard = read_keyboard(params)
    text = _text(state, params)
    if units(text.text) > LONGEST_TEXT:
        raise bad_request("message is too long")
    if ephemeral.is_wanted(state, params):
        answered = _reply_to(chat, params)
        return ephemeral.post(
            state, chat, params, text, keyboard=keyboard, reply_to=answered
        ).json()
    return _post(state, chat, params, text, keyboard=keyboard).json()


async def send_document(state: State, updates: Updates, params: Params) -> Json:
    """Post a file, uploaded or known by its id."""
    chat = writable(state, params)
    keyboard = read_keyboard(params)
    caption = _caption(params)
    if units(caption.text) > LONGEST_CAPTION:
        raise bad_request("message caption is too long")
    content = {"document": _document(state, params.get("document"))}
    return _post(state, chat, params, caption, keyboard=keyboard, content=content).json()


async def send_photo(state: State, updates: Updates, params: Params) -> Json:
    """Post an uploaded photo."""
    chat = writable(state, params)
    keyboard = read_keyboard(params)
    caption = _caption(params)
    if units(caption.text) > LONGEST_CAPTION:
        raise bad_request("message caption is too long")
    content = {"photo": photo(state, params.get("photo"))}
    return _post(state, chat, params, caption, keyboard=keyboard, content=content).json()


async def edit_message_text(state: State, updates: Updates, params: Params) -> Json:
    """Replace a text; buttons that are not sent again are gone."""
    chat = writable(state, params)
    keyboard = read_keyboard(params)
    text = _text(state, params)
    message = _own(state, _message(chat, params, "message to edit"))
    if message.content:
        raise bad_request("there is no text in the message to edit")
    if units(text.text) > LONGEST_TEXT:
        raise bad_request("MESSAGE_TOO_LONG")
    return _change(state, message, text.text, text.entities, keyboard)


async def edit_message_caption(state: State, updates: Updates, params: Params) -> Json:
    """Replace the caption of a file; buttons that are not sent again are gone."""
    chat = writable(state, params)
    keyboard = read_keyboard(params)
    caption = _caption(params)
    message = _own(state, _message(chat, params, "message to edit"))
    if not message.content:
        raise bad_request("there is no caption in the message to edit")
    if units(caption.text) > LONGEST_CAPTION:
        raise bad_request("MESSAGE_CAPTION_TOO_LONG")
    return _change(state, message, caption.text, caption.entities, keyboard)


async def edit_message_reply_markup(state: State, updates: Updates, params: Params) -> Json:
    """Replace only the buttons."""
    message = _own(state, _message(writable(state, params), params, "message to edit"))
    return _change(state, message, message.text, message.entities, read_keyboard(params))


async def edit_ephemeral_message_text(state: State, updates: Updates, params: Params) -> Json:
    """Replace the text of a message that one person sees."""
    chat = writable(state, params)
    keyboard = read_keyboard(params)
    text = _text(state, params)
    if units(text.text) > LONGEST_TEXT:
        raise bad_request("MESSAGE_TOO_LONG")
    message = ephemeral.find(chat, params, "message to edit")
    return _change(state, message, text.text, text.entities, keyboard)


async def edit_ephemeral_message_reply_markup(
    state: State, updates: Updates, params: Params
) -> Json:
    """Replace the buttons of a message that one person sees."""
    chat = writable(state, params)
    message = ephemeral.find(chat, params, "message to edit")
    return _change(state, message, message.text, message.entities, read_keyboard(params))


async def delete_ephemeral_message(state: State, updates: Updates, params: Params) -> bool:
    """Delete a message that one person sees."""
    return ephemeral.delete(writable(state, params), params)


async def delete_message(state: State, updates: Updates, params: Params) -> bool:
    """Delete a message of the bot's, or a person's in a private chat."""
    chat = writable(state, params)
    message = _message(chat, params, "message to delete")
    age = time.monotonic() - message.sent_at
    foreign = message.sender != state.bot and chat.kind != "private"
    if (foreign and state.bot not in chat.admins) or age > DELETABLE_SECONDS:
        raise bad_request("message can't be deleted")
    del chat.messages[message.message_id]
    message.deleted_at = time.monotonic()
    return True


async def send_chat_action(state: State, updates: Updates, params: Params) -> bool:
    """Show for 5 s that something is on its way; a closed topic shows it too."""
    chat = writable(state, params)
    thread = params.get("message_thread_id")
    if thread and chat.forum and thread not in chat.topics:
        raise bad_request("message thread not found")
    if params.get("action") not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    return True


async def answer_callback_query(state: State, updates: Updates, params: Params) -> bool:
    """Stop the spinning of a button, once."""
    press = state.presses.get(str(params.get("callback_query_id", "")))
    if press is None or press.answer is not None:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if units(params.get("text", "")) > 200:
        raise bad_request("MESSAGE_TOO_LONG")
    cache_time = number(params, "cache_time", 0, 24 * 30 * 3600)
    press.answer = {"text": "", "show_alert": False, **params, "cache_time": cache_time}
    press.answered_at = time.monotonic()
    return True


async def get_file(state: State, updates: Updates, params: Params) -> Json:
    """Return the path at which a file can be downloaded."""
    if not params.get("file_id"):
        raise bad_request("file_id not specified")
    file = state.files.get(params["file_id"])
    if file is None:
        raise bad_request("invalid file_id")
    if file.size > LARGEST_FILE and not state.folder:
        raise bad_request("file is too big")
    if state.folder:
        return file.json() | {"file_path": f"{state.folder}/{state.token}/{file.path}"}
    return file.json(path=True)


async def set_my_commands(state: State, updates: Updates, params: Params) -> bool:
    """Set the menu of commands for a scope."""
    commands: list[Json] = params.get("commands") or []
    for command in commands:
        _check_command(command)
    state.commands[_scope(params)] = commands
    return True


async def delete_my_commands(state: State, updates: Updates, params: Params) -> bool:
    """Delete the menu of a scope; people then see that of the next wider one."""
    state.commands.pop(_scope(params), None)
    return True


async def get_my_commands(state: State, updates: Updates, params: Params) -> list[Json]:
    """The menu of commands of a scope."""
    return state.commands.get(_scope(params), [])


async def get_chat(state: State, updates: Updates, params: Params) -> Json:
    """All about a chat."""
    more = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": _GIFTS}
    return readable(state, params).json() | more


async def get_chat_member(state: State, updates: Updates, params: Params) -> Json:
    """Return the status of an account in a chat."""
    chat = readable(state, params)
    user = state.people.get(params.get("user_id", 0))
    if params.get("user_id") == state.bot.id:
        user = state.bot
    if user is None:
        raise bad_request("user not found")
    return _member(state, chat, user)


async def get_chat_administrators(state: State, updates: Updates, params: Params) -> list[Json]:
    """Return the administrators of a group."""
    chat = readable(state, params)
    if chat.kind == "private":
        raise bad_request("there are no administrators in the private chat")
    return [_member(state, chat, user) for user in chat.admins]


async def leave_chat(state: State, updates: Updates, params: Params) -> bool:
    """Leave a group; the bot is told of it as of any change of its membership."""
    chat = readable(state, params)
    if chat.kind == "private":
        raise bad_request("chat member status can't be changed in private chats")
    if chat.left:
        raise Refused(403, f"Forbidden: bot is not a member of the {chat.kind} chat")
    chat.left = True
    updates.put("my_chat_member", state.membership(chat, state.bot, "member", "left"))
    state.pulse.beat()
    return True


METHODS: dict[str, Method] = {
    "getMe": get_me,
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
    "sendMessage": send_message,
    "sendDocument": send_document,
    "sendPhoto": send_photo,
    "editMessageText": edit_message_text,
    "editMessageCaption": edit_message_caption,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "editEphemeralMessageText": edit_ephemeral_message_text,
    "editEphemeralMessageReplyMarkup": edit_ephemeral_message_reply_markup,
    "deleteEphemeralMessage": delete_ephemeral_message,
    "sendChatAction": send_chat_action,
    "answerCallbackQuery": answer_callback_query,
    "getFile": get_file,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "getChatAdministrators": get_chat_administrators,
    "leaveChat": leave_chat,
}
RATED = frozenset(
    {"sendMessage", "sendDocument", "sendPhoto", "editMessageText", "editMessageCaption"}
    | {"editMessageReplyMarkup", "sendChatAction"}
)
"""Methods that the flood limits count."""

_GIFTS = dict.fromkeys(
    (
        *("unlimited_gifts", "limited_gifts", "unique_gifts"),
        *("premium_subscription", "gifts_from_channels"),
    ),
    False,
)


def readable(state: State, params: Params) -> Chat:
    """The chat a call is about."""
    if params.get("chat_id", "") == "":
        raise bad_request("chat_id is empty")
    chat = state.chats.get(params["chat_id"])
    if chat is None:
        raise bad_request("chat not found")
    return chat


def writable(state: State, params: Params) -> Chat:
    """The chat a call writes to; refused where the bot is blocked or the group has moved."""
    chat = readable(state, params)
    if chat.blocked:
        raise Refused(403, "Forbidden: bot was blocked by the user")
    if chat.left:
        raise Refused(403, f"Forbidden: bot is not a member of the {chat.kind} chat")
    if chat.quiet:
        raise bad_request("not enough rights to send text messages to the chat")
    if chat.migrated_to is not None:
        reason = "Bad Request: group chat was upgraded to a supergroup chat"
        raise Refused(400, reason, migrate_to_chat_id=chat.migrated_to)
    return chat


def _text(state: State, params: Params) -> FormattedText:
    if not params.get("text"):
        raise bad_request("message text is empty")
    text = compose(params["text"], params.get("parse_mode", ""), params.get("entities"))
    state.violations += [f"formatting dropped: {kind}" for kind in text.lost]
    return text


def _caption(params: Params) -> FormattedText:
    if not params.get("caption", "").strip():
        return FormattedText("", [], [])
    entities = params.get("caption_entities")
    return compose(params["caption"], params.get("parse_mode", ""), entities)


def _post(
    state: State,
    chat: Chat,
    params: Params,
    text: FormattedText,
    *,
    keyboard: Rows,
    content: Json | None = None,
) -> Message:
    return state.post(
        chat,
        state.bot,
        text.text,
        text.entities,
        content=content,
        thread=_thread(state, chat, params),
        reply_to=_reply_to(chat, params),
        keyboard=keyboard,
    )


def _thread(state: State, chat: Chat, params: Params) -> int | None:
    """The topic to write to, or that of the message replied to.

    Groups without topics take no notice of it.
    """
    thread = params.get("message_thread_id")
    answered = chat.messages.get(_reply_to(chat, params) or 0)
    if not thread and answered is not None and answered.thread is not None and chat.forum:
        return _open(state, chat, answered.thread)
    if not thread or (chat.kind != "private" and not chat.forum):
        return None
    if thread not in chat.topics:
        raise bad_request("message thread not found")
    return _open(state, chat, int(thread))


def _open(state: State, chat: Chat, thread: int) -> int:
    if thread in chat.closed and state.bot not in chat.admins:
        raise bad_request("TOPIC_CLOSED")
    return thread


def _reply_to(chat: Chat, params: Params) -> int | None:
    parameters = params.get("reply_parameters") or {
        "message_id": params.get("reply_to_message_id"),
        "allow_sending_without_reply": params.get("allow_sending_without_reply"),
    }
    wanted = parameters.get("message_id")
    if not wanted or wanted in chat.messages:
        return wanted or None
    if not parameters.get("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    return None


def _message(chat: Chat, params: Params, label: str) -> Message:
    message = chat.messages.get(params.get("message_id", 0))
    if message is None:
        raise bad_request(f"{label} not found")
    return message


def _own(state: State, message: Message) -> Message:
    if message.sender != state.bot:
        raise bad_request("message can't be edited")
    return message


def _change(
    state: State, message: Message, text: str, entities: list[Json], keyboard: Rows
) -> Json:
    if (text, entities, keyboard) == (message.text, message.entities, message.keyboard):
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly "
            "the same as a current content and reply markup of the message"
        )
    message.change(text, entities, keyboard)
    return message.json()


def _document(state: State, document: object) -> Json:
    if isinstance(document, Upload):
        data = document.data
        if not data:
            raise bad_request("file must be non-empty")
        file = state.store("documents", data, document.filename)
        return file.json() | {"file_name": document.filename, "mime_type": document.content_type}
    known = state.files.get(document) if isinstance(document, str) else None
    if known is None:
        raise bad_request("there is no document in the request")
    return known.json()


def _check_command(command: Json) -> None:
    if not re.fullmatch(r"[a-z0-9_]{1,32}", command.get("command", "")):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 0 < len(command.get("description", "")) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")


def _scope(params: Params) -> str:
    scope = params.get("scope") or {"type": "default"}
    if scope.get("type") not in SCOPES:
        raise bad_request("can't parse BotCommandScope: unsupported type specified")
    if not re.fullmatch(r"([a-z]{2})?", params.get("language_code") or ""):
        raise bad_request("invalid language code specified")
    return f"{scope.get('type')}:{scope.get('chat_id', '')}:{params.get('language_code', '')}"


def _member(state: State, chat: Chat, user: User) -> Json:
    member: Json = {"user": user.json(), "status": "member"}
    if user in chat.admins[:1]:
        return member | {"status": "creator", "is_anonymous": False}
    if user in chat.admins:
        return member | {
            "status": "administrator",
            "is_anonymous": False,
            **dict.fromkeys(RIGHTS, True),
        }
    is_away = chat.left if user == state.bot else user.id not in chat.people
    if is_away:
        return member | {"status": "left"}
    if user == state.bot and chat.quiet:
        return member | {"status": "restricted", "is_member": True, "can_send_messages": False}
    return member
