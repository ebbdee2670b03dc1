"""Texts of several sentences, and sentences that depend on what happened."""

import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from core import money
from core.adapter import COMMANDS, START, Command
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
from core.words import _sentences as english
from core.words._language import language, languages, nearest, say, spoken_in
from core.words._numbers import listed, number, price, until

AND = " and "
"""The text between two kinds of content, as an adapter tells them."""
_ENDED = {
    KeyRefused: english.NO_ACCESS,
    CreditUsedUp: english.NO_CREDIT,
    ModelGone: english.MODEL_GONE,
    ModelUnavailable: english.UNAVAILABLE,
    ContentRefused: english.CONTENT_REFUSED,
    FileRefused: english.FILE_NOT_TAKEN,
    PromptTooLong: english.PROMPT_TOO_LONG,
    ModelBusy: english.MODEL_AWAY,
}
"""The first kind of an error counts."""
_NOTES = {
    "thoughts": english.ENDED_THOUGHTS,
    "length": english.ENDED_LENGTH,
    "time": english.ENDED_TIME,
    "content_filter": english.ENDED_CONTENT,
}
_LIMIT = re.compile(r"(?P<most>\d+(?:\.\d+)?) (?P<unit>turns?|tokens?|usd)/(?P<window>\w+)")
_CONFIRMS = {
    "forget": english.FORGET_EVERYTHING,
    "link": english.LINK_ACCOUNTS,
    "unlink": english.UNLINK_ACCOUNT,
}
LONGEST_NAME = 40
"""The most characters of somebody's name in a sentence."""
_MARKUP = re.compile(r"[*_~`|<>\[\]()\\#“”„«»@]")
_WINDOWS = {
    "minute": english.A_MINUTE,
    "hour": english.AN_HOUR,
    "day": english.A_DAY,
    "week": english.A_WEEK,
    "month": english.A_MONTH,
}


def unreadable(kinds: str) -> str:
    """Return the answer to a message of which the bot can read nothing: "stickers and polls"."""
    if kinds == english.UNMENTIONED:
        return say(english.WITHHELD)
    return say(english.UNREADABLE).format(what=listed([say(each) for each in kinds.split(AND)]))


def confirms(name: str) -> str:
    """Return the label of the button that confirms a command, or an order with its parameters."""
    return say(_CONFIRMS.get(name.partition(" ")[0], english.DO_IT))


def note(reason: str) -> str:
    """Return the note below an answer, by the model's reason for the end of it; "" for none."""
    return say(_NOTES.get(reason, ""))


def summary(command: Command) -> str:
    """Return the line of a command in a menu."""
    return say(command.summary)


def hint(command: Command) -> str:
    """Return a few words about the argument of a command; "" for one without."""
    return say(command.hint)


def own_name(code: str) -> str:
    """Return the name of a language in itself: "Deutsch"."""
    with spoken_in(code):
        return say(english.OWN_NAME)


def named(name: str) -> str:
    """Return the language with a code or a name in any language of ours; "" if there is none."""
    sought = name.casefold()
    for code in languages():
        if sought in (code, own_name(code).casefold()):
            return code
    if found := nearest(name):
        return found
    from babel.core import Locale  # noqa: PLC0415 - large, and hardly ever needed

    for code in languages():
        for reader in languages():
            if Locale(reader).languages.get(code, "").casefold() == sought:
                return code
    return ""


def list_commands() -> str:
    """Return the text of /help: a sentence, and each command on a line of its own."""
    lines = [_line(each.name, summary(each)) for each in COMMANDS if each.name != START]
    return "\n".join([say(english.HELP), "", *lines])


def list_languages() -> str:
    """Return a line for each language but the current one, and one that lets the app choose."""
    others = [code for code in languages() if code != language()]
    lines = [_line(f"language {code}", own_name(code)) for code in others]
    auto = _line("language auto", say(english.LANGUAGE_AUTO))
    return "\n".join([say(english.LANGUAGE_CHOOSE), *lines, auto])


def _line(command: str, summary: str) -> str:
    return say(english.A_COMMAND).format(command=f"/{command}", summary=summary)


def hello(models: Collection[str], days: int | None) -> str:
    """Return the first words to a person, with those about privacy."""
    parts = say(english.HELLO), privacy(models, days), say(english.HELLO_COMMANDS)
    return "\n\n".join(parts)


def privacy(models: Collection[str], days: int | None) -> str:
    """Return three lines: for how many days words are stored, and which models read them."""
    stored = say(english.STORED) if days is None else english.STORED_FOR.format(days)
    sent = say(english.SENT_TO_ONE if len(models) == 1 else english.SENT_TO_MANY)
    return "\n".join((stored, sent.format(models=", ".join(models)), say(english.EXPORT_OR_FORGET)))


