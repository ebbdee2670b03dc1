"""The REST API for interactions: one callback within 3 s, then a webhook for 15 minutes."""

from dataclasses import replace

from tests.fakes.discord import forms, wire
from tests.fakes.discord.channels import apply_edit
from tests.fakes.discord.records import (
    EPHEMERAL,
    FOLLOW_UPS,
    LOADING,
    Interaction,
    Json,
    Message,
)
from tests.fakes.discord.refusals import invalid, refusal
from tests.fakes.discord.routes import NOTHING, Reply, Request, Route
from tests.fakes.discord.world import World

MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE = 4, 5, 6, 7
"""Types of callbacks."""
COMPONENT = 3
"""The type of an interaction that a button makes."""


def callback(world: World, request: Request) -> Reply:
    """Acknowledge an interaction, once and in time."""
    interaction = world.interactions.get(request.ids["token"])
    if not interaction or interaction.id != request.ids["interaction"] or interaction.failed:
        raise refusal(10062)
    if interaction.acknowledged:
        raise refusal(40060)
    message = _respond(world, interaction, request)
    interaction.responses.append(request.body)
    interaction.original = message
    world.changed()
    if request.query.get("with_response") not in {"1", "true"}:
        return NOTHING
    return Reply(_outcome(world, interaction, request.body["type"], message))


def _respond(world: World, interaction: Interaction, request: Request) -> Message | None:
    kind = request.body["type"]
    body = request.body.get("data") or {}
    form = forms.read(body, request.files)
    if kind == MESSAGE:
        forms.require_substance(form.content, form.embeds, form.files)
        return _say(world, interaction, form)
    if kind == DEFERRED:
        return _say(world, interaction, forms.Form(flags=form.flags | LOADING))
    if kind in {DEFERRED_UPDATE, UPDATE} and interaction.kind == COMPONENT:
        if kind == UPDATE and interaction.message:
            apply_edit(world, interaction.message, form)
        return interaction.message
    text = f"A callback of type {kind} does not answer an interaction of type {interaction.kind}."
    raise invalid("type", "INTERACTION_CALLBACK_TYPE_INVALID", text)


def _say(world: World, interaction: Interaction, form: forms.Form) -> Message:
    place = interaction.channel
    if interaction.is_for_person and place.is_quiet:
        form = replace(form, flags=form.flags | EPHEMERAL)
    hidden = bool(form.flags & EPHEMERAL)
    return world.post(place, world.bot, form, interaction=interaction, hidden=hidden)


def _outcome(world: World, interaction: Interaction, kind: int, message: Message | None) -> Json:
    told: Json = {"id": interaction.id, "type": interaction.kind}
    resource: Json = {"type": kind}
    if message:
        told |= {
            "response_message_id": message.id,
            "response_message_loading": bool(message.flags & LOADING),
            "response_message_ephemeral": bool(message.flags & EPHEMERAL),
        }
    if message and kind in {MESSAGE, UPDATE}:
        resource["message"] = wire.message(message, world.link)
    return {"interaction": told, "resource": resource}


def follow_up(world: World, request: Request) -> Reply:
    """A further message; the first after a deferral takes the place of "is thinking"."""
    interaction = _open(world, request)
    form = forms.read(request.body, request.files)
    forms.require_substance(form.content, form.embeds, form.files)
    original = interaction.original
    if original and original.flags & LOADING:
        if original.deleted:
            raise refusal(10008)
        world.edit(original, form)
        return Reply(wire.message(original, world.link))
    if interaction.is_for_person and len(interaction.followups) == FOLLOW_UPS:
        raise refusal(40094)
    message = _say(world, interaction, replace(form, reference=None))
    interaction.followups.append(message)
    return Reply(wire.message(message, world.link))


def get_response(world: World, request: Request) -> Reply:
    """A message that answered the interaction."""
    return Reply(wire.message(_response(world, request), world.link))


def edit_response(world: World, request: Request) -> Reply:
    """Change a message that answered the interaction."""
    message = _response(world, request)
    apply_edit(world, message, forms.read(request.body, request.files))
    return Reply(wire.message(message, world.link))


def delete_response(world: World, request: Request) -> Reply:
    """Delete a message that answered the interaction."""
    world.remove(_response(world, request))
    return NOTHING


def _open(world: World, request: Request) -> Interaction:
    interaction = world.interactions.get(request.ids["token"])
    ours = request.ids["application"] == world.application_id
    if not interaction or not ours or not interaction.acknowledged:
        raise refusal(10015)
    if interaction.expired:
        raise refusal(50027)
    return interaction


def _response(world: World, request: Request) -> Message:
    interaction = _open(world, request)
    target = request.ids["message"]
    answers = [interaction.original] if interaction.original else []
    if target == "@original":
        found = answers
    else:
        found = [item for item in answers + interaction.followups if item.id == target]
    if not found or found[0].deleted:
        raise refusal(10008)
    return found[0]


WEBHOOK = "/webhooks/{application}/{token}"
RESPONSE = "/webhooks/{application}/{token}/messages/{message}"

ROUTES = (
    Route("POST", "/interactions/{interaction}/{token}/callback", callback, by_token=True),
    Route("POST", WEBHOOK, follow_up, by_token=True, major="token"),
    Route("GET", RESPONSE, get_response, by_token=True),
    Route("PATCH", RESPONSE, edit_response, by_token=True, major="token"),
    Route("DELETE", RESPONSE, delete_response, by_token=True),
)
