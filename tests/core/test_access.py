"""Access to the bot: strangers, blocked people, invites, and groups by list."""

import asyncio
import sys
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from core import access, bookkeeping, commands, identity, models, words
from core.access import Mode, Rules
from core.adapter import Access, Author, Change, ChangeKind, InboundMessage, Membership, Move
from core.db import Sessions
from core.errands import Dismiss, Errand, Leave, Tell
from core.intake import Intake
from core.quota import Rules as Limits
from core.turns import Standing
from tests.core import rows
from tests.core.conftest import connected
from tests.core.rows import ADA, BOB, GROUP, HOME, NOW, commit, later, message

TABLES = ("users", "identities", "conversations", "turns", "events", "posts", "standings")
IN_GROUP = replace(GROUP, places=("-1",))
ADA_ID = (ADA.platform, ADA.account_id)


@dataclass
class Door:
    """The intake of a process with rules, and what it orders."""

    sessions: Sessions
    rules: Rules
    errands: list[Errand] = field(default_factory=list)
    changes: int = 0

    def __post_init__(self) -> None:
        self.intake = Intake(
            self.sessions,
            commands.Offer(Limits((), ()), "m"),
            now=lambda: NOW,
            accepted=lambda _: None,
            changed=self._change,
            rules=self.rules,
            errand=self.errands.append,
        )

    def _change(self) -> None:
        self.changes += 1

    async def hear(self, *events: Any) -> str:
        """Handle events; return what the person is told who made the last."""
        told = ""
        for event in events:
            told = await self.intake.handle(event)
        return told

    async def done(self) -> list[Errand]:
        """Carry all errands out, as far as the database hears of them; return them."""
        done, self.errands[:] = list(self.errands), []
        for errand in done:
            if isinstance(errand, Tell) and errand.then is not None:
                await commit(self.sessions, errand.then)
        return done

    async def told(self) -> list[str]:
        """Carry all errands out, and return the sentences among them."""
        return [errand.text for errand in await self.done() if isinstance(errand, Tell)]


def invited(sessions: Sessions, **more: Any) -> Door:
    return Door(sessions, Rules(Mode.INVITE, **more))


def listed(sessions: Sessions, **more: Any) -> Door:
    return Door(sessions, Rules(Mode.LIST, **more))


async def counts(sessions: Sessions) -> dict[str, int]:
    """Count the rows of the tables that somebody's message may fill, but for empty ones."""
    found = {name: await _count(sessions, name) for name in TABLES}
    return {name: number for name, number in found.items() if number}


async def _count(sessions: Sessions, name: str) -> int:
    rows_ = select(func.count()).select_from(models.metadata.tables[name])
    return int(await commit(sessions, lambda s: s.scalar(rows_)))


async def answers(sessions: Sessions) -> list[str]:
    """Return the answers of all turns, "" for a question that waits for the model."""
    turns = models.metadata.tables["turns"]
    found = await commit(sessions, lambda s: s.scalars(select(turns.c.answer).order_by(turns.c.id)))
    return [answer or "" for answer in found]


async def person(sessions: Sessions, author: Author = ADA) -> int:
    return await commit(sessions, lambda s: identity.meet(s, author, now=NOW))


async def standing(sessions: Sessions, user_id: int) -> Standing:
    return await commit(sessions, lambda s: access.standing_of(s, user_id))


async def an_invite(sessions: Sessions, **how: Any) -> str:
    return await commit(sessions, lambda s: access.invite(s, now=NOW, **how))


HERE = frozenset({("telegram", "-7"), ("discord", "30")})


def in_chat(chat: str, *around: str, **changes: Any) -> InboundMessage:
    address = replace(GROUP, chat=chat, places=(chat, *around))
    return message(chat, address=address, private=False, **changes)


# Strangers


async def test_a_stranger_is_told_once_and_nothing_is_asked_or_remembered(
    sessions: Sessions,
) -> None:
    door = listed(sessions)
    await door.hear(message("1"))
    [sentence] = await door.told()
    assert sentence == words.LIST_ONLY.format(account="telegram:100")
    await door.hear(message("2"), message("3", command="usage"), message("4", command="start"))
    assert all(isinstance(errand, Dismiss) for errand in await door.done())
    assert await counts(sessions) == {"users": 1, "identities": 1, "standings": 1}


