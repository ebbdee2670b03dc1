"""Files are kept as long as memory refers to them, and only so many bytes of one person's."""

import io
from collections.abc import AsyncIterator, Callable

import pytest
from PIL import Image
from sqlalchemy import delete, select

from core import attachments, models
from core.adapter import ChangeKind
from core.models import attachment_uses, messages
from tests.core.rows import commit, count
from tests.fakes.model import Answer, Fault, ModelServer, Reply
from tests.memory.desk import BOB, Desk, desk


def picture(number: int, size: int = 0) -> bytes:
    """A picture of its own; zeros pad it to a size."""
    file = io.BytesIO()
    Image.new("RGB", (number + 1, 1)).save(file, "PNG")
    return file.getvalue().ljust(size, b"\0")


@pytest.fixture
async def here(database_url: str, model: ModelServer) -> AsyncIterator[Desk]:
    async with desk(database_url, model, file_megabytes=1) as opened:
        yield opened


async def kept(here: Desk) -> tuple[int, int]:
    """Return the numbers of stored files and of their uses."""
    files = await count(here.sessions, models.attachments)
    return files, await count(here.sessions, attachment_uses)


REFUSED: dict[str, Callable[[], Reply]] = {
    "rejected by the API": lambda: Fault(400),
    "no key": lambda: Fault(401),
}


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED.keys())
async def test_files_of_a_failed_turn_are_dropped(
    here: Desk, model: ModelServer, reply: Callable[[], Reply]
) -> None:
    model.respond = lambda _: reply()
    for number in range(3):
        await here.ask("What is this?", files={"a.png": picture(number)})
    assert len(model.requests) >= 3
    assert await kept(here) == (0, 0)


async def test_files_of_a_refused_turn_are_dropped(database_url: str, model: ModelServer) -> None:
    async with desk(database_url, model, quota="1000 turns/minute, 0.005 usd/month") as here:
        files = {f"{number}.png": picture(number) for number in range(9)}
        assert "your limit is" in await here.ask("What are these?", files=files)
        assert model.requests == []
        assert await kept(here) == (0, 0)


async def test_files_of_a_turn_that_is_stopped_before_its_text_are_dropped(
    here: Desk, model: ModelServer
) -> None:
    model.respond = lambda _: Answer("Never seen.", first_token=30)
    asked = await here.say("What is this?", files={"a.png": picture(1)})
    await model.seen(1)
    assert await kept(here) == (1, 1)
    await here.change(ChangeKind.STOP, asked)
    await here.settled()
    assert await kept(here) == (0, 0)


async def test_a_shared_file_stays_for_the_turn_that_is_remembered(
    here: Desk, model: ModelServer
) -> None:
    await here.ask("What is this?", files={"a.png": picture(1)})
    model.respond = lambda _: Fault(400)
    await here.ask("And this?", files={"again.png": picture(1)}, who=BOB)
    assert await kept(here) == (1, 1)
    await here.ask("/forget yes")
    await here.tidy()
    assert await kept(here) == (0, 0)


async def test_a_question_that_is_tried_again_has_its_files_again(
    here: Desk, model: ModelServer
) -> None:
    model.enqueue(Fault(400))
    asked = await here.say("What is this?", files={"a.png": picture(1)})
    await here.settled()
    assert await kept(here) == (0, 0)
    await here.change(ChangeKind.REGENERATE, asked)
    await here.settled()
    assert await kept(here) == (1, 1)
    assert "base64" in str(model.requests[-1].messages[-1])
    # The question that is asked anew uses the same bytes.
    await here.change(ChangeKind.EDITED, asked, "What colour is it?")
    await here.settled()
    assert await kept(here) == (1, 2)
    assert "base64" in str(model.requests[-1].messages[-1])


async def test_files_that_a_crash_left_are_found(here: Desk) -> None:
    await here.ask("What is this?", files={"a.png": picture(1)})
    await here.ask("And this?", files={"b.png": picture(2)})
    of = attachment_uses.c.turn_id
    last = select(of).order_by(of.desc()).limit(1)
    turn_id = await commit(here.sessions, lambda session: session.scalar(last))
    await attachments.tidy(here.sessions)
    assert await kept(here) == (2, 2)
    forgotten = delete(messages).where(messages.c.turn_id == turn_id)
    await commit(here.sessions, lambda session: session.execute(forgotten))
    await attachments.tidy(here.sessions)
    assert await kept(here) == (1, 1)


@pytest.mark.slow
async def test_a_person_has_room_for_so_many_bytes(here: Desk, model: ModelServer) -> None:
    most = {"a.png": picture(1, 400_000)}
    await here.ask("What is this?", files=most)
    await here.ask("The same once more?", files=most)  # it is stored once, and counts once
    heard = await here.ask("", files={"b.png": picture(2, 700_000)})
    assert "“b.png” is one file too many: I keep only so much for each person." in heard
    assert "/forget" in heard
    assert await kept(here) == (1, 2)
    # With a question the model is told; the file is not even downloaded.
    await here.ask("And this?", files={"b.png": picture(2, 700_000)})
    assert "“b.png” is one file too many" in str(model.requests[-1].messages[-1])
    # Somebody else has room, and so has she with a smaller file, or once she has forgotten.
    await here.ask("And this?", files={"b.png": picture(2, 700_000)}, who=BOB)
    await here.ask("And this?", files={"c.png": picture(3, 300_000)})
    assert await kept(here) == (3, 4)
    await here.ask("/forget yes")
    await here.ask("And this?", files={"d.png": picture(4, 900_000)})
    await here.tidy()
    assert await kept(here) == (2, 2)
