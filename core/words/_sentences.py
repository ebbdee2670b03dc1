"""The catalogue of every sentence that the bot itself says to people, in English.

Each name of it in `words` is a text in the current language. Sentences are whole, and their values
have names: another language has other cases, another order and more than two numbers.
"""

from core.marks import _
from core.words._operators import *  # noqa: F403 - they are a part of the catalogue
from core.words._plural import plural

# Buttons

STOP = _("Stop")
TRY_AGAIN = _("Try again")
REGENERATE = _("Regenerate")
CANCEL = _("Cancel")
FORGET_EVERYTHING = _("Forget everything")
"""The button that confirms `/forget`."""
LINK_ACCOUNTS = _("Link accounts")
"""The button that confirms `/link`."""
UNLINK_ACCOUNT = _("Unlink")
"""The button that confirms `/unlink`."""

# Questions that need no model

NOTHING_SAID = _("Hello! What would you like to know? /help lists what I can do.")
UNREADABLE = _("I cannot read {what} yet. Please write it to me.")

# A GIF of Telegram comes with a document and a venue with a location: the earlier kind counts.
UNREADABLE_KINDS = {
    "animation": _("GIFs"),
    "live_photo": _("live photos"),
    "voice": _("voice messages"),
    "audio": _("audio files"),
    "video": _("videos"),
    "video_note": _("video messages"),
    "sticker": _("stickers"),
    "venue": _("places"),
    "location": _("locations"),
    "contact": _("contacts"),
    "poll": _("polls"),
    "checklist": _("checklists"),
    "dice": _("dice"),
    "game": _("games"),
    "story": _("stories"),
    "paid_media": _("paid media"),
    "invoice": _("invoices"),
    "giveaway": _("giveaways"),
}
"""The kinds of messages that the bot cannot read.

The model is told of them in English, and people by `unreadable` in their language.
"""
ELSEWHERE = _("messages from other chats")
SOMEBODY = "Somebody"
"""The name of an author whom the platform does not tell, for the model."""
UNMENTIONED = _("messages that do not mention me")
"""The same for messages of which a platform withholds the content."""
WITHHELD = _(
    "Here I can read only messages that mention me. Please send it again with my name in it."
)

ASK_ABOUT = _("Ask about this")
"""The name of the command in a message's menu."""
ASK_FILE = _("A picture, a PDF or a text to go with it")
ABOUT_THIS = (
    "This message is from {author}. Answer it if it asks something, else explain it to me, in the"
    " language with the code {locale}."
)
"""The question that this command puts to the model below the message."""

# What the operators are told

ALERTS = {
    "budget_low": _(
        "Most of the budget is used up: {limit}. It begins anew on {when}. Raise BUDGET if that is"
        " too late."
    ),
    "budget_spent": _(
        "The budget is used up: {limit}. People get no answers until it begins anew on {when}, or"
        " until you raise BUDGET."
    ),
    "key": _(
        "Since {since} the model API refuses my key, so nobody gets an answer. Put a valid one into"
        " MODEL_API_KEY and start me again."
    ),
    "credit": _(
        "Since {since} the account behind MODEL_API_KEY has no credit left, so nobody gets an"
        " answer. Top it up, and I go on by myself."
    ),
    "gone": _(
        "Since {since} the language model is no longer offered, so nobody gets an answer. Set"
        " another one in MODEL and start me again."
    ),
    "refused": _(
        "Since {since} the model API refuses what I ask, so nobody gets an answer. Look at"
        " MODEL_API_URL, MODEL_API_KEY and MODEL; the reason is in my log."
    ),
    "away": _(
        "Since {since} the language model has not answered. I keep trying, and people are told to"
        " wait. A second model in MODEL would answer meanwhile."
    ),
    "leaving": _(
        "The language model {model} will be withdrawn. Set another one in MODEL before that."
    ),
    "leaving_on": _(
        "The language model {model} will be withdrawn on {on}. Set another one in MODEL before"
        " that."
    ),
    "replaced": _(
        "The language model {model} will be withdrawn on {on}; its provider names {instead} in its"
        " place. Set another one in MODEL before that."
    ),
    "unlisted": _(
        "The language model {model} is not among those on offer. If people get no answers from it,"
        " set another one in MODEL."
    ),
    "deaf": _(
        "Since {since} I am not connected to {platform}, so I hear nobody there. I keep trying; if"
        " {platform} is well, look at my log and my token."
    ),
    "stuck": _(
        "Since {since} I cannot deliver answers on {platform}; waiting: {number}. I keep trying; if"
        " {platform} is well, look at my log."
    ),
    "errors": _(
        "Many questions fail since {since}: {failed} of the last {number}. `parley turns` lists"
        " them, and my log has the reasons."
    ),
    "disk": _(
        "The disk with my database is nearly full: {megabytes} MB are left. Make room before I"
        " can store nothing any more."
    ),
    "disk_full": _(
        "The disk of my database is full (noticed on {since}), so people get no answers. Make room"
        " there, and I go on by myself."
    ),
    "database": _(
        "Since {since} my database takes nothing, so people get no answers. Look at the server or"
        " the file in DATABASE_URL; I keep trying."
    ),
    "database_was": _(
        "My database takes everything again. It took nothing from {since} to {until}."
    ),
}
"""The sentences for matters that operators have to see to, by kind."""
ALERTS_OVER = {
    "key": _("The model API accepts my key again."),
    "credit": _("The language model answers again."),
    "gone": _("The language model answers again."),
    "refused": _("The language model answers again."),
    "away": _("The language model answers again."),
    "deaf": _("I am connected to {subject} again, and catch up on what I have missed."),
    "stuck": _("I can deliver answers on {subject} again."),
    "errors": _("Questions are answered as usual again."),
    "disk": _("There is enough room again on the disk with my database."),
}
"""The sentences that tell that a matter is over, where that helps; `subject` is a platform."""
ANNOUNCED = _(
    "Your announcement is out. Delivered to: {sent}. Not delivered, mostly to people who have"
    " blocked me: {others}."
)

