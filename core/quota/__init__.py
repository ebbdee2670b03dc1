"""The quota of each person and the budget of all: reserved before a call, settled after it.

Money is exact to the micro-dollar. An allowance always equals the sum of its window's calls
and corrections.
"""

from core.quota._allowances import prune
from core.quota._corrections import grant, merge, split
from core.quota._days import sum_up
from core.quota._exceptions import (
    Group,
    Whom,
    allow,
    move,
    owner_of,
    payer_of,
    terms_of,
    unknown_terms,
)
from core.quota._left import (
    Daily,
    Remaining,
    Spending,
    by_day,
    counted_budget,
    remaining,
    remaining_budget,
    resumes_at,
    spent,
    spent_in_all,
    sum_of,
)
from core.quota._reserving import Reservation, reserve
from core.quota._rules import DEPLOYMENT, Rules
from core.quota._settling import (
    Progress,
    abandon,
    excuse,
    is_counted,
    note,
    prepare,
    recover,
    release,
    settle,
)
from core.quota._told import Waiting, awaited, end_wait, tell, waiting
from core.quota._warned import warn

__all__ = [
    "DEPLOYMENT",
    "Daily",
    "Group",
    "Progress",
    "Remaining",
    "Reservation",
    "Rules",
    "Spending",
    "Waiting",
    "Whom",
    "abandon",
    "allow",
    "awaited",
    "by_day",
    "counted_budget",
    "end_wait",
    "excuse",
    "grant",
    "is_counted",
    "merge",
    "move",
    "note",
    "owner_of",
    "payer_of",
    "prepare",
    "prune",
    "recover",
    "release",
    "remaining",
    "remaining_budget",
    "reserve",
    "resumes_at",
    "settle",
    "spent",
    "spent_in_all",
    "split",
    "sum_of",
    "sum_up",
    "tell",
    "terms_of",
    "unknown_terms",
    "waiting",
    "warn",
]
