"""Tests in several processes: each is carried out once, whatever the others do."""

import re
import subprocess
import sys
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest

from tests.bot import ROOT
from tests.parallel import Shares

TESTS = """
import os
import signal
import threading

import pytest

@pytest.fixture
def broken():
    yield
    raise ValueError("broken afterwards")

@pytest.mark.parametrize("number", range(20))
def test_many(number, tmp_path):
    assert not list(tmp_path.iterdir())

def test_wrong():
    print("out of a test")
    os.system("echo out of a child")
    assert 1 == 2

def test_torn(broken):
    pass

@pytest.mark.skip(reason="no matter")
def test_skipped():
    pass
"""
DEADLY = """
def test_deadly():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(folder: Path, tests: str, *options: str) -> tuple[int, str]:
    """Run tests in four processes; return the exit status and what is printed."""
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.parallel", "-p", "no:cacheprovider"]
    ended = subprocess.run(  # noqa: S603 - our own plugin
        [*command, "--processes", "4", "-q", *options, "test_it.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DEBUG_TEMPROOT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.slow
def test_all_ends_are_told(tmp_path: Path) -> None:
    status, told = run(tmp_path, TESTS)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 21 passed, 1 skipped, 1 error" in told
    assert "out of a test" in told
    assert "out of a child" in told
    assert "broken afterwards" in told


@pytest.mark.slow
def test_a_test_fails_whose_process_dies(tmp_path: Path) -> None:
    status, told = run(tmp_path, TESTS + DEADLY)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"FAILED .*test_deadly - the process of this test ended with status -9", told)


@pytest.mark.slow
def test_tests_that_nobody_carried_out_are_told(tmp_path: Path) -> None:
    ends = "".join(f"def test_{number}():\n    os._exit(0)\n" for number in range(8))
    status, told = run(tmp_path, "import os\n" + ends)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "4 failed" in told
    assert "4 tests were not carried out" in told


@pytest.mark.slow
def test_it_stops_at_the_first_failure(tmp_path: Path) -> None:
    slow = "import time\n" + "".join(
        f"def test_slow_{number}():\n    time.sleep(0.1)\n" for number in range(200)
    )
    status, told = run(tmp_path, "def test_wrong():\n    assert False\n" + slow, "-x")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "stopping after 1 failures" in told
    assert "200 passed" not in told


@pytest.mark.slow
def test_threads_of_a_module_are_refused(tmp_path: Path) -> None:
    tests = (
        "from threading import Event, Thread\n"
        "Thread(target=Event().wait, daemon=True, name='idle').start()\n"
        "def test_1(): pass\n"
        "def test_2(): pass\n"
    )
    status, told = run(tmp_path, tests)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "starts threads when it is loaded: MainThread, idle" in told


@pytest.mark.parametrize("long", [0, 4])
@pytest.mark.parametrize("processes", [1, 3, 10])
def test_each_test_is_taken_once_and_the_long_ones_first(processes: int, long: int) -> None:
    shares = Shares(25, processes, long)
    taken: list[tuple[int, int]] = []
    turn = cycle([processes - 1, 0, 0])
    while (index := shares.take(process := next(turn))) is not None:
        taken.append((process, index))
    assert Counter(index for _, index in taken) == Counter(range(25))
    assert [index for process, index in taken if process == 0][:long] == [*range(long)]
