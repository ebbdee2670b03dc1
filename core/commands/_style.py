"""The commands that choose how the bot answers in a conversation."""

from sqlalchemy.ext.asyncio import AsyncSession

from core import memory
from core.commands._call import Call, Result
from core.commands._privacy import not_allowed

RESET = "reset"
LONGEST = 4000
"""Characters of instructions, about 1,000 tokens that every prompt then has."""
BACK = "From now on, follow only your first instructions again."


async def persona(session: AsyncSession, call: Call) -> Result:
    """Show, set or reset the conversation's instructions."""
    wish = call.arguments.strip()
    if not wish:
        return Result(await _shown(session, call))
    if not call.admin:
        return not_allowed(call)
    if wish.lower() == RESET:
        return Result("I am myself again.", instructions=BACK)
    instructions = call.offer.personas.get(wish.lower(), wish)
    if len(instructions) > LONGEST:
        return Result(f"That is too long: {LONGEST:,} characters are the most.")
    return Result("From now on I will do so. /persona reset ends it.", instructions=instructions)


async def _shown(session: AsyncSession, call: Call) -> str:
    current = await memory.instructions(session, call.speaker.conversation_id)
    lines = [f"My instructions here: {current}" if current and current != BACK else "I am myself."]
    lines.append("Tell me how to behave: /persona You are a patient teacher of French.")
    if call.offer.personas:
        lines.append(f"Or choose one: {', '.join(call.offer.personas)}.")
    return "\n".join(lines)


async def model(session: AsyncSession, call: Call) -> Result:
    """Show or choose the model that answers in this conversation."""
    models = call.offer.models
    if len(models) < 2:
        return Result(f"{call.offer.model} answers here; there is no other to choose.")
    wish = call.arguments.strip()
    found = [name for name in models if wish and wish.lower() in (name.lower(), _short(name))]
    if not wish or not found:
        chosen = await memory.model_of(session, call.speaker.conversation_id)
        current = chosen if chosen in models else call.offer.model
        listed = "\n".join(f"/model {_short(name)}" for name in models)
        return Result(f"{current} answers here. Choose:\n{listed}")
    if not call.admin:
        return not_allowed(call)
    await memory.choose_model(session, call.speaker.conversation_id, found[0])
    return Result(f"{found[0]} answers here from now on.")


def _short(name: str) -> str:
    """A model's name without its vendor."""
    return name.rsplit("/", 1)[-1].lower()
