"""The names of all settings, as an operator writes them."""

from collections.abc import Iterator

from bots.registry import PLATFORMS
from core.environment import Environment
from core.settings import Settings


def fields() -> Iterator[tuple[str, type[Environment], str]]:
    """Yield the name of each setting, with the class and the field that hold it."""
    kinds: list[type[Environment]] = [Settings, *PLATFORMS]
    for kind in kinds:
        for name, field in kind.model_fields.items():
            yield str(field.validation_alias or name).upper(), kind, name


def known() -> set[str]:
    """Return the names of all settings; that of a family ends with `*`."""
    return {name for name, _, _ in fields()}
