"""People at a desk who link their accounts."""

import re

from core.adapter import Author, ChangeKind
from tests.memory.desk import ADA, BOB, PLATFORM, Desk

CARL = Author(PLATFORM, "300", "Carl")
CODE = re.compile(r"/link (\w{3}-\w{3}-\w{3})")


async def code_of(desk: Desk, who: Author = ADA) -> str:
    """Return a new code that somebody gets."""
    found = CODE.search(await desk.ask("/link", who=who))
    assert found is not None
    return found[1]


def asked(desk: Desk, who: Author) -> str:
    """Return the id of the newest message to somebody that has a button to confirm it."""
    posts = (
        post
        for post, (address, _) in desk.paper.posts.items()
        if address.chat == who.account_id
        and any(each.kind is ChangeKind.CONFIRM for each in desk.paper.buttons[post])
    )
    return max(posts, key=int)


async def press(desk: Desk, who: Author, kind: ChangeKind = ChangeKind.CONFIRM) -> str:
    """Let somebody answer the newest question; return the text that takes its place."""
    question = asked(desk, who)
    told = await desk.change(kind, question, who=who)
    await desk.settled()
    return told or desk.paper.posts[question][1]


async def prepare(desk: Desk, host: Author = ADA, guest: Author = BOB) -> None:
    """Do all but the last step of linking two accounts: the host is asked."""
    await desk.ask(f"/link {await code_of(desk, host)}", who=guest)
    await press(desk, guest)


async def link(desk: Desk, host: Author = ADA, guest: Author = BOB) -> None:
    """Link two accounts."""
    await prepare(desk, host, guest)
    assert "now linked" in await press(desk, host)


def heard(desk: Desk, who: Author) -> list[str]:
    """Return what the bot has said in somebody's private chat."""
    posts = desk.paper.posts.values()
    return [text for address, text in posts if address.chat == who.account_id]
