"""`make demo`: the bot in this terminal, with a stand-in for the model on this machine."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.fakes.model import MODEL, ModelServer

HOME = Path(__file__).parent.parent
DATA = HOME / ".demo"

WELCOME = """\
Parley in your terminal. A local stand-in answers, not a language model: no account, no key, and
nothing leaves this machine. What you say is remembered in .demo/demo.db.

Try `hello`, `show markdown`, `write 2000 characters`, `what did I say first?` or `/help`.
Ctrl-C stops an answer, Ctrl-D leaves. For a real model, on Telegram, Discord or here: make init
"""


async def main() -> int:
    """Serve the stand-in for as long as the bot runs, and end as the bot ended."""
    print(WELCOME, file=sys.stderr)
    DATA.mkdir(exist_ok=True)
    async with ModelServer("demo", pace=0.02, first_token=0.3, standin=True) as model:
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bots", "console", cwd=HOME, env=environment(model.url)
        )
        loop = asyncio.get_running_loop()
        # Ctrl-C reaches the bot by itself, which knows what to do; a SIGTERM is passed on.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGTERM, bot.terminate)
        return await bot.wait()


def environment(model_url: str) -> dict[str, str]:
    """The bot's settings: they win over those of an operator's `.env`."""
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{DATA}/demo.db",
        "MODEL_API_URL": model_url,
        "MODEL_API_KEY": "demo",
        "MODEL": MODEL,
    }


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
