"""A share of the generated texts; `python -m tests.generated 1000` checks them all."""

import pytest

from tests.generated import SCRIPTS, check_text

SHARE = 4
"""The texts of each script; one in four is long."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_text_in_any_script_is_seen_as_a_whole(script: str) -> None:
    first = list(SCRIPTS).index(script)
    for number in range(SHARE):
        check_text(first + number * len(SCRIPTS))
