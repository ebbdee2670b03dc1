"""The log: a line for each event, in JSON or fit for a terminal, without secrets and words.

Parley and its libraries write it by `logging`. What a record carries in `extra` becomes the fields
of its line.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from core.plain import line, unquoted, visible

Layout = Literal["auto", "json", "text"]

LONGEST = 2000
"""The longest line in characters; in JSON, the longest value."""
SHORTEST_SECRET = 6
"""The length in characters from which on a setting's value counts as a secret."""
_MARGIN = "  "
"""The beginning of the lines of a traceback, so that none looks like an event of its own."""

# In addresses: the tokens of Discord's interactions and of Telegram's bots, and passwords. A number
# behind a host is a port, unless an @ follows. A password with a slash in it is no address, but
# may be typed as one.
_SECRET = re.compile(
    r"(?P<user>://[^\s/:@]*+:)[^\s/@]++(?=@)"
    r"|(?P<before>/webhooks/\d+/|/interactions/\d+/|\b\d{15,}\+|/(?:file/)?bot\d+:"
    r"|://[^\s/:@\[]++:(?!\d+(?!:?\w)))[^\s/?'\"@]+"
)


class Mask:
    """Makes texts fit for the log: bounded, in one visible line, without secrets."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        known = sorted((each for each in secrets if len(each) >= SHORTEST_SECRET), key=len)
        self._secrets = re.compile("|".join(map(re.escape, reversed(known))) or r"(?!)")

    def __call__(self, text: str) -> str:
        """Return a text as the log may show it."""
        text = _SECRET.sub(r"\g<user>\g<before>***", self._secrets.sub("***", text[: 2 * LONGEST]))
        text = visible(text, keep="")
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""The attributes of a record that are not from its `extra`; formatters add the last two."""


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of an event in their order."""
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": fit(record.name, record.getMessage()),
        **{name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD},
    }
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        fields["exception"] = list(trace_of(error))
    return fields


class Lines(logging.Formatter):
    """Writes an event as one line; a traceback is told without the values in its errors."""

    def __init__(self, secrets: Collection[str] = (), *, as_json: bool = False) -> None:
        """Make a formatter for JSON or for a terminal."""
        super().__init__()
        self._mask = Mask(secrets)
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        event = {name: self._fitted(value) for name, value in _fields(record).items()}
        return json.dumps(event, ensure_ascii=False) if self._as_json else self._as_text(event)

    def _fitted(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, list):
            return [self._fitted(each) for each in value]
        return self._mask(str(value))

    def _as_text(self, event: dict[str, Any]) -> str:
        at = datetime.fromisoformat(event.pop("time")).astimezone()
        level, name, told = (event.pop(key) for key in ("level", "logger", "event"))
        trace = event.pop("exception", [])
        fields = "".join(f" {key}={value}" for key, value in event.items())
        moment = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03}"
        head = f"{moment} {level.upper()} {name}: {told}{fields}"
        return "\n".join(map(self._mask, [head, *(f"{_MARGIN}{each}" for each in trace)]))


def begin(level: int, secrets: Collection[str] = (), *, layout: Layout = "text") -> None:
    """Write the log to standard error from now on; an error that ends the process too.

    With `auto`, a terminal gets text, and everything else JSON.
    """
    as_json = layout == "json" or (layout == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(secrets, as_json=as_json))
    handler.setLevel(level)  # reports and spans have levels of their own
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)
    sys.excepthook = _log_the_end


def _log_the_end(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger("parley").critical("ended by an error", exc_info=(kind, error, trace))


def fit(logger: str, told: str) -> str:
    """Return what a logger told, without the values that asyncio quotes."""
    if logger != "asyncio":
        return told
    return unquoted(told.partition("\n")[0])  # the next lines show the error


def cause_of(error: BaseException) -> BaseException | None:
    """Return the error that led to another one, if any."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def trace_of(error: BaseException, above: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield the frames and the words of an error, those of its cause first."""
    above |= {id(error)}
    cause = cause_of(error)
    if cause is not None and id(cause) not in above:
        yield from trace_of(cause, above)
        yield "and then:"
    for frame in traceback.format_tb(error.__traceback__):
        yield from frame.rstrip().split("\n")
    yield f"{type(error).__name__}: {words_of(error)}"
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from (f"| {told}" for told in trace_of(each, above))


def words_of(error: BaseException) -> str:
    """Return the words of an error in one line, without the values that it quotes."""
    # Later lines of a database's words quote the row.
    return line(unquoted(str(error).partition("\n")[0]))
