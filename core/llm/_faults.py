"""Translation of a server's errors to core's error tree, by status, code and words.

Servers word the same fault in many ways, and some report it with another status or inside a 200.
The words decide where the status leaves it open.
"""

import asyncio
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from core.errors import (
    ContentRefused,
    CreditUsedUp,
    FileRefused,
    KeyRefused,
    ModelBusy,
    ModelError,
    ModelGone,
    ModelRejected,
    ModelUnavailable,
    PromptTooLong,
)
from core.messages import ChatMessage
from core.plain import line, unquoted, without

WORDS = 200
"""The longest message of a server in a log line, in characters."""
_BODY_BYTES = 16 * 1024
_BODY_SECONDS = 2.0
_KIND = ("type", "code", "param")
_TOKENS = re.compile(r"\b\d(?:\d{2,8}|\d{0,2}(?:,\d{3}){1,3})(?= tokens|\b[^.\n]{0,8}maximum)")
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}", re.ASCII)
_READ = 2000
"""The characters of an error in which its kind is looked for."""
SHORT = 4000
"""The characters of a request that take less than 20 ms to compare with an error."""

WRONG_KEY = "MODEL_API_KEY is missing or wrong: the model API does not accept it; set a valid key"
_NO_RIGHTS = "the account behind MODEL_API_KEY may not do this: look at its plan and its rights"
_NO_CREDIT = "the account behind MODEL_API_KEY is out of credits: top it up, or raise its budget"
_WRONG_URL = "MODEL_API_URL is wrong: there is no model API"
_GONE = "MODEL is wrong: {model!r} is unknown or retired there; set another model"
_WRONG_PATH = "MODEL_API_URL or MODEL is wrong: {model!r} is not there"
UNUSABLE = "MODEL_API_URL or MODEL_API_KEY is wrong: they make no valid request"


class Costly(ModelBusy):
    """A fault that is slow or expensive to repeat, and may be the fault of the question alone."""


class HungUp(ModelBusy):
    """The connection was lost before the answer began, most often after being idle too long."""


class NotFound(ModelGone):
    """The server does not know the path or the model; a proxy may only be starting."""


class Unsuitable(ModelRejected):
    """The request was refused; `told` are the server's words, which may name what it refuses.

    `own` are those of them that do not quote the request.
    """

    def __init__(self, message: str, told: str = "", own: str = "") -> None:
        super().__init__(message)
        self.told = told
        self.own = own


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases))


# Each is searched in lower-case text. None of them can backtrack over more than a few words.
_CONTENT = _any(
    "content violates",
    "content[ _-]?(?:filter|policy|management)",
    "responsibleaipolicy",
    "safety_check",
    "usage guidelines",
    "(?:input|prompt) (?:was )?(?:flagged|blocked)",
    "data_?inspection_?failed",
    "prohibited_content",
)
_TOO_LONG = _any(
    "context[ _](?:length|window|size)",
    "maximum (?:context|prompt) length",
    "input_too_large",
    "exceeds? (?:the )?budget",
    "prompt (?:is )?too (?:long|large)",
    "input (?:is )?too (?:long|large)",
    "too many (?:input )?tokens",
)
_KEY = _any(
    "api[ _-]?key",
    "authentication",
    "unauthori[sz]ed",
    "invalid[ _]token",
    "user not found",
    "expired[ _]key",
    "no connected db",  # a gateway that has nowhere to look for a key other than its own
)
_CREDIT = _any(
    "insufficient[ _](?:quota|balance|credits?|funds?)",
    "billing[ _](?:not[ _]active|hard[ _]limit)",
    "(?:out of|no|any|not enough|more|all available) credits?",
    "credit balance",
    "spending limit",
    "exhausted (?:its|your|their|the)",
    "top[ -]?up",
    "payment required",
    "arrears?",
    "budget[ _](?:has been )?exceeded",
    "(?:exceeded|crossed) budget",
)
_MODEL = r"models?\b[^.\n]{0,120}?"
_ABILITY = _any(
    r"support[^.\n]{0,60}\b(?:images?|vision|tools?|functions?|files?|audio|modalit)",
    r"\b(?:images?|vision|tools?|files?)\b[^.\n]{0,60} not (?:yet )?(?:supported|enabled|allowed)",
)
_FILE = r"\b(?:images?|pictures?|pdfs?|files?|documents?)\b"
# Such words are about one file. They must not teach that the model takes no file at all.
_SPOILT = _any(
    rf"{_FILE}[^.\n]{{0,80}}\b(?:corrupt\w*|damaged|password|encrypted|unreadable|malformed)",
    rf"{_FILE}[^.\n]{{0,60}}(?:too (?:large|small)|exceeds?|could not be|cannot be|not a valid)",
    rf"(?:could not|cannot|can't|unable to|failed to) (?:process|decode|open|read|parse|load)\b"
    rf"[^.\n]{{0,60}}{_FILE}",
    rf"(?:invalid|corrupt\w*|damaged|malformed) {_FILE}",
    rf"invalid base64[^.\n]{{0,40}}{_FILE}",
)
_ABSENT = _any(
    "model_not_found",
    "model_?not_?exist",
    "(?:no such|unknown|invalid|not a valid) model\\b",
    "invalid model name",
    "no endpoints found for",
    _MODEL
    + r"(?:not found|not exist|no longer|retired|deprecated|decommissioned|withdrawn|not a valid"
    r"|is not available|does not exist|unknown)",
)

