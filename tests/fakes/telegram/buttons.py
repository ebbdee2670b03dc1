"""The buttons below a message: which keyboards the service accepts."""

from tests.fakes.telegram.errors import bad_request
from tests.fakes.telegram.params import Params
from tests.fakes.telegram.spans import Json
from tests.fakes.telegram.state import Rows

BUTTON_KINDS = ("url", "callback_data", "login_url", "web_app", "copy_text", "pay")
MOST_BUTTONS = 100
LONGEST_DATA = 64
"""Bytes."""


def read_keyboard(params: Params) -> Rows:
    """The rows of an inline keyboard; none where none was sent."""
    markup = params.get("reply_markup")
    if markup is None:
        return []
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    rows = markup.get("inline_keyboard", [])
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
        )
    if sum(map(len, rows)) > MOST_BUTTONS:
        raise bad_request("reply markup is too long")
    return [[_button(button) for button in row] for row in rows if row]


def _button(button: object) -> Json:
    problem = "can't parse inline keyboard button: "
    if not isinstance(button, dict):
        raise bad_request(f"{problem}InlineKeyboardButton must be an Object")
    if not isinstance(button.get("text"), str):
        raise bad_request(f'{problem}Can\'t find field "text"')
    if not any(button.get(kind) for kind in BUTTON_KINDS):
        raise bad_request(f"{problem}Text buttons are unallowed in the inline keyboard")
    if not button["text"].strip():
        raise bad_request("inline keyboard button text must be non-empty")
    if len(str(button.get("callback_data", "")).encode()) > LONGEST_DATA:
        raise bad_request("BUTTON_DATA_INVALID")
    return button
