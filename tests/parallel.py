"""Tests in several processes, which are forked when all tests are collected: a plugin of pytest.

    python -m pytest -p tests.parallel --processes 10

pytest-xdist starts Python anew for each process, and each one imports and collects everything: ten
of them spent a fifth of all CPU of a run on it.
"""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

_fork = get_context("fork")

NUMBER = "PARLEY_TEST_PROCESS"
"""The environment variable with the number of this process of the tests, from 0."""

LONG = {"install", "chaos"}
"""The marks of the tests that take longest. They begin first: at the end, one of them would compute
alone while the other cores have nothing to do."""
LONG_AT_ONCE = 2
"""The long tests that run at a time: more of them would take the time from each other."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the number of processes."""
    told = "the number of processes that share the tests"
    parser.addoption("--processes", type=int, default=1, help=told)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Let several processes carry the tests out; leave one test, and errors, to pytest itself."""
    options = session.config.option
    number = min(options.processes, len(session.items))
    if number < 2 or session.testsfailed or options.collectonly:
        return None
    if threading.active_count() > 1:  # a fork has only the thread that forks
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise pytest.UsageError(f"a module of tests starts threads when it is loaded: {names}")
    if reporter := session.config.pluginmanager.get_plugin("terminalreporter"):
        reporter.showfspath = False  # the tests that end do not belong to one file
    session.items.sort(key=lambda item: not _is_long(item))
    processes = dict(_start(session, number))
    try:
        _Listener(session, processes, len(session.items)).listen()
    finally:
        for each in processes.values():
            each.process.terminate()
    return True


def _is_long(item: pytest.Item) -> bool:
    return any(marker.name in LONG for marker in item.iter_markers())


def _start(session: pytest.Session, number: int) -> Iterator[tuple[Connection, "Process"]]:
    """Start processes; yield each with the connection on which it tells its news."""
    shares = Shares(len(session.items), number, sum(map(_is_long, session.items)))
    for each in range(number):
        news, told = _fork.Pipe(duplex=False)
        process = _fork.Process(target=_work, args=(session, shares, each, told))
        process.start()
        told.close()  # now only the process has it, so its end is the end of the news
        yield news, Process(process)


class Shares:
    """The tests that no process has taken yet. The long ones come first, for some processes.

    Of the others, each process has a share: tests that follow each other. So it finds again what
    the tests before have loaded, and tests that wait run beside others that compute.
    """

    def __init__(self, tests: int, processes: int, long: int = 0) -> None:
        others = tests - long
        bounds = [long + others * each // processes for each in range(processes + 1)]
        self._lock = _fork.Lock()
        self._long: Any = _fork.RawArray("L", [0, long])
        self._firsts: Any = _fork.RawArray("L", bounds[:-1])
        self._ends: Any = _fork.RawArray("L", bounds[1:])

    def take(self, process: int) -> int | None:
        """Return a long test, if the process takes those, else the first one of its share.

        If it has none left, return the last one of the largest share; None when all are taken.
        """
        with self._lock:
            first, end = self._long
            if first < end and process < LONG_AT_ONCE:
                self._long[0] += 1
                return int(first)
            left = [end - first for first, end in zip(self._firsts, self._ends, strict=True)]
            if left[process]:
                self._firsts[process] += 1
                return int(self._firsts[process]) - 1
            largest = left.index(max(left))
            if not left[largest]:
                return None
            self._ends[largest] -= 1
            return int(self._ends[largest])


@dataclass
class Process:
    """A process of the tests, and the test that it has in hand: its id and its place."""

    process: Any
    in_hand: tuple[str, Any] | None = None


@dataclass
class _Listener:
    """The first process, which reports what the others tell."""

    session: pytest.Session
    processes: dict[Connection, Process]
    left: int
    """The number of tests that have not ended yet."""

    def listen(self) -> None:
        """Report until all processes have ended, or pytest wants no more."""
        while self.processes:
            for news in wait(list(self.processes)):
                self._hear(news)
            if reason := self.session.shouldfail:
                raise self.session.Failed(reason)
            if reason := self.session.shouldstop:
                raise self.session.Interrupted(reason)
        if self.left:  # a process died between two tests, or all died
            self.session.shouldfail = f"{self.left} tests were not carried out"
            raise self.session.Failed(self.session.shouldfail)

    def _hear(self, news: Any) -> None:
        """Report one thing that a process tells, or its end."""
        hook, process = self.session.config.hook, self.processes[news]
        try:
            told = news.recv()
        except EOFError:
            del self.processes[news]
            self._bury(process)
            return
        match told:
            case "start", nodeid, location:
                process.in_hand = nodeid, location
                hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
            case "report", data:
                report = hook.pytest_report_from_serializable(config=self.session.config, data=data)
                hook.pytest_runtest_logreport(report=report)
            case "finish", nodeid, location:
                process.in_hand = None
                self.left -= 1
                hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)

    def _bury(self, process: Process) -> None:
        """Let the test fail that a process had in hand at its end."""
        process.process.join()
        if process.in_hand:
            why = f"the process of this test ended with status {process.process.exitcode}"
            report = pytest.TestReport(*process.in_hand, {}, "failed", why, "call")
            self.session.config.hook.pytest_runtest_logreport(report=report)
            self.left -= 1


def _work(session: pytest.Session, shares: Shares, number: int, told: Connection) -> None:
    """Carry out tests in a process of its own until all are taken."""
    os.environ[NUMBER] = str(number)
    config: Any = session.config
    _leave_terminal(config.pluginmanager.get_plugin("capturemanager"))
    folders = config._tmp_path_factory
    folders._basetemp = folders.mktemp("process")
    config.pluginmanager.register(_Narrator(config, told))
    items = _take(session, shares, number)
    item = next(items, None)
    while item is not None:
        following = next(items, None)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        item = following


def _leave_terminal(capture: Any) -> None:
    """Catch here what the tests print, and say nothing on the terminal."""
    capture.stop_global_capturing()
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    capture.start_global_capturing()
    capture.suspend_global_capture()


def _take(session: pytest.Session, shares: Shares, number: int) -> Iterator[pytest.Item]:
    while (index := shares.take(number)) is not None:
        yield session.items[index]


@dataclass(eq=False)
class _Narrator:
    """A plugin that tells the first process what happens in this one."""

    config: pytest.Config
    told: Connection

    def pytest_runtest_logstart(self, nodeid: str, location: Sequence[Any]) -> None:
        """Tell that a test begins."""
        self.told.send(("start", nodeid, location))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell how a part of a test ended."""
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.told.send(("report", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: Sequence[Any]) -> None:
        """Tell that a test has ended."""
        self.told.send(("finish", nodeid, location))
