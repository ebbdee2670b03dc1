"""Discord: the gateway and channel histories in, Markdown over REST out."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from pydantic import SecretStr

from bots import garbage
from bots.accounts import Acquaintance, Introduction
from bots.platform import Platform, Secret, Url
from core.adapter import Adapter, Known
from core.findings import Check


class Discord(Platform):
    """The account of one bot on Discord."""

    name = "discord"
    needs = (
        "  DISCORD_TOKEN    from https://discord.com/developers/applications: Bot, Reset Token;\n"
        "                   switch on Message Content Intent there, if you can"
    )
    loggers = ("discord",)
    credential = "DISCORD_TOKEN"

    discord_token: Secret = SecretStr("")
    """The token of the bot, from the page *Bot* of its application."""
    discord_api_url: Url = "https://discord.com/api/v10"
    """The server of Discord's API."""

    @property
    def is_set(self) -> bool:
        """True if the operator has set a token."""
        return bool(self.discord_token.get_secret_value())

    def connect(self, known: Known) -> AbstractAsyncContextManager[Adapter]:
        """Make one attempt to log in; messages since the newest `known` one are caught up."""
        with garbage.unsought():
            from bots.discord.adapter import connect  # noqa: PLC0415 - see Platform

        return connect(self.discord_token.get_secret_value(), self.discord_api_url, known)

    async def introduce(self) -> Introduction:
        """Ask Discord for the account of the token."""
        from bots.discord import checkup  # noqa: PLC0415 - a running bot does not need it

        token = self.discord_token.get_secret_value()
        return await checkup.introduce(checkup.Account(token, self.discord_api_url))

    def checks(self, me: Introduction, known: Acquaintance) -> Sequence[Check]:
        """Return the checks of the account."""
        from bots.discord import checkup  # noqa: PLC0415 - as above

        token = self.discord_token.get_secret_value()
        account = checkup.Account(token, self.discord_api_url)
        return checkup.checks(account, known)
