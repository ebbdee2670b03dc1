"""Commands with words behind them: which of those words are a question (pure).

`/new What is 2+2?` begins anew and asks. `/start hello` says hello. A command that nobody knows is
not worth losing a question for: to the model, `/translate good morning` is a wish like any other.
"""

from dataclasses import replace

from core.adapter import ASK, COMMANDS, NEW, START, InboundMessage

BEFORE_A_QUESTION = frozenset({NEW, START})
"""The commands that take no argument: the words behind them are a question."""
_KNOWN = frozenset(command.name for command in COMMANDS)


def command_in(text: str) -> tuple[str | None, str]:
    """Return the command that a text begins with, and the text behind it.

    The command is None, and the text whole, if it begins with none that we have.
    """
    first = text.split(maxsplit=1)[:1]
    name = "".join(first).removeprefix("/").lower()
    if not text.startswith("/") or name not in _KNOWN:
        return None, text
    return name, text[len(name) + 1 :].strip()


def question_in(message: InboundMessage) -> InboundMessage | None:
    """Return a message as the question that it asks; None if it is only a command.

    The words of an unknown command stay with its name, which may be a part of the wish.
    """
    name = message.command
    if name is None or name == ASK:
        return replace(message, command=None)
    if not (message.text or message.attachments) or name in _KNOWN - BEFORE_A_QUESTION:
        return None
    text = message.text if name in _KNOWN else f"/{name} {message.text}".strip()
    return replace(message, text=text, command=None)
