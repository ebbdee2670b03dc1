"""The catalogue of every sentence that the bot itself says to people."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from core.adapter import COMMANDS, START
from core.errors import (
    AttachmentError,
    ContentRefused,
    CreditUsedUp,
    FileRefused,
    KeyRefused,
    ModelBusy,
    ModelError,
    ModelGone,
    ModelUnavailable,
    PromptTooLong,
    QuotaExceeded,
)
from core.text import write_moment

# Buttons

STOP = "Stop"
TRY_AGAIN = "Try again"
REGENERATE = "Regenerate"
CANCEL = "Cancel"
CONFIRMS = {"forget": "Forget everything"}
"""The button that confirms a command, by the command's name."""

# Questions that need no model

NOTHING_SAID = "Hello! What would you like to know? /help lists what I can do."
UNREADABLE = "I cannot read {what} yet. Please write it to me."

# A GIF of Telegram comes with a document and a venue with a location: the earlier kind counts.
UNREADABLE_KINDS = {
    "animation": "GIFs",
    "live_photo": "live photos",
    "voice": "voice messages",
    "audio": "audio files",
    "video": "videos",
    "video_note": "video messages",
    "sticker": "stickers",
    "venue": "places",
    "location": "locations",
    "contact": "contacts",
    "poll": "polls",
    "checklist": "checklists",
    "dice": "dice",
    "game": "games",
    "story": "stories",
    "paid_media": "paid media",
    "invoice": "invoices",
    "giveaway": "giveaways",
}
"""The kinds of messages that the bot cannot read."""
ELSEWHERE = "messages from other chats"
SOMEBODY = "Somebody"
"""The name of an author whom the platform does not tell."""
UNMENTIONED = "messages that do not mention me"
"""The same for messages of which a platform withholds the content."""
WITHHELD = "Here I can read only messages that mention me. Please send it again with my name in it."

ASK_ABOUT = "Ask about this"
"""The name of the command in a message's menu."""
ASK_FILE = "A picture, a PDF or a text to go with it"
ABOUT_THIS = (
    "This message is from {author}. Answer it if it asks something, else explain it to me, in the"
    " language with the code {locale}."
)
"""The question that this command puts to the model below the message."""

# Files

NO_FILES_HERE = "The terminal has no attachments."
FILE_EMPTY = "“{name}” is empty."
FILE_DAMAGED = "“{name}” is damaged."
FILE_LOCKED = "“{name}” has a password, so I cannot read it. Send it without one."
FILE_GONE = "“{name}” no longer exists."
FILE_SLOW = "“{name}” takes too long to load."
FILE_REFUSED = "{platform} does not hand out “{name}”."
FILE_LARGE = "“{name}” is larger than the {megabytes:g} MB that I can read."
FILE_GREW = "“{name}” is larger than announced, so I did not read it."
FILES_LARGE = "“{name}” is too large: the files of a message may have {megabytes} MB together."
FILES_KEPT = (
    "“{name}” is one file too many: I keep only so much for each person."
    " /forget deletes our conversation with its files and makes room."
)
FILES_MANY = "“{name}” is left out: I read {number} files at a time."
FILE_UNKNOWN = "I cannot read “{name}”, only images (JPEG, PNG, GIF, WEBP), PDF and text files."
TEXT_LONG = "“{name}” is too long: I read texts of up to {characters:,} characters."
IMAGE_LARGE = (
    "“{name}” is {width} × {height} pixels large;"
    " I look at images of up to {megapixels} megapixels."
)

# Ends of an answer

