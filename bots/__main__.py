"""The entry point and composition root: `python -m bots [telegram] [discord] [console]`."""

import asyncio
import logging
import signal
import socket
import sys
import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated

import httpx
import typer
import uvloop

from bots import operator
from core import attachments, db, inbox, llm, privacy, quota, settings
from core.adapter import Adapter
from core.chat import Chat, Terms
from core.commands import Offer
from core.errors import SettingsError
from core.intake import Intake
from core.memory import Marks
from core.quota import Rules
from core.settings import Settings
from core.worker import Worker

log = logging.getLogger("parley")

MISSING = """\
Nothing to run: no platform has a token. Set at least one, in the environment or in a file .env:

  TELEGRAM_TOKEN   from @BotFather on Telegram: send it /newbot
  DISCORD_TOKEN    from https://discord.com/developers/applications: Bot, Reset Token

and the key of the language model:

  MODEL_API_KEY    from https://aimlapi.com/app/keys

`python -m bots console` needs only MODEL_API_KEY; `make demo` needs nothing at all."""

NO_KEY = "MODEL_API_KEY: not set; get a key at https://aimlapi.com/app/keys"


class Platform(StrEnum):
    """Where people can talk to the bot."""

    TELEGRAM = "telegram"
    DISCORD = "discord"
    CONSOLE = "console"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    platforms: Annotated[
        list[Platform] | None,
        typer.Argument(help="Platforms to run; none named: those that have a token."),
    ] = None,
    listen: Annotated[
        bool, typer.Option(help="Listen for messages; without it only answer what is stored.")
    ] = True,
) -> None:
    """Answer people on Telegram, Discord or in the terminal."""
    try:
        loaded = settings.load()
        chosen = platforms or _with_token(loaded)
        if not chosen:
            raise SettingsError(MISSING)
        if not loaded.model_api_key.get_secret_value():
            raise SettingsError(NO_KEY)
        _log_to_stderr(loaded, quiet=Platform.CONSOLE in chosen)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(loaded, chosen, listen=listen))
    except* SettingsError as group:
        for error in _leaves(group):
            typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def main() -> None:
    """The console script `parley`."""
    if sys.argv[1:2] == ["turns"]:
        operator.app(sys.argv[2:], prog_name="parley turns")
    app()


async def run(loaded: Settings, platforms: Sequence[Platform], *, listen: bool = True) -> None:
    """Build everything, run until a signal or the end of what there is to hear, and stop gently."""
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(
            db.serving(loaded.database_url, loaded.database_connections)
        )
        sessions = db.sessions_of(engine)
        if db.is_sqlite(loaded.database_url):
            await db.transact(sessions, inbox.free)
        client = await stack.enter_async_context(httpx.AsyncClient(limits=llm.LIMITS))
        adapters = [
            await stack.enter_async_context(_connect(platform, loaded, sessions))
            for platform in platforms
        ]
        rules = Rules(loaded.quota, loaded.budget)
        await db.transact(sessions, partial(quota.prune, rules=rules))
        model = llm.LLM(client, _endpoint(loaded))
        worker = Worker(
            f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}",
            sessions,
            Chat(sessions, model, _terms(loaded, rules), now=_now),
            {(adapter.name, adapter.bot_id): adapter for adapter in adapters},
            now=_now,
            concurrency=loaded.concurrency,
            lease_seconds=loaded.lease_seconds,
            backoff=loaded.retry_seconds / 12,
        )
        offer = _offer(loaded, rules)
        intake = Intake(sessions, offer, now=_now, accepted=worker.wake, changed=worker.look)
        beside = [_check_key(model), _expire(sessions, loaded.retention_days)]
        if not db.is_sqlite(loaded.database_url):
            beside.append(_hear_others(loaded, worker))
        for work in beside:
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        await _work(worker, intake, adapters if listen else [], loaded.drain_seconds)


