"""The pages of an operator: the overview, people, turns, and what operators did."""

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from bots.web.dashboard import plots, written
from bots.web.dashboard.entry import (
    HOME,
    LOGIN,
    VISIT,
    check_form,
    form_token,
    is_secure,
    keep,
    lead,
    secret_of,
)
from bots.web.dashboard.process import Process
from bots.web.dashboard.rendering import page
from core.adapter import Account
from core.desk import Desk, Said, Span

VERBS: Mapping[str, tuple[str, ...]] = {
    "limit": ("who", "limits"),
    "grant": ("who", "amount"),
    "block": ("who",),
    "unblock": ("who",),
    "turns": ("action", "numbers"),
}
"""The orders that pages give, with their parameters."""
ACTIONS = ("retry", "discard")
LONGEST = 300
"""The most characters of a parameter."""
SAID, SECONDS = "parley-said", 60
"""The cookie with the answer to an order for the next page, and the seconds for which it stays."""
_PLACE = re.compile(r"/dashboard(?:/(?:people|turns)(?:/\d{1,18})?)?")
_NUMBER = re.compile(r"\d{1,18}")


Handler = Callable[[web.Request, Account], Awaitable[web.Response]]


class Pages:
    """The pages of somebody who is signed in."""

    def __init__(self, desk: Desk, process: Process, *, shows_words: bool) -> None:
        self._desk = desk
        self._process = process
        self._shows_words = shows_words

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of these pages, below the dashboard's own path."""
        return [
            web.get("", self._inside(self.overview)),
            web.get("/", self._inside(self.overview)),
            web.get("/people", self._inside(self.people)),
            web.get(r"/people/{number:\d{1,18}}", self._inside(self.person)),
            web.get("/turns", self._inside(self.turns)),
            web.get(r"/turns/{number:\d{1,18}}", self._inside(self.turn)),
            web.get("/deeds", self._inside(self.deeds)),
            web.post("/order", self._inside(self.order)),
            web.post("/logout", self._inside(self.leave)),
        ]

    def _inside(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Let only operators to a page; everybody else is asked to sign in."""

        async def guarded(request: web.Request) -> web.Response:
            token = secret_of(request, VISIT)
            operator = await self._desk.visitor(token) if token else None
            if operator is None:
                return lead(LOGIN)
            return await handler(request, operator)

        return guarded

    async def overview(self, request: web.Request, operator: Account) -> web.Response:
        """Show the state and the figures of the bot."""
        span = Span.DAYS if request.query.get("by") == "days" else Span.HOURS
        told = await self._desk.overview(span)
        drawn = await asyncio.to_thread(plots.all_of, told.points, told.whole, span)
        return await self._page(
            request, "overview", told=told, plots=drawn, by_days=span is Span.DAYS
        )

    async def people(self, request: web.Request, operator: Account) -> web.Response:
        """Find people."""
        sought = request.query.get("who", "").strip()[:LONGEST]
        found = await self._desk.people(sought) if sought else ()
        return await self._page(request, "people", sought=sought, found=found)

    async def person(self, request: web.Request, operator: Account) -> web.Response:
        """Show a person with their limits."""
        found = await self._desk.person(int(request.match_info["number"]))
        if found is None:
            return await self._page(
                request, "missing", status=404, what="There is nobody with this number."
            )
        return await self._page(request, "person", person=found)

    async def turns(self, request: web.Request, operator: Account) -> web.Response:
        """List the turns that went wrong."""
        return await self._page(request, "turns", failures=await self._desk.failures())

    async def turn(self, request: web.Request, operator: Account) -> web.Response:
        """Show a turn."""
        number = int(request.match_info["number"])
        found = await self._desk.turn(number, words=self._shows_words)
        if found is None:
            return await self._page(request, "missing", status=404, what="There is no such turn.")
        return await self._page(request, "turn", told=found, shows_words=self._shows_words)

    async def deeds(self, request: web.Request, operator: Account) -> web.Response:
        """List what operators did."""
        return await self._page(request, "deeds", deeds=await self._desk.deeds())

    async def order(self, request: web.Request, operator: Account) -> web.Response:
        """Carry out an order, or ask whether the operator is sure."""
        fields = await check_form(request, secret_of(request, VISIT))
        verb, back = fields.get("verb", ""), fields.get("back", HOME)
        given = {name: fields.get(name, "").strip()[:LONGEST] for name in VERBS.get(verb, ())}
        if not _is_order(verb, given) or not _PLACE.fullmatch(back):
            raise web.HTTPBadRequest
        if not all(given.values()):
            return _done(request, Said("Nothing was given.", failed=True), back)
        said = await self._desk.order(operator, verb, given, sure="sure" in fields)
        if said.asks:
            return await self._page(request, "sure", asked=said, verb=verb, given=given, back=back)
        return _done(request, said, back)

    async def leave(self, request: web.Request, operator: Account) -> web.Response:
        """End the visit."""
        token = secret_of(request, VISIT)
        await check_form(request, token)
        await self._desk.sign_out(token)
        left = lead(LOGIN)
        keep(request, left, VISIT, "", 0)
        return left

    async def _page(
        self, request: web.Request, name: str, *, status: int = 200, **values: Any
    ) -> web.Response:
        said = _said(request)
        drawn = await page(
            name,
            status=status,
            form=form_token(secret_of(request, VISIT)),
            process=self._process,
            said=said,
            here=name,
            zone=self._desk.zone,
            **values,
        )
        if said is not None:
            drawn.del_cookie(SAID, path=HOME)
        return drawn


def _is_order(verb: str, given: Mapping[str, str]) -> bool:
    if verb == "turns":
        return given["action"] in ACTIONS and bool(_NUMBER.fullmatch(given["numbers"]))
    return verb in VERBS and bool(_NUMBER.fullmatch(given["who"]))


# The answer to an order, for the next page


def _done(request: web.Request, said: Said, back: str) -> web.Response:
    """Lead to the next page, which shows the answer: a page that is loaded again orders nothing."""
    left = lead(back)
    told = f"{int(said.failed)}{said.text}".encode()[:2000]
    left.set_cookie(
        SAID,
        base64.urlsafe_b64encode(told).decode(),
        max_age=SECONDS,
        path=HOME,
        httponly=True,
        samesite="Strict",
        secure=is_secure(request),
    )
    return left


def _said(request: web.Request) -> dict[str, Any] | None:
    """Return the answer to the last order, which is only shown, as HTML."""
    try:
        told = base64.urlsafe_b64decode(request.cookies.get(SAID, "")).decode(errors="ignore")
    except (binascii.Error, ValueError):
        return None
    return {"text": written.answer(told[1:]), "failed": told[0] == "1"} if told else None
