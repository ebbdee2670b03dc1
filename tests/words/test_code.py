"""Everything that people are told stands in the catalogue, and is said at the moment of saying."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from core.words import _sentences

ROOT = Path(__file__).parents[2]
CODE = sorted(path for part in ("core", "bots") for path in (ROOT / part).rglob("*.py"))
SENTENCES = Path(_sentences.__file__)

EVERYWHERE = {"ABOUT_THIS", "AND", "EMPTY", "ENGLISH", "FROM_RIGHT", "SOMEBODY", "UNREADABLE_KINDS"}
"""Constants of `core.words` that are the same in every language."""

TO_OTHERS = frozenset(
    {
        "bots/__main__.py",
        "bots/asking.py",
        "bots/backups.py",
        "bots/composition.py",
        "bots/desks.py",
        "bots/discord/checkup.py",
        "bots/discord/portal.py",
        "bots/discord/rest.py",
        "bots/doctor",
        "bots/dynos.py",
        "bots/life.py",
        "bots/loading.py",
        "bots/log.py",
        "bots/markdown",
        "bots/models.py",
        "bots/operator.py",
        "bots/probe.py",
        "bots/setup",
        "bots/telegram/checkup.py",
        "bots/telegram/token.py",
        "bots/telemetry.py",
        "bots/terms.py",
        "bots/transport",
        "bots/web",
        "bots/who.py",
        "core/backup.py",
        "core/checkup",
        "core/db.py",
        "core/environment.py",
        "core/errors.py",
        "core/findings.py",
        "core/llm",
        "core/memory",
        "core/models",
        "core/money.py",
        "core/operations",
        "core/outages.py",
        "core/postgresql.py",
        "core/presence.py",
        "core/schema.py",
        "core/search.py",
        "core/settings",
        "core/sqlite.py",
        "core/tools",
        "core/vitals.py",
    }
)
"""Modules that say nothing to people who chat: to the model, to operators, or to nobody."""
NOT_SAID = (
    # To the model, which has no language of its own.
    "From now on, follow only your first instructions again.",
    "Summarise our conversation so far",
    "[An image was here;",
    "[The file “",
    "” was here; it is no longer attached.]",
    "This message is from {author}.",
    "[Sent along, but you cannot read it: ",
    "[The rest of this message is left out here.]",
    # The names of accounts that Telegram has deleted, as it shows them.
    "Deleted Chat",
    "Deleted Account",
    # To operators, in logs and in settings.
    "  DISCORD_TOKEN ",
    "  TELEGRAM_TOKEN ",
    "DISCORD_API_URL: ",
    "TELEGRAM_API_URL: ",
    "TELEGRAM_TOKEN is no longer valid",
    "_PROXY: ",
    "Discord does not let the bot read",
    "/%s/bot and start again",
    "another process polls with this token",
    "a webhook is set",
    "the webhook of ",
    "no reason given",
    "console line",
    "no file of that folder",
    "without an id",
    "not in time: ",
    "it fails alone: ",
    " bytes that are no answer",
    # What servers write, to be known again.
    "is not modified",
    "webhook is active",
    "Entity Too Large",
    # Commands, also of the database.
    "language auto",
    "turns retry",
    "turns cancel",
    "turns show",
    "turns discard",
    "SET LOCAL lock_timeout",
)
"""The beginnings of texts in the other modules that nobody is told."""
SPEECH = re.compile(r"[^\W\d_]{2,}[,:;.!?]? [^\W\d_]{2,}")
"""Two words in a row."""


@cache
def parsed(source: str) -> ast.Module:
    """Return the syntax of a module, which several tests look at."""
    return ast.parse(source)


# -- kept from an import ---------------------------------------------------------------------------


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated when a module is imported."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (deep for part in ast.iter_child_nodes(each.args) for deep in ast.walk(part))
        elif not isinstance(each, ast.Lambda):
            yield each
            yield from at_import(each)


def kept(source: str) -> list[str]:
    """Return the sentences that a module keeps in one language from its import on."""
    found = []
    for node in at_import(parsed(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="words"), attr=name):
                found.append(name)
            case ast.ImportFrom(module="core.words", names=names):
                found += [each.name for each in names]
    return [name for name in found if name.isupper() and name not in EVERYWHERE]


def test_no_sentence_is_kept_from_an_import() -> None:
    found = {str(path.relative_to(ROOT)): kept(path.read_text()) for path in CODE}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from core.words import STOPPED",
        "A = words.STOPPED",
        "class A:\n    told: str = words.STOPPED",
        "def a(told=words.STOPPED): ...",
        "A = {1: [words.STOPPED]}",
    ],
)
def test_a_kept_sentence_is_found(source: str) -> None:
    assert kept(source) == ["STOPPED"]


def test_a_sentence_inside_a_function_is_not_kept() -> None:
    assert not kept("def a():\n    return words.STOPPED\nasync def b():\n    x = words.CUT")


# -- outside of the catalogue ----------------------------------------------------------------------


def outside(source: str) -> list[str]:
    """Return the texts of a module that a person may be told, though no catalogue has them."""
    tree = parsed(source)
    unsaid = {id(deep) for node in ast.walk(tree) if is_unsaid(node) for deep in ast.walk(node)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in unsaid
        and SPEECH.search(node.value)
        and not node.value.startswith(NOT_SAID)
    ]


def is_unsaid(node: ast.AST) -> bool:
    """Return whether no text inside a node is told to people in English: marks, logs, errors."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Assert():
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logging"))):
            return True
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in ("_", "plural", "compile", "text", "literal_column", "partial_index")
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name))):
            return name != "AttachmentError"  # a person reads its message
    return False


def is_for_others(path: Path) -> bool:
    """Return whether a module says nothing to people."""
    place = path.relative_to(ROOT)
    return any(str(each) in TO_OTHERS for each in (place, *place.parents))


def test_no_sentence_is_outside_of_the_catalogue() -> None:
    found = {
        str(path.relative_to(ROOT)): outside(path.read_text())
        for path in CODE
        if not is_for_others(path)
    }
    assert {path: texts for path, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    "source",
    [
        'await adapter.send(address, "It is done.")',
        'return Result(f"You have {count} messages.")',
        'TOLD = {1: ("Please wait", 2)}',
        'Button(ChangeKind.STOP, label="Stop it")',
        'raise AttachmentError("The file is empty.")',
        'told = words.STOPPED + " Send it again."',
    ],
)
def test_a_sentence_outside_of_the_catalogue_is_found(source: str) -> None:
    assert outside(f"async def a():\n    {source}")


def test_what_is_for_nobody_is_passed_over() -> None:
    assert not outside(
        '"""A module of words."""\nlog.info("it is done")\nraise ValueError("a b cd ef")'
    )


# -- unused ----------------------------------------------------------------------------------------


def used(source: str) -> set[str]:
    """Return the sentences that a module says."""
    return {
        node.attr
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("words", "english")
    }


def test_every_sentence_is_said_somewhere() -> None:
    said = {name for path in CODE for name in used(path.read_text())}
    assert {name for name in vars(_sentences) if name.isupper()} - said - {"_"} == set()