# Files

NO_FILES_HERE = _("The terminal has no attachments.")
WRITTEN = _("Written to {path}")
"""Said of a file that the bot has put on the disk of a person in the terminal."""
NAMELESS = _("a file without name")
FILE_EMPTY = _("“{name}” is empty.")
FILE_DAMAGED = _("“{name}” is damaged.")
FILE_LOCKED = _("“{name}” has a password, so I cannot read it. Send it without one.")
FILE_GONE = _("“{name}” no longer exists.")
FILE_SLOW = _("“{name}” takes too long to load.")
FILE_REFUSED = _("{platform} does not hand out “{name}”.")
FILE_LARGE = _("“{name}” is larger than the {megabytes} MB that I can read.")
FILE_GREW = _("“{name}” is larger than announced, so I did not read it.")
FILES_LARGE = _("“{name}” is too large: the files of a message may have {megabytes} MB together.")
FILES_KEPT = _(
    "“{name}” is one file too many: I keep only so much for each person."
    " /forget deletes our conversation with its files and makes room."
)
FILES_MANY = plural(
    "“{name}” is left out: I read {number} file at a time.",
    "“{name}” is left out: I read {number} files at a time.",
)
FILE_UNKNOWN = _("I cannot read “{name}”, only images (JPEG, PNG, GIF, WEBP), PDF and text files.")
TEXT_LONG = plural(
    "“{name}” is too long: I read texts of up to {number} character.",
    "“{name}” is too long: I read texts of up to {number} characters.",
)
IMAGE_LARGE = plural(
    "“{name}” is {width} × {height} pixels large; I look at images of up to {number} megapixel.",
    "“{name}” is {width} × {height} pixels large; I look at images of up to {number} megapixels.",
)

# Ends of an answer

UNAVAILABLE = _("I cannot answer at the moment. The people who run me have been told.")
NO_ACCESS = _(
    "I cannot answer at the moment: my access to the language model has to be renewed."
    " The people who run me have been told."
)
NO_CREDIT = _(
    "I cannot answer at the moment: my account with the provider of the language model is used up."
    " The people who run me have been told."
)
MODEL_GONE = _(
    "I cannot answer at the moment: the language model that I use is no longer offered."
    " The people who run me have been told."
)
MODEL_AWAY = _("My language model has not answered for a long time. Please try again later.")
CONTENT_REFUSED = _(
    "The provider of my language model does not answer this. Please ask in other words."
)
FILE_NOT_TAKEN = _(
    "My language model cannot read a file of this message. It may be damaged, have a password or"
    " be too large."
)
PROMPT_TOO_LONG = _("That is too long for my language model. Send less, or begin anew with /new.")
PROMPT_HAS = plural(
    "That is too long for my language model: it has about {number} token, which is a piece of a"
    " word, and {most} are the most. Send less, or begin anew with /new.",
    "That is too long for my language model: it has about {number} tokens, which are pieces of"
    " words, and {most} are the most. Send less, or begin anew with /new.",
)
FILE_TOO_LONG = _("“{name}” is too long for my language model. Send a shorter file.")
FILE_HAS = plural(
    "“{name}” is too long for my language model: with your question it has about {number} token,"
    " which is a piece of a word, and {most} are the most. Send a shorter file.",
    "“{name}” is too long for my language model: with your question it has about {number} tokens,"
    " which are pieces of words, and {most} are the most. Send a shorter file.",
)
FAILED = _("Something went wrong while I was answering. Please try again.")
BROKE_OFF = _("*My answer broke off here. Please try again.*")
NOTHING_ANSWERED = _("I have no answer to that. Please ask me in other words.")
ENDED_THOUGHTS = _("*I thought about this for as long as I may and came to no answer.*")
ENDED_LENGTH = _("*This is as long as one answer may be. Ask me to go on.*")
ENDED_TIME = _("*I may not write any longer here. Ask me to go on.*")
ENDED_CONTENT = _("*The provider of my language model ended this answer here.*")
IN_FILE = _("*The rest does not fit here. The whole answer is in the file.*")
MODEL_REPLACED = _("*{gone} is no longer offered. {model} answers here from now on.*")
UNSEEN_IMAGES = _("*{model} cannot look at images; I told it that there were some.*")
UNSEEN_FILES = _("*{model} cannot look at files; I told it that there were some.*")
UNSEEN_BOTH = _("*{model} cannot look at images and files; I told it that there were some.*")

