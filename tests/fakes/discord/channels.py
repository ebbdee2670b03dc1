"""The REST API for channels and their messages."""

from tests.fakes.discord import forms, wire
from tests.fakes.discord.records import DM, THREAD, Channel, Json, Message
from tests.fakes.discord.refusals import invalid, refusal
from tests.fakes.discord.routes import NOTHING, Reply, Request, Route
from tests.fakes.discord.world import World

MARKS = ("after", "before", "around")
"""The parameters that begin a page of the history."""

# Channels


def get_channel(world: World, request: Request) -> Reply:
    """A channel, a thread or a private conversation."""
    return Reply(wire.channel(visible(world, request)))


def change_channel(world: World, request: Request) -> Reply:
    """Open an archived thread again, as whoever may write in it can, unless it is locked."""
    channel = visible(world, request)
    if channel.kind != THREAD or request.body != {"archived": False}:
        raise refusal(50013)
    _require_send(channel)
    world.reopen(channel)
    return Reply(wire.channel(channel))


def open_private(world: World, request: Request) -> Reply:
    """The private conversation with a person, made if need be."""
    person = world.people.get(str(request.body.get("recipient_id")))
    if not person:
        raise refusal(10013)
    return Reply(wire.channel(world.private(person)))


def active_threads(world: World, request: Request) -> Reply:
    """The threads of a guild that are not archived."""
    guild = world.guilds.get(request.ids["guild"])
    if not guild:
        raise refusal(50001)
    threads = [
        wire.channel(item)
        for item in guild.channels.values()
        if item.kind == THREAD and not item.archived
    ]
    return Reply({"threads": threads, "members": []})


def typing(world: World, request: Request) -> Reply:
    """Show that the bot is typing."""
    channel = visible(world, request)
    _require_send(channel)
    world.type_in(channel, world.bot)
    return NOTHING


def visible(world: World, request: Request) -> Channel:
    """The channel of the path, if the bot can see it."""
    channel = world.channels.get(_snowflake("channel_id", request.ids["channel"]))
    if not channel:
        raise refusal(10003)
    if not channel.has_bot:
        raise refusal(50001)
    _require(channel, "VIEW_CHANNEL", 50001)
    return channel


def _require(channel: Channel, permission: str, code: int = 50013) -> None:
    if not channel.allows(permission):
        raise refusal(code)


def _require_send(channel: Channel) -> None:
    _require(channel, "SEND_MESSAGES", 50007 if channel.kind == DM else 50013)
    if channel.kind == THREAD:
        _require(channel, "SEND_MESSAGES_IN_THREADS")
    if channel.locked:
        raise refusal(160005)


def _snowflake(field: str, value: str) -> str:
    if not value.isdecimal():
        text = f'Value "{value}" is not snowflake.'
        raise invalid(field, "NUMBER_TYPE_COERCE", text)
    return value


# Messages


def create_message(world: World, request: Request) -> Reply:
    """Say something; with `enforce_nonce` a repeat gives the first message again."""
    channel = visible(world, request)
    form = forms.read(request.body, request.files)
    _require_send(channel)
    _require_parts(channel, form)
    forms.require_substance(form.content, form.embeds, form.files)
    if form.unique and (first := world.same_nonce(world.bot, form.nonce)):
        return Reply(_created(world, first))
    reply = _replied(channel, form.reference)
    return Reply(_created(world, world.post(channel, world.bot, form, reply=reply)))


def _created(world: World, message: Message) -> Json:
    nonce = {} if message.nonce is None else {"nonce": message.nonce}
    return {**wire.message(message, world.link), **nonce}


def _require_parts(channel: Channel, form: forms.Form) -> None:
    if form.embeds:
        _require(channel, "EMBED_LINKS")
    if form.files:
        _require(channel, "ATTACH_FILES")


def _replied(channel: Channel, reference: Json | None) -> Message | None:
    if not reference:
        return None
    _require(channel, "READ_MESSAGE_HISTORY", 160002)
    target = channel.posts.get(str(reference.get("message_id")))
    elsewhere = str(reference.get("channel_id") or channel.id) != channel.id
    if target and not elsewhere:
        return target
    if reference.get("fail_if_not_exists", True):
        raise forms.unknown_reference()
    return None


