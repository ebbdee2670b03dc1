"""The releases in the history of this repository: their tags, their code and their migrations."""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.bot import ROOT

TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
Version = tuple[int, int, int]


def tags() -> list[str]:
    """Return the tags of releases, the oldest first; none outside of a repository."""
    found = [tag for tag in _git("tag", "--list", "v*").decode().split() if TAG.fullmatch(tag)]
    return sorted(found, key=number)


def number(version: str) -> Version:
    """Return a version such as 0.1.0 or v0.1.0 as numbers."""
    found = TAG.fullmatch(f"v{version.removeprefix('v')}")
    assert found, f"{version!r} is no version"
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def unpack(revision: str, folder: Path) -> None:
    """Write the code of a revision into a folder."""
    packed = _git("archive", "--format=tar", revision)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def migrations(folder: Path = ROOT) -> set[str]:
    """Return the revisions of the tables that a tree knows."""
    return {path.name[:4] for path in (folder / "migrations" / "versions").glob("0*.py")}


def migrations_at(revision: str) -> set[str]:
    """Return the revisions of the tables that a release knows."""
    listed = _git("ls-tree", "--name-only", revision, "migrations/versions/").decode()
    return set(re.findall(r"/(0\d{3})_", listed))


def _git(*arguments: str) -> bytes:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return b""
    command = [git, "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - git alone
