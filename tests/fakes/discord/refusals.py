"""Discord's refusals: `{"message", "code"}` with a status, and form errors of code 50035."""

from tests.fakes.discord.records import Json

REFUSALS: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "The maximum number of follow-up messages for this interaction was reached."),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
    160002: (403, "Cannot reply without permission to read message history"),
    160005: (400, "Thread is locked"),
}


class Refusal(Exception):
    """A request is refused with this status and body."""

    def __init__(self, status: int, message: str, code: int = 0, **extra: object) -> None:
        super().__init__(f"{status} {message} ({code})")
        self.status = status
        self.body: Json = {"message": message, "code": code, **extra}


def refusal(code: int) -> Refusal:
    """The refusal that Discord knows under this code."""
    status, message = REFUSALS[code]
    return Refusal(status, message, code)


def invalid(field: str, code: str, text: str) -> Refusal:
    """Invalid Form Body: `field` is a dotted path into the body."""
    errors: Json = {"_errors": [{"code": code, "message": text}]}
    for name in reversed(field.split(".")):
        errors = {name: errors}
    return Refusal(400, "Invalid Form Body", 50035, errors=errors)


def too_long(field: str, limit: int) -> Refusal:
    """A text is longer than Discord lets it be."""
    return invalid(field, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")
