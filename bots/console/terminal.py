"""The terminal: a line to write in, and Markdown that grows."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import create_output
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.spinner import Spinner

from bots.console.language import language
from bots.markdown import Node, read, written
from core import words
from core.adapter import COMMANDS, Command

PROMPT = ANSI("\x1b[1;36m>\x1b[0m ")


_TAGS = {"bold": "strong", "italic": "em", "underline": "em", "strikethrough": "s", "spoiler": "em"}


def _read_inline(state: StateCore) -> None:
    """Read inline markup as on every platform, and keep the line breaks, as chats do."""
    for token in state.tokens:
        if token.type == "inline":
            token.children = list(_tokens(read(token.content)))


def _tokens(nodes: Sequence[Node]) -> Iterator[Token]:
    styles: list[str] = []
    for kind, text in nodes:
        match kind:
            case "open":
                styles.append(_TAGS[text])
                yield Token(f"{styles[-1]}_open", styles[-1], 1)
            case "close":
                tag = styles.pop()
                yield Token(f"{tag}_close", tag, -1)
            case "link":
                yield Token("link_open", "a", 1, attrs={"href": text})
            case "end":
                yield Token("link_close", "a", -1)
            case "line":
                yield Token("hardbreak", "br", 0)
            case "code":
                yield Token("code_inline", "code", 0, content=text)
            case _:
                yield Token("text", "", 0, content=text)


# Without raw HTML, so that what is no tag of prose stays readable text.
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
MARKDOWN.core.ruler.at("inline", _read_inline)


class Terminal:
    """The screen of a terminal.

    Finished blocks of an answer are printed once and scroll away. Only the last block is redrawn
    while it grows, and only as much of it as fits on the screen.
    """

    def __init__(self, source: Input, session: PromptSession[str], console: Console) -> None:
        self._source = source
        self._session = session
        self._console = console
        self._printed = ""
        self._live: Live | None = None

    async def ask(self) -> str | None:
        """Read the person's next line; return None at Ctrl-C or Ctrl-D."""
        try:
            # The entry point handles the signal; in the terminal's raw mode Ctrl-C is a key.
            text = await self._session.prompt_async(PROMPT, handle_sigint=False)
        except (EOFError, KeyboardInterrupt):
            return None
        if text.strip():
            self._console.print()
        return text

    @contextmanager
    def interruptible(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt` for each Ctrl-C; other keys wait for the next prompt."""

        def read() -> None:
            keys = self._source.read_keys()
            store_typeahead(self._source, [key for key in keys if key.key != Keys.ControlC])
            for key in keys:
                if key.key == Keys.ControlC:
                    interrupt()

        with self._source.raw_mode(), self._source.attach(read):
            try:
                yield
            finally:
                self.drop()

    def wait(self) -> None:
        """Show a spinner until something else is shown."""
        if self._live is None:
            self._redraw(Spinner("dots", style="dim"), turning=True)

    def grow(self, text: str) -> None:
        """Print the complete blocks and redraw the last one."""
        growing = self._print(written(text), whole=False)
        height = max(1, self._console.height - 2)
        self._redraw(Block(growing, height) if growing else "")

    def finish(self, text: str) -> None:
        """Print the rest of the answer."""
        self._clear()
        self._print(written(text), whole=True)
        self._printed = ""

    async def announce(self, text: str) -> None:
        """Print a whole message above the prompt or the growing answer."""
        async with in_terminal():
            self._print_blocks(blocks(MARKDOWN.parse(text)))

    def drop(self) -> None:
        """Remove the growing answer."""
        self._clear()
        self._printed = ""

    def _print(self, text: str, *, whole: bool) -> list[Token]:
        """Print the new blocks. Unless the answer is `whole`, return the last one instead."""
        if not text.startswith(self._printed):
            self._printed = ""  # the answer was started again
            self._console.rule(style="dim")
        rest = text[len(self._printed) :]
        found = blocks(MARKDOWN.parse(rest))
        growing = [] if whole or not found else found.pop()
        self._print_blocks(found)
        if growing:
            self._printed += rest[: beginning(growing, rest)]
        return growing

    def _print_blocks(self, found: Sequence[list[Token]]) -> None:
        for tokens in found:
            self._console.print(Block(tokens), end="\n")
            self._console.print()

    def _redraw(self, content: RenderableType, *, turning: bool = False) -> None:
        if self._live is not None and self._live.auto_refresh == turning:
            self._live.update(content, refresh=True)
            return
        self._clear()
        self._live = Live(
            content,
            console=self._console,
            auto_refresh=turning,  # runs in a thread, so only while the content stays the same
            refresh_per_second=12.5,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def _clear(self) -> None:
        if self._live is not None:
            self._live.update("")
            self._live.stop()
            self._live = None


@dataclass(frozen=True, slots=True)
class Block:
    """One block of Markdown without empty lines around it, or its last `height` lines."""

    tokens: list[Token]
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        document = Markdown("", hyperlinks=False)
        document.parsed = self._visible()
        lines = console.render_lines(document, options, pad=False)
        while lines and is_empty(lines[0]):
            lines.pop(0)
        while lines and is_empty(lines[-1]):
            lines.pop()
        for line in lines[-(self.height or 0) :]:
            yield from line
            yield Segment.line()

    def _visible(self) -> list[Token]:
        """Return the tokens without the code above the screen, because highlighting is slow."""
        first = self.tokens[0]
        if self.height is None or first.type != "fence":
            return self.tokens
        code = first.content.split("\n")[-self.height - 1 :]
        return [replace(first, content="\n".join(code))]


class Commands(Completer):
    """Completes the name of a command while a line has nothing else."""

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """Yield the commands that begin as the line does up to the cursor."""
        typed = document.text_before_cursor
        for command in COMMANDS:
            name = f"/{command.name}"
            if typed.startswith("/") and name.startswith(typed):
                text = f"{name} " if command.hint else name
                yield Completion(
                    text,
                    start_position=-len(typed),
                    display=name,
                    display_meta=_summary(command),
                )


def _summary(command: Command) -> str:
    with words.spoken_in(words.nearest(language())):
        return words.summary(command)


@Condition
def _begins_a_command() -> bool:
    """Return whether a menu of commands may open; if not, no rows are kept free for it."""
    text = get_app().current_buffer.text
    return text.startswith("/") and " " not in text


def is_empty(line: Sequence[Segment]) -> bool:
    """Return True if a line shows nothing, not even a coloured background."""
    return all(
        not segment.text.strip() and (segment.style is None or segment.style.bgcolor is None)
        for segment in line
    )


def blocks(tokens: Sequence[Token]) -> list[list[Token]]:
    """Group the tokens of a document by blocks."""
    found: list[list[Token]] = []
    for token in tokens:
        if token.level == 0 and token.nesting >= 0:
            found.append([])
        found[-1].append(token)
    return found


def beginning(block: Sequence[Token], text: str) -> int:
    """Return the offset at which a block of a text begins, in characters."""
    line = (block[0].map or [0])[0]
    return sum(len(before) + 1 for before in text.split("\n")[:line])


@contextmanager
def connect(source: TextIO, sink: TextIO, history: Path | None = None) -> Iterator[Terminal]:
    """Open a terminal on two streams; `history` is the file for the lines written before."""
    keys = create_input(source)
    session: PromptSession[str] = PromptSession(
        history=open_history(history or default_history()),
        completer=Commands(),
        complete_while_typing=_begins_a_command,
        input=keys,
        output=create_output(sink),
    )
    screen = Terminal(keys, session, Console(file=sink))
    try:
        yield screen
    finally:
        screen.drop()


def default_history() -> Path:
    """Return the default file for the history, where a user's programs keep their state."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "parley" / "history"


def open_history(path: Path) -> History:
    """Open the history for its owner alone; keep none if the home is read-only."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
