"""A platform for the entry point: its name, its settings and the connection to its account."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, ClassVar

from bots.accounts import Acquaintance, Introduction
from core.adapter import Adapter, Known
from core.environment import Environment, Secret, Url, check_url
from core.findings import Check

if TYPE_CHECKING:
    from aiohttp.web import RouteDef

__all__ = ["Platform", "Secret", "Url", "check_url"]


class Platform(Environment, ABC):
    """One platform with its own settings: a field is an environment variable of the same name.

    Every start loads all platforms to read their settings. A platform imports its library inside
    `connect`, so that it costs no memory unless it runs.
    """

    name: ClassVar[str]
    """The name in addresses, in logs and on the command line."""
    needs: ClassVar[str] = ""
    """The lines that tell an operator what to set and where to get it; "" if nothing is needed."""
    numbers_accounts: ClassVar[bool] = True
    """True if the ids of accounts are numbers."""
    on_terminal: ClassVar[bool] = False
    """True if a person uses the process's terminal; then the log shows warnings only."""
    loggers: ClassVar[tuple[str, ...]] = ()
    """The names of its libraries' loggers; the log shows only their warnings."""
    credential: ClassVar[str] = ""
    """The setting with the token of the account; "" if there is none."""

    @property
    @abstractmethod
    def is_set(self) -> bool:
        """True if all needed settings are set; then the platform runs without being named."""

    @property
    def served_by(self) -> str:
        """The name of the setting that needs PORT, because the platform calls; "" if none does."""
        return ""

    def routes(self) -> "Sequence[RouteDef]":
        """Return the routes that the platform calls."""
        return ()

    @abstractmethod
    def connect(self, known: Known) -> AbstractAsyncContextManager[Adapter]:
        """Make one attempt to reach the account; `known` serves to catch up on missed messages.

        Entering raises SettingsError when the operator has to change something, and DeliveryError
        when the platform does not answer.
        """

    async def introduce(self) -> Introduction:
        """Ask the platform for the account of the token; the running bot notices nothing of it.

        Raises SettingsError if the token is refused, and DeliveryError if nobody answers.
        """
        return Introduction(self.name, "")

    def checks(self, me: Introduction, known: Acquaintance) -> Sequence[Check]:
        """Return the checks of an account; they change nothing and disturb no running bot."""
        return ()
