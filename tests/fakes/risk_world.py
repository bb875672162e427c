"""RiskService with its servicers behind a real gRPC server; accounts, instruments and the store are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from ordermesh.event.v1 import event_log_service_pb2_grpc
from ordermesh.order.v1 import execution_report_pb2
from ordermesh.risk.v1 import reservation_service_pb2, reservation_service_pb2_grpc, risk_service_pb2_grpc
from ordermesh.type.v1 import trading_pb2
from services.kernel.errors import unavailable
from services.kernel.identifiers import UuidV7
from services.mesh.client import Channel, Channels
from services.mesh.draining import Draining
from services.mesh.server import Server
from services.mesh.streams import Hub
from services.mesh.telemetry import Telemetry
from services.risk.domain.alert import Alert
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import FIRM, Parameters
from services.risk.domain.market import Market
from services.risk.domain.trading import KillSwitch
from services.risk.pipeline.alerts import AlertLog
from services.risk.pipeline.book import Book
from services.risk.pipeline.breakers import Breakers
from services.risk.pipeline.keeping import Keeper
from services.risk.pipeline.parameters import ParameterKeeper
from services.risk.pipeline.ports import AlertFilter, Changes, Kept, LogCursor, SavedDay, SavedExposure, Standing
from services.risk.pipeline.reserving import Reserving
from services.risk.pipeline.trading import Trading
from services.risk.pipeline.watching import Watcher
from services.risk.pipeline.withdrawing import Withdrawing
from services.risk.servicer.event_log import EventLogServicer
from services.risk.servicer.reservation import ReservationServicer
from services.risk.servicer.risk import Alerts, RiskServicer
from services.risk.store.alerts import AlertPublication
from tests.fakes.broker_world import until
from tests.fakes.clock import FakeClock

EPOCH = str(UUID(int=1))


class FakeAccounts:
    """Accounts that a test names.

    Attributes:
        there: Accounts that exist.
        reachable: Whether anybody answers.
    """

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.reachable = True
        self.asked: list[str] = []
        self._known: set[str] = set()

    def known(self, account_id: str) -> bool:
        return account_id in self._known

    async def find(self, account_id: str) -> Standing:
        self.asked.append(account_id)
        if not self.reachable:
            return Standing.UNREACHABLE
        if account_id not in self.there:
            return Standing.UNKNOWN
        self._known.add(account_id)
        return Standing.KNOWN


class FakeMarkets:
    """Instruments that a test names.

    Attributes:
        live: Whether prices are fresh.
        hidden: Instruments that exist, but are only told when asked for.
    """

    def __init__(self, *markets: Market) -> None:
        self.all = {each.instrument: each for each in markets}
        self.hidden: dict[str, Market] = {}
        self.live = True
        self.reachable = True

    def get(self, instrument: str) -> Market | None:
        return self.all.get(instrument)

    async def find(self, instrument: str) -> Standing:
        if not self.reachable:
            return Standing.UNREACHABLE
        if instrument in self.hidden:
            self.all[instrument] = self.hidden[instrument]
        return Standing.KNOWN if instrument in self.all else Standing.UNKNOWN

    async def require(self, instruments: Iterable[str]) -> None:
        for instrument in instruments:
            assert await self.find(instrument) == Standing.KNOWN

    def fresh(self, now_ns: int) -> bool:
        return self.live


class FakeRiskStore:
    """Everything that RiskService keeps, in memory.

    Attributes:
        broken: The store does not answer.
        slow: Switches are not stored before it is set.
    """

    def __init__(self) -> None:
        self.exposures: dict[tuple[str, str], SavedExposure] = {}
        self.days: dict[str, SavedDay] = {}
        self.cursors: dict[int, LogCursor] = {}
        self.parameters: dict[str, Parameters] = {}
        self.breakers: dict[str, Breaker] = {}
        self.switches: dict[str, KillSwitch] = {}
        self.alerts: list[Alert] = []
        self.broken = False
        self.slow: asyncio.Event | None = None
        self.saves = 0

    async def load(self) -> Kept:
        return Kept(list(self.exposures.values()), list(self.days.values()), list(self.cursors.values()))

    async def save(self, changes: Changes) -> None:
        self._check()
        self.saves += 1
        for shard in changes.begun_anew:
            self.exposures = {key: each for key, each in self.exposures.items() if each.shard != shard}
            self.days = {key: each for key, each in self.days.items() if each.shard != shard}
        self.exposures |= {(each.account_id, each.instrument): each for each in changes.exposures}
        self.days |= {each.account_id: each for each in changes.days}
        self.cursors |= {each.shard: each for each in changes.cursors}

    async def load_parameters(self) -> Mapping[str, Parameters]:
        return dict(self.parameters)

    async def save_parameters(self, parameters: Parameters) -> bool:
        self._check()
        before = self.parameters.get(parameters.account_id)
        if before is not None and before.version != parameters.version - 1:
            return False
        self.parameters[parameters.account_id] = parameters
        return True

    async def load_breakers(self) -> Mapping[str, Breaker]:
        return dict(self.breakers)

    async def save_breakers(self, breakers: Sequence[Breaker]) -> None:
        self._check()
        self.breakers |= {each.account_id: each for each in breakers}

    async def load_switches(self) -> Sequence[KillSwitch]:
        return list(self.switches.values())

    async def save_switches(self, switches: Sequence[KillSwitch]) -> None:
        if self.slow is not None:
            await self.slow.wait()
        self._check()
        for switch in switches:
            if switch.version > self.switches.get(switch.account_id, KillSwitch(switch.account_id)).version:
                self.switches[switch.account_id] = switch

    async def last_alert(self) -> int:
        self._check()
        return len(self.alerts)

    async def append_alerts(self, alerts: Sequence[Alert]) -> None:
        self._check()
        assert [alert.sequence for alert in alerts] == [len(self.alerts) + 1 + n for n in range(len(alerts))]
        self.alerts += alerts

    async def list_alerts(self, wanted: AlertFilter, limit: int) -> list[Alert]:
        return [alert for alert in reversed(self.alerts) if _wanted(alert, wanted)][:limit]

    async def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        return self.alerts[sequence : sequence + limit]

    async def epoch(self) -> str:
        return EPOCH

    def _check(self) -> None:
        if self.broken:
            raise unavailable("STORE_UNAVAILABLE", "the store does not answer now")


def _wanted(alert: Alert, wanted: AlertFilter) -> bool:
    return (
        (not wanted.account_id or alert.account_id in ("", wanted.account_id))
        and (not wanted.kinds or alert.kind in wanted.kinds)
        and (wanted.since is None or alert.at >= wanted.since)
        and (wanted.until is None or alert.at < wanted.until)
        and (not wanted.before_sequence or alert.sequence < wanted.before_sequence)
    )


def reservation(number: int | str, **values: Any) -> reservation_service_pb2.Reservation:
    """Returns an order to check."""
    terms: dict[str, Any] = {
        "order_id": str(number),
        "account_id": "demo",
        "instrument": "AAPL.XNAS",
        "side": trading_pb2.SIDE_BUY,
        "type": trading_pb2.ORDER_TYPE_LIMIT,
        "quantity": "10",
        "limit_price": "100",
    }
    return reservation_service_pb2.Reservation(**(terms | values))


def fill(sequence: int, number: int | str, clock: FakeClock, **values: Any) -> execution_report_pb2.ExecutionReport:
    """Returns the report of a fill."""
    terms: dict[str, Any] = {
        "sequence": sequence,
        "execution_type": execution_report_pb2.EXECUTION_TYPE_TRADE,
        "order_id": str(number),
        "account_id": "demo",
        "instrument": "AAPL.XNAS",
        "side": trading_pb2.SIDE_BUY,
        "last_quantity": "10",
        "last_price": "100",
        "leaves_quantity": "0",
    }
    report = execution_report_pb2.ExecutionReport(**(terms | values))
    report.times.committed_at.FromNanoseconds(clock.now_ns())
    return report


def ended(sequence: int, number: int | str, clock: FakeClock, **values: Any) -> execution_report_pb2.ExecutionReport:
    """Returns the report of a cancel."""
    values = {
        "execution_type": execution_report_pb2.EXECUTION_TYPE_CANCELED,
        "last_quantity": "",
        "last_price": "",
    } | values
    return fill(sequence, number, clock, **values)


class ReserveClient:
    """OrderService's end of a Reserve stream."""

    def __init__(self, channel: Channel, shard: int = 0, epoch: str = EPOCH) -> None:
        self._call: Any = reservation_service_pb2_grpc.ReservationServiceStub(channel).Reserve()
        self._shard, self._epoch = shard, epoch
        self._batches = 0
        self.opened = -1
        self.decisions: dict[int, list[reservation_service_pb2.ReservationDecision]] = {}
        self.withdrawals: list[reservation_service_pb2.OrderWithdrawal] = []
        self.ended: BaseException | None = None

    async def __aenter__(self) -> Self:
        await self._send(open=reservation_service_pb2.ReserveOpen(shard=self._shard, epoch=self._epoch))
        self._reader = asyncio.create_task(self._read())
        await until(lambda: self.opened >= 0 or self._reader.done())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        self._call.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def sync(
        self, *reservations: reservation_service_pb2.Reservation, sequence: int = 0, last: bool = True
    ) -> None:
        """Sends open orders."""
        await self._send(
            sync=reservation_service_pb2.ReservationSync(reservations=reservations, sequence=sequence, last=last)
        )

    async def settle(self, *reports: execution_report_pb2.ExecutionReport, sequence: int = 0) -> None:
        """Sends what was committed."""
        sequence = sequence or reports[-1].sequence
        await self._send(settle=reservation_service_pb2.Settlement(reports=reports, sequence=sequence))

    async def release(self, *numbers: int | str) -> None:
        """Lets reservations go."""
        await self._send(release=reservation_service_pb2.ReservationRelease(order_ids=[str(each) for each in numbers]))

    async def release_replaces(self, *numbers: int | str) -> None:
        """Lets go what is held for new terms."""
        order_ids = [str(each) for each in numbers]
        await self._send(release=reservation_service_pb2.ReservationRelease(replace_order_ids=order_ids))

    async def submit(self, *reservations: reservation_service_pb2.Reservation) -> int:
        """Sends a batch, and returns its number."""
        self._batches += 1
        batch = reservation_service_pb2.ReservationBatch(batch_number=self._batches, reservations=reservations)
        await self._send(reserve=batch)
        return self._batches

    async def reserve(
        self, *reservations: reservation_service_pb2.Reservation
    ) -> list[reservation_service_pb2.ReservationDecision]:
        """Sends a batch, and returns the decisions."""
        number = await self.submit(*reservations)
        await until(lambda: number in self.decisions or self._reader.done())
        return self.decisions[number]

    async def one(self, number: int | str, **values: Any) -> reservation_service_pb2.ReservationDecision:
        """Sends one order, and returns its decision."""
        return (await self.reserve(reservation(number, **values)))[0]

    @property
    def withdrawn(self) -> list[str]:
        """The orders that may not stay open, in the order in which they were named."""
        return [order_id for withdrawal in self.withdrawals for order_id in withdrawal.order_ids]

    async def _send(self, **item: Any) -> None:
        await self._call.write(reservation_service_pb2.ReserveRequest(**item))

    async def _read(self) -> None:
        try:
            while (message := await self._call.read()) is not None:
                if message.HasField("opened"):
                    self.opened = message.opened.sequence
                elif message.HasField("withdraw"):
                    self.withdrawals.append(message.withdraw)
                else:
                    self.decisions[message.decisions.batch_number] = list(message.decisions.decisions)
        except Exception as error:  # noqa: BLE001 - a test looks at it
            self.ended = error


