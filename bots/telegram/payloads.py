"""Payloads of links to the bot, which a client sends behind `/start` (pure)."""

import re

LONGEST_WORD = 20
"""The most letters of a single word that somebody may have written by hand."""

_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_payload(text: str) -> bool:
    """Return whether the text behind `/start` came from a link, and is no speech.

    Telegram lets a link carry 64 letters, digits, `_` and `-`. Links hold ids and encoded values
    (`ref_42`, `aGVsbG8`), people write words. So a text of that alphabet is speech only if it looks
    like words: letters in the usual case, perhaps with hyphens between them.
    """
    if not _PAYLOAD.fullmatch(text):
        return False
    return len(text) > LONGEST_WORD or not all(map(_is_word, text.split("-")))


def _is_word(text: str) -> bool:
    return text.isalpha() and (text.islower() or text.isupper() or text.istitle())
