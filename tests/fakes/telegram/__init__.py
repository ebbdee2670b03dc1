"""A Bot API server on loopback, as strict as the real one, that unmodified clients talk to.

    async with TelegramServer() as telegram:
        ada = telegram.person(1001, "Ada")
        chat = telegram.private(ada)
        await telegram.say(chat, ada, "hello")
        await telegram.wait(lambda: telegram.answers(chat))

Wording and order of refusals follow the published source of the Bot API server and of TDLib.
The package shares its name with the client library; imports in it are absolute on purpose.
"""

from tests.fakes.telegram.server import TelegramServer
from tests.fakes.telegram.state import Call, Chat, Message, Press, User

__all__ = ["Call", "Chat", "Message", "Press", "TelegramServer", "User"]