async def test_what_was_not_delivered_is_told_with_the_next_message(sessions: Sessions) -> None:
    door = listed(sessions)
    await door.hear(message("1"))
    door.errands.clear()  # the process died
    await door.hear(message("2"))
    assert len(await door.told()) == 1


async def test_in_a_group_a_stranger_hears_nothing(sessions: Sessions) -> None:
    door = listed(sessions)
    await door.hear(message("1", address=IN_GROUP, private=False))
    assert (door.errands, await counts(sessions)) == ([], {})


async def test_a_stranger_who_waits_for_a_ticket_is_told_there(sessions: Sessions) -> None:
    """On Discord, a command shows that an answer is on its way, until something ends that."""
    door = listed(sessions)
    asked = {"address": IN_GROUP, "private": False, "ticket": "t"}
    await door.hear(message("1", **asked))
    [errand] = door.errands
    assert isinstance(errand, Tell)
    assert (errand.ticket, errand.reply_to) == ("t", "1")
    await door.done()
    await door.hear(message("2", **asked))
    assert [(type(errand), errand.ticket) for errand in door.errands] == [(Dismiss, "t")]  # type: ignore[union-attr]


@pytest.mark.parametrize("named", ["people", "admins"])
async def test_people_of_the_settings_may_speak(sessions: Sessions, named: str) -> None:
    door = listed(sessions, **{named: frozenset({ADA_ID})})
    await door.hear(message("1"), message("2", author=BOB))
    assert await answers(sessions) == [""]


async def test_a_person_of_the_settings_may_speak_from_their_other_account(
    sessions: Sessions,
) -> None:
    user_id = await person(sessions)
    row = {"platform": "discord", "account_id": "5", "name": "Ada", "user_id": user_id}
    identities = models.metadata.tables["identities"]
    await commit(sessions, lambda s: s.execute(identities.insert().values(row)))
    there = Author("discord", "5", "Ada")
    door = listed(sessions, people=frozenset({ADA_ID}))
    said = message("1", author=there, address=replace(HOME, platform="discord"))
    await door.hear(said)
    assert await answers(sessions) == [""]


async def test_whoever_is_let_in_is_told_where_they_asked_and_may_ask(sessions: Sessions) -> None:
    door = listed(sessions)
    await door.hear(message("1"))
    await door.done()
    user_id = await person(sessions)
    before = await commit(sessions, lambda s: access.let_in(s, user_id, now=NOW))
    assert before == Standing(told=True)
    turn = await rows.claimed(sessions)
    assert (turn.answer, turn.address) == (words.LET_IN, HOME)
    await door.hear(message("2"))
    assert await answers(sessions) == [words.LET_IN, ""]
    await commit(sessions, lambda s: access.let_in(s, user_id, now=NOW))
    assert await answers(sessions) == [words.LET_IN, ""], "they are in already"


async def test_whoever_is_shut_out_is_told_once_more(sessions: Sessions) -> None:
    user_id, door = await person(sessions), listed(sessions)
    await commit(sessions, lambda s: access.let_in(s, user_id, now=NOW))
    await door.hear(message("1"))
    before = await commit(sessions, lambda s: access.shut_out(s, user_id, now=NOW))
    assert before.allowed
    await door.hear(message("2"))
    assert len(await door.told()) == 1
    await door.hear(message("3"))
    assert await door.told() == []
    assert await answers(sessions) == [""]
    await commit(sessions, lambda s: access.let_in(s, user_id, now=NOW))
    assert await answers(sessions) == ["", words.LET_IN]


async def test_whoever_is_shut_out_cannot_have_an_old_question_answered_again(
    sessions: Sessions,
) -> None:
    user_id, door = await person(sessions), listed(sessions)
    await commit(sessions, lambda s: access.let_in(s, user_id, now=NOW))
    await door.hear(message("1"))
    await rows.finish(sessions, await rows.claimed(sessions))
    await commit(sessions, lambda s: access.shut_out(s, user_id, now=NOW))
    for kind in (ChangeKind.REGENERATE, ChangeKind.EDITED):
        await door.hear(Change(f"{kind}", kind, HOME, ADA, "1", "other words"))
    assert await rows.claim(sessions, now=later(60)) == []


