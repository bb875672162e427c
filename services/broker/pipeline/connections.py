"""The care of connections: made, changed and deleted by the rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from services.broker.domain.capabilities import Environment
from services.broker.domain.connection import BUILT_IN, Connection, in_use
from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.ports import ConnectionStore
from services.broker.pipeline.venues import Venues
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, aborted
from services.kernel.identifiers import Identifiers


@dataclass(frozen=True, slots=True)
class Wish:
    """What a connection shall be made or changed to.

    Attributes:
        credentials: To store, by name; those of the same name are replaced.
        forget: Names of the credentials to forget.
    """

    display_name: str
    enabled: bool
    default_account_ids: Sequence[str]
    credentials: Mapping[str, str]
    forget: Sequence[str] = ()


class Connections:
    """Changes connections: one change at a time, stored, and only then seen in the directory.

    When the store is lost in the middle of a change, or the caller is, nobody knows whether it took effect. All are
    then loaded anew before the next change.
    """

    def __init__(
        self,
        store: ConnectionStore,
        directory: ConnectionDirectory,
        venues: Venues,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._store = store
        self._directory = directory
        self._venues = venues
        self._clock = clock
        self._identifiers = identifiers
        self._changing = asyncio.Lock()
        self._in_doubt = False

    async def load(self) -> None:
        """Loads all connections, and makes the built-in one at the first start.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        self._directory.see(await self._store.load_connections())
        if BUILT_IN not in self._directory.all:
            wish = Wish("Simulation", enabled=True, default_account_ids=(), credentials={})
            await self.create(BUILT_IN, "simulation", Environment.SIMULATION, wish)

    async def create(self, connection_id: str, adapter: str, environment: Environment, wish: Wish) -> Connection:
        """Makes a connection.

        Raises:
            CodedError: NOT_SUPPORTED_BY_ADAPTER, INVALID_FIELD, UNKNOWN_ACCOUNT, ALREADY_EXISTS, SERVICE_UNAVAILABLE or
                STORE_UNAVAILABLE.
        """
        capabilities = self._directory.adapter(adapter).capabilities
        capabilities.check_environment(environment)
        capabilities.check_credentials(wish.credentials)
        await self._directory.environments.require(wish.default_account_ids, environment)
        now = self._clock.now()
        name = connection_id or self._identifiers.new_id()
        connection = Connection(
            connection_id=name,
            display_name=wish.display_name or name,
            adapter=adapter,
            environment=environment,
            enabled=wish.enabled,
            default_account_ids=tuple(sorted(wish.default_account_ids)),
            credential_names=tuple(sorted(wish.credentials)),
            version=1,
            created_at=now,
            updated_at=now,
        )
        async with self._changes():
            with self._storing():
                await self._store.insert(connection, wish.credentials)
            self._directory.see([*self._directory.all.values(), connection])
        return connection

    async def update(self, connection_id: str, version: int, wish: Wish) -> Connection:
        """Changes a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION, VERSION_MISMATCH, CONNECTION_IN_USE, NOT_SUPPORTED_BY_ADAPTER,
                INVALID_FIELD, UNKNOWN_ACCOUNT, ALREADY_EXISTS, VENUE_UNAVAILABLE, SERVICE_UNAVAILABLE or
                STORE_UNAVAILABLE.
        """
        async with self._changes():
            before = self._directory.get(connection_id)
            before.check_version(version)
            await self._directory.environments.require(
                set(wish.default_account_ids) - set(before.default_account_ids), before.environment
            )
            names = (set(before.credential_names) - set(wish.forget)) | wish.credentials.keys()
            self._directory.adapter(before.adapter).capabilities.check_credentials(dict.fromkeys(names))
            if before.enabled and not wish.enabled:
                await self._check_unused(before)
            after = replace(
                before,
                display_name=wish.display_name or connection_id,
                enabled=wish.enabled,
                default_account_ids=tuple(sorted(wish.default_account_ids)),
                credential_names=tuple(sorted(names)),
                version=before.version + 1,
                updated_at=self._clock.now(),
            )
            with self._storing():
                if not await self._store.update(after, wish.credentials, wish.forget):
                    raise _changed_elsewhere(connection_id)
            self._directory.see([*self._others(connection_id), after])
        return after

    async def delete(self, connection_id: str, version: int) -> None:
        """Deletes a connection that has no orders open.

        Raises:
            CodedError: UNKNOWN_CONNECTION, VERSION_MISMATCH, CONNECTION_IN_USE, VENUE_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        async with self._changes():
            connection = self._directory.get(connection_id)
            connection.check_version(version)
            connection.check_deletable()
            await self._check_unused(connection)
            with self._storing():
                if not await self._store.delete(connection_id, connection.version):
                    raise _changed_elsewhere(connection_id)
            self._directory.see(self._others(connection_id))
            self._directory.adapter(connection.adapter).forget(connection_id)

    @asynccontextmanager
    async def _changes(self) -> AsyncIterator[None]:
        """Makes room for one change, of what is stored."""
        async with self._changing:
            if self._in_doubt:
                await self._load_anew()
                self._in_doubt = False
            yield

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Leaves a doubt behind unless the store has done as it was told; what is refused before leaves none."""
        self._in_doubt = True
        yield
        self._in_doubt = False

    async def _load_anew(self) -> None:
        before = self._directory.all
        self._directory.see(await self._store.load_connections())
        for gone in before.keys() - self._directory.all.keys():
            self._directory.adapter(before[gone].adapter).forget(gone)

    async def _check_unused(self, connection: Connection) -> None:
        if orders := await self._venues.all_open_orders(connection.connection_id):
            raise in_use(connection.connection_id, len(orders))

    def _others(self, connection_id: str) -> list[Connection]:
        return [each for each in self._directory.all.values() if each.connection_id != connection_id]


def _changed_elsewhere(connection_id: str) -> CodedError:
    return aborted("VERSION_MISMATCH", f"the connection {connection_id} was changed by another process")
