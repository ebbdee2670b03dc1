"""The terminal as a platform: one person, one private chat, one answer at a time."""

from contextlib import AbstractAsyncContextManager

from bots.platform import Platform
from core.adapter import Adapter, Known


class Console(Platform):
    """The terminal of this process, or its pipes."""

    name = "console"
    numbers_accounts = False
    on_terminal = True

    @property
    def is_set(self) -> bool:
        """False, because the terminal runs only when it is named."""
        return False

    def connect(self, known: Known) -> AbstractAsyncContextManager[Adapter]:
        """Open the terminal; there are no missed messages to catch up on."""
        from bots.console.adapter import connect  # noqa: PLC0415 - see Platform

        return connect()