class RiskWorld:
    """A running RiskService whose clock stands still and whose background turns are made by the test."""

    def __init__(self, store: FakeRiskStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.accounts = FakeAccounts("demo", "other")
        self.aapl = Market("AAPL.XNAS", "USD", Decimal(1))
        self.future = Market("ESZ6.XCME", "USD", Decimal(50))
        self.markets = FakeMarkets(self.aapl, self.future)
        self.aapl.quote("99", "101", "100")
        self.draining = Draining()
        self.channels = Channels()
        self.alert_log = AlertLog(store, UuidV7(clock))
        self.book = Book(clock)
        self.breakers = Breakers(self.book, clock, self.alert_log, store)
        self.withdrawing = Withdrawing(self.book)
        self.trading = Trading(self.book, store, clock, self.alert_log, self.withdrawing, self.accounts.find)
        self.keeper = Keeper(self.book, self.breakers, self.trading, store, 60)
        self.watcher = Watcher(self.book, self.breakers, self.alert_log, clock)
        self.parameters = ParameterKeeper(self.book, store, clock, self.accounts.find)

    async def start(self, stack: AsyncExitStack) -> None:
        """Starts the server."""
        stack.push_async_callback(self.channels.close)
        await self.alert_log.load()
        await self.parameters.load(Parameters(FIRM))
        await self.breakers.load()
        await self.trading.load()
        self.book.restore(await self.store.load(), self.markets.all)
        hub: Hub[Alert] = Hub(self.alert_log.last_sequence)
        self.alert_log.listen(hub.publish)
        alerts = asyncio.create_task(self.alert_log.run())
        stack.callback(alerts.cancel)
        server = Server(Telemetry("risk"), draining=self.draining)
        self.reserving = reserving = Reserving(
            self.book, self.accounts, self.markets, self.breakers, self.clock, self.withdrawing
        )
        server.add(
            reservation_service_pb2_grpc.add_ReservationServiceServicer_to_server,
            ReservationServicer(reserving, self.breakers.looking, self.draining),
        )
        servicer = RiskServicer(
            self.book,
            self.parameters,
            self.breakers,
            self.trading,
            Alerts(self.store, hub, EPOCH),
            clock=self.clock,
            draining=self.draining,
        )
        server.add(risk_service_pb2_grpc.add_RiskServiceServicer_to_server, servicer)
        server.add(
            event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server,
            EventLogServicer(self.store, AlertPublication(self.store, EPOCH), EPOCH),  # type: ignore[arg-type]
        )
        port = await server.start("127.0.0.1:0")
        stack.push_async_callback(server.stop, 0)
        self.channel = self.channels.to(f"127.0.0.1:{port}")
        self.risk: Any = risk_service_pb2_grpc.RiskServiceStub(self.channel)
        self.events: Any = event_log_service_pb2_grpc.EventLogServiceStub(self.channel)

    def stream(self, shard: int = 0, epoch: str = EPOCH) -> ReserveClient:
        """Returns a new Reserve stream."""
        return ReserveClient(self.channel, shard, epoch)

    def limit(self, account_id: str = "demo", **values: Any) -> None:
        """Sets parameters of an account, past the service."""
        before = self.book.parameters(account_id)
        decimals: dict[str, Any] = {
            name: Decimal(value) if isinstance(value, str) else value for name, value in values.items()
        }
        self.book.set_parameters({account_id: replace(before, **decimals)})

    async def told(self, count: int) -> list[Alert]:
        """Waits for so many alerts, and returns all."""
        await until(lambda: len(self.store.alerts) >= count)
        return self.store.alerts


@asynccontextmanager
async def risk_world(store: FakeRiskStore | None = None, clock: FakeClock | None = None) -> AsyncIterator[RiskWorld]:
    """Runs a RiskService with everything around it."""
    async with AsyncExitStack() as stack:
        world = RiskWorld(store or FakeRiskStore(), clock or FakeClock())
        await world.start(stack)
        yield world
