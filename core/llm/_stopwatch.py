"""The time of one request to a model, and what it brought."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.llm._stream import Event, LeftOut, Lost
from core.messages import Usage
from core.signals import ModelCalled


@dataclass(slots=True)
class Stopwatch:
    """Measures one request from its creation to `told`."""

    model: str
    clock: Callable[[], float]
    _began: float = field(init=False)
    _first: float | None = None
    _usage: Usage | None = None
    _error: str = ""

    def __post_init__(self) -> None:
        """Begin."""
        self._began = self.clock()

    def hear(self, event: Event) -> None:
        """Note the first piece of the answer, and the usage that the API tells."""
        if isinstance(event, Usage):
            self._usage = event
        elif self._first is None and not isinstance(event, Lost | LeftOut):
            self._first = self.clock() - self._began

    def failed(self, error: Exception) -> None:
        """Note the error that has ended the request."""
        self._error = type(error).__name__

    def told(self) -> ModelCalled:
        """Return what is to be told at the end."""
        used = self._usage
        return ModelCalled(
            self.model,
            self.clock() - self._began,
            self._first,
            self._error,
            None if used is None else used.prompt_tokens,
            None if used is None else used.completion_tokens,
        )