UNAVAILABLE = "I cannot answer at the moment. The people who run me have been told."
NO_ACCESS = (
    "I cannot answer at the moment: my access to the language model has to be renewed."
    " The people who run me have been told."
)
NO_CREDIT = (
    "I cannot answer at the moment: my account with the provider of the language model is used up."
    " The people who run me have been told."
)
MODEL_GONE = (
    "I cannot answer at the moment: the language model that I use is no longer offered."
    " The people who run me have been told."
)
MODEL_AWAY = "My language model has not answered for a long time. Please try again later."
CONTENT_REFUSED = (
    "The provider of my language model does not answer this. Please ask in other words."
)
FILE_NOT_TAKEN = (
    "My language model cannot read a file of this message. It may be damaged, have a password or"
    " be too large."
)
PROMPT_TOO_LONG = "That is too long for my language model. Send less, or begin anew with /new."
PROMPT_HAS = (
    "That is too long for my language model: it has about {size:,} tokens, which are pieces of"
    " words, and {most:,} are the most. Send less, or begin anew with /new."
)
FILE_TOO_LONG = "“{name}” is too long for my language model. Send a shorter file."
FILE_HAS = (
    "“{name}” is too long for my language model: with your question it has about {size:,} tokens,"
    " which are pieces of words, and {most:,} are the most. Send a shorter file."
)
FAILED = "Something went wrong while I was answering. Please try again."
BROKE_OFF = "*My answer broke off here. Please try again.*"
NOTHING_ANSWERED = "I have no answer to that. Please ask me in other words."
_ENDED: Mapping[type[ModelError], str] = {
    KeyRefused: NO_ACCESS,
    CreditUsedUp: NO_CREDIT,
    ModelGone: MODEL_GONE,
    ModelUnavailable: UNAVAILABLE,
    ContentRefused: CONTENT_REFUSED,
    FileRefused: FILE_NOT_TAKEN,
    PromptTooLong: PROMPT_TOO_LONG,
    ModelBusy: MODEL_AWAY,
}
NOTES = {
    "thoughts": "*I thought about this for as long as I may and came to no answer.*",
    "length": "*This is as long as one answer may be. Ask me to go on.*",
    "time": "*I may not write any longer here. Ask me to go on.*",
    "content_filter": "*The provider of my language model ended this answer here.*",
}
"""The note below an answer, by the model's reason for the end of it."""
IN_FILE = "*The rest does not fit here. The whole answer is in the file.*"
MODEL_REPLACED = "*{gone} is no longer offered. {model} answers here from now on.*"
UNSEEN = "*{model} cannot look at {what}; I told it that there were some.*"
UNSEEN_IMAGES, UNSEEN_FILES = "images", "files"

# While an answer is on its way

STILL_WORKING = "This takes longer than usual. I am still at it."
MODEL_SILENT = (
    "My language model has not answered yet. I keep waiting for it, and my answer will stand here."
)
STILL_THINKING = "I am thinking about this. It takes a little longer."
MODEL_WAITS = (
    "My language model does not answer at present. I keep trying, and my answer will stand here."
)
MODEL_WAITS_UNTIL = (
    "My language model is busy and asked me to come back {when}."
    " I keep trying, and my answer will stand here."
)

EXPORT_LARGE = (
    "All that is stored about you has more than the {megabytes:g} MB that I can send here."
    " The people who run me can give it to you."
)
NOT_SENT = (
    "The file cannot be sent here; it may be too large. The people who run me can give it to you."
)
NOT_WRITTEN = (
    "{name}, I cannot write where you have asked me: it is closed for me. Please ask me here."
)
NOT_DELIVERED = "I could not show my answer here, or not all of it. Please ask me again."

EMPTY = "…"
"""The text for a surplus message that cannot be deleted."""

# Long conversations

SUMMARISED = "Our conversation has grown long: I keep its earlier part as a summary from now on."
CUT = "Our conversation has grown long: I no longer see its earlier part from now on."

# Questions that are asked again

MOVED_ON = "The conversation has moved on since then. Please ask again."
NOTHING_ASKED = "There is nothing to answer again yet."
FORGOTTEN = "That question was deleted, so there is nothing to answer again. Please ask it anew."
STILL_ANSWERING = "I am still answering your last message."
STILL_ANSWERING_HERE = "I am still answering here. Please press it again after that."

# Pressed buttons

NOT_YOURS = "Only the person who asked can do that."
DECIDED = "That has been decided already."
UNDECIDED = "That question is too old now, so nothing has changed. /{name} asks it again."
FORGOTTEN_SINCE = "That conversation has been deleted since."
NOT_DONE = "Nothing has changed."

# Too much at once

TOO_OFTEN = (
    "That is more at once than I can follow. I go on {until}; please send again then what I have"
    " not answered."
)
TOO_MUCH_PENDING = (
    "I am still busy with {number} messages of yours. Please wait until I have answered some of"
    " them, and then send this one again."
)

# Commands

NO_SUCH_COMMAND = "I do not know /{name}. /help lists what I can do."
ADMINS_ONLY = "Only the admins of this group can do that."
ADMINS_UNKNOWN = (
    "I could not find out just now who the admins are here. Please try again in a moment."
)
NOT_IN_A_GROUP = "I send that only in a private chat with you."

HELLO = """\
Hello! I am Parley. Ask me anything, in any language.

{privacy}

/new starts a new conversation, /help lists what else I can do."""
HELP = "Write to me and I answer. In a group, mention me or reply to one of my messages."
PRIVACY = """\
What you write to me and what I answer is stored{days}, so that I remember our conversation.
It is sent to the language {models}, and to nobody else.
/export gives you all of it, /forget deletes it."""

