"""The mailbox of a webhook: an update is taken when it is stored, or sent again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from bots.telegram.mailbox import Mailbox


@asynccontextmanager
async def reading(box: Mailbox, taken: list[int], held: asyncio.Event) -> AsyncIterator[None]:
    """Take updates one by one, each once `held` is set."""

    async def read() -> None:
        async with aclosing(box.updates(lambda: None)) as updates:
            async for update in updates:
                taken.append(update["update_id"])
                await held.wait()

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_update_is_taken_once_the_next_one_is_asked_for() -> None:
    box, taken, held = Mailbox(), list[int](), asyncio.Event()
    async with reading(box, taken, held):
        putting = [asyncio.create_task(box.put({"update_id": number})) for number in (1, 2)]
        done, _ = await asyncio.wait(putting, timeout=0.05)
        assert not done
        assert taken == [1]
        held.set()
        assert await asyncio.gather(*putting) == [True, True]
    assert taken == [1, 2]


async def test_a_mailbox_that_nobody_reads_takes_nothing() -> None:
    assert not await Mailbox().put({"update_id": 1})


async def test_what_is_not_stored_when_the_reader_ends_is_to_be_sent_again() -> None:
    box, taken, held = Mailbox(), list[int](), asyncio.Event()
    async with reading(box, taken, held):
        putting = [asyncio.create_task(box.put({"update_id": number})) for number in (1, 2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*putting) == [False, False]
    assert not await box.put({"update_id": 3})


async def test_what_takes_too_long_is_to_be_sent_again_and_stored_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bots.telegram.mailbox.PATIENCE", 0.05)
    box, taken, held = Mailbox(), list[int](), asyncio.Event()
    async with reading(box, taken, held):
        assert await asyncio.gather(*(box.put({"update_id": n}) for n in (1, 2))) == [False, False]
        monkeypatch.undo()
        held.set()
        assert await box.put({"update_id": 3})
    assert taken == [1, 3], "nobody waits for the second any more"


async def test_a_thousand_updates_that_time_out_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bots.telegram.mailbox.PATIENCE", 0.05)
    box, taken, held = Mailbox(), list[int](), asyncio.Event()
    async with reading(box, taken, held):
        for _ in range(3):
            puts = (box.put({"update_id": number}) for number in range(999))
            assert not any(await asyncio.gather(*puts)), "there was room for all"
        monkeypatch.undo()
        held.set()
        assert await box.put({"update_id": 5000})
    assert taken == [0, 5000]


async def test_a_full_mailbox_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.telegram.mailbox.MOST", 2)
    box, taken, held = Mailbox(), list[int](), asyncio.Event()
    async with reading(box, taken, held):
        putting = []
        for number in range(3):
            putting.append(asyncio.create_task(box.put({"update_id": number})))
            await asyncio.sleep(0.01)
        assert not await box.put({"update_id": 3})
        held.set()
        assert await asyncio.gather(*putting) == [True, True, True]
