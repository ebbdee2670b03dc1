"""The entry point and composition root: `python -m bots [PLATFORM ...]`."""

import asyncio
import logging
import os
import signal
import socket
import sys
import uuid
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import httpx

from bots import log as lines
from bots import permissions
from bots.connections import Connections
from bots.platform import Platform
from bots.registry import PLATFORMS
from bots.trust import trust
from core import db, environment, inbox, llm, posts, quota
from core.adapter import Adapter
from core.chat import Chat, Terms
from core.clock import Clock
from core.commands import Offer
from core.errors import SettingsError
from core.intake import Intake
from core.listening import Listening
from core.memory import Marks
from core.plain import visible
from core.quota import Rules
from core.reply import NOTICE_AFTER
from core.requests import Bounds
from core.settings import Limit, Settings
from core.tasks import keep
from core.upkeep import Upkeep
from core.worker import Worker

log = logging.getLogger("parley")

NOTHING_TO_RUN = """\
Nothing to run: no platform has a token. Set at least one, in the environment or in a file .env:

{needs}

and the key of the language model:

  MODEL_API_KEY    from https://aimlapi.com/app/keys

`python -m bots {free}` needs only MODEL_API_KEY; `make demo` needs nothing at all."""

LAST_SECONDS = 8.0
"""The most seconds to stop after the drain; a dyno kills a process 30 seconds after its signal."""

LOOK_UP_SECONDS = 24 * 3600.0
"""The seconds between two looks at the catalogue of models."""

SET_FIRST = """\
Missing for what is to run. Set it, in the environment or in a file .env:

{needs}"""

NO_KEY = "MODEL_API_KEY: not set; get a key at https://aimlapi.com/app/keys"

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ends, as shells have it."""

NAMES = ", ".join(platform.name for platform in PLATFORMS)

EPILOG = """\
`turns`, `turns show N` and `turns replay N` in place of platforms tell what became of turns that
failed, and queue them again. `models` tells what the model API offers and what it costs."""


def _name(told: str) -> str:
    """Return the name of a platform as it was typed; ArgumentTypeError for an unknown one."""
    if told not in {platform.name for platform in PLATFORMS}:
        raise ArgumentTypeError(f"{told!r} is not one of {NAMES}.")
    return told


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="parley",
        description="Answer people on the platforms where they talk to the bot.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "platforms",
        metavar="PLATFORM",
        nargs="*",
        type=_name,
        help=f"a platform to run, of {NAMES}; none named: those that have a token",
    )
    parser.add_argument(
        "--listen",
        action=BooleanOptionalAction,
        default=True,
        help="listen for messages; without it only answer what is stored",
    )
    return parser


def serve(platforms: Sequence[str], *, listen: bool) -> int:
    """Run the bot until it is stopped; return its exit status."""
    try:
        loaded, known = load()
        chosen = _choose(known, platforms)
        if not loaded.model_api_key.get_secret_value():
            raise SettingsError(NO_KEY)
        _log_to_stderr(loaded, chosen)
        permissions.warn(*db.files(loaded.database_url), ".env")
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(run(loaded, chosen, listen=listen))
    except* SettingsError as group:
        errors = _leaves(group)
    else:
        return 0
    for error in errors:
        sys.stderr.write(f"{visible(str(error))}\n")
    return 2


def load(env_file: str | None = ".env", **values: object) -> tuple[Settings, list[Platform]]:
    """Read the settings of the core and of all platforms; `values` override the environment.

    Raises SettingsError, which names every wrong setting.
    """
    found = environment.read(Settings, *PLATFORMS, env_file=env_file, **values)
    [loaded] = [each for each in found if isinstance(each, Settings)]
    return loaded, [each for each in found if isinstance(each, Platform)]


def _new_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop of this system; psycopg does not work with Windows' default."""
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - there is none for Windows

        new_loop = uvloop.new_event_loop
    return new_loop()


