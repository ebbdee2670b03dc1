"""The commands that choose how the bot answers in a conversation."""

from collections import Counter
from collections.abc import Sequence

from core import memory, words
from core.commands._request import Request, Result
from core.db import Session
from core.settings import LONGEST_PERSONA, RESET

BACK = "From now on, follow only your first instructions again."


async def persona(session: Session, request: Request) -> Result:
    """Show, set or reset the conversation's instructions."""
    wish = request.arguments.strip()
    if not wish:
        return Result(await _shown(session, request))
    if request.refusal:
        return Result(request.refusal)
    if wish.lower() == RESET:
        return Result(words.PERSONA_RESET, instructions=BACK)
    instructions = request.offer.personas.get(wish.lower(), wish)
    if len(instructions) > LONGEST_PERSONA:
        return Result(words.PERSONA_TOO_LONG.format(LONGEST_PERSONA))
    return Result(words.PERSONA_SET, instructions=instructions)


async def _shown(session: Session, request: Request) -> str:
    current = await memory.instructions(session, request.speaker.conversation_id)
    lines = [words.NO_PERSONA, words.PERSONA_EXAMPLE]
    if current and current != BACK:
        lines[0] = words.PERSONA_SHOWN.format(instructions=current)
    if request.offer.personas:
        lines.append(words.PERSONAS_OFFERED.format(names=", ".join(request.offer.personas)))
    return "\n".join(lines)


async def model(session: Session, request: Request) -> Result:
    """Show or choose the model that answers in this conversation."""
    models = request.offer.models
    if len(models) < 2:
        return Result(words.ONE_MODEL.format(model=request.offer.model))
    wish = request.arguments.strip().lower()
    names = _names(models)
    found = [model for model in models if wish in (model.lower(), names[model])]
    if not found:
        chosen = await memory.model_of(session, request.speaker.conversation_id)
        current = chosen if chosen in models else request.offer.model
        return Result(words.list_models(current, names.values()))
    if request.refusal:
        return Result(request.refusal)
    await memory.choose_model(session, request.speaker.conversation_id, found[0])
    return Result(words.MODEL_CHOSEN.format(model=found[0]))


def _names(models: Sequence[str]) -> dict[str, str]:
    """Return a short name for each model: without its vendor, unless two would be the same."""
    short = {model: model.rsplit("/", 1)[-1].lower() for model in models}
    alike = Counter(short.values())
    return {model: name if alike[name] == 1 else model.lower() for model, name in short.items()}
