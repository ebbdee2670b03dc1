"""Answers to pressed buttons that only the person who pressed them sees."""

import asyncio
import logging

import discord

from bots.discord.markup import render
from bots.discord.rest import NO_PINGS, call
from bots.discord.tickets import EPHEMERAL
from core.adapter import Change
from core.errors import DeliveryError

log = logging.getLogger(__name__)

MOST = 20
"""The most of them that are on their way; a person who presses without end hears of no more."""


class Whispers:
    """The answers that are on their way, each in a task, so that later events do not wait."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, press: Change, markdown: str) -> None:
        """Tell a person something about their press, once; a failure is only logged."""
        if press.whisper and len(self._tasks) < MOST:
            task = asyncio.create_task(self._tell(press.whisper, markdown))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, token: str, markdown: str) -> None:
        try:
            await call(
                self._client,
                "POST",
                "/webhooks/{webhook_id}/{webhook_token}",
                body={
                    "content": render(markdown),
                    "flags": EPHEMERAL,
                    "allowed_mentions": NO_PINGS,
                },
                webhook_id=self._client.application_id or 0,
                webhook_token=token,
            )
        except DeliveryError as error:
            log.info("the press of a button is not answered: %s", error)

    async def cancel(self) -> None:
        """Cancel all that are on their way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
