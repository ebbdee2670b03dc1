"""The fixtures of the tests of deploys: the image, made once, and the steps that made it."""

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pytest

from tests.bot import ROOT
from tests.conftest import SHARED, once
from tests.deploys.dockerfile import Image, Stage, readable, stages


@pytest.fixture(scope="session")
def tools() -> Iterator[Path]:
    """A folder with the programs of the base image: `python` and `pip`."""
    interpreter = next(readable(), sys.executable)
    with TemporaryDirectory(prefix="parley-tools-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for program, command in {"python": interpreter, "pip": f"{sys.executable} -m pip"}.items():
            (folder / program).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (folder / program).chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def shell(pytestconfig: pytest.Config) -> Mapping[str, str]:
    """The variables of a shell in which pip finds what this run has got from the index once.

    Each pip would look at all releases of all libraries again.
    """
    kept = ("SSL_CERT_FILE", "HOME")
    wheels = once(pytestconfig.stash[SHARED] / "wheels", _download)
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **{"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)},
    }


def _download(folder: Path) -> None:
    """Download the wheels of the pinned libraries, and of what builds ours."""
    builds = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pip = [sys.executable, "-m", "pip", "--quiet", "download", "--dest", str(folder)]
    for what in (["--no-deps", "--requirement", str(ROOT / "requirements.txt")], builds):
        subprocess.run([*pip, *what], check=True)  # noqa: S603 - our own pins


@pytest.fixture(scope="session")
def image(
    tools: Path, shell: Mapping[str, str], run: str, pytestconfig: pytest.Config
) -> Iterator[Image]:
    """The image: a folder in which all stages of the Dockerfile are carried out, once in a run.

    Every user may look into it, as not into pytest's own folders.
    """
    folder = Path(gettempdir(), f"parley-image-{run}")
    image = Image(folder, {**shell, "PATH": f"{tools}:/usr/bin:/bin"})
    made = pytestconfig.stash[SHARED] / "image.made"
    with made.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other processes of the run wait
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o755)
            for stage in stages():
                image.carry_out(stage)
            made.touch()
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield image
        with suppress(BlockingIOError):  # another process still uses it
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.unlink()
            shutil.rmtree(folder)


@pytest.fixture(scope="session")
def runtime() -> Stage:
    """The last stage of the Dockerfile."""
    return stages()[-1]
