"""The prompts of the model: a second question of a person must follow the first answer."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.chaos.answers import tag_of, wish_in
from tests.chaos.crowd import Asked
from tests.fakes.model import ModelRequest


def faults(asked: Sequence[Asked], requests: Sequence[ModelRequest]) -> Iterator[str]:
    """Yield the faults in the prompts of a private chat in which these questions were asked."""
    prompts = defaultdict[str, list[ModelRequest]](list)
    for request in requests:
        if wish := wish_in(request.text):
            prompts[wish.tag].append(request)
    for before, after in pairwise(asked):
        earlier, later = prompts[before.wish.tag], prompts[after.wish.tag]
        if not (earlier and later):
            yield f"the model was never asked for {before.wish.tag} or {after.wish.tag}"
        elif later[0].started < earlier[-1].started:
            yield f"{before.wish.tag} was asked for again after {after.wish.tag}"
        # A long answer may be summarised at once.
        elif before.wish.kind != "long" and not _shows(later[-1], before.wish.tag):
            yield f"who answered {after.wish.tag} did not know {before.wish.tag}"


def _shows(request: ModelRequest, tag: str) -> bool:
    """Return True if a prompt holds the question of a tag, or its answer."""
    return any(tag_of(str(message.get("content"))) == tag for message in request.messages)
