"""A download is bounded in time, and its status decides the error."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bots.downloads import check_answer, read
from core.adapter import Attachment
from core.errors import AttachmentError, Unreachable

FILE = Attachment("reference", "map.png", "image/png", None)


async def dripping() -> AsyncIterator[bytes]:
    """A file that comes byte by byte and never ends."""
    while True:
        yield b"x"
        await asyncio.sleep(0.001)


async def whole() -> AsyncIterator[bytes]:
    for chunk in (b"one ", b"two"):
        yield chunk


async def broken() -> AsyncIterator[bytes]:
    yield b"one "
    raise TimeoutError("no byte for long")


async def test_a_dripping_file_is_given_up() -> None:
    async with asyncio.timeout(60):
        with pytest.raises(AttachmentError, match=r"“map\.png” takes too long"):
            await read(dripping(), FILE, 1_000_000, within=0.05)


async def test_a_file_is_read_to_its_end_and_no_further_than_the_limit() -> None:
    assert await read(whole(), FILE, 7) == b"one two"
    with pytest.raises(AttachmentError, match="larger"):
        await read(whole(), FILE, 6)


async def test_another_time_out_is_no_verdict() -> None:
    with pytest.raises(TimeoutError):
        await read(broken(), FILE, 100)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, AttachmentError) for status in (204, 206, 302, 403, 404)),
        *((status, Unreachable) for status in (429, 500)),
    ],
)
def test_only_a_refusal_is_final(status: int, kind: type[Exception]) -> None:
    check_answer(200, {}, "")
    with pytest.raises(kind):
        check_answer(status, {}, "Discord does not hand out it.")


async def test_a_file_that_grew_is_told_so() -> None:
    announced = Attachment("reference", "map.png", "image/png", 5)
    with pytest.raises(AttachmentError, match="larger than announced"):
        await read(whole(), announced, 5)
