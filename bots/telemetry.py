"""Reports of errors to Sentry, and spans of turns to OpenTelemetry, each if it is set.

Both are made from lines of the log, so they hold what the log may hold and nothing else: no words
of people, no local variables, no secrets. The packages are optional and loaded only then.
"""

import atexit
import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from bots.log import Mask, words_of
from bots.version import VERSION
from core.errors import SettingsError

FLUSH_SECONDS = 2.0
"""The most seconds at the end of the process in which the last reports are sent."""
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
        told = record.getMessage().partition("\n")[0]
        event: dict[str, Any] = {
            "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
            "logger": record.name,
            "logentry": {"message": self._mask(told)},
            "fingerprint": [record.name, str(record.msg)],
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            event["exception"] = {"values": list(self._values(error))}
        self._capture(event)

    def _values(self, error: BaseException) -> Iterator[dict[str, Any]]:
        """Yield an error and what caused it, the cause first, without what they quote."""
        for each in reversed(_causes(error)):
            frames = traceback.extract_tb(each.__traceback__)
            yield {
                "type": type(each).__name__,
                "value": self._mask(words_of(each)),
                "stacktrace": {"frames": [_frame(frame) for frame in frames]},
            }


def _frame(frame: traceback.FrameSummary) -> dict[str, Any]:
    return {"filename": _short(frame.filename), "function": frame.name, "lineno": frame.lineno}


def _causes(error: BaseException) -> list[BaseException]:
    found = [error]
    while (cause := found[-1].__cause__) is not None and cause not in found:
        found.append(cause)
    return found


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
        told: Mapping[str, Any] = record.__dict__
        if record.name != "core.turns" or "seconds" not in told:
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
    return Spans(provider.get_tracer("parley", VERSION))


def _missing(setting: str, *packages: str) -> str:
    return f"{setting}: a package for it is missing; run: pip install {' '.join(packages)}"
