"""The comparison of the ledger with the model's requests."""

from collections.abc import Iterator, Sequence

from tests.fakes.model import ModelRequest
from tests.records import Records

NOT_ONCE = """
SELECT t.id, coalesce(sum(c.turns), 0) AS counted
FROM turns t LEFT JOIN calls c ON c.turn_id = t.id
WHERE t.kind = 'chat' AND t.outcome = 'ok'
GROUP BY t.id HAVING coalesce(sum(c.turns), 0) <> 1
"""
BOOKED = "SELECT coalesce(sum(cost), 0) FROM calls"


def faults(records: Records, requests: Sequence[ModelRequest]) -> Iterator[str]:
    """Yield the errors in the books, one line each."""
    yield from records.drift()
    if opened := records.one("SELECT count(*) FROM calls WHERE settled_at IS NULL"):
        yield f"{opened} calls are open"
    for row in records.all(NOT_ONCE):
        yield f"turn {row.id} is counted {row.counted} times"
    if not records.one("SELECT count(*) FROM allowances"):
        yield "nobody's spending is counted"
    spent = sum(request.usd_spent for request in requests) * 1_000_000
    # What died before it was known is booked with what may have come since it was noted last.
    if (booked := records.one(BOOKED)) < spent:
        yield f"{spent} micro-dollars were spent, {booked} are booked"
