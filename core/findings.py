"""Findings: matters that an operator has to see to, each with what to do about it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.errors import ParleyError, place


class Severity(StrEnum):
    """The weight of a finding."""

    FAULT = "fault"
    """The bot cannot run, or people do not get what they should."""
    WARNING = "warning"
    """The bot runs, but something is lost, left out or about to fail."""
    NOTE = "note"
    """Nothing is wrong; it is good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A matter, in words for the operator: no token, no key, nothing that people said."""

    name: str
    """The place of the matter, as `telegram.token`."""
    severity: Severity
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


def fault(name: str, what: str, remedy: str) -> Finding:
    """Return a finding without which the bot would not run, or would fail people."""
    return Finding(name, Severity.FAULT, what, remedy)


def warning(name: str, what: str, remedy: str) -> Finding:
    """Return a finding of something that is lost, left out or about to fail."""
    return Finding(name, Severity.WARNING, what, remedy)


def note(name: str, what: str, remedy: str = "") -> Finding:
    """Return a finding of something that is good to know."""
    return Finding(name, Severity.NOTE, what, remedy)


@dataclass(frozen=True, slots=True)
class Check:
    """A look at one matter, which returns what it finds."""

    name: str
    look: Callable[[], Awaitable[list[Finding]]]


async def carry_out(checks: Sequence[Check], seconds: float) -> list[Finding]:
    """Carry out checks side by side; return their findings in the order of the checks.

    A check that takes longer than so many seconds, or fails itself, is a finding of its own.
    """

    async def bounded(check: Check) -> list[Finding]:
        try:
            async with asyncio.timeout(seconds) as bound:
                return await check.look()
        except TimeoutError:
            if not bound.expired():
                raise
            what = f"{check.name} was not checked within {seconds:g} s"
            return [warning(check.name, what, "see whether its server is slow, and try again")]

    ends = await asyncio.gather(*map(bounded, checks), return_exceptions=True)
    return [each for check, end in zip(checks, ends, strict=True) for each in _found(check, end)]


def _found(check: Check, end: list[Finding] | BaseException) -> list[Finding]:
    if isinstance(end, ParleyError):
        what = f"{check.name} could not be checked: {end}"
        return [warning(check.name, what, "try again when its server answers")]
    if isinstance(end, Exception):
        what = f"{check.name} could not be checked: {place(end)}"
        return [warning(check.name, what, "please report this, with this line")]
    if isinstance(end, BaseException):
        raise end
    return end