# The codes of errors that come inside a 200, or with a status that says too little.
_STATUS_OF: Mapping[str, int] = {
    "insufficient_quota": 402,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "overloaded_error": 503,
    "server_error": 500,
}


@dataclass(frozen=True, slots=True)
class Told:
    """An error as a server told it; `words` is one short line without the key."""

    words: str = ""
    codes: tuple[str, ...] = ()
    """Its code, type, name and status, in lower case."""
    all: str = field(default="", repr=False)
    """Everything that it says, in lower case, to look for its kind."""
    own: str = field(default="", repr=False)
    """The same without what it quotes of the request. Only this tells what holds for everybody: a
    person might have a server quote that the model does not exist."""

    @property
    def status(self) -> int:
        """The status that its codes stand for, or 0."""
        for code in self.codes:
            if code.isdecimal() and len(code) == 3:
                return int(code)
            if code in _STATUS_OF:
                return _STATUS_OF[code]
        return 0


def read(body: object, secret: str, said: str = "") -> Told:
    """Read an error of any form: an object, a list with one, JSON in a text, or a text.

    `said` is what the request told; no log may quote it.
    """
    strings = list(_strings(body))
    text = " ".join(string for _, string in strings)[:_READ].lower()
    codes = tuple(
        string.strip().lower() for name, string in strings if name in _NAMES and len(string) < 80
    )
    names = [code for code in codes if _NAME.fullmatch(code)]
    own = " ".join([*names, without(text, said)])
    return Told(words(body, secret, said), codes, text, own)


_NAMES = ("code", "type", "name", "status", "statusCode")


