"""The Dockerfile as data, and its steps carried out in a folder that stands for an image's root."""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tests.bot import ROOT
from tests.tree import files


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction, such as RUN, with what follows it."""

    word: str
    rest: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The steps behind one FROM."""

    image: str
    name: str
    steps: tuple[Step, ...]

    def all(self, word: str) -> list[str]:
        """Return what follows each instruction of a kind."""
        return [step.rest for step in self.steps if step.word == word]

    def last(self, word: str) -> str:
        """Return what follows the last instruction of a kind, which counts."""
        return self.all(word)[-1]

    def argv(self, word: str) -> list[str]:
        """Return the command of an instruction; ValueError if it is not in the exec form."""
        argv: list[str] = json.loads(self.last(word).partition("CMD")[2] or self.last(word))
        return argv

    def environment(self) -> dict[str, str]:
        """Return the variables of all ENV instructions."""
        pairs = [pair for rest in self.all("ENV") for pair in shlex.split(rest)]
        return dict(pair.split("=", 1) for pair in pairs)


def stages() -> list[Stage]:
    """Return the stages of the Dockerfile."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    steps = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, rest = line.split(maxsplit=1)
            steps.append(Step(word, rest))
    starts = [number for number, step in enumerate(steps) if step.word == "FROM"]
    return [
        _stage(steps[start], steps[start + 1 : end])
        for start, end in zip(starts, [*starts[1:], len(steps)], strict=True)
    ]


def _stage(start: Step, steps: list[Step]) -> Stage:
    image, _, name = start.rest.partition(" AS ")
    return Stage(image, name, tuple(steps))


def context() -> list[Path]:
    """Return the files of the repository that the build may see, by `.dockerignore`."""
    return [path for path in files(ROOT) if path.is_file() and _is_sent(path.relative_to(ROOT))]


def _is_sent(path: Path) -> bool:
    """Return whether a path is sent to the build: the last pattern that fits it decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line.startswith("#") or not line:
            continue
        if any(_fits(part, pattern) for part in (path, *path.parents)):
            sent = line.startswith("!")
    return sent


def _fits(path: Path, pattern: str) -> bool:
    name = pattern.removeprefix("**/")
    return fnmatch(path.name if name != pattern else str(path), name)


@dataclass(frozen=True, slots=True)
class Image:
    """A folder that stands for the root of an image.

    The paths of an image that its steps name lie in the folder. Programs are those of this machine.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment of all commands; PATH leads to `python` and `pip`."""

    def here(self, text: str) -> str:
        """Return a text with the folder in front of each path of the image."""
        return re.sub(r"(?<![\w.:/])/(?=(opt|data|build)\b)", f"{self.folder}/", text)

    def environment(self, stage: Stage) -> dict[str, str]:
        """Return the variables of a stage's commands."""
        told = {name: self.here(value) for name, value in stage.environment().items()}
        told.pop("PIP_NO_CACHE_DIR", None)  # what this machine has downloaded may be used again
        path = told.get("PATH", "$PATH").replace("$PATH", self.variables["PATH"])
        return {**self.variables, **told, "PATH": path}

    def carry_out(self, stage: Stage) -> None:
        """Carry out the steps that make files; raises CalledProcessError if one fails."""
        workdir, environment = self.folder, self.environment(stage)
        for step in stage.steps:
            if step.word == "WORKDIR":
                workdir = Path(self.here(step.rest))
                workdir.mkdir(parents=True, exist_ok=True)
            elif step.word == "COPY" and step.rest.startswith("--from="):
                self._keep_only(step.rest)
            elif step.word == "COPY":
                *sources, target = step.rest.split()
                for source in sources:
                    _copy(source, workdir / target)
            elif step.word == "RUN":
                command = ["sh", "-c", self.here(step.rest)]
                subprocess.run(command, cwd=workdir, env=environment, check=True)  # noqa: S603 - a step of our Dockerfile

    def _keep_only(self, copied: str) -> None:
        """Remove all but what the stage before hands over: both stages share the folder."""
        _, source, target = copied.split()
        assert source == target, "a virtual environment cannot be moved"
        kept = Path(self.here(source))
        for path in self.folder.iterdir():
            if path not in kept.parents and path.name != "data":
                shutil.rmtree(path)


def _copy(source: str, target: Path) -> None:
    """Copy a file into a folder, or the files of a folder, as COPY does."""
    found = [path for path in context() if _is_of(path.relative_to(ROOT), source)]
    assert found, f"{source} is not in the repository, or .dockerignore keeps it back"
    for path in found:
        inside = path.relative_to(ROOT / source) if (ROOT / source).is_dir() else path.name
        (target / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / inside)


def _is_of(path: Path, source: str) -> bool:
    return path == Path(source) or Path(source) in path.parents


def readable() -> Iterator[str]:
    """Yield the interpreters that every user of this machine may run."""
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        for folder in os.get_exec_path():
            path = Path(folder, name).resolve()
            if path.is_file() and all(_is_open(each) for each in (path, *path.parents)):
                yield str(path)


def _is_open(path: Path) -> bool:
    """Return whether everybody may run a program or look into a folder."""
    return bool(path.stat().st_mode & stat.S_IXOTH)
