"""The composition root: everything is built here, from the settings, and runs until a signal."""

import asyncio
import logging
import os
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from bots import transport
from bots.connections import Connections
from bots.desks import desk_of, tasks_of
from bots.platform import Platform
from bots.stored import Stored
from core import access, db, inbox, llm, quota, words
from core.access import Mode
from core.adapter import Adapter
from core.alerts import EVERY, Watch
from core.announcements import Announcer
from core.chat import Chat, Terms
from core.clock import Clock
from core.commands import Offer
from core.errands import Errands
from core.errors import SettingsError
from core.health import Health
from core.intake import Intake
from core.listening import Listening
from core.memory import Marks
from core.quota import Rules
from core.reply import NOTICE_AFTER
from core.requests import Bounds
from core.settings import Limit, Settings
from core.signals import nobody
from core.statements import time_statements
from core.tasks import keep
from core.upkeep import Upkeep
from core.worker import Worker

if TYPE_CHECKING:
    from bots.web.figures import Figures

log = logging.getLogger("parley")

LAST_SECONDS = 8.0
"""The most seconds to stop after the drain; a dyno kills a process 30 seconds after its signal."""

LOOK_UP_SECONDS = 24 * 3600.0
"""The seconds between two looks at the catalogue of models."""


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
            db.serving(loaded.database_url, loaded.database_connections)
        )
        figures = _figures(loaded)
        tell = nobody if figures is None else figures.note
        if figures is not None:
            time_statements(sessions, tell)
        clock = Clock()
        await db.transact(sessions, clock.read)
        if db.is_sqlite(loaded.database_url):
            await db.transact(sessions, lambda s: inbox.free(s, now=clock.now()))
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=transport.to(loaded.model_api_url, llm.LIMITS), trust_env=False
            )
        )
        open_ones = await stack.enter_async_context(AsyncExitStack())
        rules = Rules(loaded.quota, loaded.budget, loaded.timezone, loaded.tiers)
        told = _told(rules.quota), _told(rules.budget) + _why_none(loaded)
        log.info("the limit of each person (QUOTA): %s; of all together (BUDGET): %s", *told)
        for name, number in (await db.transact(sessions, partial(_tidy, rules=rules))).items():
            log.warning(
                "there is no tier %r, so its %d people or groups have the default: set QUOTA_%s",
                *(name, number, name.upper()),
            )
        model = llm.LLM(client, endpoint(loaded), tell=tell)
        worker_id = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
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
            language=_language(loaded.default_language),
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
            {},
            now=clock.now,
            concurrency=loaded.concurrency,
            lease_seconds=loaded.lease_seconds,
            backoff=loaded.retry_seconds / 12,
            notice_after=notice_after,
            tell=tell,
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
            "checking the model's key": partial(_check_key, model),
            "looking up the models": partial(_look_up, model, watch),
            "watching": watch.run,
            "deleting what is not needed": upkeep.run,
            "deleting old bookkeeping": upkeep.prune,
            "sending announcements": announcer.run,
            "adding up the figures of each day": upkeep.sum_up,
            "the database's clock": partial(clock.follow, sessions),
            "errands": errands.run,
        }
        language = _language(loaded.default_language)
        desk = desk_of(loaded, sessions, worker, rules, clock, language)
        beside |= tasks_of(desk)
        if not db.is_sqlite(loaded.database_url):
            beside["hearing other processes"] = partial(_hear_others, loaded, worker)
        tasks = {name: asyncio.create_task(keep(name, work)) for name, work in beside.items()}
        for task in tasks.values():
            stack.push_async_callback(_cancel, task)
        listening = Listening(sessions, worker.id, intake.handle, now=clock.now) if listen else None
        connections = Connections(open_ones, partial(_use, worker, errands, listening))
        connects = [
            partial(platform.connect, Stored(sessions, platform.name, doors))
            for platform in platforms
        ]
        if loaded.port or loaded.metrics_port:
            health = Health(
                sessions,
                [platform.name for platform in platforms],
                adapters=lambda: worker.adapters,
                states=lambda: listening.states if listening else {},
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
        await _work(worker, connections.run(connects), loaded.drain_seconds)


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

    from bots.web.figures import Figures  # noqa: PLC0415

    return Figures(CollectorRegistry(), loaded.asked)


async def _tidy(session: db.Session, rules: Rules) -> dict[str, int]:
    """Delete what limits of the past have counted; return the tiers that are gone but in use."""
    await quota.prune(session, rules)
    return await quota.unknown_terms(session, rules)


async def _work(worker: Worker, listening: Coroutine[Any, Any, None], drain_seconds: float) -> None:
    """Listen and answer; on a signal, stop listening at once and give answers time to end."""
    stop = asyncio.Event()
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C ends the process at once
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(keep("answering", worker.run))
        hearing = tasks.create_task(_hear(listening, worker))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait((hearing, stopping), return_when=asyncio.FIRST_COMPLETED)
        hearing.cancel()
        if stop.is_set():
            log.info("stopping: answers in hand have %g s to finish", drain_seconds)
            await worker.drain(drain_seconds)
            asyncio.get_running_loop().call_later(LAST_SECONDS, _leave)
        stopping.cancel()
        working.cancel()


def _leave() -> None:
    """End the process at once, because a database that hangs would keep it until it is killed."""
    log.error("stopping took too long; what is left is taken over when its lease has run out")
    logging.shutdown()
    os._exit(1)


async def _hear_others(loaded: Settings, worker: Worker) -> None:
    async for what in db.notifications(loaded.database_direct_url or loaded.database_url):
        worker.hear(what)


async def _check_key(model: llm.LLM) -> None:
    """Log a problem with the model's key or endpoint at the start; the check is free."""
    if problem := await model.check():
        log.error("%s", problem)


async def _look_up(model: llm.LLM, watch: Watch) -> None:
    """Look once a day whether the models in use are still on offer."""
    while True:
        catalogue = await model.look_up()
        for name in model.names:
            if complaint := catalogue.complaint(name):
                log.warning("%s", complaint)
                told = catalogue.withdrawal(name)
                if told is None or told.is_gone:
                    watch.unlisted(name)
                else:
                    watch.withdrawn(name, on=told.on, instead=told.replaced_by)
        await asyncio.sleep(LOOK_UP_SECONDS)


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _hear(listening: Coroutine[Any, Any, None], worker: Worker) -> None:
    """Listen until the last event, then wait until everything is answered."""
    await listening
    await keep("waiting for the last answers", worker.until_idle)


async def _use(
    worker: Worker, errands: Errands, listening: Listening | None, adapter: Adapter
) -> None:
    """Answer for an account, and listen for it unless `listening` is None, until it is refused."""
    worker.serve(adapter)
    errands.serve(adapter)
    if listening is None:
        await asyncio.Event().wait()
        return
    try:
        await keep(f"listening on {adapter.name}", partial(listening.listen, adapter))
    except SettingsError:
        worker.dismiss(adapter)
        raise


def endpoint(loaded: Settings) -> llm.Endpoint:
    """Return the model API and how it is asked."""
    return llm.Endpoint(
        url=loaded.model_api_url.rstrip("/"),
        key=loaded.model_api_key.get_secret_value(),
        model=loaded.model,
        max_completion_tokens=loaded.max_completion_tokens,
        fallbacks=loaded.models[1:],
        offered=loaded.offered_models,
        sees=loaded.vision,
        temperature=loaded.temperature,
        top_p=loaded.top_p,
        first_token_seconds=loaded.first_token_seconds,
        stall_seconds=loaded.stall_seconds,
    )


def _told(limits: Sequence[Limit]) -> str:
    return ", ".join(map(str, limits)) or "none"


def _why_none(loaded: Settings) -> str:
    """Return the reason for no budget, if nobody has set none."""
    if loaded.budget or loaded.set_budget is not None:
        return ""
    unknown = ", ".join(loaded.prices.unknown(loaded.asked))
    return f", because MODEL_PRICES tells no prices of {unknown}"


def access_rules(loaded: Settings) -> access.Rules:
    """Return who may speak to the bot, and where."""
    return access.Rules(
        mode=Mode(loaded.access),
        people=loaded.allowed_people,
        admins=frozenset(loaded.admins),
        groups=loaded.allowed_groups,
        leaves=loaded.leave_other_groups,
    )


def _links(worker: Worker, payload: str) -> list[str]:
    """Return the pages that open a chat with an account of this process and send it a payload."""
    found = (adapter.link(payload) for adapter in worker.adapters.values())
    return [link for link in found if link]


def offer(loaded: Settings, rules: Rules) -> Offer:
    """Return everything that people may choose and ask for by commands."""
    return Offer(
        rules=rules,
        model=loaded.model,
        models=loaded.choices,
        fallbacks=loaded.models[1:],
        personas=loaded.personas,
        retention_days=loaded.retention_days,
        language=_language(loaded.default_language),
        admins=frozenset(loaded.admins),
    )


def _language(wish: str) -> str:
    code = words.nearest(wish)
    if not code:
        known = ", ".join(words.languages())
        raise SettingsError(f"DEFAULT_LANGUAGE: {wish!r} is none of {known}")
    return code


def terms(loaded: Settings, rules: Rules) -> Terms:
    """Return the terms on which turns are answered."""
    return Terms(
        model=loaded.model,
        system_prompt=loaded.system_prompt,
        max_completion_tokens=loaded.max_completion_tokens,
        prices=loaded.prices,
        rules=rules,
        marks=Marks(loaded.memory_high_tokens, loaded.memory_low_tokens),
        tools=loaded.tools,
        file_bytes=loaded.file_megabytes * 1_000_000,
        models=loaded.choices,
        patience_seconds=loaded.model_patience_seconds,
        fallbacks=loaded.models[1:],
    )
