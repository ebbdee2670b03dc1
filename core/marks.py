"""The mark of sentences for people, by which Babel finds them in the code."""


def _(sentence: str) -> str:
    """Mark a sentence of the catalogue; `core.words` says it in the language of a person."""
    return sentence