def get_message(world: World, request: Request) -> Reply:
    """One message."""
    channel = visible(world, request)
    _require(channel, "READ_MESSAGE_HISTORY")
    return Reply(_readable(world, _standing(channel, request)))


def _standing(channel: Channel, request: Request) -> Message:
    message = channel.posts.get(_snowflake("message_id", request.ids["message"]))
    if not message:
        raise refusal(10008)
    return message


def _readable(world: World, message: Message) -> Json:
    body = wire.message(message, world.link)
    if "message_content" in world.intents_allowed:
        return body
    return wire.withheld(body, message, world.protected) or body


def edit_message(world: World, request: Request) -> Reply:
    """Change a message of ours; fields that are not given stay."""
    channel = visible(world, request)
    message = _standing(channel, request)
    if message.author != world.bot:
        raise refusal(50005)
    if channel.archived:
        raise refusal(50083)
    form = forms.read(request.body, request.files)
    _require_parts(channel, form)
    apply_edit(world, message, form)
    return Reply(wire.message(message, world.link))


def apply_edit(world: World, message: Message, form: forms.Form) -> None:
    """Edit a message unless nothing would be left of it."""
    content = form.content if "content" in form.given else message.content
    embeds = form.embeds if "embeds" in form.given else message.embeds
    replaced = "attachments" in form.given
    files = [item for item in message.attachments if not replaced or item.id in form.kept]
    forms.require_substance(content, embeds, form.files, files)
    world.edit(message, form)


def delete_message(world: World, request: Request) -> Reply:
    """Delete a message of ours, or of others where the bot may."""
    channel = visible(world, request)
    message = _standing(channel, request)
    if message.author != world.bot:
        raise refusal(50013)
    world.remove(message)
    return NOTHING


def history(world: World, request: Request) -> Reply:
    """Up to 100 messages, the newest first; those right after `after`, or right before `before`.

    Without the permission to read the history Discord finds nothing, and does not say why.
    """
    channel = visible(world, request)
    limit = _limit(request.query.get("limit", "50"))
    given = {
        key: request.query[key] for key in ("after", "before", "around") if key in request.query
    }
    if len(given) > 1:
        text = "before, after and around are mutually exclusive"
        raise invalid("before", "BASE_TYPE_MUTUALLY_EXCLUSIVE", text)
    marks = {key: int(_snowflake(key, value)) for key, value in given.items()}
    found = _window(list(channel.posts.values()), limit, marks)
    if not channel.allows("READ_MESSAGE_HISTORY"):
        found = []
    return Reply([_readable(world, message) for message in reversed(found)])


def _limit(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 100:
        text = "int value should be between 1 and 100."
        raise invalid("limit", "NUMBER_TYPE_MAX", text)
    return int(value)


def _window(posts: list[Message], limit: int, marks: dict[str, int]) -> list[Message]:
    if "after" in marks:
        return [item for item in posts if int(item.id) > marks["after"]][:limit]
    if "before" in marks:
        return [item for item in posts if int(item.id) < marks["before"]][-limit:]
    if "around" in marks:
        older = [item for item in posts if int(item.id) < marks["around"]]
        start = max(0, len(older) - limit // 2)
        return posts[start : start + limit]
    return posts[-limit:]


CHANNEL = "/channels/{channel}"
MESSAGE = "/channels/{channel}/messages/{message}"

ROUTES = (
    Route("POST", "/users/@me/channels", open_private),
    Route("GET", CHANNEL, get_channel, major="channel"),
    Route("PATCH", CHANNEL, change_channel, major="channel"),
    Route("GET", "/guilds/{guild}/threads/active", active_threads),
    Route("POST", f"{CHANNEL}/typing", typing, major="channel"),
    Route("GET", f"{CHANNEL}/messages", history, major="channel"),
    Route("POST", f"{CHANNEL}/messages", create_message, major="channel"),
    Route("GET", MESSAGE, get_message, major="channel"),
    Route("PATCH", MESSAGE, edit_message, major="channel"),
    Route("DELETE", MESSAGE, delete_message, major="channel"),
)
