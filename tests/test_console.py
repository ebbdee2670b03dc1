"""The terminal as a platform: through pipes, and on a pseudo-terminal with a person at it."""

import asyncio
import io
import os
import pty
import re
import socket
import stat
import sys
import termios
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal, TextIO

import pytest
from rich.console import Console

from bots.console.adapter import READER, ConsoleAdapter, connect, person
from bots.console.terminal import MARKDOWN, Block, blocks
from core.adapter import (
    Adapter,
    Address,
    Attachment,
    Button,
    Change,
    ChangeKind,
    InboundMessage,
)
from core.errors import AttachmentError, MessageGone, Undeliverable

STOP = (Button(ChangeKind.STOP, "Stop"),)
AGAIN = (Button(ChangeKind.REGENERATE, "Again"),)
HERE = Address("console", f"{person()}@{socket.gethostname()}", "console")
PATIENCE = 60
PROMPTED = "\x1b[?2004h"
"""The sign that the line editor is ready: it asks the terminal to bracket pasted text."""

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_=>])")


class Side:
    """The other side of the adapter: types into it and waits for what it shows."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._left = False
        self._raw = b""
        self._grew = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sink, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._sink, 65536)
        except OSError:  # a pseudo-terminal whose other side is closed
            data = b""
        if not data:
            self._loop.remove_reader(self._sink)
        self._raw += data
        self._grew.set()

    def close(self) -> None:
        self._loop.remove_reader(self._sink)

    @property
    def raw(self) -> str:
        return self._raw.decode(errors="replace").replace("\r\n", "\n")

    @property
    def seen(self) -> str:
        return _ESCAPES.sub("", self.raw)

    def type(self, text: str) -> None:
        os.write(self._source, text.encode())

    def leave(self) -> None:
        if not self._left:
            os.close(self._source)
        self._left = True

    async def until(self, condition: Callable[[str], bool]) -> str:
        async with asyncio.timeout(PATIENCE):
            while not condition(self.seen):
                self._grew.clear()
                await self._grew.wait()
        return self.seen

    async def shows(self, text: str) -> str:
        return await self.until(lambda seen: text in seen)

    async def prompts(self, times: int = 1) -> None:
        await self.until(lambda _: self.raw.count(PROMPTED) >= times)


class Dialog:
    """An adapter whose events are taken at once, as the core does, and the person opposite."""

    def __init__(self, adapter: ConsoleAdapter, side: Side) -> None:
        self.adapter = adapter
        self.side = side
        self._events: asyncio.Queue[InboundMessage | Change] = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self.adapter.listen():
            self._events.put_nowait(event)

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self.side.close()

    @property
    def idle(self) -> bool:
        return self._events.empty() and not self._listening.done()

    async def message(self) -> InboundMessage:
        async with asyncio.timeout(PATIENCE):
            event = await self._events.get()
        assert isinstance(event, InboundMessage)
        return event

    async def change(self) -> Change:
        async with asyncio.timeout(PATIENCE):
            event = await self._events.get()
        assert isinstance(event, Change)
        return event

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            await self._listening
        return True

    async def ask(self, text: str) -> InboundMessage:
        await self.side.prompts()
        self.side.type(f"{text}\r")
        return await self.message()

    async def send(
        self,
        text: str,
        buttons: tuple[Button, ...] = (),
        nonce: str = "1",
        reply_to: str | None = None,
    ) -> str:
        return await self.adapter.send(
            HERE, text, final=not buttons, buttons=buttons, nonce=nonce, reply_to=reply_to
        )

    async def edit(self, message_id: str, text: str, buttons: tuple[Button, ...] = ()) -> None:
        await self.adapter.edit(HERE, message_id, text, final=not buttons, buttons=buttons)


def opened(file: int | str, mode: Literal["r", "w"]) -> TextIO:
    return open(file, mode, encoding="utf-8")


def files_in(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


async def breathe() -> None:
    """Let everything that is ready run, in other threads too."""
    for _ in range(5):
        await asyncio.to_thread(lambda: None)


@pytest.fixture
async def piped() -> AsyncIterator[Dialog]:
    there, type_here = os.pipe()
    look_here, back = os.pipe()
    with opened(there, "r") as source, opened(back, "w") as sink:
        side = Side(type_here, look_here)
        async with connect(source, sink) as adapter:
            dialog = Dialog(adapter, side)
            yield dialog
            await dialog.close()
        side.leave()
        for thread in [thread for thread in threading.enumerate() if thread.name == READER]:
            await asyncio.to_thread(thread.join, PATIENCE)
    os.close(look_here)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "state" / "parley" / "history"


@pytest.fixture
async def seated(history: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Dialog]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")  # nobody here answers where the cursor is
    person, computer = pty.openpty()
    termios.tcsetwinsize(computer, (24, 80))
    with opened(computer, "r") as source, opened(os.dup(computer), "w") as sink:
        side = Side(person, person)
        async with connect(source, sink, history) as adapter:
            dialog = Dialog(adapter, side)
            yield dialog
            await dialog.close()
    side.leave()


class TestThroughPipes:
    async def test_a_line_is_a_message_of_the_person_in_private(self, piped: Dialog) -> None:
        adapter: Adapter = piped.adapter
        piped.side.type("  What is *Markdown*? \n")
        message = await piped.message()
        assert message.text == "What is *Markdown*?"
        assert message.command is None
        assert (message.address, message.private, message.admin) == (HERE, True, True)
        assert message.author.platform == adapter.name == "console"
        assert message.sent_at.tzinfo is not None

    @pytest.mark.parametrize(
        ("line", "command", "arguments"),
        [
            ("/new", "new", ""),
            ("/persona  a pirate ", "persona", "a pirate"),
            ("/usr/bin is a folder", None, "/usr/bin is a folder"),
            ("what is /new", None, "what is /new"),
        ],
    )
    async def test_a_slash_makes_a_command(
        self, piped: Dialog, line: str, command: str | None, arguments: str
    ) -> None:
        piped.side.type(f"{line}\n")
        message = await piped.message()
        assert (message.command, message.text) == (command, arguments)

    async def test_only_the_final_answer_is_written_and_once(self, piped: Dialog) -> None:
        piped.side.type("hello\n")
        await piped.message()
        await piped.adapter.typing(HERE)
        answer = await piped.send("He", STOP)
        await piped.edit(answer, "Hello", STOP)
        await piped.edit(answer, "Hello **you**", AGAIN)
        await piped.edit(answer, "Hello **you**")
        await piped.send("More", nonce="2")
        assert await piped.side.shows("More") == "Hello **you**\n\nMore\n\n"

    async def test_the_next_line_is_read_when_the_answer_stands(self, piped: Dialog) -> None:
        piped.side.type("one\n\ntwo\n")
        assert (await piped.message()).text == "one"
        answer = await piped.send("1", STOP)
        await breathe()
        assert piped.idle
        await piped.edit(answer, "1")
        assert (await piped.message()).text == "two"

    async def test_an_answer_to_something_older_is_shown_but_not_waited_for(
        self, piped: Dialog
    ) -> None:
        piped.side.type("one\ntwo\n")
        first = await piped.message()
        await piped.send("of an earlier run", nonce="1", reply_to="elsewhere")
        await piped.side.shows("of an earlier run")
        await breathe()
        assert piped.idle
        await piped.send("1", nonce="2", reply_to=first.message_id)
        assert (await piped.message()).text == "two"

    async def test_a_deleted_answer_is_not_waited_for(self, piped: Dialog) -> None:
        piped.side.type("one\ntwo\n")
        await piped.message()
        answer = await piped.send("1", STOP)
        await piped.adapter.delete(HERE, answer)
        await piped.adapter.delete(HERE, answer)
        assert (await piped.message()).text == "two"

    async def test_the_end_of_the_input_ends_listening(self, piped: Dialog) -> None:
        piped.side.type("last words")
        piped.side.leave()
        assert (await piped.message()).text == "last words"
        await piped.send("Farewell")
        assert await piped.ended()

    async def test_ids_are_new_in_every_message_and_run(self, piped: Dialog) -> None:
        piped.side.type("one\n")
        message = await piped.message()
        answer = await piped.send("1", nonce="n")
        assert await piped.send("1", nonce="n") == answer
        other = ConsoleAdapter(piped.adapter._screen, "ada")
        again = await other.send(HERE, "1", nonce="n", final=True)
        assert len({message.event_id, message.message_id, answer, again}) == 4

    async def test_a_message_of_an_earlier_run_is_gone(self, piped: Dialog) -> None:
        with pytest.raises(MessageGone):
            await piped.edit("unknown", "text")

    async def test_a_file_overwrites_no_other(
        self, piped: Dialog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for data in (b"first", b"second", b"third"):
            await piped.adapter.upload(HERE, "parley.json", data, nonce="1-file")
        await piped.side.shows(f"Written to {tmp_path / 'parley-3.json'}")
        assert files_in(tmp_path) == {
            "parley.json": b"first",
            "parley-2.json": b"second",
            "parley-3.json": b"third",
        }
        assert stat.S_IMODE(os.stat(tmp_path / "parley.json").st_mode) == 0o600

    async def test_a_file_that_cannot_be_written_is_undeliverable(
        self, piped: Dialog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        os.rmdir(tmp_path)
        with pytest.raises(Undeliverable, match=r"parley\.json"):
            await piped.adapter.upload(HERE, "parley.json", b"data", nonce="1-file")

    async def test_a_reader_that_went_away_is_undeliverable(self) -> None:
        look, back = os.pipe()
        os.close(look)
        with opened(os.devnull, "r") as source, opened(back, "w") as sink:
            async with connect(source, sink) as adapter:
                with pytest.raises(Undeliverable):
                    await adapter.send(HERE, "anybody?", nonce="1", final=True)
            sink_closes_with_what_it_could_not_write(sink)

    async def test_every_text_fits_and_nothing_can_be_downloaded(self, piped: Dialog) -> None:
        assert piped.adapter.fits("x" * 1_000_000)
        with pytest.raises(AttachmentError):
            await piped.adapter.download(Attachment("a", "a.png", "image/png", 1), 10)

    @pytest.mark.slow
    async def test_a_waiting_reader_does_not_hold_up_the_end(self) -> None:
        code = (
            "import asyncio, bots.console.adapter as console\n"
            "async def main():\n"
            "    async with console.connect() as adapter:\n"
            "        async with asyncio.timeout(0.1):\n"
            "            async for _ in adapter.listen(): pass\n"
            "asyncio.run(main())\n"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            assert process.stderr is not None
            errors = (await process.stderr.read()).decode()
            await process.wait()
        assert errors.rstrip().endswith("TimeoutError")


def sink_closes_with_what_it_could_not_write(sink: TextIO) -> None:
    with pytest.raises(BrokenPipeError):
        sink.close()


class TestOnATerminal:
    async def test_an_answer_is_rendered_as_it_grows(self, seated: Dialog) -> None:
        await seated.ask("hello")
        await seated.adapter.typing(HERE)
        answer = await seated.send("First **blo", STOP)
        await seated.side.shows("First **blo")
        await seated.edit(answer, "First **block**\n\nSecond", STOP)
        await seated.side.until(lambda seen: "First block" in seen and "Second" in seen)
        await seated.edit(answer, "First **block**\n\nSecond `one`.")
        seen = await seated.side.shows("Second one.")
        assert seen.count("First block") == 1, "a complete block is printed once"

    async def test_tags_are_kept_and_control_codes_are_not(self, seated: Dialog) -> None:
        await seated.ask("hello")
        await seated.send("a <div> and \x1b]52;c;ZXZpbA==\x07 b\r\n\r\n- item")
        await seated.side.shows("• item")
        assert "a <div> and ]52;c;ZXZpbA== b" in seated.side.raw

    async def test_lines_stay_apart_as_they_were_written(self, seated: Dialog) -> None:
        await seated.ask("/help")
        await seated.send("I can do this:\n/new – begin **anew**\n/stop – stop\n\n- one\n  two")
        seen = await seated.side.shows("two")
        lines = [line.strip() for line in seen.split("\n")]
        for line in ("I can do this:", "/new – begin anew", "/stop – stop", "• one", "two"):
            assert line in lines

    async def test_of_a_long_answer_only_the_end_is_redrawn(self, seated: Dialog) -> None:
        await seated.ask("a long list")
        lines = [f"- item {number}" for number in range(100)]
        answer = await seated.send("\n".join(lines), STOP)
        seen = await seated.side.shows("item 99")
        assert "item 50" not in seen
        await seated.edit(answer, "\n".join(lines))
        await seated.side.prompts(times=2)
        shown = {line.strip() for line in seated.side.seen.split("\n")}
        assert shown >= {f"• item {number}" for number in range(100)}

    async def test_an_answer_that_starts_again_is_printed_again(self, seated: Dialog) -> None:
        await seated.ask("hello")
        answer = await seated.send("One way.\n\nAnd", STOP)
        await seated.edit(answer, "Another way.\n\nAnd more.")
        seen = await seated.side.shows("And more.")
        assert seen.index("One way.") < seen.index("────") < seen.index("Another way.")

    async def test_ctrl_c_stops_the_answer_that_grows(self, seated: Dialog) -> None:
        await seated.ask("hello")
        answer = await seated.send("Well", STOP)
        seated.side.type("\x03")
        change = await seated.change()
        assert (change.kind, change.message_id) == (ChangeKind.STOP, answer)
        await seated.edit(answer, "Well (stopped)")
        await seated.side.prompts(times=2)
        assert seated.idle, "one Ctrl-C does not leave"

    async def test_ctrl_c_before_the_answer_stops_the_question(self, seated: Dialog) -> None:
        question = await seated.ask("hello")
        seated.side.type("\x03")
        assert (await seated.change()).message_id == question.message_id

    async def test_the_prompt_comes_back_without_an_answer(self, seated: Dialog) -> None:
        question = await seated.ask("hello")
        await seated.adapter.dismiss(HERE, reply_to="another", ticket="")
        seated.side.type("\x03")
        assert (await seated.change()).message_id == question.message_id
        await seated.adapter.dismiss(HERE, reply_to=question.message_id, ticket="")
        await seated.side.prompts(times=2)
        assert seated.idle

    async def test_a_second_ctrl_c_leaves(self, seated: Dialog) -> None:
        await seated.ask("hello")
        seated.side.type("\x03")
        await seated.change()
        seated.side.type("\x03")
        assert await seated.ended()

    @pytest.mark.parametrize("key", ["\x03", "\x04"])
    async def test_at_the_prompt_ctrl_c_and_ctrl_d_leave(self, seated: Dialog, key: str) -> None:
        await seated.side.prompts()
        seated.side.type(key)
        assert await seated.ended()

    async def test_text_typed_ahead_is_the_next_message(self, seated: Dialog) -> None:
        await seated.ask("hello")
        seated.side.type("and then?\r")
        await breathe()
        await seated.send("Hello.")
        assert (await seated.message()).text == "and then?"

    async def test_a_paste_of_several_lines_is_one_message(self, seated: Dialog) -> None:
        message = await seated.ask("\x1b[200~one\ntwo\x1b[201~")
        assert message.text == "one\ntwo"

    async def test_a_message_at_the_prompt_is_shown_above_it(self, seated: Dialog) -> None:
        await seated.side.prompts()
        seated.side.type("half a ques")
        await seated.side.shows("half a ques")
        await seated.send("A **late** answer")
        await seated.side.until(lambda seen: "half a ques" in seen.partition("A late answer")[2])
        seated.side.type("tion\r")
        assert (await seated.message()).text == "half a question"

    async def test_the_names_of_commands_are_completed(self, seated: Dialog) -> None:
        await seated.side.prompts()
        seated.side.type("/pers")
        await seated.side.shows("How I should behave")
        seated.side.type("\tYou are a cat.\r")
        message = await seated.message()
        assert (message.command, message.text) == ("persona", "You are a cat.")

    async def test_the_history_is_for_its_owner_alone(self, seated: Dialog, history: Path) -> None:
        await seated.ask("remember this")
        assert "remember this" in await asyncio.to_thread(history.read_text)
        assert stat.S_IMODE(os.stat(history).st_mode) == 0o600


def test_inline_markup_reads_as_on_other_platforms() -> None:
    shown = io.StringIO()
    text = "7*6*5 in __main__.py, **提示：**请 <b>b</b> <br>||x|| [a](https://e.org)"  # noqa: RUF001 - Chinese
    for block in blocks(MARKDOWN.parse(text)):
        Console(file=shown, width=80).print(Block(block))
    assert [line.rstrip() for line in shown.getvalue().strip().split("\n")] == [
        "7*6*5 in __main__.py, 提示：请 b",  # noqa: RUF001 - Chinese
        "x a (https://e.org)",
    ]
