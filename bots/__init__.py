"""Parley's platforms and its entry point. They know no database."""

import sys

# httpx loads its own command line if it finds the libraries for it, which the terminal needs. That
# takes 3 MB that no bot needs. A module that is None cannot be imported, and httpx does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
