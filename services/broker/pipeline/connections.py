"""The care of connections: made, changed and deleted by the rules, kept in memory for routing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from services.broker.domain.account import VenueAccount
from services.broker.domain.capabilities import Capabilities, Environment
from services.broker.domain.connection import BUILT_IN, Connection, in_use
from services.broker.domain.messages import Correction, OpenOrders, VenueOrder
from services.broker.pipeline.environments import AccountEnvironments
from services.broker.pipeline.ports import ConnectionStore, VenueAdapter
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, ErrorKind, FieldViolation, aborted, invalid, not_found, unavailable
from services.kernel.identifiers import Identifiers
from services.mesh.audit import Change, Notes, asked

_ABOUT_THE_TRADE = (ErrorKind.NOT_FOUND, ErrorKind.INVALID, ErrorKind.PRECONDITION)


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
    """All connections. Changes are made one at a time, stored, and only then seen by routing.

    When the store is lost in the middle of a change, or the caller is, nobody knows whether it took effect. All are
    then loaded anew before the next change.
    """

    def __init__(
        self,
        store: ConnectionStore,
        adapters: Mapping[str, VenueAdapter],
        clock: Clock,
        identifiers: Identifiers,
        environments: AccountEnvironments,
        notes: Notes,
    ) -> None:
        """Knows no connection yet; `notes` records what venues have changed of trades, which they keep."""
        self._store = store
        self._notes = notes
        self._adapters = adapters
        self._clock = clock
        self._identifiers = identifiers
        self.environments = environments
        self._changing = asyncio.Lock()
        self._in_doubt = False
        self._all: dict[str, Connection] = {}
        self._defaults: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    async def load(self) -> None:
        """Loads all connections, and makes the built-in one at the first start.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        self._see(await self._store.load_connections())
        if BUILT_IN not in self._all:
            wish = Wish("Simulation", enabled=True, default_account_ids=(), credentials={})
            await self.create(BUILT_IN, "simulation", Environment.SIMULATION, wish)

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls the listener after each change."""
        self._listeners.append(listener)

    def routable(self) -> Mapping[str, Connection]:
        """Returns the connections that are switched on, by id."""
        return {name: each for name, each in self._all.items() if each.enabled and each.adapter in self._adapters}

    def known(self, connection_id: str) -> bool:
        """Tells whether there is a connection of that id."""
        return connection_id in self._all

    def default_of(self, account_id: str) -> str:
        """Returns the connection of an account whose orders name none."""
        return self._defaults.get(account_id, BUILT_IN)

    def adapter_of(self, connection: Connection) -> VenueAdapter:
        """Returns the adapter behind a connection.

        Raises:
            CodedError: NOT_SUPPORTED_BY_ADAPTER, when its kind is not offered here.
        """
        return self._adapter(connection.adapter)

    def get(self, connection_id: str) -> Connection:
        """Returns a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION.
        """
        if (connection := self._all.get(connection_id)) is None:
            raise unknown_connection(connection_id)
        return connection

    def list_after(
        self, connection_id: str, limit: int, adapter: str = "", only: Callable[[Connection], bool] | None = None
    ) -> list[Connection]:
        """Returns up to a number of connections whose id follows, by id; `only` tells which. None: all."""
        wanted = (
            connection
            for name, connection in sorted(self._all.items())
            if name > connection_id and adapter in ("", connection.adapter) and (only is None or only(connection))
        )
        return [each for each, _ in zip(wanted, range(limit), strict=False)]

    async def create(self, connection_id: str, adapter: str, environment: Environment, wish: Wish) -> Connection:
        """Makes a connection.

        Raises:
            CodedError: NOT_SUPPORTED_BY_ADAPTER, INVALID_FIELD, UNKNOWN_ACCOUNT, ALREADY_EXISTS, SERVICE_UNAVAILABLE or
                STORE_UNAVAILABLE.
        """
        capabilities = self._adapter(adapter).capabilities
        capabilities.check_environment(environment)
        capabilities.check_credentials(wish.credentials)
        await self.environments.require(wish.default_account_ids, environment)
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
        async with self._writing():
            await self._store.insert(connection, wish.credentials)
            self._see([*self._all.values(), connection])
        return connection

    async def update(self, connection_id: str, version: int, wish: Wish) -> Connection:
        """Changes a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION, VERSION_MISMATCH, CONNECTION_IN_USE, NOT_SUPPORTED_BY_ADAPTER,
                INVALID_FIELD, UNKNOWN_ACCOUNT, ALREADY_EXISTS, VENUE_UNAVAILABLE, SERVICE_UNAVAILABLE or
                STORE_UNAVAILABLE.
        """
        async with self._writing():
            before = self.get(connection_id)
            before.check_version(version)
            await self.environments.require(
                set(wish.default_account_ids) - set(before.default_account_ids), before.environment
            )
            names = (set(before.credential_names) - set(wish.forget)) | wish.credentials.keys()
            self._adapter(before.adapter).capabilities.check_credentials(dict.fromkeys(names))
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
            if not await self._store.update(after, wish.credentials, wish.forget):
                raise aborted("VERSION_MISMATCH", f"the connection {connection_id} was changed by another process")
            self._see([*self._others(connection_id), after])
        return after

    async def delete(self, connection_id: str, version: int) -> None:
        """Deletes a connection that has no orders open.

        Raises:
            CodedError: UNKNOWN_CONNECTION, VERSION_MISMATCH, CONNECTION_IN_USE, VENUE_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        async with self._writing():
            connection = self.get(connection_id)
            connection.check_version(version)
            connection.check_deletable()
            await self._check_unused(connection)
            if not await self._store.delete(connection_id, connection.version):
                raise aborted("VERSION_MISMATCH", f"the connection {connection_id} was changed by another process")
            self._see(self._others(connection_id))
            self._adapter(connection.adapter).forget(connection_id)

    def capabilities(self, connection_id: str) -> Capabilities:
        """Returns what the adapter of a connection can do."""
        return self.adapter_of(self.get(connection_id)).capabilities

    async def account(self, connection_id: str) -> VenueAccount:
        """Returns money and positions of a connection by the venue's books.

        Raises:
            CodedError: UNKNOWN_CONNECTION or VENUE_UNAVAILABLE.
        """
        adapter = self.adapter_of(self.get(connection_id))
        try:
            return await adapter.account(connection_id)
        except CodedError as error:
            raise _venue_error(error) from error

    async def open_orders(self, connection_id: str, shard: int) -> OpenOrders:
        """Returns the orders of one shard that are open at the venue of a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION or VENUE_UNAVAILABLE.
        """
        adapter = self.adapter_of(self.get(connection_id))
        try:
            return await adapter.open_orders(connection_id, shard)
        except CodedError as error:
            raise _venue_error(error) from error

    async def all_open_orders(self, connection_id: str) -> list[VenueOrder]:
        """Returns the orders of all shards that are open at the venue of a connection.

        Raises:
            CodedError: UNKNOWN_CONNECTION or VENUE_UNAVAILABLE.
        """
        shards = self.adapter_of(self.get(connection_id)).shards(connection_id)
        told = [await self.open_orders(connection_id, shard) for shard in shards]
        return [order for each in told for order in each.orders]

    async def adjust_trade(self, connection_id: str, venue_execution_id: str, correction: Correction | None) -> bool:
        """Has the venue take a trade back, or correct it; returns whether that changed anything.

        Raises:
            CodedError: UNKNOWN_CONNECTION, NOT_SUPPORTED_BY_ADAPTER, UNKNOWN_TRADE, TRADE_CANCELED, INVALID_FIELD,
                PRICE_OFF_TICK, QUANTITY_OFF_LOT or VENUE_UNAVAILABLE.
        """
        connection = self.get(connection_id)
        adapter = self.adapter_of(connection)
        adapter.capabilities.check_adjusts_trades(connection.environment)
        new = {"connection_id": connection_id, "busted": correction is None, "correction": correction}
        change = Change("trade", venue_execution_id, environment=connection.environment, new=new)
        async with asked(self._notes, change) as answer:
            changed = await _of_venue(adapter.adjust_trade(connection_id, venue_execution_id, correction))
            answer.new = {**new, "changed": changed}
        return changed

    async def probe(self, adapter: str) -> str:
        """Returns why the venue of an adapter cannot be reached; empty when it can."""
        try:
            await self._adapter(adapter).probe()
        except CodedError as error:
            return error.message
        return ""

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        async with self._changing:
            if self._in_doubt:
                await self._load_anew()
            self._in_doubt = True
            yield
            self._in_doubt = False

    async def _load_anew(self) -> None:
        before = self._all
        self._see(await self._store.load_connections())
        for gone in before.keys() - self._all.keys():
            self._adapter(before[gone].adapter).forget(gone)

    def _adapter(self, kind: str) -> VenueAdapter:
        if (adapter := self._adapters.get(kind)) is None:
            text = f"there is no adapter {kind}; there is {', '.join(sorted(self._adapters))}"
            raise invalid("NOT_SUPPORTED_BY_ADAPTER", text, FieldViolation("adapter", text), adapter=kind)
        return adapter

    async def _check_unused(self, connection: Connection) -> None:
        if orders := await self.all_open_orders(connection.connection_id):
            raise in_use(connection.connection_id, len(orders))

    def _others(self, connection_id: str) -> list[Connection]:
        return [each for each in self._all.values() if each.connection_id != connection_id]

    def _see(self, connections: Sequence[Connection]) -> None:
        self._all = {each.connection_id: each for each in connections}
        self._defaults = {
            account: each.connection_id for each in connections if each.enabled for account in each.default_account_ids
        }
        for listener in self._listeners:
            listener()


async def _of_venue(adjusting: Awaitable[bool]) -> bool:
    try:
        return await adjusting
    except CodedError as error:
        if error.kind in _ABOUT_THE_TRADE:
            raise
        raise _venue_error(error) from error


def _venue_error(error: CodedError) -> CodedError:
    return unavailable("VENUE_UNAVAILABLE", f"the venue cannot be asked now: {error.message}", retry_after_seconds=1.0)


def unknown_connection(connection_id: str) -> CodedError:
    """Returns the error for a connection that there is not."""
    return not_found("UNKNOWN_CONNECTION", f"there is no connection {connection_id}", connection_id=connection_id)
