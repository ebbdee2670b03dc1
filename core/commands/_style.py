"""The commands that choose how the bot answers in a conversation."""

from collections import Counter
from collections.abc import Sequence

from core import memory, words
from core.commands._call import Call, Result
from core.db import Session
from core.settings import LONGEST_PERSONA, RESET

BACK = "From now on, follow only your first instructions again."


async def persona(session: Session, call: Call) -> Result:
    """Show, set or reset the conversation's instructions."""
    wish = call.arguments.strip()
    if not wish:
        return Result(await _shown(session, call))
    if call.refusal:
        return Result(call.refusal)
    if wish.lower() == RESET:
        return Result(words.PERSONA_RESET, instructions=BACK)
    instructions = call.offer.personas.get(wish.lower(), wish)
    if len(instructions) > LONGEST_PERSONA:
        return Result(words.PERSONA_TOO_LONG.format(most=LONGEST_PERSONA))
    return Result(words.PERSONA_SET, instructions=instructions)


async def _shown(session: Session, call: Call) -> str:
    current = await memory.instructions(session, call.speaker.conversation_id)
    lines = [words.NO_PERSONA, words.PERSONA_EXAMPLE]
    if current and current != BACK:
        lines[0] = words.PERSONA_SHOWN.format(instructions=current)
    if call.offer.personas:
        lines.append(words.PERSONAS_OFFERED.format(names=", ".join(call.offer.personas)))
    return "\n".join(lines)


async def model(session: Session, call: Call) -> Result:
    """Show or choose the model that answers in this conversation."""
    models = call.offer.models
    if len(models) < 2:
        return Result(words.ONE_MODEL.format(model=call.offer.model))
    wish = call.arguments.strip().lower()
    names = _names(models)
    found = [model for model in models if wish in (model.lower(), names[model])]
    if not found:
        chosen = await memory.model_of(session, call.speaker.conversation_id)
        current = chosen if chosen in models else call.offer.model
        return Result(words.list_models(current, names.values()))
    if call.refusal:
        return Result(call.refusal)
    await memory.choose_model(session, call.speaker.conversation_id, found[0])
    return Result(words.MODEL_CHOSEN.format(model=found[0]))


def _names(models: Sequence[str]) -> dict[str, str]:
    """Return people's name of each model: without its vendor, unless several are then alike."""
    short = {model: model.rsplit("/", 1)[-1].lower() for model in models}
    alike = Counter(short.values())
    return {model: name if alike[name] == 1 else model.lower() for model, name in short.items()}
