"""Parley's platforms, its composition root and its command line. They know no database."""

import sys

# A module that is None cannot be imported, and both libraries do without:
# httpx loads its own command line if it finds the libraries for it, which the terminal needs. That
# takes 3 MB that no bot needs.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
# python-telegram-bot loads the ciphers of Telegram's passports, which no bot asks for, if it finds
# them. That takes 8 MB; a locked PDF loads the one that it needs, by another way.
sys.modules.setdefault("cryptography.hazmat.backends", None)  # type: ignore[arg-type]
