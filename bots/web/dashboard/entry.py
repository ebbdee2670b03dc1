"""The way in and out: codes, cookies, and the proof that a form came from our own page."""

import asyncio
import hmac
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from secrets import token_urlsafe
from urllib.parse import urlsplit

from aiohttp import web

from bots.web.dashboard.rendering import page
from core.desk import Desk

HOME, LOGIN, CODE = "/dashboard", "/dashboard/login", "/dashboard/login/code"
VISIT, BROWSER = "parley", "parley-browser"
"""The names of the cookies of a visit, and of a browser that is not signed in."""
LONGEST_VISIT, LONGEST_LOGIN = 8 * 3600, 15 * 60
"""The most seconds for which a browser keeps them."""
SLOWEST = 0.6
"""The seconds that every answer to a code takes, right or wrong: its time tells nothing."""
LONGEST = 100
"""The most characters of an account or a code."""
SAME = ("same-origin", "none")


@dataclass(slots=True)
class Pace:
    """The most events in a minute, over all clients of this process."""

    most: int
    clock: Callable[[], float] = time.monotonic
    _latest: deque[float] = field(default_factory=deque)

    def takes_one(self) -> bool:
        """Count an event; return False if it is one too many."""
        now = self.clock()
        while self._latest and self._latest[0] <= now - 60:
            self._latest.popleft()
        if len(self._latest) >= self.most:
            return False
        self._latest.append(now)
        return True


# Cookies and forms


def is_secure(request: web.Request) -> bool:
    """Return whether the browser speaks TLS, with us or with a proxy in front of us."""
    told = request.headers.get("X-Forwarded-Proto", "").partition(",")[0]
    return request.secure or told.strip().lower() == "https"


def _name(request: web.Request, name: str) -> str:
    return f"__Host-{name}" if is_secure(request) else name


def secret_of(request: web.Request, name: str) -> str:
    """Return the secret in a cookie; "" if there is none."""
    return request.cookies.get(_name(request, name), "")[:LONGEST]


def keep(
    request: web.Request, response: web.StreamResponse, name: str, secret: str, seconds: int
) -> None:
    """Put a secret into a cookie that no script and no other site can use."""
    response.set_cookie(
        _name(request, name),
        secret,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=is_secure(request),
    )


def lead(to: str) -> web.Response:
    """Return the answer that leads a browser to another page."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": to})


def form_token(secret: str) -> str:
    """Return the token of all forms of a visit or browser, which only its own pages have."""
    return hmac.new(secret.encode(), b"form", "sha256").hexdigest()


async def check_form(request: web.Request, secret: str) -> dict[str, str]:
    """Return the fields of a form; raises HTTPForbidden if it did not come from our own page."""
    if not secret or not _is_same_site(request):
        raise web.HTTPForbidden
    sent = await request.post()
    fields = {name: value for name, value in sent.items() if isinstance(value, str)}
    if not hmac.compare_digest(fields.pop("form", "").encode(), form_token(secret).encode()):
        raise web.HTTPForbidden
    return fields


def _is_same_site(request: web.Request) -> bool:
    """Return whether a form came from our own site, as browsers tell; old ones tell its origin."""
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site in SAME
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


# Pages


class Entry:
    """The pages of somebody who is not signed in. They are the same for everybody."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._asked, self._tried = Pace(20, clock), Pace(40, clock)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of these pages, below the dashboard's own path."""
        return [
            web.get("/login", self.ask),
            web.post("/login", self.send),
            web.get("/login/code", self.wait),
            web.post("/login/code", self.enter),
        ]

    async def ask(self, request: web.Request) -> web.Response:
        """Show the form that asks for an account."""
        secret = secret_of(request, BROWSER) or token_urlsafe(32)
        shown = await self._page(request, "login", secret)
        keep(request, shown, BROWSER, secret, LONGEST_LOGIN)
        return shown

    async def send(self, request: web.Request) -> web.Response:
        """Ask for a code, and say the same to everybody."""
        secret = secret_of(request, BROWSER)
        if not secret:
            return lead(LOGIN)
        fields = await check_form(request, secret)
        if not self._asked.takes_one():
            return await self._page(request, "login", secret, status=429, trouble="rush")
        account = fields.get("account", "")[:LONGEST].strip()
        if account:
            await self._desk.send_code(secret, account)
        return lead(CODE if account else LOGIN)

    async def wait(self, request: web.Request) -> web.Response:
        """Show the form that asks for the code."""
        secret = secret_of(request, BROWSER)
        if not secret:
            return lead(LOGIN)
        return await self._page(request, "code", secret)

    async def enter(self, request: web.Request) -> web.Response:
        """Begin a visit if the code is right."""
        secret = secret_of(request, BROWSER)
        if not secret:
            return lead(LOGIN)
        fields = await check_form(request, secret)
        if not self._tried.takes_one():
            return await self._page(request, "code", secret, status=429, trouble="rush")
        clock = asyncio.get_running_loop().time
        until = clock() + SLOWEST
        token = await self._desk.sign_in(secret, fields.get("code", "")[:LONGEST])
        await asyncio.sleep(max(until - clock(), 0))
        if token is None:
            return await self._page(request, "code", secret, status=403, trouble="wrong")
        entered = lead(HOME)
        keep(request, entered, VISIT, token, LONGEST_VISIT)
        keep(request, entered, BROWSER, "", 0)
        return entered

    async def _page(
        self, request: web.Request, name: str, secret: str, *, status: int = 200, trouble: str = ""
    ) -> web.Response:
        return await page(
            name,
            status=status,
            form=form_token(secret),
            trouble=trouble,
            is_open=not is_secure(request) and not _is_local(request),
        )


def _is_local(request: web.Request) -> bool:
    return (request.remote or "") in ("127.0.0.1", "::1")
