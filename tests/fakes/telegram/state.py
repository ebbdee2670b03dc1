"""The state of the service: accounts, chats, messages, files, with their wire forms."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tests.fakes.telegram.spans import Json
from tests.fakes.telegram.webhooks import Deliveries

ChatKind: TypeAlias = Literal["private", "group", "supergroup", "channel"]
Rows: TypeAlias = list[list[Json]]


class Pulse:
    """Wakes everyone who waits for the next change."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def beat(self) -> None:
        """Something changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Return after the next change."""
        await self._next.wait()


@dataclass(frozen=True, slots=True)
class User:
    """An account: a person's or the bot's."""

    id: int
    name: str
    username: str = ""
    is_bot: bool = False
    language: str = "en"
    """The language of the person's client."""

    def json(self) -> Json:
        """The account as a User."""
        user: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        if self.username:
            user["username"] = self.username
        return user if self.is_bot else user | {"language_code": self.language}


@dataclass(slots=True, eq=False)
class Chat:
    """A chat with its messages, as the service sees it."""

    id: int
    kind: ChatKind
    title: str
    forum: bool = False
    people: dict[int, User] = field(default_factory=dict)
    """Everyone who is or wrote in it, by id; in a private chat the one person."""
    admins: list[User] = field(default_factory=list)
    """The first of them created the chat."""
    topics: dict[int, str] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    """The topics in which only admins may write."""
    messages: dict[int, "Message"] = field(default_factory=dict)
    ephemeral: "list[tuple[User, Message]]" = field(default_factory=list)
    """The messages that one person sees, with that person."""
    migrated_to: int | None = None
    blocked: bool = False
    left: bool = False
    """True if the bot has left the group; it is told of nothing there."""
    quiet: bool = False
    """True if the bot may not write in the group."""
    last_id: int = 0
    """Supergroups count their messages themselves; all other chats share the account's count."""

    def json(self) -> Json:
        """The chat as a Chat."""
        chat: Json = {"id": self.id, "type": self.kind}
        if self.kind == "private":
            person = self.people[self.id].json()
            return chat | {k: person[k] for k in ("first_name", "username") if k in person}
        chat["title"] = self.title
        return chat | {"is_forum": True} if self.forum else chat


@dataclass(slots=True, eq=False)
class Message:
    """A message as everyone in the chat sees it now, and all that it has been."""

    chat: Chat
    message_id: int
    sender: User
    text: str
    """The text or caption."""
    entities: list[Json]
    content: Json
    """The contents other than text, by their names on the wire: `{"photo": …}`."""
    reply_to: int | None = None
    thread: int | None = None
    """The forum topic it is in."""
    root: int | None = None
    """In a supergroup without topics: the message that began the chain of replies."""
    quote: str = ""
    album: str | None = None
    origin: Json = field(default_factory=dict)
    """The `forward_origin` of a forwarded message."""
    more: Json = field(default_factory=dict)
    """Further fields by their names on the wire: `{"sender_chat": …}`."""
    keyboard: Rows = field(default_factory=list)
    date: int = field(default_factory=lambda: int(time.time()))
    sent_at: float = field(default_factory=time.monotonic)
    edited_at: float | None = None
    deleted_at: float | None = None
    history: list[tuple[float, str]] = field(default_factory=list)
    """Every text it has had and since when; monotonic seconds, as all times here."""
    update_id: int | None = None
    """The newest update that told the bot about it; None if it was not told."""

    def __post_init__(self) -> None:
        self.history.append((self.sent_at, self.text))

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons, row by row."""
        return [button["text"] for row in self.keyboard for button in row]

    def change(self, text: str, entities: list[Json], keyboard: Rows) -> None:
        """Replace its text and its buttons."""
        self.edited_at = time.monotonic()
        if text != self.text:
            self.history.append((self.edited_at, text))
        self.text, self.entities, self.keyboard = text, entities, keyboard

    def json(self, *, with_reply: bool = True) -> Json:
        """The message as a Message."""
        message: Json = {
            "message_id": self.message_id,
            "from": self.sender.json(),
            "chat": self.chat.json(),
            "date": self.date,
            **self._thread_json(),
            **self.content,
            **self._text_json(),
        }
        if with_reply:
            message |= self._reply_json()
        if self.edited_at is not None:
            message["edit_date"] = self.date + int(self.edited_at - self.sent_at)
        if self.album is not None:
            message["media_group_id"] = self.album
        if self.origin:
            message["forward_origin"] = self.origin
        message |= self.more
        if self.keyboard:
            message["reply_markup"] = {"inline_keyboard": self.keyboard}
        return message

    def _text_json(self) -> Json:
        text, entities = ("caption", "caption_entities") if self.content else ("text", "entities")
        fields: Json = {text: self.text} if self.text else {}
        return fields | {entities: self.entities} if self.entities else fields

    def _thread_json(self) -> Json:
        if self.thread is not None:
            return {"message_thread_id": self.thread, "is_topic_message": True}
        return {"message_thread_id": self.root} if self.root is not None else {}

    def _reply_json(self) -> Json:
        """The message it answers; in a topic that is the topic's first one by default."""
        answered = self.reply_to or self.thread
        other = self.chat.messages.get(answered) if answered else None
        if other is None or other is self:
            return {}
        reply: Json = {"reply_to_message": other.json(with_reply=False)}
        if self.quote:
            reply["quote"] = {"text": self.quote, "position": 0, "is_manual": True}
        return reply


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that can be downloaded; `size` is what the service claims."""

    id: str
    unique_id: str
    path: str
    data: bytes
    size: int

    def json(self, *, path: bool = False) -> Json:
        """The file as a File, with the path for its download if wished."""
        file: Json = {"file_id": self.id, "file_unique_id": self.unique_id, "file_size": self.size}
        return file | {"file_path": self.path} if path else file


@dataclass(slots=True, eq=False)
class Press:
    """A person's press of a button, which spins until the bot answers it."""

    id: str
    who: User
    message: Message
    data: str
    update_id: int | None = None
    answer: Json | None = None
    answered_at: float | None = None
    pressed_at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """The seconds since the press."""
        return time.monotonic() - self.pressed_at

    def json(self) -> Json:
        """The press as a CallbackQuery; a deleted message is an inaccessible one."""
        message = self.message.json()
        if self.message.deleted_at is not None:
            message = {"chat": message["chat"], "message_id": message["message_id"], "date": 0}
        chat_instance = str(7_000_000_000 + self.message.chat.id)
        return {
            "id": self.id,
            "from": self.who.json(),
            "message": message,
            "chat_instance": chat_instance,
            "data": self.data,
        }


