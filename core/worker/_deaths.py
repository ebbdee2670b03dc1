"""The death of another process: whoever pronounces it takes over its turns."""

from datetime import datetime, timedelta

from core import fleet, inbox
from core.db import Session
from core.presence import FRESH, Gone
from core.reply import MARGIN


async def take_over(session: Session, gone: Gone, *, now: datetime, ago: float) -> bool:
    """Pronounce a process dead and free its turns; return False if another process has done so.

    `ago` is the seconds since its lock was found free.
    """
    if not await fleet.pronounce(session, gone.worker_id, gone.session):
        return False
    # A call of it may have begun `FRESH` seconds after the end of its session, not later.
    quiet_until = now + timedelta(seconds=FRESH + MARGIN - ago)
    await inbox.bury_those_of(session, gone.worker_id, now=now, quiet_until=quiet_until)
    return True