async def test_anybody_may_ask_in_a_group_that_the_operator_allowed(sessions: Sessions) -> None:
    door = listed(sessions, groups=frozenset({("telegram", "-1")}))
    await door.hear(message("1", address=IN_GROUP, private=False))
    await door.hear(message("2", author=BOB))
    assert await answers(sessions) == [""]
    assert [type(errand) for errand in door.errands] == [Tell], "Bob asks in private"


async def test_strangers_are_forgotten_like_other_bookkeeping(sessions: Sessions) -> None:
    door = listed(sessions, groups=HERE)
    eve = Author("telegram", "300", "Eve")
    await door.hear(message("1"), message("2", author=BOB), message("3", author=eve))
    await door.hear(in_chat("-7", author=eve))
    await door.done()
    await commit(sessions, lambda s: access.block(s, 2, now=NOW))
    await bookkeeping.prune(sessions, before=NOW)
    assert (await counts(sessions))["users"] == 3
    await bookkeeping.prune(sessions, before=later(1))
    left = await commit(sessions, lambda s: s.scalars(select(models.identities.c.name)))
    assert sorted(left) == ["Bob", "Eve"], "one is blocked, and one has asked in a group"
    await door.hear(message("4"))
    assert len(await door.told()) == 1


# Blocked people


@pytest.fixture
async def blocked(sessions: Sessions) -> Door:
    """A door before which Ada asked two questions, one of which is answered, and was blocked."""
    door = Door(sessions, Rules())
    await door.hear(message("1"))
    await rows.finish(sessions, await rows.claimed(sessions))
    await door.hear(message("2"))
    user_id = await person(sessions)
    before = await commit(sessions, lambda s: access.block(s, user_id, now=NOW))
    assert before == Standing()
    return door


async def test_a_blocked_person_gets_silence_for_one_read(
    sessions: Sessions, blocked: Door
) -> None:
    before = await counts(sessions)
    edited = Change("e1", ChangeKind.EDITED, HOME, ADA, "1", "other words")
    in_group = message("g", address=IN_GROUP, private=False)
    attempts = [
        message("3"),
        message("4", command="usage"),
        message("5", command="forget", text="yes"),
        message("6", command="start"),
        message("7", text="K7PM-Q2XD-9RTV"),
        in_group,
        replace(in_group, event_id="p", message_id="p", addressed=False, album="7"),
        edited,
        Change("e2", ChangeKind.EDITED, IN_GROUP, ADA, "9", "words", message=in_group),
        *(Change(f"{kind}", kind, HOME, ADA, "1") for kind in ChangeKind),
    ]
    for event in attempts:
        with rows.statements(sessions) as seen:
            assert await blocked.hear(event) == ""
        assert [each.split()[0] for each, _ in seen] == ["SELECT"], event
    assert await counts(sessions) == before
    assert await blocked.told() == []


async def test_the_running_answers_of_a_blocked_person_are_stopped(
    sessions: Sessions, blocked: Door
) -> None:
    turn = await rows.claimed(sessions)
    assert (turn.message_id, turn.cancel) == ("2", True)


async def test_an_unblocked_person_may_ask_anew_but_not_for_what_they_sent_meanwhile(
    sessions: Sessions, blocked: Door
) -> None:
    await rows.finish(sessions, await rows.claimed(sessions))
    user_id = await person(sessions)
    before = await commit(sessions, lambda s: access.unblock(s, user_id, now=later(60)))
    assert before.blocked
    await blocked.hear(message("3", sent_at=later(30)))  # from a history that is read later
    assert await rows.claim(sessions, now=later(90)) == []
    await blocked.hear(message("4", sent_at=later(61)))
    assert [turn.message_id for turn in await rows.claim(sessions, now=later(90))] == ["4"]


async def test_admins_cannot_be_blocked(sessions: Sessions, blocked: Door) -> None:
    door = Door(sessions, Rules(admins=frozenset({ADA_ID})))
    await rows.finish(sessions, await rows.claimed(sessions))
    await door.hear(message("3"))
    assert len(await rows.claim(sessions, now=later(60))) == 1


