"""What may be spent: reserved before a call, settled after it, exact to the micro-dollar.

Allowances always equal the sum of the ledger's rows of their window.
"""

from core.quota._allowances import DEPLOYMENT, Rules, prune
from core.quota._left import Remaining, Spent, remaining, spent
from core.quota._reserving import Reservation, reserve
from core.quota._settling import abandon, is_counted, recover, release, settle

__all__ = [
    "DEPLOYMENT",
    "Remaining",
    "Reservation",
    "Rules",
    "Spent",
    "abandon",
    "is_counted",
    "prune",
    "recover",
    "release",
    "remaining",
    "reserve",
    "settle",
    "spent",
]
