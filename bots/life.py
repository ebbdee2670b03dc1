"""The life of the process: it listens and answers until a signal, and stops gently."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from core import db, llm
from core.adapter import Adapter
from core.alerts import Watch
from core.errands import Errands
from core.errors import SettingsError
from core.listening import Listening
from core.presence import Gone
from core.tasks import keep
from core.worker import Worker

log = logging.getLogger("parley")

LAST_SECONDS = 8.0
"""The most seconds to stop after the drain; a dyno kills a process 30 seconds after its signal."""
ERRAND_SECONDS = 3.0
"""The most seconds for which a stop waits for errands, such as to end "is thinking…"."""
LOOK_UP_SECONDS = 24 * 3600.0
"""The seconds between two looks at the catalogue of models."""


async def work(
    worker: Worker,
    errands: Errands,
    listening: Coroutine[Any, Any, None],
    drain_seconds: float,
) -> None:
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
            await asyncio.gather(worker.drain(drain_seconds), errands.finish(ERRAND_SECONDS))
            asyncio.get_running_loop().call_later(LAST_SECONDS, _leave)
        stopping.cancel()
        working.cancel()


async def _hear(listening: Coroutine[Any, Any, None], worker: Worker) -> None:
    """Listen until the last event, then wait until everything is answered."""
    await listening
    await keep("waiting for the last answers", worker.until_idle)


def _leave() -> None:
    """End the process at once, because a database that hangs would keep it until it is killed."""
    log.error("stopping took too long; what is left is taken over when its lease has run out")
    logging.shutdown()
    os._exit(1)


async def use(
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


@dataclass(frozen=True, slots=True)
class Crew:
    """The parts of this process that act on what other processes do."""

    worker: Worker
    listening: Listening | None

    def hear(self, what: str) -> None:
        """Act on a hint of another process."""
        if what != db.FREE:
            self.worker.hear(what)
        elif self.listening is not None:
            self.listening.wake()

    def died(self, gone: Gone) -> None:
        """Take over from a process that is dead."""
        self.worker.died(gone)

    async def confirm(self) -> None:
        """Find out which turns this process still has, and drop the others."""
        await self.worker.confirm()


async def check_key(model: llm.LLM) -> None:
    """Log a problem with the model's key or endpoint at the start; the check is free."""
    if problem := await model.check():
        log.error("%s", problem)


async def look_up(model: llm.LLM, watch: Watch) -> None:
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
