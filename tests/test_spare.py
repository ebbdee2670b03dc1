"""The calls that no answer needs, by a clock that the tests move."""

from bots.spare import REMEMBERED, Rate, Spare

ALL, EACH = Rate(5, 7), Rate(0.5, 3)


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(spare: Spare, people: list[str]) -> int:
    """Count the calls that may start."""
    return sum(spare.take(person) for person in people)


def test_each_person_has_few_and_all_together_have_more() -> None:
    clock = Clock()
    spare = Spare(ALL, EACH, clock)
    assert taken(spare, ["ada"] * 100) == 3
    assert taken(spare, [f"{number}" for number in range(100)]) == 7 - 3
    clock.now += 2
    assert taken(spare, ["ada"] * 100) == 1
    clock.now += 1000
    assert taken(spare, ["ada"] * 100) == 3
    assert taken(spare, [f"{number}" for number in range(100)]) == 7 - 3


def test_who_has_not_called_for_long_is_forgotten() -> None:
    clock = Clock()
    spare = Spare(ALL, EACH, clock)
    for number in range(5 * REMEMBERED):
        clock.now += 1 / ALL.calls
        assert spare.take(f"{number}")
    assert len(spare._own) <= REMEMBERED + 1