async def test_to_block_an_unknown_invite_or_twice_changes_nothing(sessions: Sessions) -> None:
    user_id = await person(sessions)
    first = await commit(sessions, lambda s: access.block(s, user_id, now=NOW))
    second = await commit(sessions, lambda s: access.block(s, user_id, now=later(1)))
    assert (first.blocked, second.blocked) == (False, True)
    assert (await commit(sessions, lambda s: access.unblock(s, user_id, now=NOW))).blocked
    assert not (await commit(sessions, lambda s: access.unblock(s, user_id, now=NOW))).blocked
    assert not (await standing(sessions, user_id)).blocked


async def test_the_standing_of_one_person_goes_over_to_the_other(sessions: Sessions) -> None:
    ada, bob = await person(sessions), await person(sessions, BOB)
    code = await an_invite(sessions, uses=2)
    await commit(sessions, lambda s: access.redeem(s, code, ada, Limits(), now=NOW))
    await commit(sessions, lambda s: access.block(s, bob, now=NOW))
    await commit(sessions, lambda s: access.join(s, ada, bob))
    both = await standing(sessions, bob)
    assert (both.allowed, both.blocked) == (True, True)


async def test_who_parts_from_a_person_takes_their_standing_along(sessions: Sessions) -> None:
    ada, bob = await person(sessions), await person(sessions, BOB)
    code = await an_invite(sessions, uses=2)
    await commit(sessions, lambda s: access.redeem(s, code, ada, Limits(), now=NOW))
    await commit(sessions, lambda s: access.part(s, ada, bob))
    assert (await standing(sessions, bob)).allowed
    again = await commit(sessions, lambda s: access.redeem(s, code, bob, Limits(), now=NOW))
    assert again is not None
    assert again.again
    [invite] = await commit(sessions, access.invites)
    assert invite.used == 1, "it was one person"


# Invites


async def test_a_link_lets_a_person_in_and_says_hello(sessions: Sessions) -> None:
    code, door = await an_invite(sessions), invited(sessions)
    await door.hear(message("1"))
    [sentence] = await door.told()
    assert sentence == words.INVITE_ONLY.format(account="telegram:100")
    await door.hear(message("2", command="start", text="", payload=code))
    [answer] = await answers(sessions)
    assert answer.startswith("Welcome!")
    assert "/privacy" not in answer
    await door.hear(message("3"))
    assert (await answers(sessions))[1:] == [""]


@pytest.mark.parametrize(
    "form",
    [
        "{code}",
        " {code}\n",
        "{small}",
        "{joined}",
        "{blanks}",
        "https://t.me/parley_bot?start={code}",
    ],
)
async def test_a_code_is_known_however_it_is_typed(sessions: Sessions, form: str) -> None:
    code, door = await an_invite(sessions), invited(sessions)
    text = form.format(
        code=code,
        small=code.lower(),
        joined=code.replace("-", ""),
        blanks=code.replace("-", " "),
    )
    await door.hear(message("1", text=text))
    assert len(await answers(sessions)) == 1


@pytest.mark.parametrize("text", ["conversation", "What is 2+2?", "hello world 1", "", "2" * 300])
def test_words_are_no_code(text: str) -> None:
    assert access.code_in(text) is None


async def test_an_invite_serves_as_many_people_as_it_says_and_until_it_ends(
    sessions: Sessions,
) -> None:
    one = await an_invite(sessions)
    over = await an_invite(sessions, uses=9, until=NOW)
    revoked = await an_invite(sessions, uses=9)
    [newest, *_] = await commit(sessions, access.invites)
    assert revoked.startswith(newest.hint)
    assert await commit(sessions, lambda s: access.revoke(s, newest.id, now=NOW))
    assert not await commit(sessions, lambda s: access.revoke(s, newest.id, now=NOW))
    ada, bob = await person(sessions), await person(sessions, BOB)

    async def redeems(code: str, user_id: int) -> bool | None:
        done = await commit(sessions, lambda s: access.redeem(s, code, user_id, Limits(), now=NOW))
        return None if done is None else done.again

    assert await redeems(one, ada) is False
    assert await redeems(one, ada) is True
    assert await redeems(one, bob) is None
    for code in (over, revoked, "AAAA-AAAA-AAA2"):
        assert await redeems(code, bob) is None
    found = await commit(sessions, access.invites)
    assert [(each.used, each.is_open(NOW)) for each in found] == [
        (0, False),
        (0, False),
        (1, False),
    ]
    assert not (await standing(sessions, bob)).allowed


