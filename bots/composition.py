"""The composition root: everything is built here, from the settings, and runs until a signal."""

import asyncio
import logging
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from bots.connections import Connections
from bots.desks import desk_of, tasks_of
from bots.life import Crew, check_key, look_up, use, work
from bots.platform import Platform
from bots.stored import Stored
from bots.terms import access_rules, language_of, model_api, offer, tell_limits, terms
from core import db, inbox, quota, schema
from core.alerts import EVERY, Watch
from core.announcements import Announcer
from core.chat import Chat
from core.clock import Clock
from core.delivery import Delivery
from core.errands import Errands
from core.errors import SettingsError
from core.health import Health
from core.intake import Intake
from core.listening import Listening
from core.presence import Presence
from core.quota import Rules
from core.reply import NOTICE_AFTER
from core.requests import Bounds
from core.settings import Settings
from core.signals import Tell, nobody
from core.statements import time_statements
from core.tasks import keep, tell_of_end
from core.upkeep import Upkeep
from core.worker import Worker

if TYPE_CHECKING:
    from bots.web.figures import Figures

log = logging.getLogger("parley")


async def run(
    loaded: Settings,
    platforms: Sequence[Platform],
    *,
    listen: bool = True,
    notice_after: float = NOTICE_AFTER,
    watch_every: float = EVERY,
) -> None:
    """Build everything, run until a signal or the last event, and stop gently.

    `notice_after` is the seconds without text after which people are told why, and `watch_every`
    those between two looks for what the operators have to see to.
    """
    if listen:
        _check_ports(loaded, platforms)
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(
            schema.serving(loaded.database_url, loaded.database_connections)
        )
        figures = _figures(loaded)
        tell = _told_to(figures, sessions)
        clock = Clock()
        await db.transact(sessions, clock.read)
        if db.is_sqlite(loaded.database_url):
            await db.transact(sessions, lambda s: inbox.free(s, now=clock.now()))
        model = await stack.enter_async_context(model_api(loaded, tell))
        open_ones = await stack.enter_async_context(AsyncExitStack())
        rules = Rules(loaded.quota, loaded.budget, loaded.timezone, loaded.tiers)
        tell_limits(loaded, rules, await db.transact(sessions, partial(_tidy, rules=rules)))
        language = language_of(loaded.default_language)
        worker_id = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        presence = Presence(sessions, worker_id)
        watch = Watch(
            sessions,
            worker_id,
            loaded.admins,
            rules,
            model,
            adapters=lambda: worker.adapters,
            platforms=[platform.name for platform in platforms] if listen else [],
            file=db.file_of(loaded.database_url),
            now=clock.now,
            language=language,
            every=watch_every,
        )
        worker = Worker(
            worker_id,
            sessions,
            Chat(
                sessions,
                model,
                terms(loaded, rules),
                now=clock.now,
                notice=watch.notice,
                tell=tell,
            ),
            Delivery(sessions, rules, now=clock.now),
            {},
            now=clock.now,
            concurrency=loaded.concurrency,
            lease_seconds=loaded.lease_seconds,
            backoff=loaded.retry_seconds / 12,
            notice_after=notice_after,
            tell=tell,
            is_sure=presence.is_sure,
        )
        offered = replace(offer(loaded, rules), links=partial(_links, worker))
        doors = access_rules(loaded)
        errands = Errands(sessions)
        upkeep = Upkeep(
            sessions,
            now=clock.now,
            retention=_days(loaded.retention_days),
            keep=timedelta(days=loaded.keep_days),
            zone=loaded.timezone,
        )
        announcer = Announcer(sessions, lambda: worker.broadcast_rates, now=clock.now)
        intake = Intake(
            sessions,
            offered,
            now=clock.now,
            accepted=worker.wake,
            changed=worker.look,
            bounds=Bounds(loaded.requests_per_minute, loaded.pending_turns),
            forgot=upkeep.wake,
            rules=doors,
            errand=errands.take,
            tell=tell,
        )
        beside: dict[str, Callable[[], Awaitable[None]]] = {
            "checking the model's key": partial(check_key, model),
            "looking up the models": partial(look_up, model, watch),
            "watching": watch.run,
            "deleting what is not needed": upkeep.run,
            "deleting old bookkeeping": upkeep.prune,
            "sending announcements": announcer.run,
            "adding up the figures of each day": upkeep.sum_up,
            "the database's clock": partial(clock.follow, sessions),
            "errands": errands.run,
        }
        listening = None
        if listen:
            listening = Listening(
                sessions, worker.id, intake.handle, now=clock.now, presence=presence
            )
        desk = desk_of(loaded, sessions, worker, rules, clock, language)
        beside |= tasks_of(desk)
        if not db.is_sqlite(loaded.database_url):
            url = loaded.database_direct_url or loaded.database_url
            beside["hearing other processes"] = partial(presence.run, url, Crew(worker, listening))
        tasks = {name: asyncio.create_task(keep(name, work)) for name, work in beside.items()}
        for name, task in tasks.items():
            tell_of_end(task, name)
            stack.push_async_callback(_cancel, task)
        connections = Connections(open_ones, partial(use, worker, errands, listening))
        connects = {
            platform.name: partial(platform.connect, Stored(sessions, platform.name, doors))
            for platform in platforms
        }
        if loaded.port or loaded.metrics_port:
            health = Health(
                sessions,
                [platform.name for platform in platforms],
                adapters=lambda: worker.adapters,
                states=lambda: listening.states if listening else {},
                refused=lambda: connections.refused,
                running=lambda: worker.running,
                stopping=lambda: worker.is_draining,
                now=clock.now,
            )
            from bots import web  # noqa: PLC0415 - a bot without a port loads no server

            ports = web.Ports(loaded.port, loaded.metrics_port, loaded.host)
            await stack.enter_async_context(
                web.serving_process(
                    ports,
                    platforms,
                    health.look,
                    tasks,
                    figures=figures,
                    desk=desk,
                    shows_words=loaded.dashboard_texts,
                )
            )
        await work(worker, errands, connections.run(connects), loaded.drain_seconds)


def _check_ports(loaded: Settings, platforms: Sequence[Platform]) -> None:
    """Raise SettingsError if a platform has to call and there is no port for it."""
    for name in filter(None, (platform.served_by for platform in platforms)):
        if loaded.port is None:
            raise SettingsError(f"{name}: set PORT, too, the port on which the bot answers it")


def _figures(loaded: Settings) -> "Figures | None":
    """Return the figures of this process; None if nobody can ask for them."""
    if loaded.metrics_port is None:
        return None
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - as for the server

    from bots.web.figures import Figures  # noqa: PLC0415 - as above

    return Figures(CollectorRegistry(), loaded.asked)


def _told_to(figures: "Figures | None", sessions: db.Sessions) -> Tell:
    """Return who hears of signals; statements are timed only if somebody does."""
    if figures is None:
        return nobody
    time_statements(sessions, figures.note)
    return figures.note


async def _tidy(session: db.Session, rules: Rules) -> dict[str, int]:
    """Delete what limits of the past have counted; return the tiers that are gone but in use."""
    await quota.prune(session, rules)
    return await quota.unknown_terms(session, rules)


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _links(worker: Worker, payload: str) -> list[str]:
    """Return the pages that open a chat with an account of this process and send it a payload."""
    found = (adapter.link(payload) for adapter in worker.adapters.values())
    return [link for link in found if link]
