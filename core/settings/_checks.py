"""Checks of single values. No error repeats a value that may be a secret."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.environment import check_url

RESET = "reset"
"""The word that ends instructions: `/persona reset`."""
LONGEST_PERSONA = 4000
"""The longest instructions in characters, about 1,000 tokens in every prompt."""
NO_DATABASE = (
    "no address of a database; write it as sqlite:///file.db or as"
    " postgresql://user:password@host:port/name, with an @ in a password as %40"
)


def parse_models(value: object) -> object:
    """Read `a, b` as models, in the order in which they are asked."""
    if not isinstance(value, str):
        return value
    models = tuple(item.strip() for item in value.split(","))
    if not all(models) or len({model.lower() for model in models}) < len(models):
        raise ValueError("a name is missing or comes twice; write models separated by commas")
    return models


def parse_vision(value: object) -> object:
    """Read `true` or `false` as they are, and anything else as the models that see images."""
    if not isinstance(value, str):
        return value
    told = {"true": True, "1": True, "yes": True, "on": True}
    told |= {"false": False, "0": False, "no": False, "off": False}
    return told[value.lower()] if value.lower() in told else parse_models(value)


def read_personas(value: object) -> object:
    """Read personas from a TOML file with lines like `pirate = "You are a pirate."`."""
    if not isinstance(value, str):
        return value
    import tomllib  # noqa: PLC0415 - most bots have no personas

    try:
        found = tomllib.loads(Path(value).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"cannot be read: {error.strerror}; name a file that this user can read"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ValueError(
            'not a TOML file in UTF-8; write lines of the form name = "instructions"'
        ) from None
    if not all(isinstance(text, str) for text in found.values()):
        raise ValueError('a line is of another form; write each as name = "instructions"')
    personas = {name.strip().lower(): text.strip() for name, text in found.items()}
    if len(personas) < len(found):
        raise ValueError("two names differ only in capital letters or blanks; remove one")
    for name, text in personas.items():
        _check_persona(name, text)
    return personas


def _check_persona(name: str, text: str) -> None:
    if not name or name == RESET:
        raise ValueError(
            f"{name!r} cannot be a name: /persona {name} means something else; rename it"
        )
    if not text:
        raise ValueError(f"{name!r} has no instructions; write some, or remove it")
    if len(text) > LONGEST_PERSONA:
        raise ValueError(f"{name!r} has {len(text):,} characters; cut it to {LONGEST_PERSONA:,}")


def check_database_url(url: str) -> str:
    """Check that a URL names one of the two engines, with any driver."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(NO_DATABASE) from None
    engine = parsed.drivername.partition("+")[0]
    if engine not in ("sqlite", "postgres", "postgresql"):
        raise ValueError(NO_DATABASE)
    if engine == "sqlite" and _in_memory(parsed):
        raise ValueError("a database in memory is lost with its connection; name a file")
    return url


def check_direct_url(url: str) -> str:
    """Check that a URL names a PostgreSQL server, if it is set."""
    if url and not check_database_url(url).startswith("postgres"):
        raise ValueError("only PostgreSQL can be behind a pooler; name its address, or remove this")
    return url


def _in_memory(url: URL) -> bool:
    path = url.database or ":memory:"
    return ":memory:" in path or url.query.get("mode") == "memory"


def lower(told: object) -> object:
    """Return a word in lower case."""
    return told.lower() if isinstance(told, str) else told


def check_endpoint(url: str) -> str:
    """Check the address of a collector, if there is one."""
    return check_url(url) if url else url
