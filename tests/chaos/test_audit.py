"""The auditor finds the faults in transcripts made by hand."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from tests.chaos.answers import Kind, Wish, answer
from tests.chaos.audit import Auditor, Interval, Verdict
from tests.chaos.crowd import Asked, Crowd
from tests.chaos.scenes import Act, Said
from tests.records import Records

LIMIT = 4096


@dataclass
class Transcript:
    """A platform with invented messages of the bot."""

    said: Mapping[str, Sequence[Said]]
    platform: str = "telegram"
    limit: int = LIMIT
    doubles: bool = True
    places: Sequence[str] = ("P0", "P1")
    violations: list[str] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        return {}

    def speakers(self, place: str) -> Sequence[str]:
        return [place]

    def is_group(self, place: str) -> bool:
        return False

    def is_heard(self) -> bool:
        return True

    async def say(self, place: str, who: str, text: str) -> None:
        raise AssertionError("nobody says anything more")

    def answers(self, place: str) -> list[Said]:
        return list(self.said.get(place, ()))

    def offers(self, label: str) -> bool:
        return False

    def calls(self) -> int:
        return 0

    def acts(self, since: int) -> Iterator[Act]:
        return iter(())


def told(number: int, kind: Kind = "short", *, tag: str = "q1", **changes: object) -> Said:
    """A message with the whole answer to a wish."""
    text = answer(Wish(tag, kind), LIMIT).replace("```python\n", "").replace("```", "")
    whole = Said(str(number), text, growing=False, code=kind == "code", sent_at=0, changed_at=0)
    return replace(whole, **changes)  # type: ignore[arg-type]  # fields of a message


def audit(
    url: str,
    said: Mapping[str, Sequence[Said]],
    *asked: Wish,
    unheard: Sequence[Interval] = (),
) -> Verdict:
    """The verdict when one person has asked these things."""
    scene = Transcript(said)
    crowd = Crowd(scene, random.Random(1), asked=[Asked(wish, "P0", "P0", 0) for wish in asked])
    return Auditor(scene, crowd, Records(url), requests=(), kills=[0.1], unheard=unheard).audit()


def counts(verdict: Verdict) -> dict[str, int]:
    """Return the broken promises that people could see."""
    names = ("lost", "cut", "doubled", "in_window", "swapped", "strange")
    return {name: getattr(verdict, name) for name in names if getattr(verdict, name)}


@pytest.mark.parametrize(
    ("kind", "messages", "found"),
    [
        ("short", [told(1)], {}),
        ("code", [told(1, "code")], {}),
        ("short", [], {"lost": 1}),
        ("short", [told(1, text="q1 in one")], {"cut": 1, "doubled": 1}),
        ("short", [told(1, growing=True)], {"cut": 1, "doubled": 1}),
        ("short", [told(1), told(2)], {"doubled": 1}),
        ("code", [told(1, "code", code=False)], {"cut": 1}),
        ("code", [told(1, "code", text=told(1, "code").text.replace("\n", " "))], {"cut": 1}),
        ("short", [told(1), told(2, tag="q9")], {"strange": 1}),
        ("short", [told(1), told(2, text="Something went wrong.")], {"strange": 1}),
    ],
)
def test_the_auditor_finds_the_fault_of_an_answer(
    sqlite_url: str, kind: Kind, messages: list[Said], found: dict[str, int]
) -> None:
    assert counts(audit(sqlite_url, {"P0": messages}, Wish("q1", kind))) == found


def test_an_answer_in_somebody_else_s_chat_is_found(sqlite_url: str) -> None:
    scene = Transcript({"P0": [told(1)], "P1": [told(2, tag="q2"), told(3)]})
    wishes = {"P0": Wish("q1", "short"), "P1": Wish("q2", "short")}
    asked = [Asked(wish, place, place, 0) for place, wish in wishes.items()]
    crowd = Crowd(scene, random.Random(1), asked=asked)
    verdict = Auditor(scene, crowd, Records(sqlite_url), requests=()).audit()
    assert counts(verdict) == {"strange": 1}


def test_answers_in_the_wrong_order_are_found(sqlite_url: str) -> None:
    messages = [told(1, tag="q2"), told(2, tag="q1")]
    verdict = audit(sqlite_url, {"P0": messages}, Wish("q1", "short"), Wish("q2", "short"))
    assert counts(verdict) == {"swapped": 1}


@pytest.mark.parametrize(("begin", "found"), [(-1.0, "in_window"), (0.5, "doubled")])
def test_a_message_too_many_is_excused_only_while_the_network_is_cut(
    sqlite_url: str, begin: float, found: str
) -> None:
    said = {"P0": [told(1), told(2)]}
    verdict = audit(sqlite_url, said, Wish("q1", "short"), unheard=[(begin, 1.0)])
    assert counts(verdict) == {found: 1}


def test_no_message_too_many_is_excused_by_a_kill(sqlite_url: str) -> None:
    verdict = audit(sqlite_url, {"P0": [told(1), told(2)]}, Wish("q1", "short"))
    assert counts(verdict) == {"doubled": 1}


def test_memory_and_books_that_hold_nothing_are_found(sqlite_url: str) -> None:
    verdict = audit(sqlite_url, {"P0": [told(1)]}, Wish("q1", "short"))
    assert verdict.memory
    assert verdict.drift
    assert not verdict.is_clean
