"""The quota of each person and the budget of all: reserved before a call, settled after it.

Money is exact to the micro-dollar. An allowance always equals the sum of its window's calls.
"""

from core.quota._allowances import DEPLOYMENT, Rules, prune
from core.quota._days import sum_up
from core.quota._left import Remaining, Spending, remaining, spent
from core.quota._merging import merge, split
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
from core.quota._told import tell

__all__ = [
    "DEPLOYMENT",
    "Progress",
    "Remaining",
    "Reservation",
    "Rules",
    "Spending",
    "abandon",
    "excuse",
    "is_counted",
    "merge",
    "note",
    "prune",
    "recover",
    "release",
    "remaining",
    "reserve",
    "settle",
    "spent",
    "split",
    "sum_up",
    "tell",
]