NEW_CONVERSATION = "A new conversation. What would you like to talk about?"
STOPPED = "Stopped."
NOTHING_TO_STOP = "There is nothing to stop."

SURE = """\
This deletes our conversation for good: every message, file and summary. It cannot be undone. \
To do it, press the button or send /forget yes"""
ALL_FORGOTTEN = "Everything of this conversation is deleted. What would you like to talk about?"
EXPORTED = """\
This is all that is stored about you. Files are listed in it by kind, size and SHA-256, \
without their contents."""
EXPORTED_LATELY = "You have had everything within the last hour. I can send it again {when}."

NO_PERSONA = "I am myself."
PERSONA_SHOWN = "My instructions here: {instructions}"
PERSONA_EXAMPLE = "Tell me how to behave: /persona You are a patient teacher of French."
PERSONAS_OFFERED = "Or choose one: {names}."
PERSONA_SET = "From now on I will do so. /persona reset ends it."
PERSONA_RESET = "I am myself again."
PERSONA_TOO_LONG = "That is too long: {most:,} characters are the most."

ONE_MODEL = "{model} answers here; there is no other to choose."
MODEL_SHOWN = "{model} answers here. Choose:"
MODEL_CHOSEN = "{model} answers here from now on."

USED = "This month: {answers}, for {money}."
LEFT = "Left: {left} of {amount} a {window}; the next {window} begins {begins}."
READ = (
    "For these answers I read and wrote {tokens}, which are pieces of words."
    " {cached} % of what I read was still cached from before, which costs less."
)

# Operators

ORDER_USAGE = "Write it like this: {usage}"
ORDER_NUMBER = "Name a number from 1 to {most}."
USERS_NEWEST = "{number} people. The newest:"
USERS_FOUND = "Found:"
USERS_SEVERAL = "Several people fit. Name one by the number:"
USERS_MORE = "There are more; name more of the name."
USER_UNKNOWN = "I know nobody by “{who}”."
USER_TITLE = "**{name}**, number {number}"
USER_LEFT = "Left: {left} of {limit}"
USER_MONTH = (
    "This month: {money}, {answers} answers, {tokens} tokens, {cached} % of the read ones cached"
)
USER_IN_ALL = "In all: {money}, {answers} answers, {tokens} tokens"
USER_SINCE = "First seen: {day}"
USER_SEEN = "Last seen: {moment}"
TOP_SPAN = "Name a span: today or month."
TOP_TODAY = "Who spends most today"
TOP_MONTH = "Who spends most this month"
TOP_LINE = "{place}. {who} {name}: {money}, {answers} answers, {tokens} tokens"
TOP_NOBODY = "Nobody has spent anything yet."
STATS_TITLE = "**{first} to {last}**"
STATS_ANSWERS = "Answers: {answers}, to up to {people} people a day"
STATS_COST = "Cost: {money}, for {calls} calls to the model"
STATS_TOKENS = "Tokens: {read} read, {cached} % of them cached; {written} written"
STATS_ERRORS = "Errors: {failures} ({share} %); refused by limits: {refusals}"
STATS_FIRST = "First text: half within {half}, 95 % within {most}"
STATS_WHOLE = "Whole answer: half within {half}, 95 % within {most}"
STATS_DAY = "{day}: {answers} answers, {money}, {failures} errors, first text {first}"
STATS_PARTIAL = "Older figures are still being added up."
TURNS_FINE = "No turn is in trouble."
TURNS_LINE = "**{number}** on {platform}, {moment}, attempt {attempts}: {state}"
TURNS_ACTIONS = "Write {prefix}turns, or behind it: show 17, replay 17 18, discard 17 18."
TURNS_NUMBERS = "Name the numbers of turns, or their references."
TURNS_UNKNOWN = "There is no turn {number}."
TURNS_QUEUED = "{number}: queued"
TURNS_FORGOTTEN = "{number}: the question was deleted, so there is nothing to answer again"
TURNS_LEFT = "{number}: did not fail, left alone"
TURNS_DISCARD = "This ends {numbers} for good: nobody gets an answer to it. Are you sure?"
TURNS_DISCARDED = "{number}: ended"
TURNS_OVER = "{number}: was over already, left alone"
TURN_TITLE = "**Turn {number}** on {platform}: {state}"
TURN_ASKED = "Asked"
TURN_ANSWERED = "Answered"
TURN_DELIVERED = "Delivered"
TURN_CALL = "Call to {model}: {tokens} tokens, {money}"
TURN_FAILED = "failed"
TURN_UNDELIVERABLE = "could not be delivered"
TURN_WELL = "answered"
TURN_UNDELIVERED = "answered, not delivered"
TURN_RUNNING = "being answered"
TURN_WAITING = "waiting"
AUDIT_EMPTY = "No operator has changed anything yet."
SURE_BUTTON = "Yes, do it"
"""The button that confirms an operator's order."""


