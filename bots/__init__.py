"""Parley's platforms and its entry point. They know no database."""

import sys

# httpx loads its own command line where it finds the libraries for it, which are here for the
# terminal. It takes 3 MB that no bot needs; a module that is None cannot be imported, and httpx
# then goes without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
