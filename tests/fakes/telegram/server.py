"""The server itself, with the people's side for tests."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.fakes.rubbish import Rubbish
from tests.fakes.telegram import origins
from tests.fakes.telegram.faults import Drop, Fault
from tests.fakes.telegram.flood import Flood
from tests.fakes.telegram.formatting import compose
from tests.fakes.telegram.methods import LONGEST_TEXT
from tests.fakes.telegram.spans import Json, units
from tests.fakes.telegram.state import Call, Chat, Message, Press, State, User
from tests.fakes.telegram.updates import Updates
from tests.fakes.telegram.webhooks import Deliveries, Delivery, Hook
from tests.fakes.telegram.wire import Wire

FIRST_SUPERGROUP = -1_002_000_000_000
SERVICE = frozenset({"forum_topic_created", "migrate_to_chat_id", "migrate_from_chat_id"})
"""The contents that make a message a service message."""


class TelegramServer:
    """A Bot API server for one bot, on loopback; an asynchronous context manager.

    With `flood` it enforces flood limits; with `privacy` the bot is told of a group's messages
    only when they are meant for it, else of all. Times are monotonic seconds.
    """

    def __init__(
        self,
        token: str = "123456:test-token",  # noqa: S107 - it guards nothing
        username: str = "parley_bot",
        *,
        flood: bool = True,
        privacy: bool = False,
        port: int = 0,
    ) -> None:
        violations: list[str] = []
        self._updates = Updates(violations)
        deliveries = Deliveries(self._updates)
        self._state = State(token, username, deliveries, violations, privacy=privacy)
        self._wire = Wire(self._state, self._updates, Flood(self._state.violations, enforced=flood))
        self._port = port
        self.token = token
        self.username = username
        self.bot_id = str(self._state.bot.id)
        self.url = ""

    async def __aenter__(self) -> Self:
        # A client that hangs up takes its request with it: else the poll of a bot that was
        # killed would wait on and conflict with the poll of the next one.
        self._runner = web.AppRunner(
            self._wire.app(), handler_cancellation=True, shutdown_timeout=0.1, access_log=None
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._posting = asyncio.create_task(self._state.deliveries.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._posting.cancel()
        await asyncio.gather(self._posting, return_exceptions=True)
        await self._runner.cleanup()

    # What the bot did

    @property
    def calls(self) -> list[Call]:
        """Every call of a method that exists with the right token, in order of arrival."""
        return self._wire.calls

    @property
    def violations(self) -> list[str]:
        """The calls that a strict service would refuse: inside a wait, two pollers, lost markup."""
        return self._state.violations

    @property
    def unacknowledged(self) -> list[int]:
        """The ids of the updates that would be delivered (again)."""
        return self._updates.unacknowledged

    @property
    def polling(self) -> bool:
        """True while the bot waits for updates."""
        return self._updates.polling

    @property
    def webhook(self) -> str:
        """The URL of the webhook that is set; polling is a conflict while there is one."""
        return self._state.deliveries.hook.url

    @webhook.setter
    def webhook(self, url: str) -> None:
        self._state.deliveries.hook = Hook(url)

    @property
    def hook(self) -> Hook:
        """The webhook that is set, with its secret and its last failure."""
        return self._state.deliveries.hook

    @property
    def deliveries(self) -> list[Delivery]:
        """Every update that was posted to a webhook, in the order of the answers."""
        return self._state.deliveries.made

    @property
    def allowed_updates(self) -> Collection[str]:
        """The kinds of updates that the bot wants."""
        return self._updates.allowed

    def take_any_webhook(self) -> None:
        """Run in the mode `--local` as far as webhooks go: of plain HTTP, and on any port."""
        self._state.is_local = True

    def commands(self, scope: str = "default::") -> list[Json]:
        """The menu of commands the bot has set."""
        return self._state.commands.get(scope, [])

    def leave_commands(self, scope: str) -> None:
        """Leave a menu of an earlier bot in a scope: "all_private_chats::", "default::de"."""
        self._state.commands[scope] = [{"command": "weather", "description": "The weather"}]

    @property
    def menus(self) -> set[str]:
        """The scopes that have a menu of commands."""
        return {scope for scope, commands in self._state.commands.items() if commands}

    def messages(self, chat: Chat) -> list[Message]:
        """Return the messages of a chat, the oldest first."""
        return list(chat.messages.values())

    def answers(self, chat: Chat) -> list[Message]:
        """Return the bot's messages in a chat, the oldest first."""
        return [message for message in self.messages(chat) if message.sender == self._state.bot]

    def promote(self, chat: Chat) -> None:
        """Make the bot an admin of a group."""
        chat.admins.append(self._state.bot)

    def whispers(self, chat: Chat, who: User) -> list[Message]:
        """Return the bot's messages that only one person sees, the oldest first."""
        theirs = [message for receiver, message in chat.ephemeral if receiver == who]
        return [message for message in theirs if message.deleted_at is None]

    def forget_ephemeral(self) -> None:
        """Be a server that does not know messages for one person."""
        self._state.knows_ephemeral = False

    def go_local(self, folder: Path) -> None:
        """Run in the mode `--local`: keep files in a folder, and tell their absolute paths."""
        self._state.folder = str(folder)

    def keep(self, folder: Path) -> list[Path]:
        """Write all files to a folder, as in the mode `--local`; return their paths."""
        for file in self._state.files.values():
            path = folder / self.token / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
        return [folder / self.token / file.path for file in self._state.files.values()]

    def sent(self, file_id: str) -> bytes:
        """The bytes of a file, as they were sent."""
        return self._state.files[file_id].data

    def pack_files(self) -> None:
        """Hand out files compressed from now on, whatever a client accepts."""
        self._state.packs_files = True

    def document_of(self, message: Message) -> tuple[str, bytes]:
        """Name and bytes of the document that a message holds."""
        document = message.content["document"]
        return document["file_name"], self._state.files[document["file_id"]].data

    def doubles(self, chat: Chat) -> int:
        """Count the bot's messages that repeat another's text in answer to the same question.

        The question is the message replied to, else the newest of a person's before it.
        """
        said: Counter[tuple[int, str]] = Counter()
        asked = 0
        for message in self.messages(chat):
            if message.sender == self._state.bot:
                said[message.reply_to or asked, message.text] += 1
            else:
                asked = message.message_id
        return sum(count - 1 for count in said.values())

    async def wait(self, condition: Callable[[], object], timeout: float = 60) -> None:  # noqa: ASYNC109 - reads best
        """Return as soon as a condition holds, asked again after every change."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self._state.pulse.wait()
        except TimeoutError as error:
            calls = [(call.method, call.status) for call in self.calls[-8:]]
            problem = f"not so within {timeout} s; last calls {calls}; {self.violations=}"
            raise TimeoutError(problem) from error

    # Who is there

    def person(self, account_id: int, name: str, username: str = "", language: str = "en") -> User:
        """A person's account."""
        person = User(account_id, name, username, language=language)
        return self._state.people.setdefault(account_id, person)

    def private(self, person: User) -> Chat:
        """The chat of a person with the bot."""
        chat = Chat(person.id, "private", person.name, people={person.id: person})
        return self._state.chats.setdefault(chat.id, chat)

    def group(self, chat_id: int, title: str, admins: Sequence[User] = ()) -> Chat:
        """A basic group; the first of the admins created it."""
        people = {admin.id: admin for admin in admins}
        chat = Chat(chat_id, "group", title, people=people, admins=list(admins))
        return self._state.chats.setdefault(chat.id, chat)

    def supergroup(
        self, chat_id: int, title: str, *, forum: bool = False, admins: Sequence[User] = ()
    ) -> Chat:
        """A supergroup, with topics if it is a forum."""
        people = {admin.id: admin for admin in admins}
        chat = Chat(chat_id, "supergroup", title, forum, people, list(admins))
        return self._state.chats.setdefault(chat.id, chat)

    def channel(self, chat_id: int, title: str) -> Chat:
        """A channel; the bot is not in it."""
        return self._state.chats.setdefault(chat_id, Chat(chat_id, "channel", title))

    def topic(self, forum: Chat, name: str, who: User) -> int:
        """Open a topic and return its thread id, which is the id of its first message."""
        content = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        message = self._state.post(forum, who, content=content)
        message.thread = message.message_id
        forum.topics[message.message_id] = name
        self._tell(message)
        return message.message_id

    def close_topic(self, forum: Chat, thread: int, *, closed: bool = True) -> None:
        """Close a topic for all but admins, or open it again."""
        (forum.closed.add if closed else forum.closed.discard)(thread)

    def delete_topic(self, forum: Chat, thread: int) -> None:
        """Delete a topic with all its messages; no update tells of it."""
        del forum.topics[thread]
        here = [each for each in forum.messages.values() if each.thread == thread]
        for message in here:
            del forum.messages[message.message_id]
            message.deleted_at = time.monotonic()
        self._state.pulse.beat()

    def upgrade(self, group: Chat) -> Chat:
        """Make a group a supergroup, which is another chat; both are told."""
        new = self.supergroup(FIRST_SUPERGROUP + group.id, group.title, admins=group.admins)
        new.people = dict(group.people)
        admin = (group.admins or list(group.people.values()))[0]
        left = self._state.post(group, admin, content={"migrate_to_chat_id": new.id})
        joined = self._state.post(new, admin, content={"migrate_from_chat_id": group.id})
        group.migrated_to = new.id
        self._tell(left)
        self._tell(joined)
        return new

    def block(self, person: User, *, blocked: bool = True) -> None:
        """A person blocks the bot, or unblocks it."""
        chat = self.private(person)
        chat.blocked = blocked
        member = {"user": self._state.bot.json(), "status": "member"}
        kicked = {"user": self._state.bot.json(), "status": "kicked", "until_date": 0}
        old, new = (member, kicked) if blocked else (kicked, member)
        change = {"chat": chat.json(), "from": person.json(), "date": 1_760_000_000}
        change |= {"old_chat_member": old, "new_chat_member": new}
        self._updates.put("my_chat_member", change)
        self._state.pulse.beat()

    def add_bot(self, group: Chat, who: User, *, quiet: bool = False) -> None:
        """A person adds the bot to a group; in a quiet one it may not write."""
        group.left, group.quiet = False, quiet
        new = "restricted" if quiet else "member"
        change = self._state.membership(group, who, "left", new)
        self._updates.put("my_chat_member", change)
        self._state.pulse.beat()

    # What people do

    async def say(
        self,
        chat: Chat,
        who: User,
        text: str,
        reply_to: Message | int | None = None,
        thread: int | None = None,
        entities: list[Json] | None = None,
        *,
        quote: str = "",
        via: User | None = None,
        as_chat: Chat | None = None,
        ago: int = 0,
    ) -> Message:
        """A person writes; mentions, commands and links are found besides the given entities.

        A thread that nobody opened is one that was there before all this. A `quote` is the passage
        that the person chose in the message that they reply to. They may write through the inline
        mode of a bot, or in the name of a chat: of the group itself as its anonymous admin, or of
        a channel. A message from so many seconds `ago` comes to the bot only now.
        """
        if units(text) > LONGEST_TEXT:
            raise ValueError("no client sends this as one message; paste it")
        written = compose(text, "", entities)
        if thread is not None:
            chat.topics.setdefault(thread, f"Topic {thread}")
            chat.last_id = max(chat.last_id, thread)
        answered, more = _place(chat, thread, reply_to)
        if via is not None:
            more["via_bot"] = via.json()
        if as_chat is not None:
            more |= origins.as_chat(as_chat)
            who = origins.ANONYMOUS if as_chat is chat else origins.AS_CHANNEL
        message = self._state.post(
            chat,
            who,
            written.text,
            written.entities,
            reply_to=answered,
            thread=thread,
            quote=quote,
            more=more,
        )
        message.date -= ago
        return self._tell(message)

    async def paste(self, chat: Chat, who: User, text: str) -> list[Message]:
        """A person pastes a long text: the client sends it in as many messages as it takes."""
        step = LONGEST_TEXT if text.isascii() else LONGEST_TEXT // 2
        parts = [text[at : at + step] for at in range(0, len(text), step)]
        return [await self.say(chat, who, part) for part in parts]

    async def forward(
        self, chat: Chat, who: User, said: str | Message, beside: Message | None = None
    ) -> Message:
        """A person forwards a message, or what somebody said who hides their account.

        A client sends it at the same time as the comment `beside` it.
        """
        if isinstance(said, str):
            message = self._state.post(chat, who, said)
            message.origin = origins.hidden(message)
        else:
            content = dict(said.content)
            message = self._state.post(chat, who, said.text, said.entities, content=content)
            message.origin = origins.origin(said)
        message.date = message.date if beside is None else beside.date
        return self._tell(message)

    async def publish(self, channel: Chat, text: str, group: Chat | None = None) -> Message:
        """A channel posts a text; the post comes to the group that is linked to it by itself."""
        written = compose(text, "", None)
        told, more = (written.text, written.entities), {"sender_chat": channel.json()}
        post = self._state.post(channel, origins.AS_CHANNEL, *told, more=more)
        if group is None:
            return post
        more = origins.automatic_forward(post)
        return self._tell(self._state.post(group, origins.SERVICE, *told, more=more))

    async def photo(
        self,
        chat: Chat,
        who: User,
        data: bytes,
        caption: str = "",
        album: str | None = None,
        *,
        reply_to: Message | None = None,
    ) -> Message:
        """A person sends a picture; it is offered in two sizes, the smaller one first."""
        sizes = [
            self._state.store("photos", data, "photo.jpg").json() | {"width": w, "height": h}
            for w, h in ((320, 240), (1280, 960))
        ]
        return self._send(chat, who, {"photo": sizes}, caption, album, reply_to)

    async def document(
        self,
        chat: Chat,
        who: User,
        data: bytes,
        name: str,
        mime: str,
        caption: str = "",
        album: str | None = None,
        *,
        size: int | None = None,
    ) -> Message:
        """A person sends a file; `size` claims another size than that of the data."""
        file = self._state.store("documents", data, name, size).json()
        document = file | {"file_name": name, "mime_type": mime}
        return self._send(chat, who, {"document": document}, caption, album)

    async def video(
        self, chat: Chat, who: User, caption: str = "", album: str | None = None
    ) -> Message:
        """A person sends a video."""
        file = self._state.store("videos", b"ftyp", "video.mp4").json()
        video = file | {"width": 1280, "height": 720, "duration": 3, "mime_type": "video/mp4"}
        return self._send(chat, who, {"video": video}, caption, album)

    async def voice(self, chat: Chat, who: User, *, reply_to: Message | None = None) -> Message:
        """A person sends a voice message."""
        file = self._state.store("voice", b"OggS", "voice.oga").json()
        voice = file | {"duration": 2, "mime_type": "audio/ogg"}
        return self._send(chat, who, {"voice": voice}, reply_to=reply_to)

    async def poll(
        self, chat: Chat, who: User, *options: str, reply_to: Message | None = None
    ) -> Message:
        """A person asks everybody to choose; the first of the options is the question."""
        question, *choices = options
        poll: Json = {"id": "5", "question": question, "total_voter_count": 0, "type": "regular"}
        poll |= {"is_closed": False, "is_anonymous": True, "allows_multiple_answers": False}
        poll |= {"allows_revoting": False, "members_only": False}
        poll["options"] = [
            {"text": text, "voter_count": 0, "persistent_id": str(number)}
            for number, text in enumerate(choices)
        ]
        return self._send(chat, who, {"poll": poll}, reply_to=reply_to)

    async def sticker(self, chat: Chat, who: User, *, reply_to: Message | None = None) -> Message:
        """A person sends a sticker."""
        file = self._state.store("stickers", b"RIFF", "sticker.webp").json()
        sticker = {"type": "regular", "width": 512, "height": 512, "emoji": "👍"}
        still = {"is_animated": False, "is_video": False}
        return self._send(chat, who, {"sticker": file | sticker | still}, reply_to=reply_to)

    async def location(self, chat: Chat, who: User, *, reply_to: Message | None = None) -> Message:
        """A person sends a place."""
        place = {"latitude": 47.37, "longitude": 8.54}
        return self._send(chat, who, {"location": place}, reply_to=reply_to)

    async def edit_by_person(self, message: Message, new_text: str) -> Message:
        """A person edits a message or its caption."""
        written = compose(new_text, "", None)
        message.change(written.text, written.entities, [])
        return self._tell(message, "edited_message")

    async def press(self, message: Message, button: str | int, who: User) -> Press:
        """A person presses a button, by its label or its number from 0."""
        buttons = [button for row in message.keyboard for button in row]
        number = message.buttons.index(button) if isinstance(button, str) else button
        return await self.press_gone(message, buttons[number]["callback_data"], who)

    async def press_gone(self, message: Message, data: str, who: User) -> Press:
        """A person presses a button that may be gone, but that their client still shows."""
        press_id = str(4_000_000_000 + len(self._state.presses))
        press = Press(press_id, who, message, data)
        self._state.presses[press_id] = press
        press.update_id = self._updates.put("callback_query", press.json())
        self._state.pulse.beat()
        return press

    def push(self, update: Json) -> int:
        """Deliver any update, wanted or not, under a fresh id."""
        update = {name: value for name, value in update.items() if name != "update_id"}
        return self._updates.put_raw(update)

    def push_again(self, update_id: int) -> None:
        """Deliver an update once more, as the service may."""
        self._updates.put_again(update_id)

    # What goes wrong

    def fail(
        self,
        method: str,
        *,
        status: int | None = None,
        retry_after: int = 3,
        description: str = "",
        drop: Drop | None = None,
        delay: float = 0,
        keep: int = 0,
        times: int = 1,
        chat: Chat | None = None,
    ) -> None:
        """Let the next calls of a method fail; "*" is any method, "file" a download.

        `status` refuses, `drop` cuts the connection before or after the call takes effect, or
        within the answer after `keep` bytes of its body. `delay` alone answers late though the
        call takes effect at once.
        """
        chat_id = None if chat is None else chat.id
        self._wire.faults.add(
            Fault(method, chat_id, times, status, retry_after, description, drop, delay, keep)
        )

    @property
    def rubbish(self) -> Rubbish:
        """The answers of a wrong shape that are on order, by method."""
        return self._wire.rubbish

    def relent(self) -> None:
        """Let no more of the faults on order happen, and late answers go out."""
        self._wire.faults.clear()

    # How the bot is told

    def _send(
        self,
        chat: Chat,
        who: User,
        content: Json,
        caption: str = "",
        album: str | None = None,
        reply_to: Message | None = None,
    ) -> Message:
        written = compose(caption, "", None) if caption.strip() else None
        text, entities = (written.text, written.entities) if written else ("", [])
        answered, more = _place(chat, None, reply_to)
        message = self._state.post(
            chat,
            who,
            text,
            entities,
            content=content,
            reply_to=answered,
            album=album,
            more=more,
        )
        return self._tell(message)

    def _tell(self, message: Message, kind: str = "message") -> Message:
        """Let the bot know of a message, if it may."""
        is_heard = not self._state.privacy or self._concerns_bot(message)
        if is_heard and not message.chat.left:
            message.update_id = self._updates.put(kind, message.json())
        self._state.pulse.beat()
        return message

    def _concerns_bot(self, message: Message) -> bool:
        chat = message.chat
        answered = chat.messages.get(message.reply_to or 0)
        return bool(
            chat.kind == "private"
            or message.content.keys() & SERVICE
            or self._state.bot in chat.admins
            or (answered is not None and answered.sender == self._state.bot)
            or any(_calls(entity, message.text, self.username) for entity in message.entities)
        )


def _place(
    chat: Chat, thread: int | None, reply_to: Message | int | None
) -> tuple[int | None, Json]:
    """Return the id of the message replied to, or the fields of a reply to another place."""
    if not isinstance(reply_to, Message):
        return reply_to, {}
    is_here = reply_to.chat is chat and thread in (None, reply_to.thread)
    return (reply_to.message_id, {}) if is_here else (None, origins.external_reply(reply_to))


def _calls(entity: Json, text: str, username: str) -> bool:
    """Return True if an entity mentions the bot or is a command that may be for it."""
    start = entity["offset"] * 2
    data = text.encode("utf-16-le")[start : start + entity["length"] * 2]
    words = data.decode("utf-16-le").lower()
    if entity["type"] == "mention":
        return words == f"@{username}".lower()
    _, _, addressee = words.partition("@")
    return entity["type"] == "bot_command" and addressee in {"", username.lower()}