def unreadable(what: str) -> str:
    """Return the answer to a message of which the bot can read nothing."""
    return WITHHELD if what == UNMENTIONED else UNREADABLE.format(what=what)


def list_commands() -> str:
    """Return the text of /help: a sentence, and each command on a line of its own."""
    lines = [
        f"/{each.name} – {each.summary[0].lower()}{each.summary[1:]}"
        for each in COMMANDS
        if each.name != START
    ]
    return "\n".join([HELP, "", *lines])


def privacy(models: Collection[str], days: int | None) -> str:
    """Return three lines: for how many days words are stored, and which models read them."""
    write = "model that writes" if len(models) == 1 else "models that write"
    return PRIVACY.format(
        days="" if days is None else f" for {days} days",
        models=f"{write} my answers ({', '.join(models)})",
    )


def list_models(current: str, names: Iterable[str]) -> str:
    """Return the name of the current model, and for each model the command that chooses it."""
    return "\n".join([MODEL_SHOWN.format(model=current), *(f"/model {name}" for name in names)])


def below(shown: str, sentence: str) -> str:
    """Return the text that people see already, with a sentence below it."""
    return f"{shown.rstrip()}\n\n{sentence}" if shown.strip() else sentence


def with_reference(sentence: str, reference: str) -> str:
    """Return a sentence with the reference that a person can give to the operator."""
    return f"{sentence} (Reference {reference})"


def shortened(sentence: str, *, can_search: bool) -> str:
    """Return `SUMMARISED` or `CUT` as a note that also says how to find older messages."""
    remedy = "; ask me for anything said before, and I look it up" if can_search else ""
    return f"*{sentence} Nothing is deleted{remedy}.*"


def refused(refusal: QuotaExceeded, now: datetime) -> str:
    """Return a sentence that names the reached limit and tells when the person can go on."""
    limit = "there is a limit for everybody together"
    if not refusal.shared:
        limit = f"your limit is {refusal.limit}"
    if refusal.needed > refusal.most:
        return f"This is too much at once: {limit}. Send less, or begin anew with /new."
    rest = ", and too little of it is left for this" if refusal.left else ""
    return f"That was all for now: {limit}{rest}. You can go on {until(refusal.resets_at, now)}."


def ended(
    error: QuotaExceeded | AttachmentError | ModelError, now: datetime, file: str | None = None
) -> str:
    """Return the sentence for an answer that an error ended; `file` is the only file, if any."""
    match error:
        case QuotaExceeded():
            return refused(error, now)
        case AttachmentError():
            return str(error)
        case PromptTooLong(size=int(size), most=int(most)):
            sentence = FILE_HAS if file else PROMPT_HAS
            return sentence.format(name=file, size=size, most=most)
        case PromptTooLong() if file:
            return FILE_TOO_LONG.format(name=file)
    kinds = [kind for kind in _ENDED if isinstance(error, kind)]
    return _ENDED[kinds[0]] if kinds else FAILED


def unseen(model: str, *, images: bool, files: bool) -> str:
    """Return a note on what a model cannot look at."""
    kinds = [UNSEEN_IMAGES] * images + [UNSEEN_FILES] * files
    return UNSEEN.format(model=model, what=" and ".join(kinds))


def waiting(seconds: float, now: datetime) -> str:
    """Return a sentence for somebody who waits for the model, which asked to wait so long."""
    if seconds <= 60:
        return MODEL_WAITS
    return MODEL_WAITS_UNTIL.format(when=until(now + timedelta(seconds=seconds), now))


def until(moment: datetime, now: datetime) -> str:
    """Return the time that is left until a moment: "in 40 seconds", in the reader's own time."""
    return write_moment(_left(moment, now), moment)


def _left(moment: datetime, now: datetime) -> str:
    seconds = max(int((moment - now).total_seconds()) + 1, 1)
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"in {count(round(seconds / size), unit)}"
    return f"in {count(seconds, 'second')}"


def count(number: int, noun: str) -> str:
    """Return a number of things: "1 answer", "2 answers"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
