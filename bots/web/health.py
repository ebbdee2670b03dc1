"""The health of the process, for what starts, watches and restarts it.

- `/livez` asks for a restart with 503: the event loop is late, or a task of the process has died.
- `/readyz` tells whether the process can take work: its tables are current, the database answers,
  and a platform has answered. A process that stands by is ready; one that is stopping is not.
- `/healthz` tells all in JSON, with the reason of a 503 in one sentence.

No answer tells anything about a person.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from bots.web.pulse import Pulse
from core.vitals import Hearing, Vitals

MOST_LAG = 10.0
"""The seconds by which the event loop may be late."""


@dataclass(frozen=True, slots=True)
class Health:
    """The sources of what is told."""

    pulse: Pulse
    dead: Callable[[], Sequence[str]]
    """Returns the names of the tasks of this process that have died."""
    look: Callable[[], Awaitable[Vitals]]


def routes(health: Health) -> list[web.RouteDef]:
    """Return the routes of health."""

    async def live(request: web.Request) -> web.Response:
        return _told(_not_alive(health))

    async def ready(request: web.Request) -> web.Response:
        return _told((await health.look()).unready)

    async def all_of_it(request: web.Request) -> web.Response:
        vitals = await health.look()
        problem = _not_alive(health) or vitals.problem
        told = _json(vitals) | {"loop_lag_seconds": round(health.pulse.lag, 3)}
        return web.json_response(
            {"status": "failing" if problem else "ok", "reason": problem} | told,
            status=_status(problem),
        )

    return [web.get("/livez", live), web.get("/readyz", ready), web.get("/healthz", all_of_it)]


def _not_alive(health: Health) -> str:
    """Return the reason for a restart; "" if there is none."""
    if health.pulse.lag > MOST_LAG:
        return f"The event loop is {health.pulse.lag:.0f} seconds late."
    if dead := health.dead():
        return f"A task has died: {dead[0]}."
    return ""


def _told(problem: str) -> web.Response:
    return web.Response(status=_status(problem), text=f"{problem or 'ok'}\n")


def _status(problem: str) -> int:
    return HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK


def _json(vitals: Vitals) -> dict[str, object]:
    return {
        "accounts": [_account(each) for each in vitals.accounts],
        "database": {
            "answers": vitals.database_seconds is not None,
            "seconds": _rounded(vitals.database_seconds),
            "schema_current": vitals.schema_current,
        },
        "oldest_waiting_seconds": _rounded(vitals.oldest_waiting),
        "stopping": vitals.stopping,
    }


def _account(one: Hearing) -> dict[str, object]:
    return {
        "platform": one.platform,
        "account": one.account,
        "state": one.state.value,
        "heard_seconds_ago": _rounded(one.heard_ago),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
