"""Whatever happens to limits, and in whatever order, allowances equal the ledger.

People ask in private and in two groups. Calls are reserved, settled, released, cut off, excused,
left open and recovered; operators change terms and rules and give grants; people are linked and
parted; groups move; windows begin; old calls become sums by day.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any, TypeVar, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select, update

from core import db, identity, inbox, models, quota
from core.adapter import Address, Author
from core.db import Session, Sessions, finish
from core.errors import QuotaExceeded, Unit
from core.messages import Usage
from core.quota import DEPLOYMENT, Group, Progress, Reservation, Rules, Whom
from core.quota._days import _sum_up
from core.settings import Limit, Window, read_limits
from core.turns import Turn
from tests.core import rows

T = TypeVar("T")

START = datetime(2026, 3, 31, 23, 57, tzinfo=UTC)
"""A minute, an hour, a day and a month end soon, but no week."""
TIERS = {"vip": read_limits("6 turns/minute, 0.004 usd/week"), "free": ()}
RULES = (
    Rules(
        read_limits("3 turns/minute, 12 turns/day, 0.0015 usd/month, 3k tokens/week"),
        read_limits("100 turns/hour, 0.009 usd/day, 15k tokens/month"),
        tiers=TIERS,
    ),
    Rules(read_limits("5 turns/hour, 0.001 usd/day"), (), tiers=TIERS),
    Rules((), read_limits("0.005 usd/month"), tiers={}),
)
TERMS = ("", "vip", "free", "unlimited", "2 turns/minute", "0.001 usd/day, 1k tokens/month")
GROUPS = ("-1", "-2")
GRANTS = ("2 turns", "0.0005 usd", "500 tokens", "-1 turn")
SOON = st.sampled_from((1, 20, 70, 3700, 30_000, 90_000, 500_000))
PEOPLE = st.integers(0, 3)
AMOUNT = st.integers(0, 400)


@dataclass
class Asked:
    """A turn, and its open call if it has one."""

    turn: Turn
    call: Reservation | None = None


@dataclass
class Ledger:
    """Everything that was spent, granted and copied."""

    calls: list[Any]
    days: list[Any]
    corrections: list[Any]

    def sum_of(self, owner: int, limit: Limit, moment: datetime, *, is_copied: bool = False) -> int:
        """Sum the ledger in plain steps; `is_copied` leaves grants out."""
        start, end = limit.start(moment), limit.resets_at(moment)
        first, last = (each.date() for each in (start, end))
        found = 0
        for call in self.calls:
            at = (call.spent_at or call.created_at) if owner == DEPLOYMENT else call.created_at
            theirs = {DEPLOYMENT, call.user_id, -(call.group_id or -(10**9))}
            if start <= at < end and owner in theirs:
                found += amount_of(call, owner, limit)
        for day in self.days:
            is_theirs = day.user_id > 0 if owner == DEPLOYMENT else day.user_id == owner
            is_whole = limit.window in ("day", "week", "month")
            if is_theirs and is_whole and first <= day.day < last:
                found += amount_of(day, owner, limit)
        for each in self.corrections:
            corrected: int = getattr(each, COLUMNS[limit.unit])
            is_left_out = is_copied and corrected < 0
            if each.owner_id == owner and start <= each.created_at < end and not is_left_out:
                found += corrected
        return found


FIGURES = ("turns", "prompt_tokens", "completion_tokens", "cost", "charged")
COLUMNS = {"turns": "turns", "usd": "charged", "tokens": "charged_tokens"}


def amount_of(row: Any, owner: int, limit: Limit) -> int:
    """Return the amount that counts of a call, or of the sums of a day."""
    is_open, is_ours = getattr(row, "settled_at", True) is None, owner == DEPLOYMENT
    tokens = row.prompt_tokens + row.completion_tokens
    amounts = {
        "turns": row.turns,
        "usd": row.reserved if is_open else row.cost if is_ours else row.charged,
        "tokens": row.reserved_tokens if is_open else tokens if is_ours else row.charged_tokens,
    }
    return int(amounts[limit.unit])


class Books(RuleBasedStateMachine):
    """The ledger, and everybody who writes in it."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__()
        self.sessions = sessions
        self.now = START
        self.in_force = RULES[0]
        self.asked: list[Asked] = []
        self.accounts: dict[int, int] = {}
        """The user of each account, which changes when accounts are linked and parted."""
        self.events = 0
        with sessions.lend() as connection, connection.begin():
            for table in reversed(models.metadata.sorted_tables):
                connection.execute(delete(table))

    def do(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Carry out a transaction."""
        with self.sessions.lend() as connection, connection.begin():
            return finish(work(Session(connection)))

    def one_of(self, number: int, *, is_open: bool | None = None) -> Asked | None:
        """Return one of the turns, as the number says."""
        found = [
            asked for asked in self.asked if is_open is None or (asked.call is not None) is is_open
        ]
        return found[number % len(found)] if found else None

    def whom(self, number: int) -> Whom:
        if number < len(GROUPS):
            return Group("telegram", GROUPS[number])
        users = sorted(set(self.accounts.values())) or [self.user(0)]
        return users[number % len(users)]

    def user(self, account: int) -> int:
        return self.accounts[account] if account in self.accounts else self._speak(account, None)[0]

    def _speak(self, account: int, chat: str | None) -> tuple[int, Any]:
        author = Author("telegram", str(100 + account), str(account))
        address = Address(*rows.ACCOUNT, chat=chat or author.account_id)
        who = self.do(
            lambda s: identity.resolve(s, author, address, private=chat is None, now=self.now)
        )
        self.accounts[account] = who.user_id
        return who.user_id, (who, address)

    # People and the model

    @rule(account=PEOPLE, chat=st.sampled_from((None, *GROUPS)), late=SOON)
    def ask(self, account: int, chat: str | None, late: int) -> None:
        """A question comes in, sometimes late, and is claimed."""
        _, (who, address) = self._speak(account, chat)
        self.events += 1
        sent = self.now - timedelta(seconds=late) if late > 100 else None
        entry = rows.entry(
            who, f"m{self.events}", address=address, lane=None, ready_at=self.now, sent_at=sent
        )

        async def work(session: Session) -> list[Turn]:
            await inbox.accept(session, f"e{self.events}", entry, now=self.now)
            until = self.now + rows.LEASE
            return await inbox.claim(
                session, "w", [rows.ACCOUNT], now=self.now, lease_until=until, limit=1
            )

        self.asked += [Asked(turn) for turn in self.do(work)]

    @rule(number=PEOPLE, cost=AMOUNT, tokens=AMOUNT, turns=st.integers(0, 1))
    def reserve(self, number: int, cost: int, tokens: int, turns: int) -> None:
        """An attempt begins a call; one that a crash left open is settled first."""
        asked = self.one_of(number)
        if asked is None:
            return
        died = asked.call is not None
        turn = replace(asked.turn, attempt=asked.turn.attempt + died)

        async def work(session: Session) -> Reservation:
            if died:
                is_it = models.turns.c.id == turn.id
                values = {"attempt": turn.attempt}
                await session.execute(update(models.turns).where(is_it).values(values))
                await quota.prepare(session, turn, self.in_force, now=self.now)
                await quota.recover(session, turn, self.in_force, now=self.now)
            return await quota.reserve(
                *(session, turn, self.in_force),
                model="m",
                cost=cost,
                turns=turns,
                tokens=tokens,
                prompt_tokens=tokens // 2,
                completion_tokens=tokens - tokens // 2,
                least=cost // 2,
                now=self.now,
            )

        try:
            asked.call = self.do(work)
        except QuotaExceeded as refusal:
            if refusal.needed <= refusal.left:
                raise
            return
        asked.turn = turn
        # Of a person who was linked meanwhile, other terms count than those of the claim.
        if asked.call.user_id == turn.user_id:
            self._nothing_is_overdrawn(turn, asked.call)

    def _nothing_is_overdrawn(self, turn: Turn, call: Reservation) -> None:
        """A reservation that succeeded left every limit of its payer whole."""
        payer = self.in_force.of(turn.payer)
        limits = {(owner, each.unit, each.window): each for owner, each in payer}
        for row in self.rows(models.allowances):
            limit = limits.get((row.owner_id, row.unit, row.window))
            if limit and row.window_start == limit.start(call.counts_at(row.owner_id)):
                assert row.used <= limit.amount

    @rule(number=PEOPLE, part=st.integers(0, 10), how=st.sampled_from(("own", "noted", "excused")))
    def settle(self, number: int, part: int, how: str) -> None:
        asked = self.one_of(number, is_open=True)
        if asked is None or asked.call is None:
            return
        call, asked.call = asked.call, None
        cost, tokens = call.reserved * part // 10, call.tokens * part // 10
        usage = Usage(tokens // 3, tokens - tokens // 3)
        if how == "noted":
            news = [Progress(call.call_id, tokens, cost)]
            self.do(lambda s: quota.note(s, news))
        is_excused = how == "excused"
        self.do(
            lambda s: quota.settle(
                *(s, call, self.in_force, usage, cost), excused=is_excused, now=self.now
            )
        )

    @rule(number=PEOPLE)
    def release(self, number: int) -> None:
        asked = self.one_of(number, is_open=True)
        if asked is None or asked.call is None:
            return
        call, asked.call = asked.call, None
        self.do(lambda s: quota.release(s, call, self.in_force, now=self.now))

    @rule(number=PEOPLE, alive=st.booleans(), corrects=st.booleans())
    def cut_off(self, number: int, *, alive: bool, corrects: bool) -> None:
        """A person edits; the attempt that lost the turn may know better what it cost."""
        asked = self.one_of(number)
        if asked is None:
            return
        asked.turn = replace(asked.turn, attempt=asked.turn.attempt + 1)
        lease = self.now + timedelta(seconds=15 if alive else -1)
        values = {"attempt": asked.turn.attempt, "lease_until": lease}

        async def work(session: Session) -> None:
            is_it = models.turns.c.id == asked.turn.id
            await session.execute(update(models.turns).where(is_it).values(values))
            await quota.abandon(session, [asked.turn.id], self.in_force, now=self.now)

        self.do(work)
        if asked.call is not None and corrects:
            call, usage = asked.call, Usage(1, asked.call.tokens // 4)
            self.do(lambda s: quota.settle(*(s, call, self.in_force, usage, 7), now=self.now))
        asked.call = None

    @rule(number=PEOPLE)
    def excuse(self, number: int) -> None:
        asked = self.one_of(number)
        if asked is None:
            return
        self.do(lambda s: quota.excuse(s, asked.turn, self.in_force, now=self.now))
        asked.call = None

    # Operators

    @rule(number=st.integers(0, 5), terms=st.sampled_from(TERMS))
    def allow(self, number: int, terms: str) -> None:
        whom = self.whom(number)
        if terms in TIERS and terms not in self.in_force.tiers:
            return
        before = self.paid()
        was = self.do(lambda s: quota.terms_of(s, whom))
        assert self.do(lambda s: quota.allow(s, whom, terms, self.in_force)) == was
        assert self.do(lambda s: quota.terms_of(s, whom)) == self.in_force.read(terms)
        assert self.paid() == before

    @rule(number=st.integers(0, 5), amount=st.sampled_from(GRANTS))
    def grant(self, number: int, amount: str) -> None:
        before, whom = self.paid(), self.whom(number)
        self.do(lambda s: quota.grant(s, whom, amount, self.in_force, now=self.now))
        assert self.paid() == before

    @rule(rules=st.sampled_from(RULES))
    def restart(self, rules: Rules) -> None:
        """The operator sets other limits; the open calls go on."""
        self.in_force = rules
        self.do(lambda s: quota.prune(s, rules))

    # One person

    @rule(account=PEOPLE, other=PEOPLE)
    def link(self, account: int, other: int) -> None:
        into, gone = self.user(account), self.user(other)
        if into == gone:
            return
        before, terms = self.paid(), {into: self.limits_of(into), gone: self.limits_of(gone)}

        async def work(session: Session) -> None:
            await quota.merge(session, into, gone, self.in_force, now=self.now)
            for each in (models.turns, models.identities):
                whose = each.c.user_id == gone
                await session.execute(update(each).where(whose).values(user_id=into))

        self.do(work)
        self.accounts = {
            each: into if user == gone else user for each, user in self.accounts.items()
        }
        assert self.paid() == before
        now_allowed = self.limits_of(into)
        for limits in terms.values():
            for kind, amount in limits.items():
                assert now_allowed[kind] <= amount, "nobody gains by a link"

    @rule(account=PEOPLE)
    def unlink(self, account: int) -> None:
        user = self.user(account)
        if list(self.accounts.values()).count(user) == 1:
            return
        before = self.paid()

        async def work(session: Session) -> int:
            created = models.users.insert().values(created_at=self.now)
            new = await session.scalar(created.returning(models.users.c.id))
            theirs = models.identities.c.account_id == str(100 + account)
            await session.execute(update(models.identities).where(theirs).values(user_id=new))
            await quota.split(session, user, new, self.in_force, now=self.now)
            return int(new)

        new = self.accounts[account] = self.do(work)
        assert self.paid() == before
        assert self.limits_of(new) == self.limits_of(user)
        ledger = self.ledger()
        for limit in (Limit(0, *kind) for kind in product(get_args(Unit), get_args(Window))):
            copied = ledger.sum_of(new, limit, self.now)
            used = ledger.sum_of(user, limit, self.now, is_copied=True)
            assert copied == used, "what was used is used for both"

    @rule(first=st.booleans())
    def move(self, *, first: bool) -> None:
        """A group gets another id, and back later."""
        old, new = (
            Address(*rows.ACCOUNT, chat=chat) for chat in (GROUPS if first else GROUPS[::-1])
        )
        self.do(lambda s: quota.move(s, old, f"{new.chat}0"))
        self.do(lambda s: quota.move(s, replace(old, chat=f"{new.chat}0"), old.chat))

    # Time

    @rule(seconds=SOON)
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(days=st.sampled_from((1, 2, 40)))
    def sum_up(self, days: int) -> None:
        midnight = Limit(0, "usd", "day").start(self.now - timedelta(days=days - 1))
        before = self.paid()
        after: int | None = 0
        while after is not None:
            after = self.do(partial(_sum_up, after=after, before=midnight, zone=UTC))
        assert self.paid() == before

    # What must be true

    @invariant()
    def allowances_equal_the_ledger(self) -> None:
        ledger = self.ledger()
        for row in self.rows(models.allowances):
            limit = Limit(0, row.unit, row.window)
            spent = ledger.sum_of(row.owner_id, limit, row.window_start)
            assert row.used == spent, (row.owner_id, row.unit, row.window)

    def rows(self, *tables: Any) -> Any:
        """Return all rows of a table; of several tables, a list for each."""
        with self.sessions.lend() as connection, connection.begin():
            found = [connection.execute(select(table)).all() for table in tables]
        return found if len(tables) > 1 else found[0]

    def ledger(self) -> Ledger:
        return Ledger(*self.rows(models.calls, models.days, models.corrections))

    def limits_of(self, user: int) -> dict[tuple[str, str], int]:
        terms = self.do(lambda s: quota.terms_of(s, user))
        return {(each.unit, each.window): each.amount for each in self.in_force.of_person(terms)}

    def paid(self) -> Counter[str]:
        """Everything that the deployment has paid and counted, and that statistics tell."""
        sums: Counter[str] = Counter()
        ledger = self.ledger()
        for row in (*ledger.calls, *(day for day in ledger.days if day.user_id > 0)):
            sums.update({name: getattr(row, name) for name in FIGURES})
        return sums


EXAMPLES = {"sqlite": 12, "postgresql": 4}


@pytest.mark.slow
def test_allowances_equal_the_ledger_in_any_order(database_url: str) -> None:
    sessions = db.connect(database_url)
    how = settings(
        max_examples=EXAMPLES[sessions.engine.dialect.name],
        stateful_step_count=40,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(partial(Books, sessions), settings=how)  # type: ignore[arg-type]
    finally:
        sessions.close()
