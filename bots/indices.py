"""Raised and lowered characters, as in x² and H₂O (pure)."""

from collections.abc import Mapping

_RAISED = dict(
    zip(
        "0123456789+-−=()abcdefghijklmnoprstuvwxyzαβγδθ ",  # noqa: RUF001 - the sign for minus
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵅᵝᵞᵟᶿ ",
        strict=True,
    )
)
_LOWERED = dict(
    zip(
        "0123456789+-−=()aehijklmnoprstuvxβγρφχ ",  # noqa: RUF001 - the sign for minus
        "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ ",
        strict=True,
    )
)


def raised(text: str) -> str | None:
    """Return a text in raised characters; None if one of them does not exist."""
    return _written(text, _RAISED)


def lowered(text: str) -> str | None:
    """Return a text in lowered characters; None if one of them does not exist."""
    return _written(text, _LOWERED)


def _written(text: str, signs: Mapping[str, str]) -> str | None:
    return "".join(map(signs.__getitem__, text)) if all(char in signs for char in text) else None
