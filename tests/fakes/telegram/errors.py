"""The Bot API's refusals of a call."""


class Refused(Exception):
    """A refusal in the service's own words; `parameters` help a client to react."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def bad_request(description: str) -> Refused:
    """The refusal of a call that is wrong in itself."""
    return Refused(400, f"Bad Request: {description}")


def flooded(seconds: int) -> Refused:
    """The refusal of a call that comes too soon, for this many seconds."""
    return Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