async def _work(
    worker: Worker, intake: Intake, listening: Sequence[Adapter], drain_seconds: float
) -> None:
    """Listen and answer; on a signal stop listening at once, then let the answers end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(worker.run())
        hearing = tasks.create_task(_hear(listening, intake, worker) if listening else stop.wait())
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait((hearing, stopping), return_when=asyncio.FIRST_COMPLETED)
        hearing.cancel()
        if stop.is_set():
            log.info("stopping: answers in hand have %g s to finish", drain_seconds)
            await worker.drain(drain_seconds)
        stopping.cancel()
        working.cancel()


async def _hear_others(loaded: Settings, worker: Worker) -> None:
    async for what in db.notifications(loaded.database_url):
        worker.hear(what)


async def _check_key(model: llm.LLM) -> None:
    """Tell the operator at once when people would get no answers; it costs nothing to ask."""
    if problem := await model.check():
        log.error("%s", problem)


async def _expire(sessions: db.Sessions, days: int | None) -> None:
    """Delete what is older than the operator wants it kept, every hour."""
    while days is not None:
        before = _now() - timedelta(days=days)
        await db.transact(sessions, partial(privacy.expire, before=before))
        await db.transact(sessions, attachments.sweep)
        await asyncio.sleep(3600)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _hear(listening: Sequence[Adapter], intake: Intake, worker: Worker) -> None:
    """Listen until there is nothing more to hear and everything is answered."""
    async with asyncio.TaskGroup() as tasks:
        for adapter in listening:
            tasks.create_task(intake.listen(adapter, worker.id))
    await worker.settled()


def _connect(
    platform: Platform, loaded: Settings, sessions: db.Sessions
) -> AbstractAsyncContextManager[Adapter]:
    # Imported where they are needed: a platform that does not run costs no memory.
    match platform:
        case Platform.TELEGRAM:
            from bots.telegram import adapter as telegram  # noqa: PLC0415

            token = loaded.telegram_token.get_secret_value()
            return telegram.connect(token, loaded.telegram_api_url)
        case Platform.CONSOLE:
            from bots import console  # noqa: PLC0415

            return console.connect()
        case Platform.DISCORD:
            from bots.discord import adapter as discord  # noqa: PLC0415

            return discord.connect(
                loaded.discord_token.get_secret_value(),
                loaded.discord_api_url,
                newest=lambda chat: db.transact(
                    sessions, lambda session: inbox.newest(session, platform, chat)
                ),
                channels=lambda: db.transact(
                    sessions, lambda session: inbox.chats(session, platform)
                ),
            )


def _with_token(loaded: Settings) -> list[Platform]:
    tokens = {Platform.TELEGRAM: loaded.telegram_token, Platform.DISCORD: loaded.discord_token}
    return [platform for platform, token in tokens.items() if token.get_secret_value()]


def _endpoint(loaded: Settings) -> llm.Endpoint:
    return llm.Endpoint(
        url=loaded.model_api_url.rstrip("/"),
        key=loaded.model_api_key.get_secret_value(),
        model=loaded.model,
        max_completion_tokens=loaded.max_completion_tokens,
        fallbacks=loaded.models[1:],
        temperature=loaded.temperature,
        top_p=loaded.top_p,
        first_token_seconds=loaded.first_token_seconds,
        stall_seconds=loaded.stall_seconds,
        patience_seconds=loaded.retry_seconds,
    )


def _offer(loaded: Settings, rules: Rules) -> Offer:
    return Offer(
        rules=rules,
        model=loaded.model,
        models=loaded.offered_models,
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
        vision=loaded.vision,
        models=loaded.offered_models,
    )


def _log_to_stderr(loaded: Settings, *, quiet: bool) -> None:
    level = logging.WARNING if quiet else logging.INFO
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for name in ("httpx", "httpcore", "alembic", "telegram", "discord"):
        # httpx logs every URL at INFO, and a Telegram URL holds the token.
        logging.getLogger(name).setLevel(logging.WARNING)


def _leaves(group: BaseExceptionGroup[SettingsError]) -> list[SettingsError]:
    found: list[SettingsError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
