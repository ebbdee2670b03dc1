"""Small checks of JSON that a schema is built from: functions of a value and where it stands.

Each raises Invalid in the words of the service: `Expected …, received …`.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]


class Invalid(Exception):
    """The body breaks the schema; the error has the service's message."""

    def __init__(self, at: str, expected: str, received: str) -> None:
        super().__init__(f"{at or 'body'}: Expected {expected}, received {received}")


def kind(value: Any) -> str:
    """The JSON name of a value's type."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def typed(name: str) -> Check:
    """A value of that JSON type."""

    def check(value: Any, at: str) -> None:
        if kind(value) != name:
            raise Invalid(at, name, kind(value))

    return check


boolean = typed("boolean")


def string(value: Any, at: str) -> None:
    """A string that UTF-8 can hold: half a surrogate pair is refused."""
    typed("string")(value, at)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(at, "valid Unicode", "a lone surrogate") from None


def number(low: float | None = None, high: float | None = None, *, whole: bool = False) -> Check:
    """A number within bounds, both included."""

    def check(value: Any, at: str) -> None:
        typed("number")(value, at)
        if whole and isinstance(value, float) and not value.is_integer():
            raise Invalid(at, "integer", "float")
        if low is not None and value < low:
            raise Invalid(at, f"number greater than or equal to {low}", str(value))
        if high is not None and value > high:
            raise Invalid(at, f"number less than or equal to {high}", str(value))

    return check


def one_of(*values: str) -> Check:
    """One of these strings."""

    def check(value: Any, at: str) -> None:
        if value not in values:
            expected = " | ".join(f"'{each}'" for each in values)
            raise Invalid(at, expected, f"'{value}'" if isinstance(value, str) else kind(value))

    return check


def matching(pattern: str, description: str) -> Check:
    """A string that matches as a whole."""

    def check(value: Any, at: str) -> None:
        string(value, at)
        if not re.fullmatch(pattern, value):
            raise Invalid(at, description, f"'{value[:80]}'")

    return check


def nullable(inner: Check) -> Check:
    """The same, or null."""

    def check(value: Any, at: str) -> None:
        if value is not None:
            inner(value, at)

    return check


def array(item: Check, *, least: int = 0, most: int | None = None) -> Check:
    """A list of such items."""

    def check(value: Any, at: str) -> None:
        typed("array")(value, at)
        if len(value) < least:
            raise Invalid(at, f"at least {least} item(s)", str(len(value)))
        if most is not None and len(value) > most:
            raise Invalid(at, f"at most {most} items", str(len(value)))
        for index, each in enumerate(value):
            item(each, f"{at}.{index}")

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys and no others."""
    checks = {**required, **(optional or {})}

    def check(value: Any, at: str) -> None:
        typed("object")(value, at)
        for key in required:
            if key not in value:
                raise Invalid(path(at, key), "a value", "undefined")
        for key, each in value.items():
            if key not in checks:
                raise Invalid(path(at, key), f"no keys but {', '.join(checks)}", f"'{key}'")
            checks[key](each, path(at, key))

    return check


def tagged(tag: str, variants: Mapping[str, Check]) -> Check:
    """An object whose `tag` names its variant."""

    def check(value: Any, at: str) -> None:
        typed("object")(value, at)
        one_of(*variants)(value.get(tag), path(at, tag))
        variants[value[tag]](value, at)

    return check


def either(check_string: Check, check_other: Check) -> Check:
    """A string of one sort, or else something of another."""

    def check(value: Any, at: str) -> None:
        (check_string if isinstance(value, str) else check_other)(value, at)

    return check


def path(at: str, key: str) -> str:
    """The path of a key of the value at `at`."""
    return f"{at}.{key}" if at else key


def decoded(data: str, at: str) -> bytes:
    """The bytes of non-empty, strictly written base64."""
    try:
        found = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(at, "base64", f"'{data[:40]}'") from None
    if not found:
        raise Invalid(at, "base64", "nothing")
    return found


def image_url(value: Any, at: str) -> None:
    """A web address, or a data URL of one of the four kinds of image."""
    string(value, at)
    if re.match(r"https?://[^\s/]+", value):
        return
    head, _, data = value.partition(";base64,")
    if head not in ("data:image/jpeg", "data:image/png", "data:image/gif", "data:image/webp"):
        raise Invalid(at, "an URL or a base64 JPEG, PNG, GIF or WEBP", f"'{value[:40]}'")
    decoded(data, at)


def pdf(value: Any, at: str) -> None:
    """A PDF in base64, bare or as a data URL."""
    string(value, at)
    data = value.removeprefix("data:application/pdf;base64,")
    if not decoded(data, at).startswith(b"%PDF-"):
        raise Invalid(at, "a base64 PDF", f"'{value[:40]}'")
