"""The sentences of the catalogue that only operators read, in English; see `_sentences`."""

from core.marks import _
from core.words._plural import plural

ORDER_USAGE = _("Write it like this: {usage}")
ORDER_NUMBER = _("Name a number from 1 to {most}.")
DO_IT = _("Yes, do it")
"""The button that confirms an order."""

# People

PEOPLE = plural("{number} person. The newest:", "{number} people. The newest:")
PEOPLE_FOUND = _("Found:")
PEOPLE_SEVERAL = _("Several people fit. Name one of them by the number:")
PEOPLE_MORE = _("There are more; write more of the name.")
PERSON_UNKNOWN = _("I know nobody by “{who}”.")
PERSON = _("**{name}**, number {number}")
PERSON_LANGUAGE = _("Language: {language}")
PERSON_TERMS = _("Limits: {terms}")
PERSON_LEFT = _("Left: {left} of {limit}")
PERSON_MONTH = _("This month: {money}, {answers}, {tokens}")
PERSON_IN_ALL = _("In all: {money}, {answers}, {tokens}")
PERSON_SINCE = _("First seen: {moment}")
PERSON_SEEN = _("Last seen: {moment}")

# Figures

TOP_SPAN = _("Name a span: today or month.")
TOP_TODAY = _("Who spends most today")
TOP_MONTH = _("Who spends most this month")
TOP_LINE = _("{place}. {who} {name}: {money}, {answers}, {tokens}")
TOP_NOBODY = _("Nobody has spent anything yet.")
STATS = _("**{first} to {last}**")
STATS_ANSWERS = _("Answers: {number}")
STATS_PEOPLE = _("People on the busiest day: {number}")
STATS_COST = _("Cost: {money}")
STATS_CALLS = _("Calls to the model: {number}")
STATS_READ = _("Tokens read: {number}, of them cached: {cached}")
STATS_WRITTEN = _("Tokens written: {number}")
STATS_ERRORS = _("Errors: {number} ({share})")
STATS_REFUSED = _("Refused by limits: {number}")
STATS_FIRST = _("First text: half within {half} s, {share} within {most} s")
STATS_WHOLE = _("Whole answer: half within {half} s, {share} within {most} s")
STATS_DAY = _("{day}: {answers}, {money}")
STATS_DAY_ERRORS = _("{day}: {answers}, {money}, errors: {failures}")
STATS_PARTIAL = _("Older figures are still being added up.")

# Turns

TURNS_FINE = _("No turn is in trouble.")
TURNS_LINE = _("**{number}** on {platform}, {moment}, attempt {attempts}: {state}")
TURNS_NONE = _("There is no such turn.")
TURNS_ACTIONS = _(
    "Write {prefix}turns, or behind it: waiting, running, stuck, failed, show 17, retry 17 18,"
    " cancel 17 18, discard 17 18."
)
TURNS_NUMBERS = _("Name the numbers of turns, or their references.")
TURNS_UNKNOWN = _("There is no turn {number}.")
TURNS_QUEUED = _("{number}: queued")
TURNS_FORGOTTEN = _("{number}: the question was deleted, so there is nothing to answer again")
TURNS_LEFT = _("{number}: did not fail, left alone")
TURNS_CANCEL = _("This stops the answer to {numbers}; what there is of it stays. Are you sure?")
TURNS_CANCELLED = _("{number}: stopped")
TURNS_DISCARD = _("This ends {numbers} for good: nobody gets an answer to it. Are you sure?")
TURNS_DISCARDED = _("{number}: ended")
TURNS_OVER = _("{number}: was over already, left alone")
TURN = _("**Turn {number}** on {platform}: {state}")
TURN_ASKED = _("Asked: {moment}")
TURN_ANSWERED = _("Answered: {moment}")
TURN_DELIVERED = _("Delivered: {moment}")
TURN_CALL = _("Call to {model}: {tokens}, {money}")
TURN_FAILED = _("failed")
TURN_UNDELIVERABLE = _("could not be delivered")
TURN_UNDELIVERED = _("answered, not delivered")
TURN_WELL = _("answered")
TURN_RUNNING = _("being answered")
TURN_WAITING = _("waiting")

# The record

AUDIT_EMPTY = _("No operator has changed anything yet.")

# Limits

TIER_UNKNOWN = _("There is no tier {tier}. Known are: {tiers}.")
TERMS_SURE = _("The limits of {who}: {before} → {after}. Do you want that?")
TERMS_SAME = _("The limits of {who} are {after} already.")
TERMS_SET = _("Done. The limits of {who}: {before} → {after}.")
GRANT_SURE = _("{who} may spend {amount} more until the current limits renew. Do you want that?")
GRANTED = _("Done. {who} may spend {amount} more. Left: {left}.")
GRANT_USELESS = _("{who} has no limit in {unit}, so there is nothing to add to.")

# Access

BLOCK_SURE = _(
    "Block {who}? Their answers are stopped, and they get silence until you unblock them."
)
BLOCK_OPERATOR = _("{who} is an operator, whom nobody can block.")
BLOCKED = _("{who} is blocked.")
UNBLOCKED = _("{who} is not blocked any more.")
ADMITTED = _("{who} is let in.")
EXPEL_SURE = _("Take back that {who} was let in?")
EXPELLED = _("{who} is no longer let in.")
PERSON_BLOCKED = _("**Blocked**")
PERSON_LET_IN = _("Let in by an operator")
PERSON_INVITED = _("Came with the invite {hint}… of {operator}")
INVITE_CODE = plural(
    "The code {code} lets {number} person in.", "The code {code} lets {number} people in."
)
INVITE_UNTIL = _("It is good until {moment}.")
INVITE_TIER = _("Whoever uses it gets the limits of {tier}.")
INVITE_PASS_ON = _("Pass it on: they send it to me as their first message.")
INVITE_USAGE = _(
    "Write {prefix}invite, and behind it, as you like: for how many people, for how many days and"
    " which tier, as 5 7d vip. Or: list, or end 3."
)
INVITE_LINE = _("**{number}** {hint}…: {used} of {uses} used, made by {operator}")
INVITE_NONE = _("No invite is open.")
INVITE_UNKNOWN = _("There is no open invite {number}.")
INVITE_ENDED = _("The invite {number} is ended. Whoever has used it stays let in.")

# Announcements

ANNOUNCE_SURE = plural(
    "Send this to the {number} person who knows me?",
    "Send this to the {number} people who know me?",
)
ANNOUNCE_BEGUN = _(
    "I have begun to send it. {prefix}announce tells how far I am, {prefix}announce stop stops it."
)
ANNOUNCE_LONG = _("That is too long: {most} characters are the most.")
ANNOUNCE_NOTHING = _("There is no announcement of which that could be said.")
ANNOUNCE_RUNNING = _("The announcement is on its way.")
ANNOUNCE_STOPPED = _("The announcement is stopped; announce resume goes on with it.")
ANNOUNCE_DONE = _("The announcement is done.")
ANNOUNCE_PROGRESS = _(
    "People: {people}. Sent: {sent}. On its way: {waiting}. Not taken: {refused}. Left out because"
    " they have blocked me: {left_out}."
)

# The dashboard

DASHBOARD_CODE = _(
    "Your code for the dashboard: **{code}**. It is good for {minutes} minutes, in the browser that"
    " asked for it. Pass it on to nobody. If you have not asked for it, ignore it: nobody gets in"
    " without it."
)
