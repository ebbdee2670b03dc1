"""The commands by which people link their accounts, and part them again."""

from core import identity, inbox, linking, memory, words
from core.adapter import Address, Author
from core.commands._privacy import CONFIRMED
from core.commands._request import Request, Result
from core.commands._style import BACK
from core.db import Session
from core.linking import Link, Refused, Side
from core.turns import Question, Speaker
from core.words import until


async def link(session: Session, request: Request) -> Result:
    """Give a code, or take the one that another account of the person got."""
    wish = request.arguments.strip()
    code = linking.normal(wish)
    if not request.private:
        is_void = bool(code) and await linking.void(session, code)
        told = words.LINK_SEEN if is_void else words.ONLY_IN_PRIVATE
        return Result(told, secret=True)
    side = await _side(session, request)
    if request.about or wish.lower() == CONFIRMED:
        return await _agree(session, request, side)
    if not wish:
        return await _offer(session, request, side)
    return await _claim(session, request, side, code)


async def unlink(session: Session, request: Request) -> Result:
    """Part the account from the others of its person, after a confirmation."""
    if not request.private:
        return Result(words.ONLY_IN_PRIVATE)
    side = await _side(session, request)
    others = await linking.others(session, side)
    if not others:
        return Result(words.UNLINK_ALONE)
    if request.arguments.strip().lower() != CONFIRMED:
        return Result(words.UNLINK_SURE.format(accounts=_names(others)), asks="unlink")
    await linking.lock(session, side.user_id)
    there = await linking.chats(session, side.user_id, but=request.address)
    stays = await linking.home(session, side.user_id)
    speaker = await linking.part(session, side, request.offer.rules, now=request.now)
    with words.spoken_in(await _language(session, stays, request)):
        told = words.UNLINKED_THERE.format(account=_name(side.author))
        for address in there[: len(others)]:
            await _say(session, stays, address, told, request)
    return Result(words.UNLINKED, speaker=speaker)


async def _offer(session: Session, request: Request, side: Side) -> Result:
    """Give a code, which an older one ends with."""
    code = await linking.offer(session, side, request.address, now=request.now)
    told = words.LINK_CODE.format(command=f"/link {linking.shown(code)}")
    others = await linking.others(session, side)
    if others:
        told = f"{words.LINKED_WITH.format(accounts=_names(others))}\n\n{told}"
    return Result(told, fleeting=True)


async def _claim(session: Session, request: Request, side: Side, code: str) -> Result:
    """Ask the person who sent a code whether it is from another account of theirs."""
    if not code:
        return Result(words.LINK_NO_CODE, secret=True)
    again_at = await linking.waits(session, side.user_id, now=request.now)
    if again_at is not None:
        when = until(again_at, request.now)
        return Result(words.LINK_GUESSES.format(when=when), secret=True)
    found = await linking.claim(session, side, request.address, code, now=request.now)
    if isinstance(found, Refused):
        return Result(_refusal(found), secret=True)
    told = words.LINK_SURE.format(account=_name(found.host.author))
    return Result(told, asks=f"link {found.name}", secret=True)


async def _agree(session: Session, request: Request, side: Side) -> Result:
    """Take the agreement of one side: ask the other one, or link both."""
    name = request.about or await linking.asked(session, side)
    found = None if name is None else await linking.took(session, name)
    if found is None:
        is_linked = bool(await linking.others(session, side))
        return Result(words.LINK_KNOWN if is_linked else words.LINK_OVER)
    if found.guest.user_id == found.host.user_id:
        return Result(words.LINK_KNOWN)
    if side.identity_id == found.guest.identity_id:
        return await _ask(session, request, found)
    if side.user_id == found.host.user_id and found.is_agreed:
        return await _join(session, request, found)
    return Result(words.LINK_OVER)


async def _ask(session: Session, request: Request, found: Link) -> Result:
    """Ask the person who got the code, in the chat where they got it."""
    if not found.is_agreed:
        host = await linking.home(session, found.host.user_id)
        with words.spoken_in(await _language(session, host, request)):
            told = words.LINK_WANTED.format(account=_name(found.guest.author))
            turn_id = await _say(
                session, host, found.host_address, told, request, asks=f"link {found.name}"
            )
        await linking.agree(session, found, turn_id, now=request.now)
    return Result(words.LINK_ASKED)


async def _join(session: Session, request: Request, found: Link) -> Result:
    """Link two accounts that have agreed, and tell it in both chats."""
    people = found.host.user_id, found.guest.user_id
    await linking.lock(session, *people)
    fresh = await linking.took(session, found.name)
    if (
        fresh is None
        or (fresh.host.user_id, fresh.guest.user_id) != people
        or (await linking.is_blocked(session, *people))
    ):
        return Result(words.LINK_OVER)
    joined = await linking.join(session, *people, request.offer.rules, now=request.now)
    with words.spoken_in(await _language(session, joined.speaker, request)):
        told = words.LINKED.format(account=_name(fresh.host.author))
        turn_id = await _say(session, joined.speaker, fresh.guest_address, told, request)
    if joined.persona and joined.persona != BACK:
        await memory.instruct(session, joined.speaker, turn_id, joined.persona, now=request.now)
    told = words.LINKED.format(account=_name(fresh.guest.author))
    return Result(told, speaker=joined.speaker)


async def _side(session: Session, request: Request) -> Side:
    side = await linking.side_of(session, request.author)
    assert side is not None, "who speaks has an account"
    return side


async def _say(
    session: Session,
    whom: Speaker,
    address: Address,
    text: str,
    request: Request,
    *,
    asks: str = "",
) -> int:
    """Say something in another chat of a person, or ask a question; return the turn's id."""
    question = Question("", asks=asks, language=words.language())
    entry = inbox.Entry(
        kind="command",
        address=address,
        message_id=None,
        user_id=whom.user_id,
        conversation_id=whom.conversation_id,
        epoch=whom.epoch,
        lane=f"{whom.conversation_id}/link",
        question=question,
        ready_at=request.now,
        answer=text,
    )
    return await inbox.say(session, entry, now=request.now)


async def _language(session: Session, whom: Speaker, request: Request) -> str:
    """Return the language in which a person is spoken to in another chat."""
    return await identity.language_of(session, whom.user_id) or request.offer.language


def _refusal(reason: Refused) -> str:
    """Return the sentence for a code that links nothing."""
    match reason:
        case Refused.WRONG:
            return words.LINK_WRONG
        case Refused.EXPIRED:
            return words.LINK_EXPIRED
        case Refused.USED:
            return words.LINK_USED
        case Refused.OWN:
            return words.LINK_OWN
        case Refused.LINKED:
            return words.LINK_KNOWN
        case Refused.ASKED:
            return words.LINK_ASKED


def _names(authors: list[Author]) -> str:
    return ", ".join(map(_name, authors))


def _name(author: Author) -> str:
    return words.account(author.name, author.platform)
