"""A platform with people on it: its places, its messages, the bot's calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.answers import tag_of
from tests.fakes.discord import DiscordServer
from tests.fakes.discord.records import Channel, Person
from tests.fakes.telegram import TelegramServer
from tests.fakes.telegram.state import Chat, User

STOP = "Stop"


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the bot's as it stands now; times in seconds of the monotonic clock."""

    message_id: str
    text: str
    growing: bool
    code: bool
    """True if some of it is shown as code."""
    sent_at: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class Act:
    """A call of the bot's that people can see."""

    creates: bool
    tag: str | None
    final: bool


class Scene(Protocol):
    """A platform as the chaos needs it."""

    platform: str
    limit: int
    """Characters of a message."""
    doubles: bool
    """True if a repeated create makes a second message."""
    places: Sequence[str]
    """Chats; the first ones are private, the last is a group."""

    def environment(self) -> dict[str, str]:
        """The settings of Parley that name this platform."""

    def speakers(self, place: str) -> Sequence[str]:
        """Return the people who write in a place."""

    def is_group(self, place: str) -> bool:
        """Return True if several people write in a place."""

    def is_heard(self) -> bool:
        """Return True if the bot listens now."""

    async def say(self, place: str, who: str, text: str) -> None:
        """Somebody writes; in a group to the bot."""

    def answers(self, place: str) -> list[Said]:
        """Return the bot's messages as they are now, the oldest first."""

    def offers(self, label: str) -> bool:
        """Return True if a message of the bot has a button with this label."""

    def calls(self) -> int:
        """Return the number of calls so far."""

    def acts(self, since: int) -> Iterator[Act]:
        """Yield the calls from a number on that people can see."""

    @property
    def violations(self) -> list[str]:
        """The calls that break the rules of the real service."""


class TelegramScene:
    """Private chats and a group on Telegram."""

    platform = "telegram"
    limit = 4096
    doubles = True

    def __init__(self, server: TelegramServer, people: int) -> None:
        self.server = server
        self._people = {f"P{n}": server.person(1000 + n, f"P{n}") for n in range(people)}
        self._chats: dict[str, Chat] = {n: server.private(p) for n, p in self._people.items()}
        self._group: dict[str, User] = {
            name: server.person(number, name) for number, name in ((2000, "Ann"), (2001, "Ben"))
        }
        self._chats["Group"] = server.group(-500, "Group", admins=list(self._group.values()))
        self.places: Sequence[str] = list(self._chats)

    def environment(self) -> dict[str, str]:
        return {"TELEGRAM_TOKEN": self.server.token, "TELEGRAM_API_URL": self.server.url}

    def speakers(self, place: str) -> Sequence[str]:
        return list(self._group) if self.is_group(place) else [place]

    def is_group(self, place: str) -> bool:
        return place == "Group"

    def is_heard(self) -> bool:
        return self.server.polling

    async def say(self, place: str, who: str, text: str) -> None:
        person = self._people.get(who) or self._group[who]
        told = f"@{self.server.username} {text}" if self.is_group(place) else text
        await self.server.say(self._chats[place], person, told)

    def answers(self, place: str) -> list[Said]:
        return [
            Said(
                str(said.message_id),
                said.text,
                STOP in said.buttons,
                any(entity["type"] == "pre" for entity in said.entities),
                said.sent_at,
                said.edited_at or said.sent_at,
            )
            for said in self.server.answers(self._chats[place])
        ]

    def offers(self, label: str) -> bool:
        chats = self._chats.values()
        return any(label in said.buttons for chat in chats for said in self.server.answers(chat))

    def calls(self) -> int:
        return len(self.server.calls)

    def acts(self, since: int) -> Iterator[Act]:
        for call in self.server.calls[since:]:
            if call.method in ("sendMessage", "editMessageText"):
                final = STOP not in str(call.params.get("reply_markup", ""))
                tag = tag_of(call.params.get("text", ""))
                yield Act(call.method == "sendMessage", tag, final)

    @property
    def violations(self) -> list[str]:
        return self.server.violations


class DiscordScene:
    """Private channels and a server's channel on Discord."""

    platform = "discord"
    limit = 2000
    doubles = False

    def __init__(self, server: DiscordServer, people: int) -> None:
        self.server = server
        self._people: dict[str, Person] = {f"P{n}": server.person(f"P{n}") for n in range(people)}
        self._chats: dict[str, Channel] = {n: server.dm(p) for n, p in self._people.items()}
        self._group = {name: server.person(name) for name in ("Ann", "Ben")}
        guild = server.guild("Guild", members=self._group.values())
        self._chats["Group"] = server.channel(guild, "talk")
        self.places: Sequence[str] = list(self._chats)

    def environment(self) -> dict[str, str]:
        return {"DISCORD_TOKEN": self.server.token, "DISCORD_API_URL": self.server.url}

    def speakers(self, place: str) -> Sequence[str]:
        return list(self._group) if self.is_group(place) else [place]

    def is_group(self, place: str) -> bool:
        return place == "Group"

    def is_heard(self) -> bool:
        return any(session.connection for session in self.server.gateway.sessions.values())

    async def say(self, place: str, who: str, text: str) -> None:
        person = self._people.get(who) or self._group[who]
        told = f"{self.server.mention} {text}" if self.is_group(place) else text
        await self.server.say(self._chats[place], person, told)

    def answers(self, place: str) -> list[Said]:
        return [
            Said(
                said.id,
                said.content,
                _grows(said.buttons),
                "```" in said.content,
                said.sent_at,
                said.edited_at or said.sent_at,
            )
            for said in self.server.answers(self._chats[place])
        ]

    def offers(self, label: str) -> bool:
        messages = [said for chat in self._chats.values() for said in self.server.answers(chat)]
        return any(button.get("label") == label for said in messages for button in said.buttons)

    def calls(self) -> int:
        return len(self.server.calls)

    def acts(self, since: int) -> Iterator[Act]:
        for call in self.server.calls[since:]:
            if call.method in ("POST", "PATCH") and isinstance(call.body, dict):
                text = call.body.get("content")
                if text is not None:
                    final = not call.body.get("components")
                    yield Act(call.method == "POST", tag_of(text), final)

    @property
    def violations(self) -> list[str]:
        return self.server.violations


def _grows(buttons: Sequence[dict[str, object]]) -> bool:
    return any(button.get("label") == STOP for button in buttons)
