"""`docs/modules.md`, made from the layers in `pyproject.toml` and the docstrings of modules."""

import ast
import tomllib
from pathlib import Path

from tests.bot import ROOT

INTRODUCTION = """\
# Modules

The modules of `core/`, the highest layer first. A module imports only from lower layers, and
modules of one layer never import each other; `make imports` checks that. Behind each name stands
the first line of its docstring. `make docs` writes this page from the code.
"""


def page() -> str:
    """Return the page."""
    layers = [layer.split(" | ") for layer in _layers()]
    parts = [INTRODUCTION]
    for number, names in zip(range(len(layers), 0, -1), layers, strict=True):
        rows = [f"| {_link(name)} | {_about(name)} |" for name in sorted(names)]
        parts.append(
            "\n".join([f"## Layer {number}", "", "| module | what it is |", "|---|---|", *rows, ""])
        )
    return "\n".join(parts)


def _layers() -> list[str]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [layers] = [
        each["layers"] for each in told["tool"]["importlinter"]["contracts"] if "layers" in each
    ]
    return [str(layer) for layer in layers]


def _file(name: str) -> Path:
    package = ROOT / "core" / name / "__init__.py"
    return package if package.exists() else ROOT / "core" / f"{name}.py"


def _link(name: str) -> str:
    file = _file(name)
    path = file.parent if file.name == "__init__.py" else file
    return f"[`{name}`](../{path.relative_to(ROOT).as_posix()})"


def _about(name: str) -> str:
    text = ast.get_docstring(ast.parse(_file(name).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].replace("|", "\\|")
