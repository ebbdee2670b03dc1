"""The entry point and composition root: `python -m bots [telegram] [discord] [console]`."""

import asyncio
import logging
import os
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import httpx
import typer

from bots.connections import Connections
from core import attachments, db, inbox, llm, posts, privacy, quota, settings
from core.adapter import Adapter
from core.chat import Chat, Terms
from core.commands import Offer
from core.errors import SettingsError
from core.intake import Intake
from core.listening import Listening
from core.memory import Marks
from core.quota import Rules
from core.settings import Settings
from core.worker import Worker

log = logging.getLogger("parley")

NOTHING_TO_RUN = """\
Nothing to run: no platform has a token. Set at least one, in the environment or in a file .env:

{tokens}

and the key of the language model:

  MODEL_API_KEY    from https://aimlapi.com/app/keys

`python -m bots console` needs only MODEL_API_KEY; `make demo` needs nothing at all."""

LAST_SECONDS = 8.0
"""Seconds for stopping after the drain; a dyno kills what it asked to stop 30 seconds ago."""

SET_FIRST = """\
Missing for what is to run. Set it, in the environment or in a file .env:

{tokens}"""

NO_KEY = "MODEL_API_KEY: not set; get a key at https://aimlapi.com/app/keys"


class Platform(StrEnum):
    """Where people can talk to the bot."""

    TELEGRAM = "telegram"
    DISCORD = "discord"
    CONSOLE = "console"


TOKENS = {
    Platform.TELEGRAM: "  TELEGRAM_TOKEN   from @BotFather on Telegram: send it /newbot",
    Platform.DISCORD: (
        "  DISCORD_TOKEN    from https://discord.com/developers/applications: Bot, Reset Token;\n"
        "                   switch on Message Content Intent there"
    ),
}
"""Where to get the token of a platform that needs one."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    epilog="What became of turns that failed: `turns`, `turns show N` and `turns replay N`"
    " in place of platforms."
)
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
        chosen = _chosen(loaded, platforms or [])
        if not loaded.model_api_key.get_secret_value():
            raise SettingsError(NO_KEY)
        _log_to_stderr(loaded, quiet=Platform.CONSOLE in chosen)
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(run(loaded, chosen, listen=listen))
    except* SettingsError as group:
        for error in _leaves(group):
            typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _new_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop of this system; psycopg cannot work with the usual one of Windows."""
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - there is none for Windows

        new_loop = uvloop.new_event_loop
    return new_loop()


def main() -> None:
    """The console script `parley`."""
    if sys.argv[1:2] == ["turns"]:
        from bots import operator  # noqa: PLC0415 - a running bot needs no tables

        operator.app(sys.argv[2:], prog_name="parley turns")
    app()


async def run(loaded: Settings, platforms: Sequence[Platform], *, listen: bool = True) -> None:
    """Build everything, run until a signal or the end of what there is to hear, and stop gently."""
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(
            db.serving(loaded.database_url, loaded.database_connections)
        )
        if db.is_sqlite(loaded.database_url):
            await db.transact(sessions, inbox.free)
        client = await stack.enter_async_context(httpx.AsyncClient(limits=llm.LIMITS))
        open_ones = await stack.enter_async_context(AsyncExitStack())
        rules = Rules(loaded.quota, loaded.budget)
        await db.transact(sessions, partial(quota.prune, rules=rules))
        model = llm.LLM(client, _endpoint(loaded))
        worker = Worker(
            f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}",
            sessions,
            Chat(sessions, model, _terms(loaded, rules), now=_now),
            {},
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
        listening = Listening(sessions, worker.id, intake.handle, now=_now) if listen else None
        connections = Connections(open_ones, partial(_use, worker, listening))
        connects = [partial(_connect, platform, loaded, sessions) for platform in platforms]
        await _work(worker, connections.run(connects), loaded.drain_seconds)


async def _work(worker: Worker, listening: Coroutine[Any, Any, None], drain_seconds: float) -> None:
    """Listen and answer; on a signal stop listening at once, then let the answers end."""
    stop = asyncio.Event()
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C ends the process at once
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(worker.run())
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
    """End the process where it stands: a database that hangs would keep it until it is killed."""
    log.error("stopping took too long; what is left is taken over when its lease has run out")
    logging.shutdown()
    os._exit(1)


async def _hear_others(loaded: Settings, worker: Worker) -> None:
    async for what in db.notifications(loaded.database_url):
        worker.hear(what)


async def _check_key(model: llm.LLM) -> None:
    """Tell the operator at once when people would get no answers; it costs nothing to ask."""
    if problem := await model.check():
        log.error("%s", problem)


async def _expire(sessions: db.Sessions, days: int | None) -> None:
    """Every hour, delete what is older than the operator wants it kept, and erase its traces.

    Traces may be left of an earlier process too, or of a `/forget` while another process read.
    """
    while True:
        if days is not None:
            before = _now() - timedelta(days=days)
            await privacy.expire(sessions, before=before)
            await db.transact(sessions, attachments.sweep)
        await privacy.erase(sessions)
        await asyncio.sleep(3600)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _hear(listening: Coroutine[Any, Any, None], worker: Worker) -> None:
    """Listen until there is nothing more to hear and everything is answered."""
    await listening
    await worker.settled()


async def _use(worker: Worker, listening: Listening | None, adapter: Adapter) -> None:
    """Answer for an account, and listen for it unless others do, until it is refused."""
    worker.serve(adapter)
    if listening is None:
        await asyncio.Event().wait()
        return
    try:
        await listening.listen(adapter)
    except SettingsError:
        worker.dismiss(adapter)
        raise


def _connect(
    platform: Platform, loaded: Settings, sessions: db.Sessions
) -> AbstractAsyncContextManager[Adapter]:
    # Imported where they are needed: a platform that does not run costs no memory.
    match platform:
        case Platform.TELEGRAM:
            from bots.telegram import adapter as telegram  # noqa: PLC0415 - see above

            token = loaded.telegram_token.get_secret_value()
            return telegram.connect(token, loaded.telegram_api_url)
        case Platform.CONSOLE:
            from bots import console  # noqa: PLC0415 - see above

            return console.connect()
        case Platform.DISCORD:
            from bots.discord import adapter as discord  # noqa: PLC0415 - see above

            return discord.connect(
                loaded.discord_token.get_secret_value(),
                loaded.discord_api_url,
                newest=lambda bot_id, chat: db.transact(
                    sessions, lambda session: posts.newest(session, (platform, bot_id), chat)
                ),
                channels=lambda bot_id: db.transact(
                    sessions, lambda session: posts.chats(session, (platform, bot_id))
                ),
            )


def _chosen(loaded: Settings, named: Sequence[Platform]) -> list[Platform]:
    """The platforms to run; SettingsError tells where to get the tokens that are missing."""
    tokens = {Platform.TELEGRAM: loaded.telegram_token, Platform.DISCORD: loaded.discord_token}
    without = [platform for platform, token in tokens.items() if not token.get_secret_value()]
    chosen = list(dict.fromkeys(named)) or [each for each in tokens if each not in without]
    if not chosen:
        raise SettingsError(NOTHING_TO_RUN.format(tokens=_where(without)))
    if missing := [platform for platform in chosen if platform in without]:
        raise SettingsError(SET_FIRST.format(tokens=_where(missing)))
    return chosen


def _where(platforms: Sequence[Platform]) -> str:
    return "\n".join(TOKENS[platform] for platform in platforms)


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
        vision=loaded.vision,
        models=loaded.choices,
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
