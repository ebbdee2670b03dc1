"""A platform as the witnesses and the attackers of a siege use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.fakes.discord import DiscordServer
from tests.fakes.discord.records import Channel, Event, Person
from tests.fakes.discord.records import Message as Post
from tests.fakes.telegram import TelegramServer
from tests.fakes.telegram.state import Chat, Message, User

Json = dict[str, Any]

PDF = "application/pdf"


@dataclass(frozen=True)
class Place:
    """A chat with somebody who writes in it; a group is a chat with others too."""

    chat: Any
    who: Any
    group: bool = False


class Front(Protocol):
    """A platform with people who come as they are needed."""

    longest: int
    """The longest text that a person sends at once, in characters."""

    def environment(self) -> dict[str, str]:
        """The settings of Parley that name this platform."""

    def is_heard(self) -> bool:
        """Return True if the bot listens now."""

    def private(self, name: str) -> Place:
        """A new person, in a private chat with the bot."""

    def groups(self, place: Place, number: int, *others: Place) -> list[Place]:
        """New groups with a person, others and the bot in them."""

    async def say(self, place: Place, text: str) -> Any:
        """Write a text to the bot; return the message."""

    async def edit(self, message: Any, text: str) -> None:
        """Change one's own message."""

    async def command(self, place: Place, name: str, text: str = "") -> None:
        """Give a command."""

    async def file(self, place: Place, text: str, name: str, kind: str, data: bytes) -> None:
        """Send a file with a text."""

    async def press(self, place: Place, stranger: Place, label: str) -> None:
        """Let a stranger press a button of the bot's newest message, if there is one."""

    def lock(self, place: Place) -> None:
        """Let the bot write no more in a chat."""

    def push(self, number: int) -> None:
        """Send something that no client sends."""

    def first_text(self, place: Place, tag: str) -> float | None:
        """Return when the answer with a tag appeared, in monotonic seconds."""

    async def wait(self, place: Place, tag: str, seconds: float) -> None:
        """Wait until the answer with a tag appears; TimeoutError after so many seconds."""

    @property
    def violations(self) -> Sequence[str]:
        """The calls that break the rules of the real service."""


NAMES: Sequence[Any] = (None, "", "\ud800", "a\x00b", "\u202e" * 500, "x" * 5000, 7, [], {})
"""Values where a platform tells a name or a text."""


class TelegramFront:
    """Telegram with its flood limits."""

    longest = 4000

    def __init__(self, server: TelegramServer) -> None:
        self.server = server
        self._people = 0
        self._groups = 0

    def environment(self) -> dict[str, str]:
        return {"TELEGRAM_TOKEN": self.server.token, "TELEGRAM_API_URL": self.server.url}

    def is_heard(self) -> bool:
        return self.server.polling

    def private(self, name: str) -> Place:
        self._people += 1
        person = self.server.person(5000 + self._people, name)
        return Place(self.server.private(person), person)

    def groups(self, place: Place, number: int, *others: Place) -> list[Place]:
        who: User = place.who
        admins = [who, *(each.who for each in others)]
        found = []
        for _ in range(number):
            self._groups += 1
            chat = self.server.group(-5000 - self._groups, f"Group {self._groups}", admins=admins)
            found.append(Place(chat, who, group=True))
        return found

    async def say(self, place: Place, text: str) -> Message:
        told = f"@{self.server.username} {text}" if place.group else text
        return await self.server.say(place.chat, place.who, told)

    async def edit(self, message: Message, text: str) -> None:
        await self.server.edit_by_person(message, text)

    async def command(self, place: Place, name: str, text: str = "") -> None:
        await self.server.say(place.chat, place.who, f"/{name} {text}".rstrip())

    async def file(self, place: Place, text: str, name: str, kind: str, data: bytes) -> None:
        told = f"@{self.server.username} {text}" if place.group else text
        if kind.startswith("image/"):
            await self.server.photo(place.chat, place.who, data, told)
        else:
            await self.server.document(place.chat, place.who, data, name, kind, told)

    async def press(self, place: Place, stranger: Place, label: str) -> None:
        for answer in self.server.answers(place.chat)[-1:]:
            if label in answer.buttons:
                await self.server.press(answer, label, stranger.who)

    def lock(self, place: Place) -> None:
        self.server.block(place.who)

    def push(self, number: int) -> None:
        odd = NAMES[number % len(NAMES)]
        person = {"id": 900_000, "is_bot": False, "first_name": odd}
        chat = {"id": person["id"], "type": "private"}
        message: Json = {"message_id": number, "date": 1_760_000_000, "chat": chat, "from": person}
        whole: Sequence[Json] = (
            {"message": message | {"text": odd}},
            {"message": message | {"text": f"hostile {number}", "entities": odd}},
            {"message": odd},
            {"edited_message": message | {"text": "x", "reply_to_message": odd}},
            {"callback_query": {"from": person, "data": "stop", "message": message}},
            {"callback_query": odd},
            {"message": message | {"photo": odd, "document": {"file_id": odd}}},
            {},
        )
        self.server.push(whole[number % len(whole)])

    def first_text(self, place: Place, tag: str) -> float | None:
        answers = self.server.answers(place.chat)
        return next((each.sent_at for each in reversed(answers) if tag in each.text), None)

    async def wait(self, place: Place, tag: str, seconds: float) -> None:
        await self.server.wait(lambda: self.first_text(place, tag) is not None, seconds)

    @property
    def violations(self) -> Sequence[str]:
        return self.server.violations


