"""The pages made from the code, and `.env.example`, tell what the code has."""

import re

import pytest
from pydantic import SecretStr

from core.environment import Environment
from core.settings import Settings
from tests.bot import ROOT
from tests.docs import settings
from tests.docs.__main__ import PAGES


def names() -> set[str]:
    return {name for section in settings.SECTIONS.values() for name in section}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_what_the_code_says(path: str) -> None:
    kept = (ROOT / path).read_text(encoding="utf-8")
    assert kept == PAGES[path](), "write it anew by `make docs`"


def test_the_example_file_has_every_setting() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    told = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    families = {name for name in names() if name.endswith("*")}
    for family in families:
        assert any(name.startswith(family.removesuffix("*")) for name in told)
    assert names() - families - told == set()
    known = {name.removesuffix("*") for name in names()}
    assert [name for name in told if not any(name.startswith(each) for each in known)] == []


class Parrot(Environment):
    """An owner with a setting of which nobody is told."""

    parrot_token: SecretStr = SecretStr("")


class Gull(Environment):
    """An owner with a setting that stands in no section."""

    gull_token: SecretStr = SecretStr("")
    """The token of the gull."""


@pytest.mark.parametrize(
    ("kind", "told"), [(Parrot, "PARROT_TOKEN: write below"), (Gull, "GULL_TOKEN: bring SECTIONS")]
)
def test_a_setting_without_a_text_or_a_section_fails_the_page(
    kind: type[Environment], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        settings.page((*settings.OWNERS, kind))


def test_a_row_tells_default_form_and_bounds() -> None:
    page = settings.page()
    assert "| `LEASE_SECONDS` | `15` | seconds, at least 5 | The time after which" in page
    assert "| `ACCESS` | `open` | `open`, `invite`, `list` | " in page
    assert "| `BUDGET` | `20 usd/month` | limits | " in page
    assert Settings.model_fields["concurrency"].default == 1000
