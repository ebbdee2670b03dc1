"""Requests and replies of the routes of the REST API."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.discord.forms import File
from tests.fakes.discord.world import World


@dataclass(frozen=True, slots=True)
class Request:
    """A request after its body was read; `ids` are the variable parts of its path."""

    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    files: Sequence[File]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: a JSON body, or none with 204."""

    body: Any = None
    status: int = 200


Action = Callable[[World, Request], Reply]

NOTHING = Reply(status=204)


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path under `/api/v10`, with the function that answers.

    An interaction's token in the path stands for the bot's token, and counts towards no global
    limit. `major` names the part of the path that has rate limits of its own.
    """

    method: str
    path: str
    action: Action
    by_token: bool = False
    major: str | None = None
