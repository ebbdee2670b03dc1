"""`parley doctor` on a real PostgreSQL, also behind a real PgBouncer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import URL, make_url

from core.findings import Severity
from tests import postgres
from tests.pgbouncer import BINARY, pooling
from tests.setup.scene import Scene

pooled = pytest.mark.skipif(BINARY is None, reason="PgBouncer is not installed")


@pytest.fixture
async def server(scene: Scene, postgres_url: str) -> Scene:
    """A healthy bot on PostgreSQL, which runs."""
    scene.write(DATABASE_URL=postgres_url)
    await scene.listen("telegram", scene.telegram.bot_id)
    return scene


@pytest.fixture
async def pooler(postgres_url: str) -> AsyncIterator[str]:
    async with pooling(postgres_url) as url:
        yield url


@contextmanager
def administered(url: str) -> Iterator[psycopg.Connection]:
    """A connection to a database itself."""
    with postgres.administer(make_url(url)) as connection:
        yield connection


async def names(scene: Scene) -> set[str]:
    """Return the names of the findings, each of which must have a remedy and no password."""
    found = await scene.find()
    for each in found:
        assert each.severity is not Severity.NOTE
        assert each.remedy
        assert "hush-hush" not in str(each)
    return {each.name for each in found}


async def test_a_healthy_bot_on_a_server_has_nothing(server: Scene) -> None:
    assert await server.find() == []


async def test_a_server_that_is_away_is_named(server: Scene) -> None:
    server.write(DATABASE_URL="postgres://parley:hush-hush@127.0.0.1:1/parley")
    assert await names(server) == {"database.unusable"}


async def test_a_server_that_says_nothing_is_named_in_time(server: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        server.write(DATABASE_URL=f"postgres://parley:hush-hush@127.0.0.1:{port}/parley")
        async with asyncio.timeout(30):
            assert await names(server) == {"database.unusable"}


async def test_a_database_that_does_not_exist_is_named(server: Scene, postgres_url: str) -> None:
    url = make_url(postgres_url).set(database="nowhere")
    server.write(DATABASE_URL=postgres.render(url))
    assert await names(server) == {"database.unusable"}


async def test_missing_tables_are_named_with_the_command(
    server: Scene, postgres_server: URL
) -> None:
    with postgres.database(postgres_server) as url:
        server.write(DATABASE_URL=url)
        [found] = await server.find()
    assert (found.name, found.remedy) == ("database.tables", "run: parley migrate")


async def test_older_tables_are_named_with_the_command(server: Scene) -> None:
    await server.records.write("UPDATE alembic_version SET version_num = '0001'")
    [found] = await server.find()
    assert (found.name, found.remedy) == ("database.tables", "run: parley migrate")


async def test_another_encoding_is_named(server: Scene, postgres_server: URL) -> None:
    with postgres.administer(postgres_server) as admin:
        admin.execute(
            "CREATE DATABASE in_latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
            " TEMPLATE template0"
        )
        try:
            server.write(DATABASE_URL=postgres.render(postgres_server.set(database="in_latin")))
            assert await names(server) == {"database.encoding", "database.tables"}
        finally:
            admin.execute("DROP DATABASE in_latin WITH (FORCE)")


async def test_a_database_that_takes_no_writes_is_named(server: Scene, postgres_url: str) -> None:
    name = make_url(postgres_url).database
    with administered(postgres_url) as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "database.writes" in await names(server)


async def test_a_role_without_rights_or_room_is_named(server: Scene, postgres_url: str) -> None:
    role = f"{make_url(postgres_url).database}_role"
    with administered(postgres_url) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 3")
        try:
            theirs = make_url(postgres_url).set(username=role)
            server.write(DATABASE_URL=postgres.render(theirs))
            found = {each.name: each for each in await server.find()}
            assert found.keys() == {"database.rights", "database.connections"}
            assert "turns" in found["database.rights"].what
        finally:
            admin.execute(f"DROP OWNED BY {role}")
            admin.execute(f"DROP ROLE {role}")


async def test_more_connections_than_there_are_is_named(server: Scene) -> None:
    server.write(DATABASE_CONNECTIONS="5000")
    assert await names(server) == {"database.connections"}


@pooled
async def test_a_pooler_without_the_server_behind_it_is_named(server: Scene, pooler: str) -> None:
    server.write(DATABASE_URL=pooler)
    assert await names(server) == {"database.pooler"}


@pooled
async def test_a_pooler_with_the_server_behind_it_is_well(
    server: Scene, pooler: str, postgres_url: str
) -> None:
    server.write(DATABASE_URL=pooler, DATABASE_DIRECT_URL=postgres_url)
    assert await server.find() == []


@pooled
async def test_a_way_past_the_pooler_that_leads_to_it_is_named(server: Scene, pooler: str) -> None:
    server.write(DATABASE_URL=pooler, DATABASE_DIRECT_URL=pooler)
    [found] = await server.find()
    assert (found.name, "pooler, too" in found.what) == ("database.direct", True)


@pooled
async def test_a_way_past_the_pooler_to_another_database_is_named(
    server: Scene, pooler: str, postgres_server: URL
) -> None:
    server.write(DATABASE_URL=pooler, DATABASE_DIRECT_URL=postgres.render(postgres_server))
    [found] = await server.find()
    assert (found.name, "another database" in found.what) == ("database.direct", True)


async def test_a_way_past_the_pooler_to_nowhere_is_named(server: Scene) -> None:
    server.write(DATABASE_DIRECT_URL="postgres://u:hush-hush@127.0.0.1:1/parley")
    assert await names(server) == {"database.direct"}
