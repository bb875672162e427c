"""The connections there are, in memory: what routing and everybody else looks into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from services.broker.domain.capabilities import Capabilities
from services.broker.domain.connection import BUILT_IN, Connection
from services.broker.pipeline.environments import AccountEnvironments
from services.broker.pipeline.ports import VenueAdapter
from services.kernel.errors import CodedError, FieldViolation, invalid, not_found


class ConnectionDirectory:
    """All connections as they are stored, and the adapters behind them.

    Attributes:
        environments: The environments of accounts, which decide what their orders may reach.
    """

    def __init__(self, adapters: Mapping[str, VenueAdapter], environments: AccountEnvironments) -> None:
        """Knows no connection yet."""
        self.environments = environments
        self._adapters = adapters
        self._all: dict[str, Connection] = {}
        self._defaults: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def all(self) -> Mapping[str, Connection]:
        """The connections by id."""
        return self._all

    def see(self, connections: Sequence[Connection]) -> None:
        """Takes these for all there are, and tells the listeners."""
        self._all = {each.connection_id: each for each in connections}
        self._defaults = {
            account: each.connection_id for each in connections if each.enabled for account in each.default_account_ids
        }
        for listener in self._listeners:
            listener()

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

    def adapter_of(self, connection: Connection) -> VenueAdapter:
        """Returns the adapter behind a connection.

        Raises:
            CodedError: NOT_SUPPORTED_BY_ADAPTER, when its kind is not offered here.
        """
        return self.adapter(connection.adapter)

    def adapter(self, kind: str) -> VenueAdapter:
        """Returns an adapter by its kind.

        Raises:
            CodedError: NOT_SUPPORTED_BY_ADAPTER, when it is not offered here.
        """
        if (adapter := self._adapters.get(kind)) is None:
            text = f"there is no adapter {kind}; there is {', '.join(sorted(self._adapters))}"
            raise invalid("NOT_SUPPORTED_BY_ADAPTER", text, FieldViolation("adapter", text), adapter=kind)
        return adapter

    def capabilities(self, connection_id: str) -> Capabilities:
        """Returns what the adapter of a connection can do."""
        return self.adapter_of(self.get(connection_id)).capabilities


def unknown_connection(connection_id: str) -> CodedError:
    """Returns the error for a connection that there is not."""
    return not_found("UNKNOWN_CONNECTION", f"there is no connection {connection_id}", connection_id=connection_id)
