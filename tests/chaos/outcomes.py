"""The platform takes a message, and the connection drops before it can say so."""

import time

from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict
from tests.chaos.scenes import DiscordScene, TelegramScene
from tests.fakes.discord.faults import Drop

CREATE, EDIT = "create", "edit"


async def unknown(arena: Arena, drop: Drop, rounds: int) -> Verdict:
    """Drop creates and edits, over and over; each lost answer to a create is counted."""
    await arena.fleet.start("w0")
    await arena.acquaint()
    began = time.monotonic()
    async with arena.crowd.talking():
        for _ in range(rounds):
            for kind in (CREATE, EDIT):
                order(arena, kind, drop)
                await arena.quiet_enough(1.0)
    await arena.quiet()
    return arena.audit(unheard=[(began, time.monotonic())] if drop == "after" else [])


def order(arena: Arena, kind: str, drop: Drop) -> None:
    """Let the next call of a kind lose its connection."""
    scene = arena.scene
    if isinstance(scene, TelegramScene):
        scene.server.fail("sendMessage" if kind == CREATE else "editMessageText", drop=drop)
    elif isinstance(scene, DiscordScene):
        path = "/channels/{channel}/messages"
        route = f"POST {path}" if kind == CREATE else f"PATCH {path}/{{message}}"
        scene.server.fail(route, drop=drop)
