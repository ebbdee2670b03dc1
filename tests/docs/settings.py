"""`docs/settings.md`, made from the settings themselves."""

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from bots.registry import PLATFORMS
from core.environment import Environment
from core.settings import Settings

INTRODUCTION = """\
# Settings

Every setting is an environment variable, or a line of a file `.env` in the folder in which the
bot starts. The environment goes before the file. An empty value means the default, but for `QUOTA`,
`QUOTA_…` and `BUDGET`, where it means "none". At its start, the bot names each wrong setting in one
line, and says what to do.

A list has commas between its items. A **limit** is `10 turns/minute`, `200k tokens/day` or
`1 usd/month`: turns, tokens or usd in a minute, hour, day, week or month. An **account** is
`telegram:123` or `discord:456`; `parley users NAME` shows the ids of people who have written to the
bot. A **group** is `telegram:-100123` or `discord:789`, which may be a server, a category or a
channel. **Prices** are `0.20, 0.05, 0.50` for all models, or `a=0.20/0.05/0.50, b=…` for each.

`make docs` writes this page from the code.
"""

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "The model": (
        "MODEL_API_KEY",
        "MODEL_API_URL",
        "MODEL",
        "MODELS",
        "MODEL_PRICES",
        "MAX_COMPLETION_TOKENS",
        "TEMPERATURE",
        "TOP_P",
        "SYSTEM_PROMPT",
        "TOOLS",
        "VISION",
        "PERSONAS_FILE",
    ),
    "Telegram": (
        "TELEGRAM_TOKEN",
        "TELEGRAM_WEBHOOK_URL",
        "TELEGRAM_API_URL",
        "TELEGRAM_FILES_DIR",
    ),
    "Discord": ("DISCORD_TOKEN", "DISCORD_API_URL"),
    "The database": ("DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_CONNECTIONS"),
    "Operators, and who may use the bot": (
        "ADMINS",
        "ACCESS",
        "ALLOWED_PEOPLE",
        "ALLOWED_GROUPS",
        "LEAVE_OTHER_GROUPS",
        "DEFAULT_LANGUAGE",
    ),
    "The log": ("LOG_LEVEL", "LOG_FORMAT", "SENTRY_DSN", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    "HTTP": ("PORT", "METRICS_PORT", "HOST", "DASHBOARD", "DASHBOARD_TEXTS"),
    "Limits": (
        "QUOTA",
        "QUOTA_*",
        "BUDGET",
        "TIMEZONE",
        "REQUESTS_PER_MINUTE",
        "PENDING_TURNS",
    ),
    "Memory": (
        "MEMORY_HIGH_TOKENS",
        "MEMORY_LOW_TOKENS",
        "FILE_MEGABYTES",
        "RETENTION_DAYS",
        "KEEP_DAYS",
    ),
    "The process": (
        "CONCURRENCY",
        "LEASE_SECONDS",
        "DRAIN_SECONDS",
        "FIRST_TOKEN_SECONDS",
        "STALL_SECONDS",
        "MODEL_PATIENCE_SECONDS",
        "RETRY_SECONDS",
    ),
}
"""The order of the page. A setting that stands in no section fails the page."""

FORMS = {
    "check_database_url": "URL",
    "check_direct_url": "URL",
    "check_endpoint": "URL",
    "check_url": "URL",
    "parse_access": "",
    "parse_admins": "accounts",
    "parse_groups": "groups, or `none`",
    "parse_limits": "limits",
    "parse_models": "names of models",
    "parse_people": "accounts",
    "parse_prices": "prices",
    "parse_vision": "`true`, `false`, or names of models",
    "parse_zone": "a time zone",
    "read_personas": "a file",
    "_folder": "a folder",
    "_webhook_url": "URL",
}
"""The form of a value, by the function that reads or checks it; "" if its type tells more."""
UNITS = ("SECONDS", "DAYS", "TOKENS", "MEGABYTES", "CONNECTIONS", "TURNS")
"""The ends of names that tell a unit."""


@dataclass(frozen=True)
class Setting:
    """A setting as an operator reads of it."""

    name: str
    default: str
    form: str
    about: str

    def row(self) -> str:
        """Return its row of the table."""
        name = self.name.replace("*", "…")
        cells = (f"`{name}`", self.default, self.form, self.about)
        return " | ".join(["", *(cell.replace("|", "\\|") for cell in cells), ""]).strip()


OWNERS: tuple[type[Environment], ...] = (Settings, *PLATFORMS)


def page(owners: Sequence[type[Environment]] = OWNERS) -> str:
    """Return the page; ValueError if it would lack a setting or its text."""
    found = {setting.name: setting for kind in owners for setting in _of(kind)}
    placed = [name for names in SECTIONS.values() for name in names]
    if stray := sorted(found.keys() ^ set(placed)):
        raise ValueError(f"{', '.join(stray)}: bring SECTIONS of tests/docs/settings.py up to date")
    parts = [INTRODUCTION]
    for title, names in SECTIONS.items():
        rows = [found[name].row() for name in names]
        head = ["| setting | default | value | what it sets |", "|---|---|---|---|"]
        parts.append("\n".join([f"## {title}", "", *head, *rows, ""]))
    return "\n".join(parts)


def _of(kind: type[Environment]) -> Iterator[Setting]:
    """Yield the settings of an owner."""
    told = _texts(kind)
    unset: Any = kind.model_validate({})
    for field, info in kind.model_fields.items():
        name = str(info.validation_alias or field).upper()
        if field not in told:
            raise ValueError(f"{name}: write below the field {field} what it sets")
        # A field `set_quota` is the value as it is written, and `quota` the one that counts.
        default = getattr(unset, field.removeprefix("set_"), info.default)
        yield Setting(name, _shown(default), _form(name, info), told[field])


def _texts(kind: type[Environment]) -> dict[str, str]:
    """Return the text below each field of a class."""
    [definition] = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for line, below in zip(definition.body, definition.body[1:], strict=False):
        match line, below:
            case (
                ast.AnnAssign(target=ast.Name(id=field)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[field] = " ".join(text.split())
    return texts


def _shown(default: object) -> str:
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        default = ", ".join(map(str, default))
    if isinstance(default, float):
        default = f"{default:g}"
    is_text = isinstance(default, str | int) or str(default) == "UTC"
    return f"`{default}`" if default and is_text else "not set"


def _form(name: str, info: FieldInfo) -> str:
    """Return the form and the unit of a value, with its bounds."""
    checks = [each for each in info.metadata if isinstance(each, AfterValidator | BeforeValidator)]
    named = [FORMS.get(each.func.__name__, "") for each in checks]
    if any(named):
        return next(filter(None, named))
    kinds = [info.annotation, *get_args(info.annotation)]
    choices = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices[0])
    if int in kinds or float in kinds:
        return _number(name, info)
    plain = {bool: "`true` or `false`", SecretStr: "a secret"}
    limits = "limits" if "Limit" in str(info.annotation) else "a text"
    return next((form for kind, form in plain.items() if kind in kinds), limits)


def _number(name: str, info: FieldInfo) -> str:
    unit = next((unit.lower() for unit in UNITS if name.endswith(unit)), "a number")
    bounds = {}
    for each in info.metadata:
        for kind in ("ge", "gt", "le"):
            if isinstance(each, annotated_types.BaseMetadata) and hasattr(each, kind):
                bounds[kind] = f"{getattr(each, kind):,}"
    if "le" in bounds:
        return f"{unit}, {bounds['ge']} to {bounds['le']}"
    if "ge" in bounds:
        return f"{unit}, at least {bounds['ge']}"
    return f"{unit}, more than {bounds['gt']}"
