"""A long conversation: questions of sixty words, answers of four hundred characters."""

import random
import re

from tests.fakes.model import Answer, ModelRequest, Reply, converse

_WORDS = (
    "the a my our this of in on with for and but so because when while morning garden letter river"
    " train winter kitchen doctor teacher neighbour ticket window market engine violin budget"
    " holiday ladder forest island recipe meeting report carefully slowly again perhaps never soon"
    " plan paint repair carry borrow explain remember decide travel compare cheaper quieter older"
)
LENGTH = 400
"""Characters of an answer."""


def topic(number: int) -> str:
    """A word that only one question holds."""
    return f"topic{number:03}"


def question(number: int) -> str:
    """Sixty words, the same each time."""
    return f"Tell me about {topic(number)}: {words(number, 56)}?"


def words(seed: int, number: int) -> str:
    """So many words, the same each time."""
    return " ".join(random.Random(seed).choices(_WORDS.split(), k=number))


def respond(request: ModelRequest) -> Reply:
    """Answer at length; summarise on request; search for topics that the prompt lacks."""
    if request.messages[-1]["role"] == "tool" or "Summarise our" in request.text:
        return converse(request)
    if sought := re.search(r"What did I say of (\w+)\?", request.text):
        return Answer("", tool_calls=[("search_history", {"query": sought[1]})])
    return f"{words(len(request.text), 100)[: LENGTH - 1]}."
