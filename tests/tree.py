"""Secrets among the files of a repository, and dependencies without an upper bound."""

import math
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

LARGEST = 2_000_000
"""The largest file that is read, in bytes."""
_MADE = {".git", ".venv", "build", "dist", "__pycache__", ".demo", ".hypothesis"}
_NAMES = re.compile(
    r"\.env(\.(?!example$).*)?|.*\.(pem|p12|pfx|key|keystore|sqlite3?|db)|id_(rsa|dsa|ecdsa|ed25519)"
    r"|\.netrc|\.pgpass|\.npmrc|\.pypirc"
)
_SHAPES = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a token of Telegram": r"(?<!\d)\d{8,12}:[A-Za-z0-9_-]{35}(?![\w-])",
    "a token of Discord": r"\b[\w-]{24,28}\.[\w-]{6}\.[\w-]{27,45}(?![\w-])",
    "a key of a model API": r"\bsk-[A-Za-z0-9_-]{20,}",
    "a token of GitHub": r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{50,})",
    "a token of Slack": r"\bxox[abposr]-[A-Za-z0-9-]{10,}",
    "a key of AWS": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "a key of Google": r"\bAIza[A-Za-z0-9_-]{35}",
    "a signed token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
}
_SECRETS = {what: re.compile(shape, re.ASCII) for what, shape in _SHAPES.items()}
_SETTING = re.compile(
    r"(?i)\b\w*(key|token|secret|passw|credential)\w*[\"']?\s*[:=]\s*[\"']?"
    r"(?P<value>[A-Za-z0-9_+/=.~-]{20,})"
)
_URL = re.compile(r"\b\w+://[^\s/:@\"']+:(?P<value>[^\s/@\"'{}*]{8,})@")
_PIN = re.compile(r"#|-r |[\w.\[\]-]+==[\w.+!-]+( ;.*)?$")
SPREAD = 3.7
"""The bits of entropy for each character from which on a value looks random. Words have fewer."""


def find_secrets(root: Path) -> list[str]:
    """Return a line for each secret in the tree, with its place and without its value."""
    found = []
    for path in files(root):
        where = path.relative_to(root)
        if _NAMES.fullmatch(path.name):
            found.append(f"{where}: such a file belongs in no repository")
        elif path.is_file() and path.stat().st_size <= LARGEST:
            text = path.read_text(encoding="utf-8", errors="replace")
            for number, line in enumerate(text.splitlines(), start=1):
                found += [f"{where}:{number}: {what}" for what in _secrets(line)]
    return found


def _secrets(line: str) -> Iterator[str]:
    yield from (what for what, shape in _SECRETS.items() if shape.search(line))
    for what, pattern in (("a secret's value", _SETTING), ("a password", _URL)):
        if any(_is_random(match["value"]) for match in pattern.finditer(line)):
            yield what


def _is_random(value: str) -> bool:
    """Return whether a value looks drawn at random: digits and letters, evenly spread."""
    if not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    counts = Counter(value).values()
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
    if re.fullmatch(r"[0-9a-f]{32,}|[0-9A-F]{32,}", value):
        return bits >= 0.75 * SPREAD  # it has sixteen characters to draw from
    return bits >= min(SPREAD, 0.85 * math.log2(len(value)))


def files(root: Path) -> list[Path]:
    """Return the files of the repository: those that git knows or would add."""
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - git in this folder
    except (OSError, subprocess.CalledProcessError):  # no git here, or an unpacked archive
        everything = (path for path in root.rglob("*") if path.is_file())
        return [path for path in everything if not _MADE & {*path.relative_to(root).parts}]
    return [root / name for name in listed.stdout.decode().split("\0") if name]


def find_unbounded(root: Path) -> list[str]:
    """Return a line for each dependency that a later release could break unasked."""
    with (root / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)
    project = told["project"]
    groups = {
        "build-system": told["build-system"]["requires"],
        "dependencies": project["dependencies"],
        **project.get("optional-dependencies", {}),
        **told.get("dependency-groups", {}),
    }
    found = [
        f"pyproject.toml: {group}: {each} has no upper bound"
        for group, requirements in groups.items()
        for each in requirements
        if not _is_bounded(Requirement(each))
    ]
    for path in sorted(root.glob("requirements*.txt")):
        lines = filter(str.strip, path.read_text().splitlines())
        found += [f"{path.name}: {line} is not pinned" for line in lines if not _PIN.match(line)]
    return found


def _is_bounded(requirement: Requirement) -> bool:
    return any(each.operator in ("<", "<=", "~=", "==", "===") for each in requirement.specifier)
