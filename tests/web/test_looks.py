"""The dashboard in a real browser: on a phone and a desk, by day and by night."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core import db
from tests.web import showcase
from tests.web.browser import CHROMIUM, MISSING, Tab, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

DEVICES = [
    pytest.param(width, height, dark, id=f"{width}x{height}-{'dark' if dark else 'light'}")
    for width, height in ((360, 740), (1280, 900))
    for dark in (False, True)
]
PAGES = (
    *("", "?by=days", "/people?who=a", "/people/1", "/people/99", "/turns", "/turns/1", "/deeds"),
    *("/login",),
)

WIDE = "document.documentElement.scrollWidth - window.innerWidth"

# Of every text that is seen: the contrast between its colour and what lies behind it.
CONTRASTS = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(
      v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('svg, .unseen, .skip')) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return found;
})()
"""

# What somebody who hears the page would miss.
UNHEARD = """
(() => {
  const found = [];
  for (const each of document.querySelectorAll('input:not([type=hidden])'))
    if (!each.labels.length) found.push(`no label: ${each.name}`);
  for (const each of document.querySelectorAll('table'))
    if (!each.caption) found.push('a table without a caption');
  for (const each of document.querySelectorAll('th'))
    if (!each.scope) found.push(`a head without a scope: ${each.textContent}`);
  for (const each of document.querySelectorAll('svg[role=img]'))
    if (!each.getAttribute('aria-label') && !each.querySelector('title')) found.push('an svg');
  for (const each of document.querySelectorAll('figure.plot svg[role=img]'))
    if (!each.closest('figure').querySelector('table')) found.push('a plot without a table');
  for (const each of document.querySelectorAll('a, button'))
    if (!each.textContent.trim()) found.push('a link or button without a name');
  if (document.querySelectorAll('main').length !== 1) found.push('main');
  if (document.querySelectorAll('h1').length !== 1) found.push('h1');
  const levels = [...document.querySelectorAll('h1, h2, h3')].map(each => +each.tagName[1]);
  levels.forEach((level, at) => {
    if (at && level > levels[at - 1] + 1) found.push(`a heading of level ${level} alone`);
  });
  const ids = [...document.querySelectorAll('[id]')].map(each => each.id);
  if (new Set(ids).size !== ids.length) found.push('an id twice');
  return found;
})()
"""

# The smallest thing that a finger has to hit, outside of running text and tables.
SMALL = """
[...document.querySelectorAll('button, nav a, input:not([type=hidden])')]
  .filter(each => each.getBoundingClientRect().height < 24)
  .map(each => each.textContent)
"""


@pytest.fixture
async def url(sqlite_url: str) -> str:
    """A database with a month in it."""
    sessions = db.connect(sqlite_url)
    try:
        await showcase.fill(sessions)
    finally:
        sessions.close()
    return sqlite_url


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with browser(tmp_path / "profile") as tab:
        yield tab


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height", "dark"), DEVICES)
async def test_every_page_fits_and_can_be_read(
    url: str, tab: Tab, width: int, height: int, *, dark: bool
) -> None:
    await tab.be(width, height, dark=dark)
    async with showcase.shown(url) as home:
        await tab.sign_in(home, "parley", showcase.TOKEN)
        for path in PAGES:
            await tab.open(home + path)
            assert await tab.ask(WIDE) <= 0, f"{path} is wider than the screen"
            assert await tab.ask(CONTRASTS) == [], path
            assert await tab.ask(UNHEARD) == [], path
            assert await tab.ask(SMALL) == [], path
            style = "getComputedStyle(document.body).backgroundColor"
            assert (await tab.ask(style) == "rgb(19, 22, 26)") is dark, "the style sheet is loaded"


@pytest.mark.slow
async def test_the_keyboard_reaches_everything_and_shows_where_it_is(url: str, tab: Tab) -> None:
    await tab.be(1280, 900, dark=False)
    async with showcase.shown(url) as home:
        await tab.sign_in(home, "parley", showcase.TOKEN)
        await tab.open(f"{home}/people/1")
        there = await tab.ask(
            "document.querySelectorAll('a, button, input:not([type=hidden]), [tabindex]').length"
        )
        seen = []
        for _ in range(there):
            await tab.press("Tab")
            told = "document.activeElement.textContent || document.activeElement.name"
            seen.append(str(await tab.ask(told)).strip())
            ring = "getComputedStyle(document.activeElement).outlineStyle"
            assert await tab.ask(ring) == "solid", seen[-1]
        assert seen[0] == "Skip to the content"
        assert {
            "Overview",
            "Record",
            "Sign out",
            "limits",
            "Change",
            "amount",
            "Grant",
            "Block",
        } <= {*seen}


@pytest.mark.slow
async def test_it_works_without_scripts(url: str, tab: Tab) -> None:
    await tab.be(360, 740, dark=False)
    await tab.call("Emulation.setScriptExecutionDisabled", value=True)
    async with showcase.shown(url) as home:
        await tab.sign_in(home, "parley", showcase.TOKEN)
        await tab.open(home)
        picture = await tab.picture()
    assert picture.startswith(b"\x89PNG")
