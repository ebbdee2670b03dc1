"""The questions of `parley init`, one after the other, from the greeting to the file."""

from bots.setup._answers import Answers
from bots.setup._asking import Asker
from bots.setup._file import EnvFile
from bots.setup._limits import ask_database, ask_limits, ask_operators
from bots.setup._model import ask_model
from bots.setup._platforms import ask_platforms
from bots.setup._terminal import Terminal

GREETING = """\
This sets Parley up. It asks for what the bot needs, checks each answer at once, and writes them to
{path} at the end. Enter takes the value in brackets. Ctrl-C ends it, and nothing is written.
"""
KEPT = "{path} is there already. Its lines stay; none is replaced without a question.\n"


def hold(terminal: Terminal, file: EnvFile) -> None:
    """Ask everything and write the file; raises SettingsError if it cannot be written."""
    asker = Asker(terminal, Answers(file.values), file.path)
    terminal.say(GREETING.format(path=file.path))
    if file.values:
        terminal.say(KEPT.format(path=file.path))
    invitations = ask_platforms(asker)
    ask_model(asker)
    commands = [*ask_database(asker), "make run"]
    ask_limits(asker)
    ask_operators(asker)
    for name, told in asker.answers.complaints().items():
        terminal.say(f"{name}: {told}", mark="  Still wrong: ")
    _write(asker, file)
    for each in invitations:
        terminal.say(each)
    terminal.say(f"\nNow start the bot:  {'  and then  '.join(commands)}")
    terminal.say("Whenever something is wrong:  make doctor")


def _write(asker: Asker, file: EnvFile) -> None:
    """Write what is new to the file, and tell it."""
    changes = asker.answers.changes()
    if changes:
        file.write(changes)
        names = ", ".join(changes)
        asker.terminal.say(f"Written to {file.path}, which only you can read: {names}.\n")
    else:
        asker.terminal.say(f"{file.path} stays as it is.\n")
