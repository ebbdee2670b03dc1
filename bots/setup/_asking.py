"""Asking for one setting until it is right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bots.setup import _file as env_file
from bots.setup._answers import Answers
from bots.setup._terminal import Terminal
from core.findings import Finding, Severity

NONE = "none"
"""The word for no value at all."""


@dataclass(frozen=True, slots=True)
class Asker:
    """An operator at a terminal, whose answers are going to stand in a file."""

    terminal: Terminal
    answers: Answers
    path: Path

    def obtain(
        self,
        name: str,
        *,
        default: str = "",
        hidden: bool = False,
        is_optional: bool = False,
        may_be_none: bool = False,
        check: Callable[[], bool] = lambda: True,
    ) -> str:
        """Ask for a setting until it is right, and return its value.

        An optional one is left out by Enter or NONE; one that may be none has an empty value then.
        `check` looks at the answer, which is noted already.
        """
        if fixed := self.answers.fixed(name):
            self.terminal.say(f"{name} is set in the environment, which wins over .env.")
            if complaint := self.answers.complaint(name, fixed):
                self.terminal.say(f"{name}: {complaint}", mark="  Wrong: ")
            else:
                check()
            return fixed
        stored = self.answers.stored(name)
        if may_be_none and self.answers.is_stored(name):
            stored = stored or NONE
        is_secret = bool(stored) and (hidden or "@" in stored)  # an address may hold a password
        shown = "the one in .env" if is_secret else stored or default
        question = f"{name}{' (hidden)' if hidden else ''}{f' [{shown}]' if shown else ''}: "
        while True:
            value = self._typed(question, name, stored, hidden=hidden) or default
            is_none = value.lower() in ("", NONE)
            if is_none and is_optional:
                return ""
            if not value or (is_none and not may_be_none):
                self.terminal.say(f"{name} is needed.", mark="  ")
            elif self._takes(name, "" if is_none else value, check):
                return self.answers.value(name)

    def _typed(self, question: str, name: str, stored: str, *, hidden: bool) -> str:
        """Return what is typed; what is stored if that is nothing, or is not to be replaced."""
        typed = self.terminal.ask(question, hidden=hidden)
        if typed and stored and typed != stored and not self._replaces(name):
            return stored
        return typed or stored

    def _replaces(self, name: str) -> bool:
        return self.terminal.agrees(f"Replace {name} in {self.path}?")

    def _takes(self, name: str, value: str, check: Callable[[], bool]) -> bool:
        """Note an answer, and return whether it is right; if not, the person is told why."""
        complaint = self._unwritable(name, value) or self.answers.complaint(name, value)
        if complaint:
            self.terminal.say(f"{name}: {complaint}", mark="  Wrong: ")
            return False
        self.answers.typed[name] = value
        if check():
            return True
        del self.answers.typed[name]
        return False

    def _unwritable(self, name: str, value: str) -> str:
        """Return why a new value cannot stand in the file; "" if it can."""
        if value == self.answers.stored(name):
            return ""
        try:
            env_file.check(value)
        except ValueError as error:
            return str(error)
        return ""

    def show(self, findings: Sequence[Finding]) -> None:
        """Show what checks have found."""
        marks = {Severity.FAULT: "  Wrong: ", Severity.WARNING: "  Better: ", Severity.NOTE: "  "}
        for each in findings:
            self.terminal.say(f"{each}.", mark=marks[each.severity])

    def goes_on(self, why: str, *, usually: bool = True) -> bool:
        """Tell that an answer could not be checked; return whether to take it all the same."""
        self.terminal.say(f"{why}.", mark="  Not checked: ")
        return self.terminal.agrees("  Go on with this answer?", usually=usually)