class DiscordFront:
    """Discord with its rate limits."""

    longest = 1990

    def __init__(self, server: DiscordServer) -> None:
        self.server = server

    def environment(self) -> dict[str, str]:
        return {"DISCORD_TOKEN": self.server.token, "DISCORD_API_URL": self.server.url}

    def is_heard(self) -> bool:
        return any(session.connection for session in self.server.gateway.sessions.values())

    def private(self, name: str) -> Place:
        person = self.server.person(name)
        return Place(self.server.dm(person), person)

    def groups(self, place: Place, number: int, *others: Place) -> list[Place]:
        who: Person = place.who
        members = [who, *(each.who for each in others)]
        guild = self.server.guild("Guild", members=members, admins=[who])
        return [
            Place(self.server.channel(guild, f"talk-{index}"), who, group=True)
            for index in range(number)
        ]

    async def say(self, place: Place, text: str) -> Post:
        told = f"{self.server.mention} {text}" if place.group else text
        return await self.server.say(place.chat, place.who, told)

    async def edit(self, message: Post, text: str) -> None:
        await self.server.edit_by_person(message, text)

    async def command(self, place: Place, name: str, text: str = "") -> None:
        options = {"text": text} if text else {}
        await self.server.slash(place.chat, place.who, name, **options)

    async def file(self, place: Place, text: str, name: str, kind: str, data: bytes) -> None:
        told = f"{self.server.mention} {text}" if place.group else text
        await self.server.say(place.chat, place.who, told, attachments=[(name, data, kind)])

    async def press(self, place: Place, stranger: Place, label: str) -> None:
        channel: Channel = place.chat
        for answer in self.server.answers(channel)[-1:]:
            if any(button.get("label") == label for button in answer.buttons):
                await self.server.press(answer, label, stranger.who)

    def lock(self, place: Place) -> None:
        self.server.deny(place.chat, "SEND_MESSAGES")

    def push(self, number: int) -> None:
        odd = NAMES[number % len(NAMES)]
        author = {"id": f"{900_000 + number}", "username": odd, "global_name": odd}
        message: Json = {"id": f"{number}", "channel_id": "77", "author": author, "content": odd}
        whole: Sequence[tuple[str, Json]] = (
            ("MESSAGE_CREATE", message),
            ("MESSAGE_CREATE", {"id": odd}),
            ("MESSAGE_UPDATE", message | {"edited_timestamp": odd}),
            ("MESSAGE_DELETE", {"id": odd, "channel_id": odd}),
            ("INTERACTION_CREATE", {"id": f"{number}", "token": odd, "type": 3, "data": odd}),
            ("CHANNEL_UPDATE", {"id": "77", "type": 15, "available_tags": odd}),
            ("GUILD_ROLE_UPDATE", {"guild_id": odd}),
            ("NO_SUCH_EVENT", {"x": odd}),
        )
        name, data = whole[number % len(whole)]
        self.server.world.publish(Event(name, data))

    def first_text(self, place: Place, tag: str) -> float | None:
        answers = self.server.answers(place.chat)
        return next((each.sent_at for each in reversed(answers) if tag in each.content), None)

    async def wait(self, place: Place, tag: str, seconds: float) -> None:
        await self.server.wait(lambda: self.first_text(place, tag) is not None, seconds)

    @property
    def violations(self) -> Sequence[str]:
        return self.server.violations


__all__ = ["PDF", "Chat", "DiscordFront", "Front", "Place", "TelegramFront"]
