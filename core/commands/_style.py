"""The commands that choose how the bot answers in a conversation."""

from collections import Counter
from collections.abc import Sequence

from core import memory
from core.commands._call import Call, Result
from core.commands._privacy import not_allowed
from core.db import Session
from core.settings import LONGEST_PERSONA, RESET

BACK = "From now on, follow only your first instructions again."


async def persona(session: Session, call: Call) -> Result:
    """Show, set or reset the conversation's instructions."""
    wish = call.arguments.strip()
    if not wish:
        return Result(await _shown(session, call))
    if not call.admin:
        return not_allowed(call)
    if wish.lower() == RESET:
        return Result("I am myself again.", instructions=BACK)
    instructions = call.offer.personas.get(wish.lower(), wish)
    if len(instructions) > LONGEST_PERSONA:
        return Result(f"That is too long: {LONGEST_PERSONA:,} characters are the most.")
    return Result("From now on I will do so. /persona reset ends it.", instructions=instructions)


async def _shown(session: Session, call: Call) -> str:
    current = await memory.instructions(session, call.speaker.conversation_id)
    lines = [f"My instructions here: {current}" if current and current != BACK else "I am myself."]
    lines.append("Tell me how to behave: /persona You are a patient teacher of French.")
    if call.offer.personas:
        lines.append(f"Or choose one: {', '.join(call.offer.personas)}.")
    return "\n".join(lines)


async def model(session: Session, call: Call) -> Result:
    """Show or choose the model that answers in this conversation."""
    models = call.offer.models
    if len(models) < 2:
        return Result(f"{call.offer.model} answers here; there is no other to choose.")
    wish = call.arguments.strip().lower()
    names = _names(models)
    found = [model for model in models if wish in (model.lower(), names[model])]
    if not found:
        chosen = await memory.model_of(session, call.speaker.conversation_id)
        current = chosen if chosen in models else call.offer.model
        listed = "\n".join(f"/model {name}" for name in names.values())
        return Result(f"{current} answers here. Choose:\n{listed}")
    if not call.admin:
        return not_allowed(call)
    await memory.choose_model(session, call.speaker.conversation_id, found[0])
    return Result(f"{found[0]} answers here from now on.")


def _names(models: Sequence[str]) -> dict[str, str]:
    """How people name each model: without its vendor, unless several are then alike."""
    short = {model: model.rsplit("/", 1)[-1].lower() for model in models}
    alike = Counter(short.values())
    return {model: name if alike[name] == 1 else model.lower() for model, name in short.items()}
