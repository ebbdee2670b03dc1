"""x"""

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """X."""
    return 2
