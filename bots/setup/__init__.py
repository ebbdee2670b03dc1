"""Setting the bot up: `parley init` asks for what is needed, checks it, and writes `.env`."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from bots.setup._file import EnvFile
from bots.setup._interview import hold
from bots.setup._terminal import Terminal
from core.errors import SettingsError
from core.plain import visible

NO_TERMINAL = """\
`parley init` asks questions, so it needs a terminal. Without one, copy .env.example to .env, set
MODEL_API_KEY and the token of a platform there, and look with `parley doctor` whether it is right.
"""
STOPPED = "\nStopped. Nothing is written.\n"
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Ask, check and write `.env` in the current folder; return the exit status."""
    ArgumentParser(
        prog="parley init",
        description="Ask for tokens, key, model and limits, check each, and write them to .env.",
    ).parse_args(arguments)
    terminal = Terminal()
    if not terminal.is_one:
        sys.stderr.write(NO_TERMINAL)
        return 2
    try:
        hold(terminal, EnvFile(Path(".env")))
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write(STOPPED)
        return INTERRUPTED
    except SettingsError as error:
        sys.stderr.write(f"{visible(str(error))}\n")
        return 2
    return 0