def account(name: str, platform: str) -> str:
    """Return an account as people know it: its name there, without signs of Markdown."""
    plain = " ".join(bare(_MARKUP.sub("", name)).split())
    shown = plain if len(plain) <= LONGEST_NAME else f"{plain[:LONGEST_NAME]}…"
    return say(english.ACCOUNT).format(name=shown or english.SOMEBODY, platform=platform.title())


def list_models(current: str, names: Iterable[str]) -> str:
    """Return the name of the current model, and for each model the command that chooses it."""
    shown = say(english.MODEL_SHOWN).format(model=current)
    return "\n".join([shown, *(f"/model {name}" for name in names)])


def below(shown: str, sentence: str) -> str:
    """Return the text that people see already, with a sentence below it."""
    return f"{shown.rstrip()}\n\n{sentence}" if shown.strip() else sentence


def with_reference(sentence: str, reference: str) -> str:
    """Return a sentence with the reference that a person can give to the operator."""
    return f"{sentence} {say(english.REFERENCE).format(reference=reference)}"


def shortened(*, by_summary: bool, can_search: bool) -> str:
    """Return a note that the model no longer sees the older messages, and how to find them."""
    if by_summary:
        return say(english.SUMMARISED_CAN_SEARCH if can_search else english.SUMMARISED)
    return say(english.CUT_CAN_SEARCH if can_search else english.CUT)


def limit(most: int, unit: str, window: str) -> str:
    """Return a limit of turns, tokens or micro-dollars as a label: "200 answers a day"."""
    return say(_WINDOWS[window]).format(amount=amount(most, unit))


def amount(value: int, unit: str) -> str:
    """Return an amount of turns, tokens or micro-dollars: "200 answers"."""
    match unit:
        case "usd":
            return price(value)
        case "turns":
            return english.ANSWERS.format(value)
        case _:
            return english.TOKENS.format(value)


def _label(told: str) -> str:
    """Return a limit as the operator wrote it, "10 turns/minute", as a label."""
    found = _LIMIT.fullmatch(told)
    if found is None or found["window"] not in _WINDOWS:
        return told
    unit = "usd" if found["unit"] == "usd" else f"{found['unit'].removesuffix('s')}s"
    most = Decimal(found["most"]) * (money.MICRO if unit == "usd" else 1)
    return limit(int(most), unit, found["window"])


def dollars(value: int) -> str:
    """Return micro-dollars rounded to the cent: "$0.25", "less than $0.01"."""
    cent = money.MICRO // 100
    if 0 < value < cent:
        return say(english.LESS_THAN).format(money=price(cent))
    return price(round(value / cent) * cent)


def refused(refusal: QuotaExceeded, now: datetime) -> str:
    """Return a sentence that names the reached limit and tells when the person can go on."""
    if refusal.needed > refusal.most:
        sentences = english.TOO_MUCH, english.TOO_MUCH_GROUP, english.TOO_MUCH_SHARED
    elif refusal.left:
        sentences = (
            english.TOO_LITTLE_LEFT,
            english.TOO_LITTLE_LEFT_GROUP,
            english.TOO_LITTLE_LEFT_SHARED,
        )
    else:
        sentences = english.USED_UP, english.USED_UP_GROUP, english.USED_UP_SHARED
    sentence = sentences[("person", "group", "everybody").index(refusal.whose)]
    return say(sentence).format(limit=_label(refusal.limit), until=until(refusal.resets_at, now))


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
            sentence = english.FILE_HAS if file else english.PROMPT_HAS
            return sentence.format(size, name=file, most=number(most))
        case PromptTooLong() if file:
            return say(english.FILE_TOO_LONG).format(name=file)
    kinds = (sentence for kind, sentence in _ENDED.items() if isinstance(error, kind))
    return say(next(kinds, english.FAILED))


def unseen(model: str, *, images: bool, files: bool) -> str:
    """Return a note on what a model cannot look at."""
    if images and files:
        return say(english.UNSEEN_BOTH).format(model=model)
    return say(english.UNSEEN_IMAGES if images else english.UNSEEN_FILES).format(model=model)


def waiting(seconds: float, now: datetime) -> str:
    """Return a sentence for somebody who waits for the model, which asked to wait so long."""
    if seconds <= 60:
        return say(english.MODEL_WAITS)
    when = until(now + timedelta(seconds=seconds), now)
    return say(english.MODEL_WAITS_UNTIL).format(when=when)