# While an answer is on its way

STILL_WORKING = _("This takes longer than usual. I am still at it.")
MODEL_SILENT = _(
    "My language model has not answered yet. I keep waiting for it, and my answer will stand here."
)
STILL_THINKING = _("I am thinking about this. It takes a little longer.")
MODEL_WAITS = _(
    "My language model does not answer at present. I keep trying, and my answer will stand here."
)
MODEL_WAITS_UNTIL = _(
    "My language model is busy and asked me to come back {when}."
    " I keep trying, and my answer will stand here."
)

EXPORT_LARGE = _(
    "All that is stored about you has more than the {megabytes} MB that I can send here."
    " The people who run me can give it to you."
)
NOT_SENT = _(
    "The file cannot be sent here; it may be too large. The people who run me can give it to you."
)
NOT_WRITTEN = _(
    "{name}, I cannot write where you have asked me: it is closed for me. Please ask me here."
)
NOT_DELIVERED = _("I could not show my answer here, or not all of it. Please ask me again.")

EMPTY = "…"
"""The text for a surplus message that cannot be deleted."""

# Long conversations

SUMMARISED = _(
    "*Our conversation has grown long: I keep its earlier part as a summary from now on. Nothing"
    " is deleted.*"
)
SUMMARISED_CAN_SEARCH = _(
    "*Our conversation has grown long: I keep its earlier part as a summary from now on. Nothing"
    " is deleted; ask me for anything said before, and I look it up.*"
)
CUT = _(
    "*Our conversation has grown long: I no longer see its earlier part from now on. Nothing is"
    " deleted.*"
)
CUT_CAN_SEARCH = _(
    "*Our conversation has grown long: I no longer see its earlier part from now on. Nothing is"
    " deleted; ask me for anything said before, and I look it up.*"
)

# Questions that are asked again

MOVED_ON = _("The conversation has moved on since then. Please ask again.")
NOTHING_ASKED = _("There is nothing to answer again yet.")
FORGOTTEN = _("That question was deleted, so there is nothing to answer again. Please ask it anew.")
STILL_ANSWERING = _("I am still answering your last message.")
STILL_ANSWERING_HERE = _("I am still answering here. Please press it again after that.")

# Pressed buttons

NOT_YOURS = _("Only the person who asked can do that.")
DECIDED = _("That has been decided already.")
UNDECIDED = _("That question is too old now, so nothing has changed. /{name} asks it again.")
FORGOTTEN_SINCE = _("That conversation has been deleted since.")
NOT_DONE = _("Nothing has changed.")

# Too much at once

TOO_OFTEN = _(
    "That is more at once than I can follow. I go on {until}; please send again then what I have"
    " not answered."
)
TOO_MUCH_PENDING = plural(
    "I am still busy with {number} message of yours. Please wait until I have answered it, and"
    " then send this one again.",
    "I am still busy with {number} messages of yours. Please wait until I have answered some of"
    " them, and then send this one again.",
)

# Access

