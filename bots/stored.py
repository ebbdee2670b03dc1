"""The knowledge of the core that a platform needs to catch up."""

from dataclasses import dataclass

from core import access, db, posts
from core.adapter import Address


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored messages of one platform's accounts, read from the database."""

    sessions: db.Sessions
    platform: str
    rules: access.Rules

    def hears(self, address: Address) -> bool:
        """Return whether the bot answers anybody there."""
        return self.rules.hears(address)

    def operators(self) -> list[str]:
        """Return the ids of the operators' accounts."""
        admins = self.rules.admins
        return sorted(account_id for platform, account_id in admins if platform == self.platform)

    async def newest(self, bot_id: str, chat: str) -> str | None:
        """Return the id of the newest message in a chat, or of all chats if it has none."""
        account = self.platform, bot_id
        return await db.transact(
            self.sessions, lambda session: posts.newest(session, account, chat)
        )

    async def chats(self, bot_id: str) -> dict[str, str]:
        """Return the ids of all chats, with the id of the oldest message of each."""
        account = self.platform, bot_id
        return await db.transact(self.sessions, lambda session: posts.chats(session, account))

    async def private_chats(self, bot_id: str) -> list[str]:
        """Return the ids of those that people have with the bot alone."""
        account = self.platform, bot_id
        return await db.transact(self.sessions, lambda s: posts.private_chats(s, account))
