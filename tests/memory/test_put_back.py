"""A turn that meets a fault of ours is put back, whatever it was about to do."""

from typing import Any

from sqlalchemy import text

from core.errors import Undeliverable
from tests.core import rows
from tests.fakes.model import ModelServer
from tests.memory.desk import desk
from tests.records import Records

REFUSE = """
    CREATE TRIGGER refuse BEFORE UPDATE ON turns
    WHEN new.outcome = 'undeliverable' AND old.faults = 0
    BEGIN SELECT RAISE(ABORT, 'no'); END
"""


async def test_a_turn_that_cannot_be_given_up_is_put_back(
    sqlite_url: str, model: ModelServer
) -> None:
    """The process is well; nobody may take it for dead."""

    async def closed(*_: Any, **__: Any) -> str:
        raise Undeliverable("the chat is closed")

    async with desk(sqlite_url, model) as ada:
        await rows.commit(ada.sessions, lambda session: session.execute(text(REFUSE)))
        ada.paper.send = closed  # type: ignore[method-assign]  # this chat is closed
        await ada.ask("hi")
    turns = Records(sqlite_url).all("SELECT outcome, faults, deaths, attempt FROM turns")
    # The second one was to tell of the first.
    assert [tuple(turn) for turn in turns] == [("undeliverable", 1, 0, 2)] * 2
