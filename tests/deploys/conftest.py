"""The fixtures of the tests of deploys: the image, made once, and the steps that made it."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pytest

from tests.conftest import SHARED
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
def image(tools: Path, run: str, pytestconfig: pytest.Config) -> Iterator[Image]:
    """The image: a folder in which all stages of the Dockerfile are carried out, once in a run.

    Every user may look into it, as not into pytest's own folders.
    """
    kept = ("SSL_CERT_FILE", "PIP_CERT", "PIP_FIND_LINKS", "HOME")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    folder = Path(gettempdir(), f"parley-image-{run}")
    image = Image(folder, {**variables, "PATH": f"{tools}:/usr/bin:/bin"})
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
