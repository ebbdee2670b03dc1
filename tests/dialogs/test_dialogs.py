"""Promises to people on every platform."""

import pytest

from tests.dialogs.stages import Stage, World, ask
from tests.fakes.model import Fault
from tests.records import eventually


async def test_hello(stage: Stage) -> None:
    async with stage.running():
        assert "How can I help you?" in await ask(stage, "Hello")


async def test_memory_survives_a_restart(stage: Stage) -> None:
    async with stage.running():
        await ask(stage, "say that I like tea")
    async with stage.running():
        assert "say that I like tea" in await ask(stage, "What did I say first?")
    assert [role for role, _ in stage.records.memory()] == ["user", "assistant"] * 2


async def test_two_messages_at_once_are_answered_in_order(stage: Stage, world: World) -> None:
    async with stage.running():
        with world.model.hold():
            await stage.say("say one")
            await world.model.seen(1)
            await stage.say("What did I say before?")
        await stage.records.idle(2)
    questions = [said for role, said in stage.records.memory() if role == "user"]
    assert [said.splitlines()[-1] for said in questions] == ["say one", "What did I say before?"]
    assert len(world.model.requests[1].messages) == 4, "the second knows the first answer"


@pytest.mark.slow
async def test_a_long_answer_is_whole(stage: Stage, world: World) -> None:
    async with stage.running():
        answer = await ask(stage, "write 9000 characters")
    [(_, written)] = [said for said in stage.records.memory() if said[0] == "assistant"]
    assert len(written) == 9000
    words = [word for word in written.split() if word.isalpha()]
    assert [word for word in answer.split() if word in set(words)] == words


async def test_two_hundred_lines_of_code_are_whole(stage: Stage) -> None:
    async with stage.running():
        answer = await ask(stage, "write 200 lines of code")
    lines = [line for line in answer.splitlines() if "# line" in line]
    assert [int(line.rsplit(" ", 1)[1]) for line in lines] == list(range(1, 201))


async def test_a_fault_of_the_model_is_retried(stage: Stage, world: World) -> None:
    world.model.enqueue(Fault(503), Fault(429, retry_after=0), "Here I am.")
    async with stage.running():
        assert "Here I am." in await ask(stage, "Are you there?")
    assert len(world.model.requests) == 3


async def test_a_wrong_key_is_one_calm_sentence(stage: Stage) -> None:
    async with stage.running(model_api_key="wrong"):
        answer = await ask(stage, "Hello")
    assert "I cannot answer at the moment" in answer
    assert "401" not in answer
    assert stage.records.memory() == [], "a failed turn leaves nothing in memory"


async def test_killed_in_mid_answer_it_is_answered_whole(stage: Stage, world: World) -> None:
    async with stage.process() as process:
        with world.model.hold():
            await stage.say("count to 300")
            await world.model.seen(1)
            # Killed between the create and our commit, it would post twice on Telegram.
            await stage.records.posted()
            process.kill()
            await process.wait()
    async with stage.running():
        await stage.records.idle(1)
        await eventually(lambda: "300" in stage.heard())
    numbers = [int(word) for word in stage.heard().replace(",", " ").split()]
    assert numbers == list(range(1, 301))
    assert [role for role, _ in stage.records.memory()] == ["user", "assistant"]
    assert stage.records.drift() == []


async def test_a_quota_is_refused_kindly(stage: Stage, world: World) -> None:
    async with stage.running(quota="1 turn/month"):
        await ask(stage, "Hello")
        answer = await ask(stage, "Hello again")
        place = stage.place()
        await stage.say("Hello, hello")
        await stage.records.idle(3)
    assert "your limit is 1 answer a month" in answer
    assert stage.place() == place, "it was said once, with the time"
    assert len(world.model.requests) == 1
    assert stage.records.drift() == []


async def test_new_begins_without_the_old_messages(stage: Stage, world: World) -> None:
    async with stage.running():
        await ask(stage, "say secret")
        assert "A new conversation" in await ask(stage, "/new")
        await ask(stage, "Hello")
    assert "secret" not in str(world.model.requests[-1].messages)


async def test_usage_tells_the_rest_of_each_limit(stage: Stage) -> None:
    async with stage.running(quota="5 turns/month"):
        await ask(stage, "Hello")
        answer = await ask(stage, "/usage")
    assert "Left: 4 of 5 answers a month" in answer
