"""Messages in a group that one person sees; the texts of refusals are not known, and made up."""

import time

from tests.fakes.telegram.errors import bad_request
from tests.fakes.telegram.formatting import FormattedText
from tests.fakes.telegram.params import Params
from tests.fakes.telegram.state import Chat, Message, Rows, State

PARAMETERS = "ephemeral_message_parameters"
SOON = 15.0
"""The seconds after a press in which a bot that is no admin may send one."""


def is_wanted(state: State, params: Params) -> bool:
    """Return whether a message is for one person; an older server takes no notice of that."""
    return PARAMETERS in params and state.knows_ephemeral


def post(
    state: State,
    chat: Chat,
    params: Params,
    text: FormattedText,
    *,
    keyboard: Rows,
    reply_to: int | None,
) -> Message:
    """Show a message to one person. It is in no history, and has no message id."""
    wanted = params[PARAMETERS]
    if not isinstance(wanted, dict) or not set(wanted) <= {"receiver_user_id", "callback_query_id"}:
        raise bad_request("can't parse ephemeral message parameters")
    if chat.kind not in {"group", "supergroup"}:
        raise bad_request("ephemeral messages can be sent only in groups")
    receiver = chat.people.get(wanted.get("receiver_user_id", 0))
    if receiver is None:
        raise bad_request("receiver user not found")
    press = state.presses.get(str(wanted.get("callback_query_id")))
    is_answer = press is not None and press.who == receiver and press.age < SOON
    if state.bot not in chat.admins and not is_answer:
        raise bad_request("not enough rights to send ephemeral messages to the chat")
    number = len(chat.ephemeral) + 1
    more = {"ephemeral_message_id": number, "receiver_user": receiver.json()}
    message = Message(
        chat, 0, state.bot, text.text, text.entities, {}, reply_to, keyboard=keyboard, more=more
    )
    chat.ephemeral.append((receiver, message))
    state.pulse.beat()
    return message


def find(chat: Chat, params: Params, label: str) -> Message:
    """The message that a call is about."""
    for receiver, message in chat.ephemeral:
        number = message.more["ephemeral_message_id"]
        wanted = params.get("receiver_user_id"), params.get("ephemeral_message_id")
        if (receiver.id, number) == wanted and message.deleted_at is None:
            return message
    raise bad_request(f"{label} not found")


def delete(chat: Chat, params: Params) -> bool:
    """Take a message away from the one who sees it."""
    find(chat, params, "message to delete").deleted_at = time.monotonic()
    return True