def main() -> None:
    """Run the console script `parley`."""
    permissions.narrow()
    try:
        sys.exit(_carry_out(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _carry_out(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["turns"]:
        from bots import operator  # noqa: PLC0415 - a running bot needs no tables

        return operator.main(arguments[1:])
    if arguments[:1] == ["models"]:
        from bots import models  # noqa: PLC0415 - as above

        return models.main(arguments[1:])
    told = _parser().parse_args(arguments)
    return serve(told.platforms, listen=told.listen)


async def run(
    loaded: Settings,
    platforms: Sequence[Platform],
    *,
    listen: bool = True,
    notice_after: float = NOTICE_AFTER,
) -> None:
    """Build everything, run until a signal or the last event, and stop gently.

    `notice_after` is the seconds without text after which people are told why.
    """
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(
            db.serving(loaded.database_url, loaded.database_connections)
        )
        clock = Clock()
        await db.transact(sessions, clock.read)
        if db.is_sqlite(loaded.database_url):
            await db.transact(sessions, lambda s: inbox.free(s, now=clock.now()))
        client = await stack.enter_async_context(
            httpx.AsyncClient(verify=trust(), limits=llm.LIMITS)
        )
        open_ones = await stack.enter_async_context(AsyncExitStack())
        rules = Rules(loaded.quota, loaded.budget, loaded.timezone)
        told = _told(rules.quota), _told(rules.budget) + _why_none(loaded)
        log.info("the limit of each person (QUOTA): %s; of all together (BUDGET): %s", *told)
        await db.transact(sessions, partial(quota.prune, rules=rules))
        model = llm.LLM(client, _endpoint(loaded))
        worker = Worker(
            f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}",
            sessions,
            Chat(sessions, model, _terms(loaded, rules), now=clock.now),
            {},
            now=clock.now,
            concurrency=loaded.concurrency,
            lease_seconds=loaded.lease_seconds,
            backoff=loaded.retry_seconds / 12,
            notice_after=notice_after,
        )
        offer = _offer(loaded, rules)
        upkeep = Upkeep(
            sessions,
            now=clock.now,
            retention=_days(loaded.retention_days),
            keep=timedelta(days=loaded.keep_days),
            zone=loaded.timezone,
        )
        intake = Intake(
            sessions,
            offer,
            now=clock.now,
            accepted=worker.wake,
            changed=worker.look,
            bounds=Bounds(loaded.requests_per_minute, loaded.pending_turns),
            forgot=upkeep.wake,
        )
        beside: dict[str, Callable[[], Awaitable[None]]] = {
            "checking the model's key": partial(_check_key, model),
            "looking up the models": partial(_look_up, model),
            "deleting what is not needed": upkeep.run,
            "deleting old bookkeeping": upkeep.prune,
            "the database's clock": partial(clock.follow, sessions),
        }
        if not db.is_sqlite(loaded.database_url):
            beside["hearing other processes"] = partial(_hear_others, loaded, worker)
        for name, work in beside.items():
            stack.push_async_callback(_cancel, asyncio.create_task(keep(name, work)))
        listening = Listening(sessions, worker.id, intake.handle, now=clock.now) if listen else None
        connections = Connections(open_ones, partial(_use, worker, listening))
        connects = [
            partial(platform.connect, _Stored(sessions, platform.name)) for platform in platforms
        ]
        await _work(worker, connections.run(connects), loaded.drain_seconds)


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
    async for what in db.notifications(loaded.database_url):
        worker.hear(what)


async def _check_key(model: llm.LLM) -> None:
    """Log a problem with the model's key or endpoint at the start; the check is free."""
    if problem := await model.check():
        log.error("%s", problem)


async def _look_up(model: llm.LLM) -> None:
    """Look once a day whether the models in use are still on offer."""
    while True:
        catalogue = await model.look_up()
        for name in model.names:
            if complaint := catalogue.complaint(name):
                log.warning("%s", complaint)
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


async def _use(worker: Worker, listening: Listening | None, adapter: Adapter) -> None:
    """Answer for an account, and listen for it unless `listening` is None, until it is refused."""
    worker.serve(adapter)
    if listening is None:
        await asyncio.Event().wait()
        return
    try:
        await keep(f"listening on {adapter.name}", partial(listening.listen, adapter))
    except SettingsError:
        worker.dismiss(adapter)
        raise


@dataclass(frozen=True, slots=True)
class _Stored:
    """The stored messages of one platform's accounts, read from the database."""

    sessions: db.Sessions
    platform: str

    async def newest(self, bot_id: str, chat: str) -> str | None:
        account = self.platform, bot_id
        return await db.transact(
            self.sessions, lambda session: posts.newest(session, account, chat)
        )

    async def chats(self, bot_id: str) -> dict[str, str]:
        account = self.platform, bot_id
        return await db.transact(self.sessions, lambda session: posts.chats(session, account))

    async def private_chats(self, bot_id: str) -> list[str]:
        account = self.platform, bot_id
        return await db.transact(self.sessions, lambda s: posts.private_chats(s, account))


def _choose(platforms: Sequence[Platform], names: Sequence[str]) -> list[Platform]:
    """Return the platforms to run; raises SettingsError, which tells how to get what is missing."""
    named = {platform.name: platform for platform in platforms}
    chosen = [named[name] for name in dict.fromkeys(names)]
    chosen = chosen or [platform for platform in platforms if platform.is_set]
    if not chosen:
        free = " ".join(platform.name for platform in platforms if not platform.needs)
        raise SettingsError(NOTHING_TO_RUN.format(needs=_needs(platforms), free=free))
    if needs := _needs(chosen):
        raise SettingsError(SET_FIRST.format(needs=needs))
    return chosen


def _needs(platforms: Sequence[Platform]) -> str:
    return "\n".join(each.needs for each in platforms if each.needs and not each.is_set)


def _endpoint(loaded: Settings) -> llm.Endpoint:
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


def _offer(loaded: Settings, rules: Rules) -> Offer:
    return Offer(
        rules=rules,
        model=loaded.model,
        models=loaded.choices,
        fallbacks=loaded.models[1:],
        personas=loaded.personas,
        retention_days=loaded.retention_days,
    )


def _terms(loaded: Settings, rules: Rules) -> Terms:
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


def _log_to_stderr(loaded: Settings, platforms: Sequence[Platform]) -> None:
    on_terminal = any(platform.on_terminal for platform in platforms)
    secrets = [secret for each in (loaded, *platforms) for secret in each.secrets()]
    lines.begin(logging.WARNING if on_terminal else logging.INFO, secrets)
    # httpx logs every URL at INFO, and a URL may hold a token.
    libraries = ["httpx", "httpcore", "alembic"]
    for platform in platforms:
        libraries.extend(platform.loggers)
    for name in libraries:
        logging.getLogger(name).setLevel(logging.WARNING)


def _leaves(group: BaseExceptionGroup[SettingsError]) -> list[SettingsError]:
    found: list[SettingsError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


if __name__ == "__main__":
    main()
