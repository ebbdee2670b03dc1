"""Everything that people are told stands in one catalogue, in the language of the moment."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(path for part in ("core", "bots") for path in (ROOT / part).rglob("*.py"))
SAID = {"ABOUT_THIS", "EMPTY", "SOMEBODY", "UNREADABLE_KINDS", "AND", "ENGLISH", "FROM_RIGHT"}
"""Constants of `core.words` that are the same in every language."""


def kept(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated when a module is imported."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (deep for part in ast.iter_child_nodes(each.args) for deep in ast.walk(part))
            continue
        if not isinstance(each, ast.Lambda):
            yield each
            yield from kept(each)


def frozen(source: str) -> list[str]:
    """Return the sentences that a module keeps in one language from its import on."""
    found = []
    for node in kept(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="words"), attr=name):
                found.append(name)
            case ast.ImportFrom(module="core.words", names=names):
                found += [each.name for each in names]
    return [name for name in found if name.isupper() and name not in SAID]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_is_kept_from_an_import(path: Path) -> None:
    assert not frozen(path.read_text())


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
    assert frozen(source) == ["STOPPED"]


def test_a_sentence_inside_a_function_is_not_kept() -> None:
    assert not frozen("def a():\n    return words.STOPPED\nasync def b():\n    x = words.CUT")
