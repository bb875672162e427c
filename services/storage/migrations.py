"""Brings a service's schema up to date with the migrations in its folder."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
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
    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, schema=schema)
    command.upgrade(config, "head")
