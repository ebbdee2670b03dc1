"""A message of the fake Discord as its client lays it out: quotes, code and lines."""

import re
from dataclasses import replace
from itertools import groupby

from tests.fakes.discord import Channel, DiscordServer, Message
from tests.fakes.discord.client import show
from tests.pictures.posts import READER, Block, Kind, Line, Post, Run, lines_of

TIME = re.compile(r"<t:(\d+)(?::[a-zA-Z])?>")
QUOTE = re.compile(r" *> ?")
HEADINGS: dict[str, Kind] = {"# ": "title", "## ": "section", "### ": "topic", "-# ": "small"}
ITEM = re.compile(r"( *)([*-]|\d{1,9}\.) +(?=\S)")


def read(server: DiscordServer, channel: Channel) -> list[Post]:
    """Return the messages of a channel, the oldest first."""
    return [_post(server, message) for message in server.messages(channel)]


def _post(server: DiscordServer, message: Message) -> Post:
    target = message.target
    reply = ""
    if message.interaction is not None and message is message.interaction.original:
        used = message.interaction
        reply = f"{used.who.name}\nused /{used.data['data']['name']}"
    if target is not None:
        words = _named(server, target.content) or "Click to see attachment"
        reply = f"{target.author.name}\n{words}"
    return Post(
        message.author.name,
        message.author.id == server.bot_id,
        message.author.name == READER,
        lay(_named(server, _timed(server, message))),
        reply,
        tuple(upload.name for upload in message.attachments),
        tuple(str(button["label"]) for button in message.buttons),
    )


def _named(server: DiscordServer, content: str) -> str:
    return content.replace(server.mention, "@Parley")


def _timed(server: DiscordServer, message: Message) -> str:
    """Return the text with its points in time as the client counts them down."""
    sent_at = server.world.wall_at_zero + message.sent_at
    return TIME.sub(lambda found: _left(float(found[1]) - sent_at), message.content)


def _left(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 45:
        return f"in {minutes} minutes"
    return "in an hour" if minutes < 90 else f"in {round(minutes / 60)} hours"


def lay(content: str) -> list[Block]:
    """Return the blocks of a text; what stands in code is no quote."""
    marked = []
    in_code = False
    for line in content.split("\n"):
        is_quote = not in_code and bool(re.match(" *> ", line))
        in_code ^= not is_quote and line.count("```") % 2 == 1
        marked.append((is_quote, line))
    blocks: list[Block] = []
    for is_quote, lines in groupby(marked, key=lambda each: each[0]):
        text = "\n".join(QUOTE.sub("", line, count=1) if is_quote else line for _, line in lines)
        inside = _laid(text)
        blocks += [Block("quote", inside=inside)] if is_quote else inside
    return blocks


def _laid(content: str) -> list[Block]:
    blocks: list[Block] = []
    runs = [Run(text, frozenset(styles)) for text, styles in show(content).runs]
    groups = [(code, list(group)) for code, group in groupby(runs, lambda run: "pre" in run.styles)]
    for number, (is_code, group) in enumerate(groups, 1):
        lines = lines_of(group)
        if is_code:
            code = [[Run(run.text, frozenset({"code"})) for run in line] for line in lines]
            blocks.append(Block("pre", code))
            continue
        if blocks and not lines[0]:  # code begins and ends a line by itself
            del lines[0]
        if number < len(groups) and lines and not lines[-1]:
            del lines[-1]
        for line in lines:
            blocks.append(_block(line, blocks[-1] if blocks else None))
    return _joined(blocks)


def _block(line: Line, before: Block | None) -> Block:
    """Return a line as what the signs at its beginning make of it, if no backslash guards them."""
    bare = "".join("\\" if "escape" in run.styles else run.text for run in line)
    if line and line[0].styles:
        return Block("text", [line])
    for sign, kind in HEADINGS.items():
        if bare.startswith(sign):
            return Block(kind, [_behind(line, len(sign))])
    if found := ITEM.match(bare):
        sign = "•" if found[2] in "*-" else found[2]
        return Block("item", [_behind(line, found.end())], sign, (len(found[1]) + 1) // 2)
    if before is not None and before.kind == "item" and bare.startswith("  "):
        margin = len(bare) - len(bare.lstrip())
        return Block("item", [_behind(line, margin)], level=before.level)
    return Block("text", [line])


def _behind(line: Line, length: int) -> Line:
    kept: Line = []
    for run in line:
        text = run.text[length:]
        length = max(0, length - len(run.text))
        kept += [replace(run, text=text)] if text else []
    return kept


def _joined(blocks: list[Block]) -> list[Block]:
    """Return the blocks with the lines of each paragraph together."""
    joined: list[Block] = []
    for kind, group in groupby(blocks, key=lambda block: block.kind):
        together = list(group)
        if kind == "text":
            together = [Block("text", [line for block in together for line in block.lines])]
        joined += together
    return joined