@dataclass(slots=True, eq=False)
class Call:
    """A call of the bot, in the order of arrival."""

    method: str
    params: dict[str, Any]
    at: float
    """Monotonic seconds when it arrived."""
    status: int = 0
    """The HTTP status it was answered with; 0 while, or if, there is no answer."""

    @property
    def chat(self) -> int | None:
        """The chat it is about."""
        chat = self.params.get("chat_id")
        return chat if isinstance(chat, int) else None


class State:
    """All accounts, chats, files and presses of one bot's world."""

    def __init__(
        self,
        token: str,
        username: str,
        deliveries: Deliveries,
        violations: list[str],
        *,
        privacy: bool,
    ) -> None:
        self.token = token
        self.bot = User(int(token.partition(":")[0]), "Parley", username, is_bot=True)
        self.privacy = privacy
        self.pulse = Pulse()
        self.people: dict[int, User] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        self.paths: dict[str, StoredFile] = {}
        self.packs_files = False
        self.knows_ephemeral = True
        self.folder = ""
        """The folder of files in the mode `--local`; "" in the ordinary mode."""
        self.presses: dict[str, Press] = {}
        self.commands: dict[str, list[Json]] = {}
        self.deliveries = deliveries
        self.is_local = False
        """True in the mode `--local`, in which a webhook may have any URL."""
        self.violations = violations
        self._last_id = 0

    def number(self, chat: Chat) -> int:
        """The id of the next message in a chat."""
        if chat.kind in {"supergroup", "channel"}:
            chat.last_id += 1
            return chat.last_id
        self._last_id += 1
        return self._last_id

    def post(
        self,
        chat: Chat,
        sender: User,
        text: str = "",
        entities: list[Json] | None = None,
        *,
        content: Json | None = None,
        reply_to: int | None = None,
        thread: int | None = None,
        quote: str = "",
        album: str | None = None,
        keyboard: Rows | None = None,
        more: Json | None = None,
    ) -> Message:
        """Put a message into a chat."""
        answered = chat.messages.get(reply_to) if reply_to else None
        message = Message(
            chat,
            self.number(chat),
            sender,
            text,
            entities or [],
            content or {},
            reply_to,
            thread if thread is not None or answered is None else answered.thread,
            _root(chat, answered),
            quote,
            album,
            keyboard=keyboard or [],
            more=more or {},
        )
        chat.messages[message.message_id] = message
        if not sender.is_bot:
            chat.people.setdefault(sender.id, sender)
        self.pulse.beat()
        return message

    def membership(self, chat: Chat, who: User, old: str, new: str) -> Json:
        """A change of the bot's own membership as a ChatMemberUpdated."""
        members = {
            name: {"user": self.bot.json(), "status": status, **_rights(status, chat)}
            for name, status in (("old_chat_member", old), ("new_chat_member", new))
        }
        return {"chat": chat.json(), "from": who.json(), "date": 1_760_000_000, **members}

    def store(self, folder: str, data: bytes, name: str, size: int | None = None) -> StoredFile:
        """Keep a file, with ids that tell nothing, as the service's do."""
        number = len(self.files) + 1
        suffix = f".{name.rpartition('.')[2]}" if "." in name else ""
        file = StoredFile(
            f"BQACAgIAAxkBAAI{number:064x}",
            f"AgAD{number:011x}",
            f"{folder}/file_{number}{suffix}",
            data,
            len(data) if size is None else size,
        )
        self.files[file.id] = self.paths[file.path] = file
        return file


RESTRICTIONS = (
    *("can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos"),
    *("can_send_videos", "can_send_video_notes", "can_send_voice_notes", "can_send_polls"),
    *("can_send_other_messages", "can_add_web_page_previews", "can_change_info"),
    *("can_invite_users", "can_pin_messages", "can_manage_topics", "can_edit_tag"),
    "can_react_to_messages",
)


def _rights(status: str, chat: Chat) -> Json:
    """The fields of a member with a status, besides the account."""
    if status == "restricted":
        return {
            "is_member": True,
            "until_date": 0,
            **dict.fromkeys(RESTRICTIONS, not chat.quiet),
        }
    return {"until_date": 0} if status == "kicked" else {}


def _root(chat: Chat, answered: Message | None) -> int | None:
    if answered is None or chat.kind != "supergroup" or chat.forum:
        return None
    return answered.root or answered.message_id
