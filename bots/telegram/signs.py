"""The signs of life of Telegram."""

import time


class Signs:
    """The signs of life of one account's connection."""

    def __init__(self) -> None:
        self._was_heard = False
        self.hears = False
        """True while updates can come."""
        self.heard_at: float | None = None
        """The time of the last sign by `time.monotonic`; None if there was none."""
        self.reconnects = 0
        """The number of times that updates could come again."""

    def note(self, hears: bool) -> None:
        """Note whether updates can come; that they can is a sign."""
        self.reconnects += hears and not self.hears and self._was_heard
        self._was_heard = self._was_heard or hears
        self.hears = hears
        if hears:
            self.heard()

    def heard(self) -> None:
        """Note a sign."""
        self.heard_at = time.monotonic()