async def test_a_used_code_does_not_let_in_again_who_was_shut_out(sessions: Sessions) -> None:
    code, door = await an_invite(sessions, uses=5), invited(sessions)
    await door.hear(message("1", text=code))
    await commit(sessions, lambda s: access.shut_out(s, 1, now=NOW))
    await door.hear(message("2", text=code))
    assert await door.told() == [words.INVITE_INVALID]


async def test_wrong_codes_are_told_a_few_times_in_an_hour(sessions: Sessions) -> None:
    code, door = await an_invite(sessions), invited(sessions)
    for number in range(8):
        await door.hear(message(f"{number}", text=f"AAAA-AAAA-AAA{number + 2}"))
    *first, last = await door.told()
    assert (first, last) == ([words.INVITE_INVALID] * 4, words.INVITE_TOO_OFTEN)
    await door.hear(message("right", text=code))
    assert await answers(sessions) == [], "not even the right one"
    standings = models.standings
    long_ago = standings.update().values(guesses_at=NOW - timedelta(hours=1))
    await commit(sessions, lambda s: s.execute(long_ago))
    await door.hear(message("again", text=code))
    assert len(await answers(sessions)) == 1


async def test_no_code_lets_anybody_in_by_list_or_in_a_group(sessions: Sessions) -> None:
    code = await an_invite(sessions)
    await listed(sessions).hear(message("1", text=code))
    in_group = {"address": IN_GROUP, "private": False}
    await invited(sessions).hear(message("2", text=code, **in_group))
    await invited(sessions).hear(message("3", command="start", payload=code, **in_group))
    assert await answers(sessions) == []
    assert not (await standing(sessions, 1)).allowed


async def test_whoever_may_speak_already_redeems_an_invite_by_the_command(
    sessions: Sessions,
) -> None:
    code, door = await an_invite(sessions), Door(sessions, Rules())
    await door.hear(message("1", command="start", text=code))
    await door.hear(message("1", command="start", text=code))
    await door.hear(message("2", text=code))
    await door.hear(message("3", command="start", payload="ref_42", text=""))
    welcome, question, hello = await answers(sessions)
    assert welcome.startswith("Welcome!")
    assert (question, hello.startswith("Hello!")) == ("", True)


async def test_codes_of_a_flood_are_not_looked_at(sessions: Sessions) -> None:
    code, door = await an_invite(sessions), Door(sessions, Rules())
    for number in range(40):
        await door.hear(message(f"{number}", command="start", text=f"AAAA-AAAA-AA{number + 20}"))
    await door.hear(message("right", command="start", text=code))
    told = await answers(sessions)
    assert told[:5] == [words.INVITE_INVALID] * 5
    assert len(told) == 21, "as many as may wait, and one notice"
    assert not (await standing(sessions, 1)).allowed


async def test_codes_are_not_stored_and_are_all_different(sessions: Sessions) -> None:
    codes = {await an_invite(sessions) for _ in range(20)}
    assert len(codes) == 20
    found = await commit(sessions, lambda s: s.execute(select(models.invites)))
    stored = str(found.all())
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


