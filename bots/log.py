"""The log: a line for each event, fit for a terminal, without secrets and what people said."""

import logging
import re
import sys
import traceback
from collections.abc import Collection, Iterator
from types import TracebackType

from core.plain import line, unquoted, visible

LONGEST = 2000
"""The longest line in characters."""
SHORTEST_SECRET = 6
"""The length in characters from which on a setting's value counts as a secret."""
_MARGIN = "  "
"""The beginning of the lines of a traceback, so that none looks like an event of its own."""

# In addresses: the tokens of Discord's interactions and of Telegram's bots, and passwords.
_SECRET = re.compile(
    r"(?P<before>/webhooks/\d+/|/interactions/\d+/|\b\d{15,}\+|/(?:file/)?bot\d+:|://[^\s/:@]+:)"
    r"(?P<secret>[^\s/?'\"@]+)"
)


class Lines(logging.Formatter):
    """Writes an event as one line, and a traceback below it without the values in its errors."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        super().__init__()
        known = sorted((each for each in secrets if len(each) >= SHORTEST_SECRET), key=len)
        self._secrets = re.compile("|".join(map(re.escape, reversed(known))) or r"(?!)")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of an event."""
        told = record.getMessage()
        if record.name == "asyncio":
            told = told.partition("\n")[0]  # the next line quotes the error's values
        head = f"{self.formatTime(record)} {record.levelname} {record.name}: {told}"
        error = record.exc_info[1] if record.exc_info else None
        trace = [f"{_MARGIN}{each}" for each in _trace(error)] if error else []
        return "\n".join(map(self._fit, [head, *trace]))

    def _fit(self, text: str) -> str:
        text = _SECRET.sub(r"\g<before>***", self._secrets.sub("***", text[: 2 * LONGEST]))
        text = visible(text, keep="")
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def begin(level: int, secrets: Collection[str] = ()) -> None:
    """Write the log to standard error from now on; an error that ends the process too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(secrets))
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)
    sys.excepthook = _log_the_end


def _log_the_end(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger("parley").critical("ended by an error", exc_info=(kind, error, trace))


def _trace(error: BaseException, above: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield the frames and the words of an error, those of its cause first."""
    above |= {id(error)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in above:
        yield from _trace(cause, above)
        yield "and then:"
    for frame in traceback.format_tb(error.__traceback__):
        yield from frame.rstrip().split("\n")
    # Later lines of a database's words quote the row.
    told = str(error).partition("\n")[0]
    yield f"{type(error).__name__}: {line(unquoted(told))}"
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from (f"| {told}" for told in _trace(each, above))
