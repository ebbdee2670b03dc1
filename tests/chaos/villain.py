"""A model whose answers attack the bot, in a process of its own: `python -m tests.chaos.villain`.

It prints its URL, and ends when its input ends. A question that begins with `attack` names what it
answers; a wish is answered as it should be. It refuses every picture.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping

from tests.chaos.answers import answer, wish_in
from tests.fakes.model import Answer, Fault, ModelRequest, ModelServer
from tests.fakes.model.script import Reply

PREFIX = "attack"
"""The first word of a question that asks for a hostile answer; the second is its name."""
ZALGO = "Z" + "\u0301\u0316\u0489" * 40
WIDE = "w" * 8000
CHINESE = "的一是不了人我在有他这为之大来以个中上们"


def _say(text: str, piece: int = 4000) -> Answer:
    pieces = [text[at : at + piece] for at in range(0, len(text), piece)]
    return Answer(text, pieces=pieces, first_token=0.05, pace=0.0)


def _table(rows: int) -> str:
    head = f"| a | {WIDE} |\n|---|---|\n"
    return head + "| x | y |\n" * rows


ANSWERS: Mapping[str, Callable[[], str]] = {
    "spaces": lambda: "word" + " " * 20_000 + "end",
    "bars": lambda: "|" + "-" * 10_000 + "|" * 5_000 + ":-" * 5_000 + "x",
    "nested": lambda: "> " * 3_000 + "[" * 5_000 + "*_" * 5_000 + "`" * 3_001 + "- " * 3_000,
    "table": lambda: _table(1_000),
    "links": lambda: "[a](https://example.org/b) " * 3_000,
    "fences": lambda: "```\n" * 8_000,
    "marks": lambda: ZALGO * 500,
    "endless": lambda: "An answer without an end. " * 20_000,
}
"""Answers that were slow to render, to split or to store."""
TOOLS = {
    "search": [("search_history", {"query": CHINESE[n : n + 3]}) for n in range(16)],
    "sums": [("calculate", {"expression": f"factorial(1000) * 9**{900 + n}"}) for n in range(16)],
}
"""The calls of tools that the model makes in each round, for as long as it may."""


def respond(request: ModelRequest) -> Reply:
    """Answer a wish well and an attack badly."""
    # A picture in the newest message is refused, a document is not.
    content = request.messages[-1].get("content")
    if isinstance(content, list) and any(part["type"] == "image_url" for part in content):
        return Fault(400, message=f"No picture of '{request.text[:100]}'")
    wish = wish_in(request.text)
    if wish is not None:
        return Answer(answer(wish, 2000), first_token=0.05, pace=0.01)
    words = request.text[request.text.find(PREFIX) :].split()
    name = words[1] if len(words) > 1 and words[0] == PREFIX else ""
    if name in TOOLS and request.body.get("tools"):
        return Answer("", tool_calls=TOOLS[name], first_token=0.0)
    if name in ANSWERS:
        return _say(ANSWERS[name]())
    if name == "slow":
        return Answer("", pieces=["slowly "] * 100, first_token=0.05, pace=0.1)
    return Answer("So be it.", first_token=0.05)


async def serve() -> None:
    """Answer until the input ends."""
    async with ModelServer(None) as model:

        def forgetful(request: ModelRequest) -> Reply:
            model.requests.clear()  # some are very large
            return respond(request)

        model.respond = forgetful
        print(model.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