LIST_ONLY = _(
    "Hello! I answer only people whom those who run me have let in. If you know them, ask them, and"
    " tell them this: {account}"
)
INVITE_ONLY = _(
    "Hello! I answer only people with an invite. If you have one, send me its code. If not, ask the"
    " people who run me, and tell them this: {account}"
)
LET_IN = _("The people who run me have let you in. What would you like to know?")
WELCOME = _("Welcome! Your invite is good. Ask me anything, in any language.")
INVITE_INVALID = _(
    "This invite is not good: it may be mistyped, used up or over. Please look at it again, or ask"
    " for another one."
)
INVITE_TOO_OFTEN = _("That was not good either. Please try another invite in an hour.")
LEAVING = _(
    "I answer only in groups that the people who run me have chosen, so I leave this one. Goodbye!"
)

# Commands

NO_SUCH_COMMAND = _("I do not know /{name}. /help lists what I can do.")
ADMINS_ONLY = _("Only the admins of this group can do that.")
ADMINS_UNKNOWN = _(
    "I could not find out just now who the admins are here. Please try again in a moment."
)
NOT_IN_A_GROUP = _("I send that only in a private chat with you.")

HELLO = _("Hello! I am Parley. Ask me anything, in any language.")
HELLO_COMMANDS = _("/new starts a new conversation, /help lists what else I can do.")
HELP = _("Write to me and I answer. In a group, mention me or reply to one of my messages.")
A_COMMAND = _("{command} – {summary}")
STORED = _("What you write to me and what I answer is stored, so that I remember our conversation.")
STORED_FOR = plural(
    "What you write to me and what I answer is stored for {number} day, so that I remember our"
    " conversation.",
    "What you write to me and what I answer is stored for {number} days, so that I remember our"
    " conversation.",
)
SENT_TO_ONE = _(
    "It is sent to the language model that writes my answers ({models}), and to nobody else."
)
SENT_TO_MANY = _(
    "It is sent to the language models that write my answers ({models}), and to nobody else."
)
EXPORT_OR_FORGET = _("/export gives you all of it, /forget deletes it.")

NEW_CONVERSATION = _("A new conversation. What would you like to talk about?")
STOPPED = _("Stopped.")
NOTHING_TO_STOP = _("There is nothing to stop.")

SURE = _(
    """\
This deletes our conversation for good: every message, file and summary. It cannot be undone. \
To do it, press the button or send /forget yes"""
)
ALL_FORGOTTEN = _("Everything of this conversation is deleted. What would you like to talk about?")
EXPORTED = _(
    """\
This is all that is stored about you. Files are listed in it by kind, size and SHA-256, \
without their contents."""
)
EXPORTED_LATELY = _("You have had everything within the last hour. I can send it again {when}.")

NO_PERSONA = _("I am myself.")
PERSONA_SHOWN = _("My instructions here: {instructions}")
PERSONA_EXAMPLE = _("Tell me how to behave: /persona You are a patient teacher of French.")
PERSONAS_OFFERED = _("Or choose one: {names}.")
PERSONA_SET = _("From now on I will do so. /persona reset ends it.")
PERSONA_RESET = _("I am myself again.")
PERSONA_TOO_LONG = plural(
    "That is too long: {number} character is the most.",
    "That is too long: {number} characters are the most.",
)

OWN_NAME = _("English")
"""The name of the language that this sentence is translated to, in itself."""
# In the next three sentences, name the language of the translation.
LANGUAGE_SHOWN = _(
    "I speak English with you. Questions I answer in the language in which you ask them."
)
LANGUAGE_SET = _("From now on I speak English with you.")
LANGUAGE_FOLLOWS = _("From now on I follow the language of your app. That is English.")
LANGUAGE_CHOOSE = _("Choose another one:")
LANGUAGE_AUTO = _("the language of your app")
LANGUAGE_UNKNOWN = _("I do not speak “{name}” yet.")

