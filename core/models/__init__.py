"""The tables, each owned by one module of layer 4. Constraints enforce every rule that they can.

They are plain tables, not mapped classes: SQLAlchemy's ORM would take 7 MB of every process, and a
statement on a class costs more than one on a table.
"""

from core.models._access import invites, moved_groups, redemptions, standings
from core.models._figures import (
    actives,
    audits,
    days_of_all,
    hours,
    spendings,
    tally_marks,
    waits,
)
from core.models._fleet import listeners, mutes, pauses, workers
from core.models._inbox import FENCED, FORGOTTEN, WAITING, events, other_turns, posts, turns
from core.models._logins import logins, visits
from core.models._memory import (
    NOWHERE,
    attachment_uses,
    attachments,
    conversations,
    messages,
    summaries,
)
from core.models._money import (
    allowances,
    calls,
    corrections,
    days,
    exceptions,
    notices,
    waiting,
)
from core.models._operators import alerts, announcements, recipients, walks
from core.models._people import guesses, identities, links, users
from core.models._schema import Instant, Key, metadata, partial_index

__all__ = [
    "FENCED",
    "FORGOTTEN",
    "NOWHERE",
    "WAITING",
    "Instant",
    "Key",
    "actives",
    "alerts",
    "allowances",
    "announcements",
    "attachment_uses",
    "attachments",
    "audits",
    "calls",
    "conversations",
    "corrections",
    "days",
    "days_of_all",
    "events",
    "exceptions",
    "guesses",
    "hours",
    "identities",
    "invites",
    "links",
    "listeners",
    "logins",
    "messages",
    "metadata",
    "moved_groups",
    "mutes",
    "notices",
    "other_turns",
    "partial_index",
    "pauses",
    "posts",
    "recipients",
    "redemptions",
    "spendings",
    "standings",
    "summaries",
    "tally_marks",
    "turns",
    "users",
    "visits",
    "waiting",
    "waits",
    "walks",
    "workers",
]
