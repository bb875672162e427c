"""Brings a service's schema up to date with the migrations in its folder."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from services.storage.database import PoolOptions, create_engine
from services.storage.errors import store_errors

_SERVICES = Path(__file__).resolve().parent.parent
_ENVIRONMENT = Path(__file__).resolve().parent / "alembic"


async def migrate(url: str, service: str, *, schema: str | None = None, folder: Path | None = None) -> None:
    """Creates the schema if need be and upgrades it to the newest version, in one transaction.

    Processes that start together wait for one another on an advisory lock.

    Args:
        url: Of Postgres.
        service: Folder under `services/`, whose `migrations/versions/*.py` are run.
        schema: Its schema, when it is not named as the service.
        folder: Where the versions are, when not there.

    Raises:
        CodedError: STORE_UNAVAILABLE.
    """
    schema = schema or service
    versions = folder or _SERVICES / service / "migrations" / "versions"
    engine = create_engine(url, schema, PoolOptions(size=1))
    try:
        with store_errors():
            async with engine.begin() as connection:
                await connection.run_sync(_upgrade, schema, versions)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, schema: str, versions: Path) -> None:
    quoted = connection.dialect.identifier_preparer.quote(schema)
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"ordermesh.{schema}"}
    )
    connection.execute(text(f"create schema if not exists {quoted}"))
    if _is_newest(connection, quoted, versions):
        return
    # What most starts do without is what takes them longest to load.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, schema=schema)
    command.upgrade(config, "head")


def _is_newest(connection: Connection, schema: str, versions: Path) -> bool:
    """Tells whether a schema is at the newest version: that of the last file, whose name begins with it."""
    newest = max(path.name.partition("_")[0] for path in versions.glob("[0-9]*.py"))
    if connection.execute(text("select to_regclass(:name)"), {"name": f"{schema}.schema_version"}).scalar() is None:
        return False
    at = connection.execute(text(f"select version_num from {schema}.schema_version"))  # noqa: S608 - a quoted name
    return at.scalars().all() == [newest]
