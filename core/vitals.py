"""Signs of life: values that tell how a process is, and no word about a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The part that a process has in listening for an account."""

    CONNECTING = "connecting"
    """The platform has not answered yet, or the database has not told whether another process
    listens."""
    LISTENING = "listening"
    STANDING_BY = "standing by"
    """Another process listens."""
    RECEIVING = "receiving"
    """The platform sends events to every process; another one looks after that."""
    ANSWERING = "answering"
    """The process was started with `--no-listen`."""
    REFUSED = "refused"
    """The platform refuses the account."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """The connection of a process to one account of ours."""

    platform: str
    account: str
    """The id of our account; "" while the platform has not told it."""
    state: State
    hears: bool
    """True while events can come."""
    heard_ago: float | None
    """The seconds since the platform gave a sign: it answered a poll, acknowledged a heartbeat or
    sent an event. None if it never did."""
    reconnects: int = 0
    """The number of times that the connection came back after it was lost."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """The state of a process at a moment."""

    accounts: Sequence[Hearing]
    database_seconds: float | None
    """The time that the database took to answer; None if it does not."""
    schema_current: bool
    running: int
    """The number of turns in hand of the process."""
    waiting: int
    """The number of turns that wait for a worker, or are put back until later."""
    oldest_waiting: float | None
    """The seconds for which a worker could have taken the oldest waiting turn; None if none waits.
    It is below 0 if all are put back until later."""
    stopping: bool

    @property
    def unready(self) -> str:
        """The reason why the process is not ready for work; "" if it is."""
        if self.stopping:
            return "The process is stopping."
        if self.database_seconds is None:
            return "The database does not answer."
        if not self.schema_current:
            return "The tables are older than this release: run parley migrate."
        if all(each.state in (State.CONNECTING, State.REFUSED) for each in self.accounts):
            return "No platform is connected yet."
        return ""

    @property
    def problem(self) -> str:
        """The most important thing that is wrong; "" if all is well."""
        if reason := self.unready:
            return reason
        for each in self.accounts:
            if told := _problem_of(each):
                return told
        if self.oldest_waiting is not None and self.oldest_waiting > LONGEST_WAIT:
            return f"A turn has waited for {self.oldest_waiting:.0f} seconds."
        return ""


LONGEST_WAIT = 300.0
"""The seconds after which a waiting turn is a problem."""
SILENT = 90.0
"""The seconds after which a platform without a sign of life is a problem. A poll is held open for
30, and two heartbeats of Discord are 41 apart."""


def _problem_of(one: Hearing) -> str:
    match one.state:
        case State.CONNECTING:
            return f"{one.platform} is not connected yet."
        case State.REFUSED:
            return f"{one.platform} refuses the account."
        case State.LISTENING if not one.hears:
            return f"No events can come from {one.platform}."
        case State.LISTENING if one.heard_ago is not None and one.heard_ago > SILENT:
            return f"{one.platform} has given no sign for {one.heard_ago:.0f} seconds."
        case _:
            return ""
