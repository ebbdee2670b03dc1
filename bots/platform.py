"""A platform as the entry point sees it: its name, its settings and the way to its account."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from core.adapter import Adapter, Known
from core.environment import Environment, Secret, Url

__all__ = ["Platform", "Secret", "Url"]


class Platform(Environment, ABC):
    """One platform with its own settings: fields are environment variables of the same name.

    All platforms are loaded at every start, to read their settings. A platform's module imports
    its library inside `connect`, so that a platform that does not run costs no memory.
    """

    name: ClassVar[str]
    """The name in addresses, logs and on the command line."""
    needs: ClassVar[str] = ""
    """The lines that tell an operator what to set and where to get it; "" where nothing is needed.
    """
    on_terminal: ClassVar[bool] = False
    """A person uses the process's terminal, so that the log may show warnings only."""
    loggers: ClassVar[tuple[str, ...]] = ()
    """The loggers of its libraries; of them the log shows warnings only."""

    @property
    @abstractmethod
    def is_set(self) -> bool:
        """Whether the operator has set what it needs; then it runs without being named."""

    @abstractmethod
    def connect(self, known: Known) -> AbstractAsyncContextManager[Adapter]:
        """Make one attempt to reach the account.

        Entering raises SettingsError when the operator has to change something, and DeliveryError
        when the platform does not answer.
        """
