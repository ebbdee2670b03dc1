"""The command that chooses the language in which the bot speaks to a person."""

from core import identity, words
from core.commands._request import Request, Result
from core.db import Session

AUTO = "auto"
"""The word that lets the platform choose."""
LONGEST_NAME = 50
"""The most characters of a language's name that are repeated."""


async def language(session: Session, request: Request) -> Result:
    """Show or choose the language; it is chosen for all chats with the person."""
    wish = " ".join(request.arguments.split())[:LONGEST_NAME]
    if not wish:
        return Result(f"{words.LANGUAGE_SHOWN}\n{words.list_languages()}")
    if wish.lower() == AUTO:
        await identity.choose_language(session, request.speaker.user_id, None)
        with words.spoken_in(request.speaker.hint or request.offer.language):
            return Result(words.LANGUAGE_FOLLOWS)
    chosen = words.named(wish)
    if not chosen:
        return Result(f"{words.LANGUAGE_UNKNOWN.format(name=wish)}\n{words.list_languages()}")
    await identity.choose_language(session, request.speaker.user_id, chosen)
    with words.spoken_in(chosen):
        return Result(words.LANGUAGE_SET)
