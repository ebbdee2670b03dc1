"""The quota of each person and the budget of all: reserved before a call, settled after it.

Money is exact to the micro-dollar. An allowance always equals the sum of its window's calls.
"""

from core.quota._allowances import DEPLOYMENT, Rules, prune
from core.quota._days import sum_up
from core.quota._left import Daily, Remaining, Spending, by_day, remaining, spent
from core.quota._reserving import Reservation, reserve
from core.quota._settling import (
    Progress,
    abandon,
    excuse,
    is_counted,
    note,
    recover,
    release,
    settle,
)
from core.quota._told import Waiting, awaited, end_wait, tell, waiting
from core.quota._warned import warn

__all__ = [
    "DEPLOYMENT",
    "Daily",
    "Progress",
    "Remaining",
    "Reservation",
    "Rules",
    "Spending",
    "Waiting",
    "abandon",
    "awaited",
    "by_day",
    "end_wait",
    "excuse",
    "is_counted",
    "note",
    "prune",
    "recover",
    "release",
    "remaining",
    "reserve",
    "settle",
    "spent",
    "sum_up",
    "tell",
    "waiting",
    "warn",
]
