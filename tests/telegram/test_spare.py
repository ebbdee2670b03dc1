"""The calls that no answer needs, by a clock that the tests move."""

from bots.telegram.spare import BURST, OWN_BURST, OWN_RATE, RATE, REMEMBERED, Spare


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
    spare = Spare(clock)
    assert taken(spare, ["ada"] * 100) == OWN_BURST
    assert taken(spare, [f"{number}" for number in range(100)]) == BURST - OWN_BURST
    clock.now += 1 / OWN_RATE
    assert taken(spare, ["ada"] * 100) == 1
    clock.now += 1000
    assert taken(spare, [f"{number}" for number in range(100)]) == BURST


def test_who_has_not_called_for_long_is_forgotten() -> None:
    clock = Clock()
    spare = Spare(clock)
    for number in range(5 * REMEMBERED):
        clock.now += 1 / RATE
        assert spare.take(f"{number}")
    assert len(spare._own) <= REMEMBERED + 1
