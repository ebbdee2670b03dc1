"""The terminal in which an operator answers questions."""

import getpass
import shutil
import sys
import textwrap

from core.plain import visible


class Terminal:
    """Questions and answers, line by line; what is typed for a secret does not show."""

    @property
    def is_one(self) -> bool:
        """True if a person can read and type here."""
        return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))

    def say(self, text: str = "", *, mark: str = "") -> None:
        """Show a text, folded to the width of the terminal; `mark` begins its first line."""
        width = min(shutil.get_terminal_size().columns, 100)
        for line in visible(text).split("\n"):
            lines = textwrap.wrap(
                f"{mark}{line}",
                width,
                subsequent_indent=" " * len(mark),
                break_long_words=False,  # an address stays in one piece
                break_on_hyphens=False,
            )
            sys.stdout.write("\n".join(lines) + "\n")
            mark = " " * len(mark)
        sys.stdout.flush()

    def ask(self, question: str, *, hidden: bool = False) -> str:
        """Return what is typed, without blanks around it.

        Raises EOFError and KeyboardInterrupt when the person wants to end.
        """
        typed = getpass.getpass(question) if hidden else input(question)
        return typed.strip()

    def agrees(self, question: str, *, usually: bool = False) -> bool:
        """Return the answer to a question; Enter means `usually`."""
        choice = "Y/n" if usually else "y/N"
        while True:
            match self.ask(f"{question} [{choice}] ").lower():
                case "":
                    return usually
                case "y" | "yes":
                    return True
                case "n" | "no":
                    return False
            self.say("Please type y or n.")