def _strings(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the texts and numbers in an error, each with the name of its field."""
    match value:
        case dict() if depth < 6:
            for key, each in list(value.items())[:50]:
                yield from _strings(each, str(key), depth + 1)
        case list() if depth < 6:
            for each in value[:10]:
                yield from _strings(each, name, depth + 1)
        case str():
            yield name, value[:_READ]
        case bool() | None:
            pass
        case int():
            yield name, str(value)[:20] if abs(value) < 10**9 else ""


@dataclass(frozen=True, slots=True)
class _Rule:
    """The meaning of some statuses, if the words of the server fit."""

    statuses: range | tuple[int, ...]
    words: re.Pattern[str]
    kind: type[ModelError]
    advice: str = ""
    """The setting that is wrong and what to do, for the operator; then it holds for everybody."""

    def fits(self, status: int, told: Told) -> bool:
        """Return whether this is the meaning of a status with these words."""
        text = told.own if self.advice else told.all
        return status in self.statuses and self.words.search(text) is not None


_ANY = re.compile("")
# The first that fits counts. A status without a rule means that the request was not understood.
_RULES = (
    _Rule((401, 407), _ANY, KeyRefused, WRONG_KEY),
    _Rule((400, 403, 422, 451), _CONTENT, ContentRefused),
    _Rule((413,), _ANY, PromptTooLong),
    _Rule((400, 422, 500), _TOO_LONG, PromptTooLong),
    _Rule((402,), _ANY, CreditUsedUp, _NO_CREDIT),
    _Rule((400, 403, 422, 429), _CREDIT, CreditUsedUp, _NO_CREDIT),
    _Rule((400, 404, 422), _ABILITY, Unsuitable),
    _Rule((400, 415, 422), _SPOILT, FileRefused),
    _Rule((400, 403, 404, 410, 422), _ABSENT, ModelGone, _GONE),
    _Rule((410,), _ANY, ModelGone, _GONE),
    _Rule((404,), _ANY, NotFound, _WRONG_PATH),
    _Rule((403,), _ANY, KeyRefused, _NO_RIGHTS),
    _Rule((400,), _KEY, KeyRefused, WRONG_KEY),
    _Rule((*range(400), 405), _ANY, ModelUnavailable, _WRONG_URL),
    _Rule((504,), _ANY, Costly),
    _Rule((408, 409, 425, 429, *range(500, 1000)), _ANY, ModelBusy),
)


def fault(status: int, told: Told, *, model: str, retry_after: float | None = None) -> ModelError:
    """Return the error for a status outside of 2xx and for what the server told."""
    log = f"status {status}: {told.words}"
    for rule in _RULES:
        if rule.fits(status, told):
            break
    else:
        return Unsuitable(log, told.all, told.own)
    if issubclass(rule.kind, Unsuitable):
        return rule.kind(log, told.all, told.own)
    if issubclass(rule.kind, PromptTooLong):
        return rule.kind(log, *_size_and_most(told.all))
    if issubclass(rule.kind, ModelBusy):
        return rule.kind(log, retry_after)
    return rule.kind(f"{rule.advice.format(model=model)} ({log})" if rule.advice else log)


def _size_and_most(text: str) -> tuple[int, int] | tuple[()]:
    """Return the tokens of a prompt and the most that a model takes, if a text tells just those."""
    told = {int(number.replace(",", "")) for number in _TOKENS.findall(text)}
    return (max(told), min(told)) if len(told) == 2 else ()


async def refuse_status(
    response: httpx.Response, model: str, secret: str, said: Callable[[], str]
) -> None:
    """Raise the ModelError for a status, unless it is 2xx."""
    status = response.status_code
    if 200 <= status < 300:
        return
    told = await _told(await _body(response), secret, said())
    raise fault(status, told, model=model, retry_after=wait_of(response.headers, told.all))


async def reported(body: object, model: str, secret: str, said: Callable[[], str]) -> ModelError:
    """Return the error for one that a server reports inside a 200."""
    told = await _told(body, secret, said())
    wait = wait_of({}, told.all)
    status = told.status or _status_by_words(told)
    if status < 400:
        return ModelBusy(f"the server reports: {told.words}", wait)
    return fault(status, told, model=model, retry_after=wait)


async def _told(body: object, secret: str, said: str) -> Told:
    """Read an error; in a thread, if the request is long with which it is compared."""
    if len(said) <= SHORT:
        return read(body, secret, said)
    return await asyncio.to_thread(read, body, secret, said)


def _status_by_words(told: Told) -> int:
    """Return the status for an error without any code, or 0."""
    kinds = (
        (_CONTENT, told.all, 400),
        (_TOO_LONG, told.all, 400),
        (_CREDIT, told.own, 402),
        (_ABSENT, told.own, 404),
    )
    return next((status for kind, text, status in kinds if kind.search(text)), 0)


def is_compressed(response: httpx.Response) -> bool:
    """Return whether a body is compressed, which nobody asked for: it may unpack to gigabytes."""
    return str(response.headers.get("content-encoding", "identity")).lower() != "identity"


async def _body(response: httpx.Response) -> object:
    """Return the body of an error, as much as comes in time: JSON, or else its text."""
    if is_compressed(response):
        return {}
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _BODY_BYTES:
                    break
    except (httpx.HTTPError, TimeoutError):
        pass  # the status has to be enough
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return value


def words(told: object, secret: str, said: str = "") -> str:
    """Return the kind and the message of an error that a server reports, as one short line.

    It has neither the key nor what people said: what the message quotes of `said` is cut.
    """
    if isinstance(told, list) and told:
        told = told[0]
    names: list[str] = []
    for name in ("error", "message", "detail"):
        if isinstance(told, dict) and told.get(name):
            names += [str(told[each]) for each in _KIND if told.get(each)]
            told = told[name]
    text = "" if isinstance(told, dict | list) else str(told)[:_READ].strip()
    text = text[: 4 * WORDS] or "no message"
    if secret:
        text = text.replace(secret, "***")
        names = [name for name in names if secret not in name]
    kind = ", ".join(name for name in names if _NAME.fullmatch(name))
    return line(f"{kind}: {unquoted(text, said)}" if kind else unquoted(text, said), WORDS)


def texts_of(messages: Sequence[ChatMessage]) -> str:
    """Return all texts of a request to the model, without pictures and files."""
    return "\n".join(_texts(list(messages)))


def _texts(value: object) -> Iterator[str]:
    match value:
        case str() if not value.startswith("data:"):
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)


# How long to wait

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?(ms|s|m|h|d)?")
_UNIT: Mapping[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_IN_WORDS = re.compile(
    r"(?:try again in|retry after|retrydelay\W{0,4})\s?(\d{1,7}(?:\.\d{1,9})?)\s?(ms|s|m|h)?"
)


def wait_of(headers: Mapping[str, str], text: str = "") -> float | None:
    """Return the seconds that a server asks to wait, from its headers or else from its words."""
    if told := headers.get("retry-after-ms"):
        seconds = retry_after(told)
        return None if seconds is None else seconds / 1000
    if told := headers.get("retry-after"):
        return retry_after(told)
    if found := _IN_WORDS.search(text):
        return float(found[1]) * _UNIT[found[2] or "s"]
    return None


def retry_after(value: str) -> float | None:
    """Return the seconds of `30`, `30s`, `1m30s`, `250ms` or an HTTP date; None for anything else.

    The spellings are those of RFC 9110 and of several model APIs.
    """
    value = value.strip().lower()
    spans = _SPAN.findall(value)
    if spans and "".join(value.split()) == "".join(f"{number}{unit}" for number, unit in spans):
        return sum(float(number) * _UNIT[unit or "s"] for number, unit in spans)
    try:
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
