"""A real browser without a window, driven over its own protocol."""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "there is no chromium on this machine to look at pages with"
_ARGUMENTS = (
    *("--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--font-render-hinting=none", "--remote-debugging-port=0"),
)


@dataclass
class Tab:
    """A tab, in the size and colours of a device."""

    socket: aiohttp.ClientWebSocketResponse
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        number = next(self._ids)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = await self.socket.receive_json()
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    async def be(self, width: int, height: int, *, dark: bool) -> None:
        """Be a device of this size, which likes it light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def sign_in(self, url: str, name: str, secret: str) -> None:
        """Have a cookie."""
        await self.call("Network.setCookie", url=url, name=name, value=secret)

    async def open(self, url: str) -> None:
        """Open a page and wait until it is there."""
        await self.call("Page.enable")
        await self.call("Page.navigate", url=url)
        while (await self.socket.receive_json()).get("method") != "Page.loadEventFired":
            pass

    async def ask(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    async def picture(self, *, whole: bool = False) -> bytes:
        """Return what is to be seen, or the whole page, as a PNG."""
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """A browser with an empty profile, and one tab of it."""
    assert CHROMIUM is not None
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *_ARGUMENTS,
        *as_root,
        f"--user-data-dir={profile}",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as client:
            address = await _address(process)
            async with client.get(f"http://{address}/json") as answer:
                tabs = json.loads(await answer.text())
            [url] = [each["webSocketDebuggerUrl"] for each in tabs if each["type"] == "page"]
            async with client.ws_connect(url, max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Return the address of the browser's own server, which it prints."""
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(rb"ws://([^/]+)/", line):
            return found[1].decode()
    raise AssertionError("the browser ended by itself")
