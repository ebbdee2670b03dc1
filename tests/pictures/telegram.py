"""A message of the fake Telegram as its client lays it out: its text and its entities."""

from bisect import bisect_left
from itertools import pairwise

from tests.fakes.telegram import Chat, Message, TelegramServer
from tests.fakes.telegram.spans import Json
from tests.pictures.posts import READER, Block, Post, Run, lines_of

BLOCKS = {"pre": "pre", "blockquote": "quote", "expandable_blockquote": "quote"}
LINKS = {
    "text_link": "link",
    "url": "link",
    "mention": "link",
    "text_mention": "link",
    "bot_command": "link",
    "hashtag": "link",
}


def read(server: TelegramServer, chat: Chat) -> list[Post]:
    """Return the messages of a chat, the oldest first."""
    return [
        _post(message, str(message.sender.id) == server.bot_id)
        for message in chat.messages.values()
    ]


def _post(message: Message, is_bot: bool) -> Post:
    answered = message.chat.messages.get(message.reply_to or 0)
    return Post(
        message.sender.name,
        is_bot,
        message.sender.name == READER,
        Laid(message.text, message.entities).blocks(),
        f"{answered.sender.name}\n{answered.text or 'Photo'}" if answered else "",
        tuple(_files(message.content)),
        tuple(message.buttons),
    )


def _files(content: Json) -> list[str]:
    names = ["Photo"] if "photo" in content else []
    return [*names, content["document"]["file_name"]] if "document" in content else names


class Laid:
    """A text whose entities count UTF-16 units."""

    def __init__(self, text: str, entities: list[Json]) -> None:
        self._data = text.encode("utf-16-le")
        self._end = len(self._data) // 2
        self._entities = entities

    def blocks(self) -> list[Block]:
        """Return its blocks from the first to the last."""
        return self._blocks(
            0, self._end, [each for each in self._entities if each["type"] in BLOCKS]
        )

    def _blocks(self, start: int, end: int, entities: list[Json]) -> list[Block]:
        blocks: list[Block] = []
        at = start
        for entity in entities:
            begin, close = entity["offset"], entity["offset"] + entity["length"]
            if begin < at:
                continue  # it is inside of the one before
            blocks += self._text(at, begin, after=at > start, before=True)
            inner = [
                each for each in entities if each is not entity and begin <= each["offset"] < close
            ]
            blocks.append(self._block(entity, begin, close, inner))
            at = close
        return blocks + self._text(at, end, after=at > start, before=False)

    def _block(self, entity: Json, start: int, end: int, inner: list[Json]) -> Block:
        if entity["type"] == "pre":
            lines = lines_of([Run(self._cut(start, end), frozenset({"code"}))])
            return Block("pre", lines, label=entity.get("language", ""))
        return Block("quote", inside=self._blocks(start, end, inner))

    def _text(self, start: int, end: int, *, after: bool, before: bool) -> list[Block]:
        """Return a paragraph without the line breaks that part it from the blocks around it."""
        if after and self._cut(start, start + 1) == "\n":
            start += 1
        if before and start < end and self._cut(end - 1, end) == "\n":
            end -= 1
        return [Block("text", lines_of(self._runs(start, end)))] if start < end else []

    def _runs(self, start: int, end: int) -> list[Run]:
        spans = [
            (
                each["offset"],
                each["offset"] + each["length"],
                LINKS.get(each["type"]) or each["type"],
            )
            for each in self._entities
            if each["type"] not in BLOCKS
        ]
        bounds = sorted({start, end, *(at for span in spans for at in span[:2])})
        bounds = bounds[bisect_left(bounds, start) : bisect_left(bounds, end) + 1]
        return [
            Run(
                self._cut(first, last),
                frozenset(kind for begin, close, kind in spans if begin <= first and last <= close),
            )
            for first, last in pairwise(bounds)
        ]

    def _cut(self, start: int, end: int) -> str:
        return self._data[2 * start : 2 * end].decode("utf-16-le", errors="replace")
