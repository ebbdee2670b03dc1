"""Templates: they are read at the start, and drawn in a thread."""

import asyncio
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bots.web.dashboard import written

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    # Browsers tell no page their origin otherwise, and a form is checked by it.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
YEAR = 31_536_000


async def prepare(app: web.Application) -> None:
    """Read all templates at the start, when nobody waits: it takes more than 100 ms."""
    await asyncio.to_thread(_templates)


async def page(name: str, *, status: int = 200, **values: Any) -> web.Response:
    """Return a page from a template."""
    text = await asyncio.to_thread(_draw, f"{name}.html", values)
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def _draw(name: str, values: dict[str, Any]) -> str:
    return _templates().get_template(name).render(values)


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - large; as above

    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.globals.update(written=written, style=style_path())
    for name in found.list_templates():
        found.get_template(name)  # it stays in memory
    return found


@cache
def _style() -> bytes:
    return (HERE / "style.css").read_bytes()


@cache
def style_path() -> str:
    """Return the path of the style sheet, another one for each version of it."""
    return f"/dashboard/style-{hashlib.sha256(_style()).hexdigest()[:12]}.css"


async def style(request: web.Request) -> web.Response:
    """Answer with the style sheet, which a browser may keep."""
    body = await asyncio.to_thread(_style)
    kept = {"Cache-Control": f"public, max-age={YEAR}, immutable"}
    return web.Response(body=body, content_type="text/css", charset="utf-8", headers=kept)
