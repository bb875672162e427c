"""A service's schema in Postgres: one pool, transactions on it, and the driver's own connections out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self, TypeAlias

import asyncpg
from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from services.storage.errors import store_errors

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""The driver's connection, for COPY and prepared statements."""

KEYED: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Planning a statement that writes a batch costs more than carrying it out.
        "plan_cache_mode": "force_generic_plan",
        # The plan is made for tables of any size: rows are found by their keys.
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
    }
)
"""Settings of a session that writes batches by one statement: one plan for all of them, which uses the keys only."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How connections are kept.

    Attributes:
        size: Connections kept open.
        overflow: Further ones in a rush.
        wait_seconds: How long to wait for a free one before the store counts as unavailable.
        connect_seconds: How long connecting may take.
        settings: Settings of every session, such as `KEYED`.
    """

    size: int = 5
    overflow: int = 5
    wait_seconds: float = 5.0
    connect_seconds: float = 5.0
    settings: Mapping[str, str] = field(default_factory=dict)


class Database:
    """One schema. An async context manager that closes the pool at its end."""

    def __init__(self, url: str, schema: str, options: PoolOptions = PoolOptions()) -> None:
        self.schema = schema
        self.engine: AsyncEngine = create_engine(url, schema, options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """Opens a session; what is not committed by `await session.commit()` is rolled back.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        with store_errors():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lends the driver's connection out of the same pool, outside of any transaction.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        with store_errors():
            async with self.engine.connect() as borrowed:
                driver = await _driver(borrowed)
                if driver.is_closed():
                    # Lost while it waited in the pool, which only watches what goes through SQLAlchemy.
                    await borrowed.invalidate()
                    driver = await _driver(borrowed)
                try:
                    yield driver
                except Exception:
                    raise
                except BaseException:
                    # Broken off, perhaps within a statement: a BEGIN that the server carries out all the same would be
                    # found by whoever borrows the connection next.
                    driver.terminate()
                    raise
                finally:
                    if driver.is_closed():
                        await borrowed.invalidate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lends the driver's connection within a transaction: committed at the end, rolled back by an exception.

        Raises:
            CodedError: STORE_UNAVAILABLE. Whether the commit was made is then unknown.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def ping(self) -> None:
        """Asks the store whether it is there.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self.unit_of_work() as session:
            await session.execute(text("select 1"))

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()


async def _driver(borrowed: AsyncConnection) -> Connection:
    driver = (await borrowed.get_raw_connection()).driver_connection
    assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - the engine is asyncpg's
    return driver


def driver_url(url: str) -> URL:
    """Returns the URL for SQLAlchemy's asyncpg dialect, of a usual `postgresql://` one."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def create_engine(url: str, schema: str, options: PoolOptions) -> AsyncEngine:
    """Returns the engine of a schema; it connects at first use."""
    arguments: dict[str, Any] = {
        "timeout": options.connect_seconds,
        "server_settings": {
            "search_path": schema,
            "application_name": f"ordermesh.{schema}",
            "timezone": "UTC",
            **options.settings,
        },
    }
    return create_async_engine(
        driver_url(url),
        pool_size=options.size,
        max_overflow=options.overflow,
        pool_timeout=options.wait_seconds,
        pool_pre_ping=False,
        connect_args=arguments,
    )
