"""Tell how much of the code the tests run: `python -m tests.cover FILE`, written by slipcover.

Slipcover counts lines and branches. It takes its probes out of what has run, so that the tests take
hardly longer; a tracer would take half of their time once more on Python 3.11.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

LEAST = {"core": 95.0}
"""The lines and branches that the tests have to run, in percent."""

MOST = 12
"""The lines that are named for a file."""


def main() -> int:
    """Print the share of each package, and the files with gaps; return the exit status."""
    files: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())["files"]
    run: dict[str, int] = defaultdict(int)
    every: dict[str, int] = defaultdict(int)
    for name, file in sorted(files.items()):
        package, summary = name.split("/")[0], file["summary"]
        covered = summary["covered_lines"] + summary["covered_branches"]
        missing = summary["missing_lines"] + summary["missing_branches"]
        run[package] += covered
        every[package] += covered + missing
        if missing:
            share = 100 * covered / (covered + missing)
            lines = ", ".join(map(str, file["missing_lines"][:MOST]))
            print(f"{name:<44}{share:5.0f} %{missing:6} missing: {lines}")
    shares = {package: 100 * run[package] / every[package] for package in every}
    print("\n" + "\n".join(f"{package:<44}{share:5.1f} %" for package, share in shares.items()))
    short = [package for package, least in LEAST.items() if shares.get(package, 0) < least]
    for package in short:
        print(f"The tests run too little of {package}: at least {LEAST[package]:g} %.")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
