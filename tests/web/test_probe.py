"""The probe of a health check: it tells in one sentence why a bot has to be started again."""

import asyncio

import pytest

from bots.probe import problem
from bots.web import Pages, Ports, answering
from bots.web.health import Health, routes
from bots.web.pulse import Pulse
from core.vitals import Vitals
from tests.web.ports import free_port


async def look() -> Vitals:
    raise AssertionError("a probe does not ask the database")


def pages(*dead: str) -> Pages:
    """The pages of a process in which these tasks have died."""
    return Pages(health=routes(Health(Pulse(), lambda: dead, look)))


@pytest.mark.parametrize("host", ["", "127.0.0.1", " localhost "])
async def test_a_bot_that_lives_has_no_problem(host: str) -> None:
    port = free_port()
    async with answering(Ports(port, None), pages()):
        told = {"PORT": f" {port} ", "METRICS_PORT": "1", "HOST": host}
        assert await asyncio.to_thread(problem, told) == ""


async def test_the_port_of_figures_will_do() -> None:
    port = free_port()
    async with answering(Ports(None, port, "127.0.0.1"), pages()):
        told = {"PORT": "", "METRICS_PORT": str(port)}
        assert await asyncio.to_thread(problem, told) == ""


async def test_a_dead_task_is_named() -> None:
    port = free_port()
    async with answering(Ports(port, None, "127.0.0.1"), pages("answering")):
        told = await asyncio.to_thread(problem, {"PORT": str(port)})
    assert told == "A task has died: answering."


@pytest.mark.parametrize("environment", [{}, {"PORT": "http"}, {"PORT": " ", "HOST": "localhost"}])
def test_without_a_port_it_names_the_setting(environment: dict[str, str]) -> None:
    assert problem(environment).startswith("PORT: ")


def test_a_port_on_which_nobody_answers_is_a_sentence() -> None:
    for port in (free_port(), 99999):
        told = problem({"PORT": str(port), "HOST": "127.0.0.1"})
        assert told.startswith(f"The bot does not answer on port {port}: ")
