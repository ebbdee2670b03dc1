"""The fixtures of the tests of deploys: the image, made once, and the steps that made it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

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
def image(tools: Path) -> Iterator[Image]:
    """The image: a folder in which all stages of the Dockerfile are carried out."""
    kept = ("SSL_CERT_FILE", "PIP_CERT", "PIP_FIND_LINKS", "HOME")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    with TemporaryDirectory(prefix="parley-image-") as name:
        Path(name).chmod(0o755)
        made = Image(Path(name), {**variables, "PATH": f"{tools}:/usr/bin:/bin"})
        for stage in stages():
            made.carry_out(stage)
        yield made


@pytest.fixture(scope="session")
def runtime() -> Stage:
    """The last stage of the Dockerfile."""
    return stages()[-1]
