"""Settings as classes whose fields are environment variables, or lines of a file `.env`."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    SecretStr,
    ValidationError,
    model_validator,
)

from core.errors import SettingsError

E = TypeVar("E", bound="Environment")


class Environment(BaseModel):
    """Settings of one owner. Every field is an environment variable of the same name."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, validate_default=True, hide_input_in_errors=True
    )

    empty_means_none: ClassVar[frozenset[str]] = frozenset()
    """Settings for which an empty value means "none"; for all others it means the default."""
    families: ClassVar[frozenset[str]] = frozenset()
    """Fields for all variables that begin alike, such as `quota_*`: mappings from the ends of their
    names. An empty value means "none" there."""

    def secrets(self) -> list[str]:
        """Return the values of the settings that are secrets."""
        values = (value for _, value in self)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]

    @model_validator(mode="before")
    @classmethod
    def _tidy(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Strip blanks and drop empty values, which `.env` files use for settings not set."""
        tidy = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in values.items()
        }
        found = {
            name: value
            for name, value in tidy.items()
            if value != "" or name in cls.empty_means_none
        }
        return found | {family: _of_family(family, tidy) for family in cls.families}


def read(*kinds: type[E], env_file: str | None = ".env", **values: object) -> list[E]:
    """Read settings of several kinds from the environment; `values` override it.

    The environment goes before `env_file`. SettingsError names every wrong setting of all kinds,
    one a line.
    """
    try:
        stored = dotenv_values(env_file, encoding="utf-8") if env_file else {}
    except UnicodeDecodeError:
        raise SettingsError(f"{env_file}: not a text in UTF-8; save it as one") from None
    except OSError as error:
        reason = f"cannot be read: {error.strerror}; let this user read it"
        raise SettingsError(f"{env_file}: {reason}") from None
    told = _lower(stored) | _lower(os.environ) | values
    found: list[E] = []
    faults: list[str] = []
    for kind in kinds:
        try:
            found.append(kind.model_validate(told))
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
            faults.extend(_sentence(dict(each)) for each in wrong)
    if faults:
        raise SettingsError("\n".join(faults))
    return found


def _lower(variables: Mapping[str, str | None]) -> dict[str, object]:
    """Return variables by the names of fields, without those that only a name was written of."""
    return {name.lower(): value for name, value in variables.items() if value is not None}


def _of_family(family: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a family of settings by the ends of their names."""
    start = family.removesuffix("*")
    return {
        name.removeprefix(start): value for name, value in values.items() if name.startswith(start)
    }


def _sentence(found: Mapping[str, Any]) -> str:
    name, *rest = [str(part) for part in found["loc"][:2]] or [""]
    if name.endswith("*") and rest:
        name = name.removesuffix("*") + rest[0]
    name = name.upper()
    message = _told(found)
    return f"{name}: {message}" if name else message


_KINDS = {
    "int_parsing": "no whole number; write one, as 10",
    "int_from_float": "no whole number; write one, as 10",
    "float_parsing": "no number; write one, as 0.5",
    "finite_number": "no number with an end; write one, as 0.5",
    "bool_parsing": "neither true nor false; write one of them",
    "literal_error": "not one of {expected}; set one of them",
    "greater_than_equal": "too small; set {ge:g} or more",
    "greater_than": "too small; set more than {gt:g}",
    "less_than_equal": "too large; set {le:g} or less",
}
"""The words for faults that pydantic finds by itself."""


def _told(found: Mapping[str, Any]) -> str:
    """Return what is wrong, and what to do about it."""
    if (words := _KINDS.get(str(found["type"]))) is not None:
        return words.format(**found.get("ctx", {}))
    return str(found["msg"]).removeprefix("Value error, ").removeprefix("Input ")


# Checks of values. No error repeats a value, which may be a secret.


def check_url(url: str) -> str:
    """Check the URL of a server and return it without a slash at its end."""
    try:
        split = urlsplit(url)
        # Reading the port is the only check that it is a number.
        _ = split.port
    except ValueError:
        raise ValueError("not a URL; write it as https://host/path") from None
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ValueError("not of the form https://host/path; write it so")
    return url.rstrip("/")


def check_secret(secret: SecretStr) -> SecretStr:
    """Check that a header can carry a key or token."""
    value = secret.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("has spaces or other characters that no key has; copy it again")
    return secret


Secret = Annotated[SecretStr, AfterValidator(check_secret)]
Url = Annotated[str, AfterValidator(check_url)]
