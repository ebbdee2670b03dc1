"""The stand-in for `make demo`: prints its URL, takes any key, ends on SIGINT or SIGTERM."""

import argparse
import asyncio
import signal

from tests.fakes.model import ModelServer


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.model", description=__doc__)
    parser.add_argument("--port", type=int, default=8901, help="0 takes a free one")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between tokens")
    parser.add_argument("--first-token", type=float, default=0.3, help="seconds before the first")
    return parser.parse_args()


async def serve(port: int, pace: float, first_token: float) -> None:
    """Answer until a signal comes."""
    ended = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    server = ModelServer(None, port=port, pace=pace, first_token=first_token, standin=True)
    async with server as model:
        print(model.url, flush=True)
        await ended.wait()


if __name__ == "__main__":
    given = arguments()
    asyncio.run(serve(given.port, given.pace, given.first_token))
