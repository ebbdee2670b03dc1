"""The order to announce something to everybody."""

from core import announcements, words
from core.db import Session
from core.operations._audit import note
from core.operations._order import Answer, NotDone, Order
from core.operations._people import count

LONGEST = 3000
"""The most characters of an announcement, so that it fits in one message on any platform."""


async def announce(session: Session, order: Order, text: str = "") -> Answer:
    """Send a text to everybody, after a question; stop it, resume it, or tell how far it is."""
    match text.strip().lower():
        case "":
            return await _progress(session)
        case "stop":
            return await _turn(session, order, "stop")
        case "resume":
            return await _turn(session, order, "resume")
    if len(text) > LONGEST:
        raise NotDone(words.ANNOUNCE_LONG.format(most=words.number(LONGEST)))
    if not order.confirmed:
        sure = words.ANNOUNCE_SURE.format(await count(session))
        return Answer(f"{text}\n\n---\n\n{sure}", asks=True)
    number = await announcements.begin(session, text, order.user_id, order.now)
    await note(session, order, "announce", str(number), "", text)
    return Answer(words.ANNOUNCE_BEGUN.format(prefix=order.prefix))


async def _turn(session: Session, order: Order, action: str) -> Answer:
    newest = await announcements.latest(session)
    turn = announcements.stop if action == "stop" else announcements.resume
    if newest is None or not await turn(session, newest):
        raise NotDone(words.ANNOUNCE_NOTHING)
    states = ("running", "stopped") if action == "stop" else ("stopped", "running")
    await note(session, order, f"announce {action}", str(newest), *states)
    return await _progress(session)


async def _progress(session: Session) -> Answer:
    newest = await announcements.latest(session)
    found = None if newest is None else await announcements.progress(session, newest)
    if found is None:
        raise NotDone(words.ANNOUNCE_NOTHING)
    states = {
        "running": words.ANNOUNCE_RUNNING,
        "stopped": words.ANNOUNCE_STOPPED,
        "done": words.ANNOUNCE_DONE,
    }
    numbers = {
        name: words.number(getattr(found, name))
        for name in ("people", "sent", "refused", "left_out", "waiting")
    }
    return Answer(f"{states[found.state]}\n{words.ANNOUNCE_PROGRESS.format(**numbers)}")
