"""An operator at the dashboard of a running bot, over HTTP."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape

import httpx

from bots.trust import trust
from tests.dialogs.stages import TelegramStage
from tests.records import eventually
from tests.web.ports import free_port

PATH = "/dashboard"


@dataclass
class Visitor:
    """A browser that keeps cookies and follows no link by itself."""

    stage: TelegramStage
    client: httpx.AsyncClient

    async def get(self, path: str = PATH) -> httpx.Response:
        return await self.client.get(path)

    async def post(self, path: str, page: httpx.Response, **fields: str) -> httpx.Response:
        """Send a form of a page."""
        return await self.client.post(path, data={"form": token_in(page), **fields})

    async def ask(self, account: str) -> httpx.Response:
        """Ask for a code; return the page on which it is to be written."""
        page = await self.get(f"{PATH}/login")
        sent = await self.post(f"{PATH}/login", page, account=account)
        assert (sent.status_code, sent.headers["location"]) == (303, f"{PATH}/login/code")
        return await self.get(f"{PATH}/login/code")

    def codes(self) -> list[str]:
        """Return the codes in the operator's chat."""
        return re.findall(r"dashboard: ([A-Z0-9]{3}-[A-Z0-9]{3}-[A-Z0-9]{3})", self.stage.heard())

    async def code(self, after: int = 0) -> str:
        """Wait for a code in the operator's chat, behind so many older ones."""
        await eventually(lambda: len(self.codes()) > after)
        return self.codes()[-1]

    async def sign_in(self) -> httpx.Response:
        """Go all the way in; return the answer to the code."""
        older = len(self.codes())
        page = await self.ask(account_of(self.stage))
        return await self.post(f"{PATH}/login/code", page, code=await self.code(older))


def account_of(stage: TelegramStage) -> str:
    return f"{stage.platform}:{stage.ada.id}"


def token_in(page: httpx.Response) -> str:
    """Return the token of a page's forms."""
    found = re.search(r'name="form" value="([0-9a-f]{64})"', page.text)
    assert found, page.text[:500]
    return found[1]


def text_of(page: httpx.Response) -> str:
    """Return what a reader sees of a page, roughly."""
    plain = re.sub(r"<[^>]*>", " ", page.text)
    return " ".join(unescape(plain).split())


@asynccontextmanager
async def dashboard(
    stage: TelegramStage, *, headers: Mapping[str, str] | None = None, **values: object
) -> AsyncIterator[Visitor]:
    """A running bot with an operator, who has written to it, and a visitor to its dashboard."""
    port = free_port()
    settings = {"admins": account_of(stage), "port": port, "host": "127.0.0.1", **values}
    url = f"http://127.0.0.1:{port}"
    async with (
        stage.running(**settings),
        httpx.AsyncClient(
            base_url=url, headers=headers, verify=trust(), trust_env=False, timeout=60
        ) as client,
    ):
        turns = stage.records.turns()
        await stage.say("say hello")
        await stage.records.idle(turns + 1)
        yield Visitor(stage, client)
