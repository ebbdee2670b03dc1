"""The operator's rules: the limits of people, of groups, and of the whole deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from fractions import Fraction
from functools import lru_cache

from core.errors import Whose
from core.settings import DEFAULT, TIER, UNLIMITED, Limit, read_limits
from core.turns import Payer

DEPLOYMENT = 0
"""The owner of the budget. A person's limits belong to the user's id, those of a group to the
negative id of its exception."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of each person (`quota`), of named tiers, and of the deployment (`budget`).

    The terms of a person or a group are the name of a tier, limits of their own, "unlimited", or ""
    for the default: `quota` for a person, no limit for a group. So do terms that name a tier which
    does not exist any more.
    """

    quota: tuple[Limit, ...] = ()
    budget: tuple[Limit, ...] = ()
    zone: tzinfo = UTC
    """The calendar of all limits, and of the sums by day."""
    tiers: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)

    @property
    def month(self) -> Limit:
        """A month of this calendar, as a limit that allows nothing."""
        return Limit(0, "usd", "month", self.zone)

    @property
    def day(self) -> Limit:
        """A day of this calendar, as a limit that allows nothing."""
        return Limit(0, "usd", "day", self.zone)

    def of(self, payer: Payer) -> list[tuple[int, Limit]]:
        """Return the owners and limits of a turn in the order of locking.

        Those of the person come first, then those of the group, and the budget last.
        """
        owned = [(payer.user_id, self.of_person(payer.terms)), (DEPLOYMENT, self.budget)]
        if payer.group_id is not None:
            owned.insert(1, (-payer.group_id, self.of_group(payer.group_terms)))
        return [
            (owner, limit)
            for owner, limits in owned
            for limit in sorted(limits, key=lambda limit: (limit.unit, limit.window))
        ]

    def of_person(self, terms: str) -> tuple[Limit, ...]:
        """Return the limits of a person, in the operator's order."""
        found = self._named(terms)
        return self.quota if found is None else found

    def of_group(self, terms: str) -> tuple[Limit, ...]:
        """Return the limits that the members of a group share, in the operator's order."""
        return self._named(terms) or ()

    def is_known(self, terms: str) -> bool:
        """Return False for terms that name a tier which does not exist."""
        return not terms or self._named(terms) is not None

    def read(self, text: str) -> str:
        """Return terms as they are stored, from the text of an operator.

        The ValueError for a wrong text tells the place of what is wrong.
        """
        terms = " ".join(text.lower().split())
        if terms in ("", DEFAULT):
            return ""
        if terms == UNLIMITED or terms in self.tiers:
            return terms
        if TIER.fullmatch(terms):
            known = ", ".join((*self.tiers, UNLIMITED, DEFAULT))
            raise ValueError(
                f"there is no tier {terms[:40]!r}; known are {known}; or write limits as"
                " '50 turns/day, 1 usd/month'"
            )
        return written(read_limits(terms))

    def _named(self, terms: str) -> tuple[Limit, ...] | None:
        """Return the limits that terms tell; None for the default and for an unknown tier."""
        if terms == UNLIMITED:
            return ()
        if not terms or TIER.fullmatch(terms):
            return self.tiers.get(terms)
        return _own(terms, self.zone)


def written(limits: tuple[Limit, ...]) -> str:
    """Return limits as terms."""
    return ", ".join(map(str, limits)) or UNLIMITED


def stricter(rules: Rules, first: str, second: str) -> str:
    """Return the terms of a person that allow the less of two.

    Terms are as strict as others if they have, for each limit of those, one of the same unit and
    window that is not larger. If neither are, the result has every limit of both, and of two in the
    same unit and window the smaller one.
    """
    limits = {terms: rules.of_person(terms) for terms in (first, second)}
    for terms, other in ((first, second), (second, first)):
        if _is_as_strict(limits[terms], limits[other]):
            return terms
    least: dict[tuple[str, str], Limit] = {}
    for limit in (*limits[first], *limits[second]):
        kind = limit.unit, limit.window
        least[kind] = min(least.get(kind, limit), limit, key=lambda each: each.amount)
    return written(tuple(least.values()))


def _is_as_strict(limits: tuple[Limit, ...], others: tuple[Limit, ...]) -> bool:
    amounts = {(limit.unit, limit.window): limit.amount for limit in limits}
    kinds = (((other.unit, other.window), other.amount) for other in others)
    return all(kind in amounts and amounts[kind] <= amount for kind, amount in kinds)


SHARE = Fraction(4, 5)
"""The share of a limit that is used when people are told."""
LONG = ("day", "week", "month")
"""The windows of which people are told: they can do nothing about one that ends within the hour."""


def is_low(limit: Limit, used: int) -> bool:
    """Return whether people are told how much of a limit is used."""
    return limit.window in LONG and used >= SHARE * limit.amount


def whose(owner: int) -> Whose:
    """Return whose limits belong to an owner."""
    if owner == DEPLOYMENT:
        return "everybody"
    return "person" if owner > 0 else "group"


@lru_cache(maxsize=1000)
def _own(terms: str, zone: tzinfo) -> tuple[Limit, ...] | None:
    try:
        return tuple(replace(limit, zone=zone) for limit in read_limits(terms))
    except ValueError:
        return None  # written by another release
