"""An account is one person wherever it speaks; a private talk is theirs, a group's the group's."""

import asyncio
from dataclasses import replace

from sqlalchemy import func, insert, select

from core import identity, memory, models
from core.adapter import Address, Author
from core.db import Sessions
from core.turns import Speaker
from tests.core import rows
from tests.core.rows import ADA, BOB, GROUP, HOME, NOW, commit, count

ADA_ON_DISCORD = Author("discord", ADA.account_id, "ada")
DISCORD = Address("discord", "9", "dm")


async def in_group(sessions: Sessions, author: Author, address: Address = GROUP) -> Speaker:
    return await rows.speaker(sessions, author, address, private=False)


async def test_an_account_is_the_same_person_again(sessions: Sessions) -> None:
    first = await rows.speaker(sessions)
    assert await rows.speaker(sessions) == first
    assert await commit(sessions, lambda s: identity.user_of(s, ADA)) == first.user_id
    assert await count(sessions, models.users) == await count(sessions, models.identities) == 1


async def test_an_account_that_never_spoke_has_no_user(sessions: Sessions) -> None:
    await rows.speaker(sessions)
    assert await commit(sessions, lambda s: identity.user_of(s, BOB)) is None


async def test_the_same_id_on_two_platforms_is_two_people(sessions: Sessions) -> None:
    there = await rows.speaker(sessions, ADA_ON_DISCORD, DISCORD)
    here = await rows.speaker(sessions)
    assert here.user_id != there.user_id
    assert here.conversation_id != there.conversation_id


async def test_two_accounts_of_one_person_share_their_private_conversation(
    sessions: Sessions,
) -> None:
    here = await rows.speaker(sessions)
    async with rows.begin(sessions) as session:
        there = insert(models.identities).values(
            user_id=here.user_id, platform="discord", account_id=ADA.account_id, name="ada"
        )
        await session.execute(there)
    assert await rows.speaker(sessions, ADA_ON_DISCORD, DISCORD) == here


async def test_a_private_conversation_belongs_to_the_person_and_a_group_s_to_its_address(
    sessions: Sessions,
) -> None:
    private = await rows.speaker(sessions)
    ada, bob = await in_group(sessions, ADA), await in_group(sessions, BOB)
    assert ada.user_id == private.user_id != bob.user_id
    assert ada.conversation_id == bob.conversation_id != private.conversation_id
    # In private the address tells nothing: it is the person who speaks.
    assert await rows.speaker(sessions, address=replace(HOME, bot_id="2")) == private


async def test_chats_threads_and_accounts_of_ours_are_apart(sessions: Sessions) -> None:
    addresses = [
        GROUP,
        replace(GROUP, thread="1"),
        replace(GROUP, thread="2"),
        replace(GROUP, chat="-2"),
        replace(GROUP, bot_id="2"),
    ]
    found = {(await in_group(sessions, ADA, address)).conversation_id for address in addresses}
    assert len(found) == len(addresses)


async def test_a_new_name_is_stored(sessions: Sessions) -> None:
    before = await rows.speaker(sessions)
    await rows.speaker(sessions, BOB, Address("telegram", "1", "200"))
    assert await rows.speaker(sessions, replace(ADA, name="Ada L.")) == before
    async with rows.begin(sessions) as session:
        names = await session.scalars(
            select(models.identities.c.name).order_by(models.identities.c.id)
        )
        assert list(names) == ["Ada L.", "Bob"]


async def test_the_epoch_is_the_conversation_s_now(sessions: Sessions) -> None:
    before = await rows.speaker(sessions)
    await commit(sessions, lambda s: memory.reset(s, before.conversation_id))
    assert await rows.speaker(sessions) == replace(before, epoch=before.epoch + 1)
    assert (await in_group(sessions, ADA)).epoch == 0


async def test_a_known_person_costs_one_statement(sessions: Sessions) -> None:
    await rows.speaker(sessions)
    await in_group(sessions, ADA)
    with rows.statements(sessions) as seen:
        await rows.speaker(sessions)
        await in_group(sessions, ADA)
    assert len(seen) == 2


async def test_first_messages_at_once_make_one_person(postgres_sessions: Sessions) -> None:
    addresses = [replace(GROUP, chat=str(number)) for number in range(5)]

    private = [rows.speaker(postgres_sessions) for _ in range(5)]
    in_groups = [in_group(postgres_sessions, ADA, address) for address in addresses]
    speakers = await asyncio.gather(*private, *in_groups)

    assert len({who.user_id for who in speakers}) == 1
    assert len({who.conversation_id for who in speakers}) == 1 + len(addresses)
    assert await count(postgres_sessions, models.users) == 1
    assert await count(postgres_sessions, models.identities) == 1


async def test_first_messages_of_a_group_at_once_make_one_conversation(
    postgres_sessions: Sessions,
) -> None:
    people = [Author("telegram", str(number), f"Person {number}") for number in range(8)]

    speakers = await asyncio.gather(*(in_group(postgres_sessions, who) for who in people))

    assert len({who.conversation_id for who in speakers}) == 1
    assert len({who.user_id for who in speakers}) == len(people)
    created = await commit(
        postgres_sessions, lambda s: s.scalar(select(func.max(models.conversations.c.created_at)))
    )
    assert created == NOW
