"""The route stream of one shard: its commands spread over connections, their reports gathered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from services.broker.domain.capabilities import Capabilities, Environment
from services.broker.domain.connection import BUILT_IN, Connection
from services.broker.domain.messages import Command, Cursor, NewOrder, Report, ReportKind
from services.broker.pipeline.environments import AccountEnvironments
from services.broker.pipeline.outbox import Down, Outbox
from services.broker.pipeline.ports import VenueAdapter
from services.broker.pipeline.session import ConnectionSession, Counts
from services.kernel.clock import Clock

_MOST_REMEMBERED: Final = 100_000

_log = structlog.stdlib.get_logger(__name__)


class Directory(Protocol):
    """The connections there are, as routing sees them."""

    def routable(self) -> Mapping[str, Connection]:
        """Returns the connections that are switched on, by id."""
        ...

    def known(self, connection_id: str) -> bool:
        """Tells whether there is a connection of that id, switched on or not."""
        ...

    def default_of(self, account_id: str) -> str:
        """Returns the connection of an account whose orders name none."""
        ...

    def adapter_of(self, connection: Connection) -> VenueAdapter:
        """Returns the adapter behind a connection."""
        ...

    @property
    def environments(self) -> AccountEnvironments:
        """The environments of accounts."""
        ...


@dataclass(slots=True)
class _Running:
    session: ConnectionSession
    task: asyncio.Task[None]
    capabilities: Capabilities
    takes_everything: bool
    environment: Environment


@dataclass(slots=True)
class Routes:
    """The route streams there are, one for each shard."""

    directory: Directory
    clock: Clock
    counts: Counts = field(default_factory=Counts)
    _by_shard: dict[int, Route] = field(default_factory=dict)

    def open(self, shard: int, cursors: Mapping[str, Cursor]) -> Route:
        """Begins the route of a shard; one that it had before ends."""
        if (before := self._by_shard.pop(shard, None)) is not None:
            _log.info("a new route stream replaces the one before", shard=shard)
            before.close()
        route = Route(shard, self.directory, self.clock, self.counts, cursors)
        self._by_shard[shard] = route
        route.adjust()
        return route

    async def end(self, route: Route) -> None:
        """Ends a route and waits until its sessions have ended."""
        if self._by_shard.get(route.shard) is route:
            del self._by_shard[route.shard]
        await route.end()

    def adjust(self) -> None:
        """Takes note of connections made, changed or deleted."""
        for route in self._by_shard.values():
            route.adjust()

    def shards(self) -> list[int]:
        """Returns the shards that have a route now."""
        return sorted(self._by_shard)

    def up(self, connection_id: str) -> bool | None:
        """Tells whether a connection is up; None when no shard uses it now."""
        states = [state for route in self._by_shard.values() if (state := route.up(connection_id)) is not None]
        return all(states) if states else None


class Route:
    """One route stream."""

    def __init__(
        self, shard: int, directory: Directory, clock: Clock, counts: Counts, cursors: Mapping[str, Cursor]
    ) -> None:
        self.shard = shard
        self.outbox = Outbox()
        self._directory = directory
        self._environments = directory.environments
        self._clock = clock
        self._counts = counts
        self._cursors = dict(cursors)
        self._running: dict[str, _Running] = {}
        self._chosen: dict[str, str] = {}

    def adjust(self) -> None:
        """Opens sessions for connections that have none, and ends those of connections that are gone."""
        routable = self._directory.routable()
        for connection_id in self._running.keys() - routable.keys():
            self._stop(connection_id)
        for connection_id in sorted(routable.keys() - self._running.keys()):
            self._start(routable[connection_id])

    def ready(self, connection_id: str, opened_number: int) -> None:
        """Takes the answer of OrderService to an opening."""
        if (running := self._running.get(connection_id)) is not None:
            running.session.ready(opened_number)

    async def take(self, commands: Sequence[Command]) -> None:
        """Hands commands on as `submit` does, once the accounts of their orders were asked for."""
        unmet = self._environments.unmet(commands)
        self.submit(commands, await self._environments.meet(unmet) if unmet else frozenset())

    def submit(self, commands: Sequence[Command], untold: frozenset[str] = frozenset()) -> None:
        """Hands commands to the sessions of their connections, those of one connection in their order.

        An order of an account of another environment than the connection's, or of one that is not known, is refused: it
        has never been delivered, for this is looked at each time.

        Args:
            commands: In the order of the log.
            untold: Accounts of which it cannot be told now what they are.
        """
        by_connection: dict[str, list[Command]] = {}
        for command in commands:
            connection_id = command.connection_id or self._choose(command)
            if (listed := by_connection.get(connection_id)) is None:
                by_connection[connection_id] = listed = []
            listed.append(command)
        for connection_id, listed in by_connection.items():
            if (running := self._running.get(connection_id)) is None:
                self._refuse(connection_id, listed)
                continue
            allowed = self._of_environment(connection_id, listed, running.environment, untold)
            if running.takes_everything:
                running.session.submit(allowed)
            else:
                running.session.submit(self._supported(connection_id, allowed, running.capabilities))

    def up(self, connection_id: str) -> bool | None:
        """Tells whether a connection is up; None when the route does not use it."""
        running = self._running.get(connection_id)
        return None if running is None else running.session.up

    def close(self) -> None:
        """Ends all sessions, and the outbox once it is empty."""
        for running in self._running.values():
            running.task.cancel()
        self.outbox.close()

    async def end(self) -> None:
        """Ends all sessions and waits until they have ended."""
        self.close()
        await asyncio.gather(*(running.task for running in self._running.values()), return_exceptions=True)

    def _start(self, connection: Connection) -> None:
        adapter = self._directory.adapter_of(connection)
        cursor = self._cursors.get(connection.connection_id, Cursor())
        session = ConnectionSession(
            connection.connection_id,
            self.shard,
            adapter,
            cursor,
            self.outbox,
            counts=self._counts,
            environment=connection.environment,
        )
        task = asyncio.create_task(session.run(), name=f"session {connection.connection_id}/{self.shard}")
        task.add_done_callback(self._session_ended)
        capabilities = adapter.capabilities
        running = _Running(session, task, capabilities, capabilities.takes_everything, connection.environment)
        self._running[connection.connection_id] = running

    def _stop(self, connection_id: str) -> None:
        running = self._running.pop(connection_id)
        self._cursors[connection_id] = running.session.cursor
        running.task.cancel()
        self.outbox.tell(Down(connection_id, "the connection is switched off"))

    def _session_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        _log.critical("a session died; its route ends", exc_info=task.exception(), shard=self.shard)
        self.close()

    def _choose(self, command: Command) -> str:
        """Returns the connection of a command that names none: where its order went, or the account's."""
        if not isinstance(command, NewOrder):
            return self._chosen.get(command.order_id, BUILT_IN)
        chosen = self._directory.default_of(command.account_id)
        if chosen != BUILT_IN:
            if len(self._chosen) >= _MOST_REMEMBERED:
                self._chosen.pop(next(iter(self._chosen)))
            self._chosen[command.order_id] = chosen
        return chosen

    def _refuse(self, connection_id: str, commands: Sequence[Command]) -> None:
        """Answers commands that no venue will ever get. They were never delivered, so that refusing them is safe."""
        known = self._directory.known(connection_id)
        reason = "VENUE_UNAVAILABLE" if known else "UNKNOWN_CONNECTION"
        text = f"the connection {connection_id} is switched off" if known else f"there is no connection {connection_id}"
        self._tell_refusals(connection_id, commands, reason, text)

    def _of_environment(
        self, connection_id: str, commands: Sequence[Command], environment: Environment, untold: frozenset[str]
    ) -> Sequence[Command]:
        """Leaves out, and refuses, orders of accounts that are not, or may not be, of the connection's environment."""
        of = self._environments.known.get
        strange = [each for each in commands if type(each) is NewOrder and of(each.account_id) is not environment]
        if not strange:
            return commands
        for each in strange:
            if each.account_id in untold:
                text = "PortfolioService does not tell now what the account is; place the order again"
                self._tell_refusals(connection_id, (each,), "SERVICE_UNAVAILABLE", text)
            else:
                text = f"the account is not of the environment of the connection {connection_id}"
                self._tell_refusals(connection_id, (each,), "ENVIRONMENT_MISMATCH", text)
        refused = {each.command_sequence for each in strange}
        return [each for each in commands if each.command_sequence not in refused]

    def _supported(self, connection_id: str, commands: Sequence[Command], offered: Capabilities) -> list[Command]:
        """Leaves out, and refuses, what the adapter does not offer."""
        supported: list[Command] = []
        for command in commands:
            if lacking := offered.lacks(command):
                text = f"the adapter of the connection {connection_id} does not {lacking}"
                self._tell_refusals(connection_id, (command,), "NOT_SUPPORTED_BY_ADAPTER", text)
            else:
                supported.append(command)
        return supported

    def _tell_refusals(self, connection_id: str, commands: Sequence[Command], reason: str, text: str) -> None:
        now = self._clock.now_ns()
        self.outbox.add(connection_id, [_refusal(command, reason, text, now) for command in commands])


def _refusal(command: Command, reason: str, text: str, now_ns: int) -> Report:
    kind = ReportKind.REJECTED if isinstance(command, NewOrder) else ReportKind.CANCEL_REJECTED
    return Report(
        0,
        kind,
        command.order_id,
        cumulative_quantity="0",
        reason=reason,
        text=text,
        time_ns=now_ns,
        command_sequence=command.command_sequence,
    )