ONLY_IN_PRIVATE = _("That works only in a private chat with me.")
ACCOUNT = _("“{name}” on {platform}")
LINK_CODE = _(
    """\
To use me from another account of yours, send me this there within ten minutes:

`{command}`

Both accounts then share one private conversation and one set of limits. Give the code to nobody: \
whoever uses it can read what we have said."""
)
LINKED_WITH = _("This account is linked with {accounts}. /unlink parts it from them.")
LINK_SURE = _(
    """\
This code is from {account}. If you link it, both accounts share one private conversation and one \
set of limits: each of them can read and delete all that either has said to me. \
Go on only if both are yours. To do it, press the button or send /link yes"""
)
LINK_ASKED = _("I have asked you in our chat there. Please press the button in it soon.")
LINK_WANTED = _(
    """\
{account} has sent the code that I gave you here, and wants to be linked with this account. \
Both then share one private conversation and one set of limits: each of them can read and delete \
all that either has said to me. Go on only if you have just sent the code from there yourself. \
To do it, press the button or send /link yes"""
)
LINKED = _(
    """\
This account is now linked with {account}. Our conversation goes on where you last asked me \
something; ask me for anything said in the other one, and I look it up. \
/unlink parts the accounts again."""
)
LINK_NO_CODE = _("That is no code: a code has nine letters and digits. /link gives you one.")
LINK_WRONG = _(
    """\
I do not know that code. It may be mistyped, or there is a newer one. \
/link gives you a new one on your other account."""
)
LINK_EXPIRED = _("That code is too old. /link gives you a new one on your other account.")
LINK_USED = _("That code has been used already. /link gives you a new one on your other account.")
LINK_OWN = _("That code is for your other account: send it to me from there.")
LINK_KNOWN = _("These accounts are linked already.")
LINK_OVER = _("That code is no longer valid, so nothing has changed. /link gives you a new one.")
LINK_GUESSES = _("Those were too many wrong codes. You can send one again {when}.")
LINK_SEEN = _(
    """\
That works only in a private chat with me. Others could read the code here, so I have ended it; \
/link gives you a new one."""
)
UNLINK_ALONE = _("This account is linked with no other one. /link links it.")
UNLINK_SURE = _(
    """\
This parts the account here from {accounts}. All that we have said in private stays there, and we \
begin anew here. What you have used of your limits counts for both. \
To do it, press the button or send /unlink yes"""
)
UNLINKED = _("This account is on its own again. What would you like to talk about?")
UNLINKED_THERE = _("{account} is no longer linked with your account here.")

ONE_MODEL = _("{model} answers here; there is no other to choose.")
MODEL_SHOWN = _("{model} answers here. Choose:")
MODEL_CHOSEN = _("{model} answers here from now on.")

USED = plural(
    "This month: {number} answer, for {money}.", "This month: {number} answers, for {money}."
)
LEFT = _("Left: {left} of {limit}, renewed {begins}.")
LEFT_GROUP = _("Left for this group: {left} of {limit}, renewed {begins}.")
NEARLY_USED = _("*Most of your limit is used. Left: {left} of {limit}, renewed {begins}.*")
NEARLY_USED_GROUP = _(
    "*Most of this group’s limit is used. Left: {left} of {limit}, renewed {begins}.*"
)
USED_IN_PRIVATE = _("In a private chat with me, /usage also tells what you have used.")
READ = plural(
    "For these answers I read and wrote {number} token, which is a piece of a word. {cached} of"
    " what I read was still cached from before, which costs less.",
    "For these answers I read and wrote {number} tokens, which are pieces of words. {cached} of"
    " what I read was still cached from before, which costs less.",
)
LESS_THAN = _("less than {money}")
"""An amount of money."""

# Limits, as labels that stand alone

ANSWERS = plural("{number} answer", "{number} answers")
TOKENS = plural("{number} token", "{number} tokens")
A_MINUTE = _("{amount} a minute")
AN_HOUR = _("{amount} an hour")
A_DAY = _("{amount} a day")
A_WEEK = _("{amount} a week")
A_MONTH = _("{amount} a month")

REFERENCE = _("(Reference {reference})")
"""The name of an attempt, which a person can give to the operator; it stands behind a sentence."""

# Limits that are reached

TOO_MUCH = _("This is too much at once: your limit is {limit}. Send less, or begin anew with /new.")
TOO_MUCH_GROUP = _(
    "This is too much at once: the limit of this group is {limit}. Send less, or begin anew with"
    " /new."
)
TOO_MUCH_SHARED = _(
    "This is too much at once: there is a limit for everybody together. Send less, or begin anew"
    " with /new."
)
WAITS = _("You can go on {until}. Press it again then, and I answer what waits here.")
"""The answer to a press of the button below `USED_UP` while the limit is used up."""
NOTHING_WAITS = _("Nothing waits here any more.")
USED_UP = _("That was all for now: your limit is {limit}. You can go on {until}.")
USED_UP_GROUP = _(
    "That was all for now: the limit of this group is {limit}. You can go on {until}."
)
USED_UP_SHARED = _(
    "That was all for now: there is a limit for everybody together. You can go on {until}."
)
TOO_LITTLE_LEFT = _(
    "That was all for now: your limit is {limit}, and too little of it is left for this. You can go"
    " on {until}."
)
TOO_LITTLE_LEFT_GROUP = _(
    "That was all for now: the limit of this group is {limit}, and too little of it is left for"
    " this. You can go on {until}."
)
TOO_LITTLE_LEFT_SHARED = _(
    "That was all for now: there is a limit for everybody together, and too little of it is left"
    " for this. You can go on {until}."
)
