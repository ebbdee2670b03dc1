"""The figures of a turn, for its line in the log."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """The sum of the calls to the model that made an answer; the cost is in micro-dollars."""

    model: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0
