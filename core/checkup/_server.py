"""The checks inside a PostgreSQL server."""

from datetime import UTC, datetime

from sqlalchemy import text

from core.db import Session
from core.findings import Finding, fault, warning
from core.models import metadata

SKEW = 10.0
"""The seconds by which a clock may be off."""

_RIGHTS = text(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname = ANY(:tables)"
    " AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
    " AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))"
    " ORDER BY c.relname"
)
_STATE = text(
    "SELECT current_setting('transaction_read_only') = 'on' AS is_read_only,"
    " current_setting('server_encoding') AS encoding, clock_timestamp() AS time"
)
_CONNECTIONS = text(
    "SELECT current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int AS most,"
    " (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS of_role,"
    " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used"
)
_IDENTITY = text(
    "SELECT oid::text, pg_postmaster_start_time()::text FROM pg_database"
    " WHERE datname = current_database()"
)


async def rights(session: Session) -> list[Finding]:
    """Return what the role may not do, and what is wrong with the server as a whole."""
    found = []
    state = (await session.execute(_STATE)).one()
    if state.is_read_only:
        what = "DATABASE_URL: the database takes no writes"
        remedy = "name the server that does, or end its default_transaction_read_only"
        found.append(fault("database.writes", what, remedy))
    if state.encoding != "UTF8":
        what = f"DATABASE_URL: the database stores {state.encoding}, which cannot hold every text"
        remedy = "make one with ENCODING 'UTF8' TEMPLATE template0"
        found.append(fault("database.encoding", what, remedy))
    if (off := abs((state.time - datetime.now(UTC)).total_seconds())) > SKEW:
        what = f"the clocks of this machine and of the database differ by {off:.0f} s"
        found.append(warning("clock.database", what, "let both follow a time server"))
    tables = list(await session.scalars(_RIGHTS, {"tables": sorted(metadata.tables)}))
    if tables:
        what = f"DATABASE_URL: its role may not read and write {', '.join(tables)}"
        remedy = "grant it SELECT, INSERT, UPDATE and DELETE on all tables of the schema"
        found.append(fault("database.rights", what, remedy))
    return found


async def connections(session: Session, needed: int) -> list[Finding]:
    """Return a finding if the server has no room for one more process with so many connections."""
    row = (await session.execute(_CONNECTIONS)).one()
    most = row.most if row.of_role is None or row.of_role < 0 else min(row.most, row.of_role)
    if needed > most:
        what = (
            f"DATABASE_CONNECTIONS: a process takes {needed} connections, but the server lets this"
            f" role have {most}"
        )
        remedy = "lower DATABASE_CONNECTIONS, or raise the limit of the role or of the server"
        return [fault("database.connections", what, remedy)]
    if row.used + needed > row.most:
        what = f"{row.used} of the database's {row.most} connections are taken, and one process"
        remedy = "lower DATABASE_CONNECTIONS, stop other programs, or raise max_connections"
        return [warning("database.connections", f"{what} needs {needed}", remedy)]
    return []


async def identity(session: Session) -> tuple[str, ...]:
    """Return values that are the same on every way to one database, and nowhere else."""
    return tuple((await session.execute(_IDENTITY)).one())
