"""Sentences about a number of things, and their mark, by which Babel finds them in the code."""

from dataclasses import dataclass

from core.words._language import say_number
from core.words._numbers import number as written


@dataclass(frozen=True, slots=True)
class Plural:
    """A sentence with a `{number}`, in the form that the number takes in each language."""

    one: str
    other: str

    def format(self, number: int, **values: object) -> str:
        """Return the sentence in the current language, with the number and other values."""
        form = say_number(self.one, self.other, number)
        return form.format(number=written(number), **values)


def plural(one: str, other: str) -> Plural:
    """Mark a sentence about a number of things, in its two English forms."""
    return Plural(one, other)
