"""The line of the log that tells how a turn ended: one for each, with its figures as fields."""

import logging
from datetime import datetime

from core import quota
from core.db import Session
from core.reply import Reply, Tally
from core.turns import Outcome, Turn

log = logging.getLogger("core.turns")


async def tally_of(session: Session, turn: Turn, reply: Reply) -> Tally | None:
    """Return the sum of the calls that made the answer; None for a command.

    Only the answer that an earlier attempt has stored is looked up in the ledger.
    """
    if turn.kind == "command" or turn.outcome is None or reply.tally is not None:
        return reply.tally
    return Tally(*await quota.sum_of(session, turn))


def write(turn: Turn, reply: Reply, outcome: Outcome, tally: Tally | None, now: datetime) -> None:
    """Write the line. Times are in seconds since the question came in, the cost in micro-dollars.

    The time of the first text is left out if an earlier attempt may have shown it.
    """
    first = reply.first_text_at if not turn.draft else None
    told: dict[str, object] = {
        "turn": turn.reference,
        "kind": turn.kind,
        "conversation": turn.conversation_id,
        "platform": turn.address.platform,
        "attempts": turn.attempt,
        "outcome": str(outcome),
    }
    if tally is not None and tally.model:
        told |= {
            "model": tally.model,
            "prompt": tally.prompt_tokens,
            "cached": tally.cached_tokens,
            "completion": tally.completion_tokens,
            "cost": tally.cost,
        }
    if first is not None:
        told["first_text"] = _seconds(turn, first)
    told["seconds"] = _seconds(turn, now)
    if outcome is Outcome.UNDELIVERABLE:
        log.info("turn %s could not be delivered", turn.reference, extra=told)
    else:
        log.info("turn %s answered", turn.reference, extra=told)


def _seconds(turn: Turn, moment: datetime) -> float:
    return round((moment - turn.created_at).total_seconds(), 2)
