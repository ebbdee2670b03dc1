"""`python -m tests.web`: draw the picture of the dashboard in `docs/`."""

import asyncio
import io
import tempfile
from pathlib import Path

from PIL import Image

from core import db, schema
from tests.bot import ROOT
from tests.web import showcase
from tests.web.browser import browser

WIDTH, HEIGHT = 1200, 958
HALF = WIDTH // 2


async def main() -> None:
    """Draw the overview, its left half by day and its right half by night."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/parley.db"
        schema.upgrade(url)
        sessions = db.connect(url)
        await showcase.fill(sessions)
        sessions.close()
        pictures = []
        async with (
            browser(Path(folder) / "profile") as tab,
            showcase.shown(url) as home,
        ):
            await tab.sign_in(home, "parley", showcase.TOKEN)
            for dark in (False, True):
                await tab.be(WIDTH, HEIGHT, dark=dark)
                await tab.open(home)
                pictures.append(Image.open(io.BytesIO(await tab.picture())).convert("RGB"))
    light, dark_one = pictures
    light.paste(dark_one.crop((HALF, 0, WIDTH, HEIGHT)), (HALF, 0))
    light.quantize(256).save(ROOT / "docs" / "dashboard.png", optimize=True)


asyncio.run(main())