REDEEM = """
import asyncio, sys
from core import access, db
from core.quota import Rules as Limits
from tests.core.rows import NOW

async def main(url, code, first, last):
    sessions = db.connect(url, connections=5)
    async def one(user_id):
        done = await db.transact(
            sessions, lambda s: access.redeem(s, code, user_id, Limits(), now=NOW), patience=60
        )
        return done is not None and not done.again
    sys.stdin.readline()
    people = [user for user in range(first, last) for _ in range(2)]
    results = await asyncio.gather(*map(one, people))
    sessions.close()
    print(sum(results))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.mark.slow
async def test_a_hundred_people_in_four_processes_share_ten_uses(postgres_url: str) -> None:
    """Each of them tries twice at the same moment, and all processes begin at once."""
    async with connected(postgres_url) as sessions:
        for number in range(100):
            await person(sessions, Author("telegram", f"{number}", "P"))
        code = await an_invite(sessions, uses=10)
        root = Path(__file__).parents[2]
        started = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", REDEEM, postgres_url, code, f"{first}", f"{first + 50}"),
                cwd=root,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for first in (1, 1, 51, 51)
        ]
        done = await asyncio.gather(*(each.communicate(b"go\n") for each in started))
        assert sum(int(out) for out, _ in done) == 10
        [invite] = await commit(sessions, access.invites)
        assert invite.used == 10
        people = select(func.count()).where(models.standings.c.allowed_at.is_not(None))
        assert await commit(sessions, lambda s: s.scalar(people)) == 10
        rows_ = select(func.count()).select_from(models.redemptions)
        assert await commit(sessions, lambda s: s.scalar(rows_)) == 10


# Groups


async def test_other_groups_are_ignored_for_one_read(sessions: Sessions) -> None:
    door = Door(sessions, Rules(groups=HERE))
    press = Change("p", ChangeKind.STOP, replace(GROUP, places=("-1",)), ADA, "1")
    for event in (in_chat("-1"), in_chat("-1", addressed=False, forwarded=True), press):
        with rows.statements(sessions) as seen:
            await door.hear(event)
        assert [each.split()[0] for each, _ in seen] == ["SELECT"]
    assert (door.errands, await counts(sessions)) == ([], {})
    await door.hear(in_chat("-7"), message("private"))
    assert await answers(sessions) == ["", ""]


async def test_a_channel_a_category_or_a_server_may_be_allowed(sessions: Sessions) -> None:
    door = Door(sessions, Rules(groups=HERE))
    author = replace(ADA, platform="discord")
    for chat, *around in (("30", "9"), ("31", "30", "9"), ("32", "33", "30"), ("34", "9")):
        said = in_chat(chat, *around, author=author)
        await door.hear(replace(said, address=replace(said.address, platform="discord")))
    assert await answers(sessions) == ["", "", ""]


@pytest.mark.parametrize(
    "event",
    [
        in_chat("-1"),
        Access("a", IN_GROUP),
        Membership("m", replace(IN_GROUP, chat="")),
        Membership("m", replace(IN_GROUP, chat="31", places=("9",)), ("31", "32")),
    ],
    ids=["a message", "added", "added without the right to write", "a server"],
)
async def test_the_bot_leaves_other_groups_if_told_to(sessions: Sessions, event: Any) -> None:
    door = Door(sessions, Rules(groups=HERE, leaves=True))
    await door.hear(event)
    [errand] = door.errands
    assert isinstance(errand, Leave)
    assert (errand.address.places, errand.text) == (event.address.places, words.LEAVING)
    assert await counts(sessions) == {}


async def test_the_bot_stays_in_a_server_with_one_allowed_channel(sessions: Sessions) -> None:
    door = Door(sessions, Rules(groups=HERE, leaves=True))
    server = replace(GROUP, platform="discord", chat="31", places=("9",))
    said = in_chat("31", "9")
    await door.hear(
        Membership("m", server, ("30", "31")),
        replace(said, address=replace(said.address, platform="discord")),
    )
    assert (door.errands, await counts(sessions)) == ([], {})


async def test_a_group_that_became_a_supergroup_keeps_its_permission(sessions: Sessions) -> None:
    rules = Rules(groups=HERE, leaves=True)
    moved = replace(GROUP, chat="-7")
    await Door(sessions, rules).hear(Move("m1", moved, "-1007"))
    await Door(sessions, rules).hear(Move("m2", replace(GROUP, chat="-1007"), "-1008"))
    door = Door(sessions, rules)
    await door.hear(in_chat("-1007"), in_chat("-1008"), in_chat("-1009"))
    assert await answers(sessions) == ["", ""]
    assert [type(errand) for errand in door.errands] == [Leave]
    later_on = Door(sessions, Rules(groups=frozenset(), leaves=True))
    await later_on.hear(in_chat("-1008", author=BOB))
    assert [type(errand) for errand in later_on.errands] == [Leave], "it is allowed no more"


# The cost of it all


@pytest.fixture(params=["open", "list"])
def rules(request: pytest.FixtureRequest) -> Rules:
    people = frozenset({ADA_ID}) if request.param == "list" else frozenset()
    return Rules(Mode(request.param), people=people, groups=HERE)


async def test_a_question_of_an_allowed_person_costs_no_further_statement(
    sessions: Sessions, rules: Rules
) -> None:
    await Door(sessions, Rules()).hear(message("1"))
    with rows.statements(sessions) as before:
        await Door(sessions, Rules()).hear(message("2"))
    with rows.statements(sessions) as after:
        await Door(sessions, rules).hear(message("3"))
    assert len(after) == len(before)
