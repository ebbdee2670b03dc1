"""Reports of errors to Sentry, and spans of turns to OpenTelemetry, each if it is set.

Both are made from lines of the log, so they hold what the log may hold and nothing else: no words
of people, no local variables, no secrets. The packages are optional and loaded only then.
"""

import atexit
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from bots.log import Mask, cause_of, fit, words_of
from bots.version import VERSION
from core.errors import SettingsError, place

log = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
"""The most seconds at the end of the process in which the last reports are sent."""
MOST_ERRORS = 20
"""The most errors in one report; an error has causes, and a group has many errors."""
TURNS = "core.turns"
"""The logger of the lines that tell how turns ended."""
FIELDS = frozenset(
    {
        *("turn", "kind", "platform", "attempts", "outcome", "model"),
        *("prompt", "cached", "completion", "cost", "first_text", "seconds"),
    }
)
"""The fields of a turn's line that a span has."""


def begin(dsn: str, endpoint: str, mask: Mask) -> None:
    """Add the handlers that are set; raises SettingsError if a package for one is missing."""
    if dsn:
        logging.getLogger().addHandler(_reports(dsn, mask))
    if endpoint:
        logging.getLogger().addHandler(_spans(endpoint))


# Sentry


class Reports(logging.Handler):
    """Reports errors of the log, each by its message and its place in the code."""

    def __init__(self, capture: Any, mask: Mask) -> None:
        super().__init__(logging.ERROR)
        self._capture = capture
        self._mask = mask

    def emit(self, record: logging.LogRecord) -> None:
        """Report an error."""
        _safely(self._report, record)

    def _report(self, record: logging.LogRecord) -> None:
        event: dict[str, Any] = {
            "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
            "logger": record.name,
            "logentry": {"message": self._fit(record, record.getMessage())},
            "fingerprint": [record.name, self._fit(record, _template(record))],
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            found = list(islice(_all_in(error), MOST_ERRORS))
            event["exception"] = {"values": [self._shown(*each) for each in reversed(found)]}
        self._capture(event)

    def _fit(self, record: logging.LogRecord, told: str) -> str:
        return self._mask(fit(record.name, told.partition("\n")[0]))

    def _shown(self, error: BaseException, mechanism: dict[str, Any]) -> dict[str, Any]:
        """Return an error and where it was raised, without what it quotes."""
        frames = traceback.extract_tb(error.__traceback__)
        return {
            "type": type(error).__name__,
            "value": self._mask(words_of(error)),
            "mechanism": mechanism,
            "stacktrace": {"frames": [_frame(frame) for frame in frames]},
        }


def _safely(emit: Callable[[logging.LogRecord], None], record: logging.LogRecord) -> None:
    """Do a handler's work. Its errors must not reach whoever logs, for example in a turn."""
    try:
        emit(record)
    except Exception as error:  # noqa: BLE001 - see above; no handler here takes the warning
        log.warning("a line of the log is in no report: %s", place(error))


def _template(record: logging.LogRecord) -> str:
    """Return what all records of a kind have in common."""
    template = str(record.msg)
    return record.getMessage() if template == "%s" else template


def _frame(frame: traceback.FrameSummary) -> dict[str, Any]:
    return {"filename": _short(frame.filename), "function": frame.name, "lineno": frame.lineno}


def _all_in(error: BaseException) -> Iterator[tuple[BaseException, dict[str, Any]]]:
    """Yield an error, the errors of a group and all their causes.

    Beside each stands Sentry's `mechanism`, with its number and that of the error it belongs to.
    """
    known: set[int] = set()
    left: list[tuple[BaseException, dict[str, Any]]] = [(error, {})]
    while left:
        each, parent = left.pop()
        if id(each) in known:
            continue
        number = len(known)
        known.add(id(each))
        is_group = isinstance(each, BaseExceptionGroup)
        mechanism = {"type": "generic", "exception_id": number, "is_exception_group": is_group}
        yield each, mechanism | parent
        cause = cause_of(each)
        if cause is not None:
            left.append((cause, {"parent_id": number, "source": "__cause__"}))
        if isinstance(each, BaseExceptionGroup):
            left.extend(
                (inner, {"parent_id": number, "source": f"exceptions[{at}]"})
                for at, inner in enumerate(each.exceptions)
            )


def _short(path: str) -> str:
    """Return the last parts of a path, which name the module and not the machine's folders."""
    return "/".join(path.split(os.sep)[-3:])


def _reports(dsn: str, mask: Mask) -> logging.Handler:
    try:
        import sentry_sdk  # noqa: PLC0415 - an optional package
        from sentry_sdk.utils import BadDsn  # noqa: PLC0415 - as above
    except ImportError:
        raise SettingsError(_missing("SENTRY_DSN", "sentry-sdk")) from None
    try:
        sentry_sdk.init(
            dsn,
            release=VERSION,
            server_name="",
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            send_default_pii=False,
            max_breadcrumbs=0,
        )
    except BadDsn:
        raise SettingsError("SENTRY_DSN: not an address as Sentry shows it") from None
    logging.getLogger("sentry_sdk").propagate = False
    atexit.register(sentry_sdk.flush, FLUSH_SECONDS)
    return Reports(sentry_sdk.capture_event, mask)


# OpenTelemetry

_OTEL = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")


class Spans(logging.Handler):
    """Makes a span of each turn's line, from the arrival of the question to the whole answer."""

    def __init__(self, tracer: Any) -> None:
        super().__init__(logging.INFO)
        self._tracer = tracer

    def emit(self, record: logging.LogRecord) -> None:
        """Make a span of a line that tells how a turn ended."""
        _safely(self._trace, record)

    def _trace(self, record: logging.LogRecord) -> None:
        told: Mapping[str, Any] = record.__dict__
        if record.name != TURNS or "seconds" not in told:
            return
        ended = int(record.created * 1e9)
        fields = {f"parley.{name}": told[name] for name in sorted(FIELDS & told.keys())}
        span = self._tracer.start_span(
            "turn", start_time=ended - int(told["seconds"] * 1e9), attributes=fields
        )
        span.end(ended)


def _spans(endpoint: str) -> logging.Handler:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - as above
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

        exporter = OTLPSpanExporter(f"{endpoint}/v1/traces")
    except ImportError:
        raise SettingsError(_missing(name, *_OTEL)) from None
    about = {"service.name": "parley", "service.version": VERSION}
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    for library in ("opentelemetry", "urllib3"):
        logging.getLogger(library).setLevel(logging.ERROR)
    turns = logging.getLogger(TURNS)
    if not turns.isEnabledFor(logging.INFO):  # LOG_LEVEL is for what is written
        turns.setLevel(logging.INFO)
    return Spans(provider.get_tracer("parley", VERSION))


def _missing(setting: str, *packages: str) -> str:
    return f"{setting}: a package for it is missing; run: pip install {' '.join(packages)}"
