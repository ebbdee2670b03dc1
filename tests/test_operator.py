"""`python -m bots turns`: an operator lists turns in trouble, shows them and queues them again."""

import asyncio
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import psycopg
import pytest

from bots import operator
from core import operations, words
from tests.bot import process
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually


@pytest.fixture
def stage(either_world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(either_world, telegram_server)


async def turns(stage: TelegramStage, *arguments: str) -> tuple[int, str]:
    """The exit status and the words of `python -m bots turns …`."""
    return await order(stage, "turns", *arguments)


async def order(stage: TelegramStage, *arguments: str) -> tuple[int, str]:
    """The exit status and the words of an operator's command.

    It is carried out in this process: a process of its own takes a second to start.
    """

    def carry_out() -> int:
        try:
            return operator.main(arguments)
        except SystemExit as end:
            return int(end.code or 0)

    with pytest.MonkeyPatch.context() as patch, StringIO() as said:
        for name, value in _settings(stage).items():
            patch.setenv(name, value)
        with redirect_stdout(said), redirect_stderr(said):
            status = await asyncio.to_thread(carry_out)
        return status, said.getvalue()


def _settings(stage: TelegramStage) -> dict[str, str]:
    return {"DATABASE_URL": stage.world.database_url, "COLUMNS": "120"}


async def test_it_runs_as_a_process_beside_the_bot(stage: TelegramStage, tmp_path: Path) -> None:
    log = tmp_path / "turns"
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
        async with process("turns", log=log, environment=_settings(stage)) as started:
            assert await started.wait() == 0
    assert log.read_text() == "No turn is in trouble.\n"


async def fail_once(stage: TelegramStage, model: ModelServer) -> None:
    """A question that ends with a sentence instead of an answer."""
    model.enqueue(Fault(403))
    turns = stage.records.turns()
    await stage.say("say secret words")
    await stage.records.idle(turns + 1)


async def test_failed_turns_are_listed_without_their_words(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running():
        await fail_once(stage, model)
        status, said = await turns(stage)
    assert status == 0
    assert re.search(r"1\D+telegram\D+\d+ s\D+1\D+0\D+failed", said)
    assert "secret" not in said


async def test_a_turn_that_does_not_end_is_listed(stage: TelegramStage, model: ModelServer) -> None:
    async with stage.running():
        with model.hold():
            await stage.say("say secret words")
            await model.seen(1)
            assert "No turn" in (await turns(stage))[1], "it is only just being answered"
            await grow_old(stage)
            _, said = await turns(stage)
        await stage.records.idle(1)
    assert re.search(r"1\D+telegram\D+11 min\D+1\D+0\D+unanswered, with", said)
    assert "secret" not in said


async def grow_old(stage: TelegramStage) -> None:
    """Let the turns of a database have begun eleven minutes ago."""
    if stage.records.url.startswith("sqlite"):
        older = "datetime(created_at, '-11 minutes')"
    else:
        older = "created_at - interval '11 minutes'"
    await stage.records.write(f"UPDATE turns SET created_at = {older}")  # noqa: S608 - of these two


async def test_one_turn_is_shown_whole_by_the_reference_that_people_are_told(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running():
        await fail_once(stage, model)
        found = re.search(r"Reference (\S+)\)", stage.heard())
        assert found
        status, said = await turns(stage, "show", found[1])
        assert status == 0
        assert "say secret words" not in said
        assert stage.records.one("SELECT count(*) FROM audits") == 0
        status, said = await turns(stage, "show", found[1], "--words")
    assert status == 0
    assert stage.records.all("SELECT verb, subject FROM audits") == [("turns show", "1")]
    assert "say secret words" in said
    assert "The people who run me" in said
    assert "chat 1001" in said
    assert "0.000000 usd, settled" in said
    [answer] = stage.server.answers(stage.chat)
    assert re.search(rf"messages\s+{answer.message_id}\b", said)


async def test_markup_in_a_turn_is_shown_as_it_is(stage: TelegramStage) -> None:
    async with stage.running():
        await stage.say("say [bold]this[/bold] [/]")
        await stage.records.idle(1)
        _, said = await turns(stage, "show", "1", "--words")
    assert "[bold]this[/bold] [/]" in said


async def test_no_word_in_a_turn_commands_the_terminal(stage: TelegramStage) -> None:
    hostile = "red\x1b[31m title\x1b]0;x\x07 up\x9b1A over\rwritten \u202eturned"
    async with stage.running():
        await stage.say("say it")
        await stage.records.idle(1)
    stored = json.dumps({"text": hostile})
    await stage.records.write(
        "UPDATE turns SET draft = :said, answer = :said, message_id = :said, worker_id = :said,"
        " input = :stored, outcome = 'failed'",
        said=hostile,
        stored=stored,
    )
    shows = ("show", "1", "--words")
    for shown in ((await turns(stage))[1], (await turns(stage, *shows))[1]):
        assert re.sub(r"[\n\u2500-\u257f]", "", shown).isprintable()
    assert shown.count("red\\x1b[31m") == 4


async def test_a_failed_turn_is_answered_again_by_the_running_bot(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running():
        await fail_once(stage, model)
        assert await turns(stage, "retry", "1") == (0, "1: queued\n")
        await eventually(lambda: stage.heard() == "secret words")
        await stage.records.idle(1)
        assert "No turn" in (await turns(stage))[1]
    [answer] = stage.server.answers(stage.chat)
    assert answer.buttons == ["Regenerate"]
    assert stage.records.drift() == []


async def test_a_running_worker_hears_of_it_at_once(
    model: ModelServer, telegram_server: TelegramServer, postgres_url: str, tmp_path: Path
) -> None:
    stage = TelegramStage(World(model, postgres_url, tmp_path), telegram_server)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as listening:
        listening.execute("LISTEN parley")
        async with stage.running():
            await fail_once(stage, model)
            await turns(stage, "retry", "1")
            await stage.records.idle(1)
        heard = [each.payload for each in listening.notifies(timeout=3)]
    assert "work" in heard


@pytest.mark.slow
async def test_turns_are_listed_by_their_state(stage: TelegramStage, model: ModelServer) -> None:
    async with stage.running():
        await fail_once(stage, model)
        with model.hold():
            await stage.say("say one")
            await model.seen(2)
            await stage.say("say two")
            await eventually(lambda: stage.records.turns() == 3)
            listed = {state: await numbers(stage, state) for state in operations.STATES}
            assert listed == {"waiting": [3], "running": [2], "stuck": [], "failed": [1]}
            await grow_old(stage)
            assert await numbers(stage, "stuck") == [2, 3]
        await stage.records.idle(3)
        assert (await turns(stage, "waiting"))[1] == "No turn is waiting.\n"


async def numbers(stage: TelegramStage, state: str) -> list[int]:
    """The numbers of the turns that are listed in a state."""
    status, said = await turns(stage, state)
    assert status == 0
    return [int(number) for number in re.findall(r"^\W+(\d+)\W+telegram", said, re.MULTILINE)]


async def test_a_cancelled_answer_stays_as_far_as_it_has_come(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running():
        with model.hold():
            await stage.say("count to 40")
            await model.seen(1)
            await stage.records.posted()
            status, said = await turns(stage, "cancel", "1")
            assert status == 1
            assert said.endswith("Add --yes to do it without a question.\n")
            assert await turns(stage, "cancel", "1", "--yes") == (0, "1: stopped\n")
            await stage.records.idle(1)
        assert await turns(stage, "cancel", "1", "--yes") == (
            1,
            "1: was over already, left alone\n",
        )
    assert stage.records.one("SELECT outcome FROM turns") == "stopped"
    assert not stage.heard().endswith("40")
    assert stage.records.all("SELECT verb, subject FROM audits") == [("turns cancel", "1")]
    assert stage.records.drift() == []


async def test_an_undeliverable_answer_is_delivered_again(stage: TelegramStage) -> None:
    server = stage.server
    async with stage.running():
        server.block(stage.ada)
        await stage.say("say it")
        await stage.records.idle(1)
        assert "undeliverable" in (await turns(stage))[1]
        server.block(stage.ada, blocked=False)
        muted = "SELECT count(*) FROM mutes WHERE until > CURRENT_TIMESTAMP"
        await eventually(lambda: stage.records.one(muted) == 0)
        await turns(stage, "retry", "1")
        await eventually(lambda: stage.heard() == "it")
        await stage.records.idle(1)
    assert len(stage.world.model.requests) <= 2, "a stored answer is only delivered"


async def test_a_turn_that_went_well_is_left_alone(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running():
        await stage.say("say it")
        await stage.records.idle(1)
        status, said = await turns(stage, "retry", "1", "99")
    assert status == 1
    assert said == "1: did not fail, left alone\n99: did not fail, left alone\n"
    assert len(model.requests) == 1


async def test_a_forgotten_question_is_not_asked_again(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running():
        await fail_once(stage, model)
        await stage.say("/forget yes")
        await stage.records.idle(2)
        status, said = await turns(stage, "retry", "1")
    assert (status, said) == (1, f"{words.TURNS_FORGOTTEN.format(number=1)}\n")
    assert len(model.requests) == 1


async def test_a_word_in_place_of_a_number_is_refused(stage: TelegramStage) -> None:
    status, said = await turns(stage, "show", "first")
    assert status == 2
    assert "'first' is not the number of a turn" in said
    assert "Traceback" not in said


ENDLESS = ("9" * 19, "9" * 5000)
"""Numbers that no table holds, and that Python does not read at all."""


@pytest.mark.parametrize("number", ENDLESS, ids=["longer", "endless"])
@pytest.mark.parametrize("command", ["turns show", "turns retry", "turns discard"])
async def test_a_number_that_no_turn_can_have_is_refused(
    stage: TelegramStage, command: str, number: str
) -> None:
    status, said = await order(stage, *command.split(), number)
    assert (status, "is not the number of a turn" in said) == (2, True)


@pytest.mark.parametrize("number", ENDLESS, ids=["longer", "endless"])
@pytest.mark.parametrize("command", ["user", "block", "users"])
async def test_a_number_without_end_is_a_sentence(
    stage: TelegramStage, command: str, number: str
) -> None:
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
    status, said = await order(stage, *command.split(), number)
    assert status == 1
    assert len(said) < len(number) + 300


@pytest.mark.parametrize("command", ["users", "user", "block", "invite"])
async def test_bytes_that_are_no_text_are_a_sentence(stage: TelegramStage, command: str) -> None:
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
    status, said = await order(stage, command, "\udcff\x1b[2J")
    assert status == 1
    assert "\x1b" not in said


class Terminal(StringIO):
    """A terminal at which somebody types Ctrl-D."""

    def isatty(self) -> bool:
        return True


async def test_the_end_of_the_input_is_no_yes(
    stage: TelegramStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
        monkeypatch.setattr("sys.stdin", Terminal())
        status, said = await order(stage, "block", "1")
    assert status == 1
    assert said.endswith(f"[y/N] \n{operator.NOT_SURE}\n")


async def test_a_chart_that_cannot_be_written_is_a_sentence(
    stage: TelegramStage, tmp_path: Path
) -> None:
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
    file = tmp_path / "nowhere" / "chart.png"
    status, said = await order(stage, "stats", "--chart", str(file))
    assert status == 2
    assert said.endswith(f"{file}: cannot be written: No such file or directory\n")


async def test_an_operator_without_a_name_is_known_by_the_number_of_the_account(
    stage: TelegramStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may run under any number."""
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    assert (await order(stage, "invite", "5"))[0] == 0
    status, said = await order(stage, "audit")
    assert status == 0
    assert "command line (54321): invite" in said


async def test_a_turn_that_is_not_there_is_a_sentence(stage: TelegramStage) -> None:
    assert await turns(stage, "show", "7") == (1, "There is no turn 7.\n")


async def test_in_the_wrong_folder_it_makes_no_database(
    stage: TelegramStage, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere.db"
    stage.world.database_url = f"sqlite:///{path}"
    status, said = await turns(stage)
    assert status == 2
    assert said.startswith(f"DATABASE_URL: there is no file {path}")
    assert len(said.splitlines()) == 1
    assert not path.exists()


async def test_without_a_database_it_says_which_setting_is_wrong(
    stage: TelegramStage, tmp_path: Path
) -> None:
    stage.world.database_url = f"sqlite:///{tmp_path}/nowhere/parley.db"
    status, said = await turns(stage)
    assert status == 2
    assert said.startswith("DATABASE_URL")
    assert "Traceback" not in said
