"""The name of the operator at the command line, for the record of what operators did."""

import getpass
import os


def operator() -> str:
    """Return the operator, by the name of their account on this machine or by its number."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        name = str(os.getuid())
    return f"command line ({name})"
