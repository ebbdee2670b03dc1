"""The catalogue of every sentence that the bot itself says to people."""

import re
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
from core.plain import bare
from core.text import write_moment

# Buttons

STOP = "Stop"
TRY_AGAIN = "Try again"
REGENERATE = "Regenerate"
CANCEL = "Cancel"
CONFIRMS = {"forget": "Forget everything", "link": "Link accounts", "unlink": "Unlink"}
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
LONGEST_NAME = 40
"""The most characters of somebody's name in a sentence."""
_MARKUP = re.compile(r"[*_~`|<>\[\]()\\#“”@\n]")
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

ONLY_IN_PRIVATE = "That works only in a private chat with me."

ACCOUNT = "“{name}” on {platform}"
LINK_CODE = """\
To use me from another account of yours, send me this there within {minutes} minutes:

`{command}`

Both accounts then share one private conversation and one set of limits. Give the code to nobody: \
whoever uses it can read what we have said."""
LINKED_WITH = "This account is linked with {accounts}. /unlink parts it from them."
LINK_SURE = """\
This code is from {account}. If you link it, both accounts share one private conversation and one \
set of limits: each of them can read and delete all that either has said to me. \
Go on only if both are yours. To do it, press the button or send /link yes"""
LINK_ASKED = "I have asked you in our chat there. Please press the button in it soon."
LINK_WANTED = """\
{account} has sent the code that I gave you here, and wants to be linked with this account. \
Both then share one private conversation and one set of limits: each of them can read and delete \
all that either has said to me. Go on only if you have just sent the code from there yourself. \
To do it, press the button or send /link yes"""
LINKED = """\
This account is now linked with {account}. Our conversation goes on where you last asked me \
something; ask me for anything said in the other one, and I look it up. \
/unlink parts the accounts again."""
LINK_NO_CODE = "That is no code: a code has nine letters and digits. /link gives you one."
LINK_WRONG = """\
I do not know that code. It may be mistyped, or there is a newer one. \
/link gives you a new one on your other account."""
LINK_EXPIRED = "That code is too old. /link gives you a new one on your other account."
LINK_USED = "That code has been used already. /link gives you a new one on your other account."
LINK_OWN = "That code is for your other account: send it to me from there."
LINK_KNOWN = "These accounts are linked already."
LINK_OVER = "That code is no longer valid, so nothing has changed. /link gives you a new one."
LINK_GUESSES = "Those were too many wrong codes. You can send one again {when}."
LINK_SEEN = """\
That works only in a private chat with me. Others could read the code here, so I have ended it; \
/link gives you a new one."""
UNLINK_ALONE = "This account is linked with no other one. /link links it."
UNLINK_SURE = """\
This parts the account here from {accounts}. All that we have said in private stays there, and we \
begin anew here. What you have used of your limits counts for both. \
To do it, press the button or send /unlink yes"""
UNLINKED = "This account is on its own again. What would you like to talk about?"
UNLINKED_THERE = "{account} is no longer linked with your account here."

USED = "This month: {answers}, for {money}."
LEFT = "Left: {left} of {amount} a {window}; the next {window} begins {begins}."
READ = (
    "For these answers I read and wrote {tokens}, which are pieces of words."
    " {cached} % of what I read was still cached from before, which costs less."
)


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


def account(name: str, platform: str) -> str:
    """Return an account as people know it: its name there, without signs of Markdown."""
    plain = bare(_MARKUP.sub("", name)).strip()
    shown = plain if len(plain) <= LONGEST_NAME else f"{plain[:LONGEST_NAME]}…"
    return ACCOUNT.format(name=shown or SOMEBODY, platform=platform.capitalize())


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
