from core.worker._reach import Reach

LEASE = 30.0


def test_a_process_that_reaches_the_database_trusts_leases() -> None:
    now = 0.0
    reach = Reach(LEASE, lambda: now)
    for _ in range(20):
        now += LEASE / 3
        assert not reach.is_in_doubt()
        reach.reached()
    assert not reach.is_in_doubt()


def test_leases_are_in_doubt_while_the_database_is_away_and_for_a_lease_after() -> None:
    now = 0.0
    reach = Reach(LEASE, lambda: now)
    now = LEASE / 2 + 1
    assert reach.is_in_doubt()
    reach.reached()
    for _ in range(3):
        assert reach.is_in_doubt()
        now += LEASE / 3
        reach.reached()
    assert not reach.is_in_doubt()
