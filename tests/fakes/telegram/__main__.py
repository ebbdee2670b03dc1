"""Run the server alone and be the person: `python -m tests.fakes.telegram --port 0`.

A line typed is a private message; `:press LABEL` presses a button of the newest answer.
"""

import argparse
import asyncio
import sys
import threading
from collections.abc import AsyncIterator

from tests.fakes.telegram.server import TelegramServer
from tests.fakes.telegram.state import Chat, Message, User


async def lines() -> AsyncIterator[str]:
    """Yield lines from standard input, of any kind."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, line.rstrip("\n"))
        loop.call_soon_threadsafe(queue.put_nowait, "\0")

    # A daemon: a thread that waits for a line must not keep the program from ending.
    threading.Thread(target=read, daemon=True).start()
    while (line := await queue.get()) != "\0":
        yield line


async def show(telegram: TelegramServer, chat: Chat) -> None:
    """Print the bot's messages and every edit of them."""
    shown: dict[int, tuple[str, list[str]]] = {}

    def news() -> list[Message]:
        return [m for m in telegram.answers(chat) if shown.get(m.message_id) != looks(m)]

    while True:
        await telegram.wait(news, timeout=86400)
        for message in news():
            edited = "edited " if message.message_id in shown else ""
            shown[message.message_id] = looks(message)
            buttons = "".join(f" [{label}]" for label in message.buttons)
            print(f"<{edited}{message.message_id}> {message.text}{buttons}", flush=True)


def looks(message: Message) -> tuple[str, list[str]]:
    """Return a message as a person sees it."""
    return message.text, message.buttons


async def talk(telegram: TelegramServer, chat: Chat, who: User) -> None:
    """Pass on the typed lines."""
    async for line in lines():
        if line.startswith(":press "):
            await press(telegram, chat, who, line.removeprefix(":press "))
        elif line.strip():
            await telegram.say(chat, who, line)


async def press(telegram: TelegramServer, chat: Chat, who: User, label: str) -> None:
    """Press a button of the newest message that has it."""
    for message in reversed(telegram.answers(chat)):
        if label in message.buttons:
            await telegram.press(message, label, who)
            return
    print(f"no button {label!r}", flush=True)


async def main(port: int, token: str, *, flood: bool) -> None:
    """Serve until standard input ends."""
    async with (
        TelegramServer(token, flood=flood, port=port) as telegram,
        asyncio.TaskGroup() as group,
    ):
        print(f"TELEGRAM_API_URL={telegram.url} TELEGRAM_TOKEN={telegram.token}", flush=True)
        ada = telegram.person(1001, "Ada")
        chat = telegram.private(ada)
        printing = group.create_task(show(telegram, chat))
        await talk(telegram, chat, ada)
        printing.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="123456:test-token")
    parser.add_argument("--no-flood", action="store_true", help="enforce no flood limits")
    options = parser.parse_args()
    asyncio.run(main(options.port, options.token, flood=not options.no_flood))
