"""Parley's platforms, its composition root and its command line. They know no database."""

import sys

# None in place of a module is Python's own sign for one that cannot be imported, which its types do
# not know. Both libraries do without these modules.
# httpx loads its own command line where the libraries for it are installed, as for the terminal. No
# bot needs that command line, which takes 3 MB.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
# python-telegram-bot loads the ciphers of Telegram's passports where they are installed. They take
# 8 MB, and no bot asks for a passport. A locked PDF loads the cipher that it needs by another way.
sys.modules.setdefault("cryptography.hazmat.backends", None)  # type: ignore[arg-type]
